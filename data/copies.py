"""Copying frames to an accelerator on a stream of its own, while the other stream computes."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sent:
    """Frames whose copy has begun; `done` marks its end, None where the copy is already finished."""

    frames: Tensor
    done: torch.cuda.Event | None


class Copies:
    """Copies to one device; the reading thread calls `send`, the computing thread `arrived`."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def send(self, frames: Tensor) -> Sent:
        """Begin to copy `frames`, which lie in pinned memory where the device is CUDA."""
        if self.stream is None:  # a CPU has no streams
            return Sent(frames.to(self.device), None)
        with torch.cuda.stream(self.stream):
            return Sent(frames.to(self.device, non_blocking=True), self.stream.record_event())

    def arrived(self, sent: Sent) -> Tensor:
        """The frames on the device; any computation that is started on them now waits for the copy to end."""
        if sent.done is not None:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_event(sent.done)
            sent.frames.record_stream(computing)  # their memory is not given away before that is done
        return sent.frames

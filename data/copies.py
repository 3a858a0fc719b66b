"""Frames on their way to an accelerator, on a stream beside the one that computes: neither waits for the other."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sent:
    """Frames whose copy has begun; `done` is recorded behind it, None where nothing runs by itself."""

    frames: Tensor
    done: torch.cuda.Event | None


class Copies:
    """Copies to one device; `send` is for a reading thread, `arrived` for the one that computes."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def send(self, frames: Tensor) -> Sent:
        """Begin to copy `frames`, which lie in pinned memory where the device is CUDA."""
        if self.stream is None:
            return Sent(frames.to(self.device), None)
        with torch.cuda.stream(self.stream):
            return Sent(frames.to(self.device, non_blocking=True), self.stream.record_event())

    def arrived(self, sent: Sent) -> Tensor:
        """The frames on the device; what is computed on them from now on waits for their copy."""
        if sent.done is not None:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_event(sent.done)
            sent.frames.record_stream(computing)  # their memory is not given away before that is done
        return sent.frames

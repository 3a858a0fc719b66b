"""Copies to a device arrive as they were; on CUDA, where there is one, beside a computing stream."""

import pytest
import torch

from data.copies import Copies


def test_on_the_cpu_nothing_is_copied() -> None:
    frames, copies = torch.arange(12, dtype=torch.uint8), Copies(torch.device("cpu"))
    assert copies.arrived(copies.send(frames)) is frames


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_every_copy_arrives_whole_while_it_computes() -> None:
    device = torch.device("cuda")
    copies, busy = Copies(device), torch.rand(2048, 2048, device=device)
    for number in range(20):
        busy = (busy @ busy).clamp(0, 1)
        frames = torch.full((64, 128, 128, 3), number, dtype=torch.uint8).pin_memory()
        arrived = copies.arrived(copies.send(frames))
        del frames
        assert (arrived == number).all()

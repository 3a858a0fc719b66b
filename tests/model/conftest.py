from collections.abc import Iterator

import pytest
import torch

from data.store import FrameStore
from tests.data.stores import tiny_store


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """With tensors this small, one thread is the fastest."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """Eight subjects of eight frames; a tenth of the labels is not coded."""
    return tiny_store(tmp_path_factory.mktemp("model"), subjects=8, frames=8, unknown=0.1)

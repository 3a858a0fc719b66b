"""Batches from a frame store: seeded, read ahead by one thread, augmented on the device that trains.

An accelerator gets uint8 frames and makes all views of a batch at once; the CPU makes one view after the other, where
the model runs: on two cores it was no faster to make them in the reading thread.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.seeds import generator, numpy_generator
from data.store import FrameStore
from data.views import ViewDraw, ViewSettings, apply_views, centre_views, draw_views
from data.views_cpu import cpu_centre_views, cpu_views

VIEWS = 2


@dataclass(frozen=True)
class Batch:
    """What a training or scoring step sees."""

    views: Tensor  # [B, V, 3, H, W] float in [0, 1]
    labels: Tensor  # [B, A] float, 1 active, 0 inactive or not coded
    coded: Tensor  # [B, A] bool
    row: Tensor  # [B] int64, rows of the store


@dataclass(frozen=True)
class Loader:
    """Batches of some rows of one store, for one label set."""

    store: FrameStore
    aus: tuple[int, ...]
    views: ViewSettings
    batch_size: int
    device: torch.device

    def train(self, rows: np.ndarray, seed: int, epoch: int, limit: int | None = None) -> Iterator[Batch]:
        """Two augmented views of `rows` in the order of (`seed`, `epoch`); at most `limit` frames.

        An incomplete last batch is left out, unless it is the only one.
        """
        order = numpy_generator("order", seed, epoch).permutation(rows)[:limit]
        whole = max(len(order) // self.batch_size, 1) * self.batch_size
        draws = generator("views", seed, epoch)

        def augment(frames: Tensor) -> Tensor:
            draw = draw_views(VIEWS * len(frames), self.store.size, self.views, draws)
            views = _augmented(frames, draw, self.views.crop)
            return views.view(len(frames), VIEWS, *views.shape[1:])

        return self._batches(order[:whole], augment)

    def score(self, rows: np.ndarray) -> Iterator[Batch]:
        """The centre view of every one of `rows`, in their order."""
        return self._batches(rows, lambda frames: _centred(frames, self.views.crop).unsqueeze(1))

    def _batches(self, rows: np.ndarray, to_views: Callable[[Tensor], Tensor]) -> Iterator[Batch]:
        labels = self.store.labels(self.aus)
        parts = np.array_split(rows, range(self.batch_size, len(rows), self.batch_size))
        for part, frames in zip(parts, _read_ahead(self._read, parts), strict=True):
            views = to_views(frames.to(self.device, non_blocking=True))
            known = torch.from_numpy(labels[part]).to(self.device)
            yield Batch(views, (known == 1).float(), known >= 0, torch.from_numpy(part))

    def _read(self, rows: np.ndarray) -> Tensor:
        """Frames of `rows`, uint8 [B, size, size, 3], in memory from which CUDA copies without waiting."""
        shape = (len(rows), self.store.size, self.store.size, 3)
        frames = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        self.store.read(rows, out=frames.numpy())
        return frames


def _augmented(frames: Tensor, draw: ViewDraw, crop: int) -> Tensor:
    return cpu_views(frames.numpy(), draw, crop) if frames.device.type == "cpu" else apply_views(frames, draw, crop)


def _centred(frames: Tensor, crop: int) -> Tensor:
    return cpu_centre_views(frames.numpy(), crop) if frames.device.type == "cpu" else centre_views(frames, crop)


def _read_ahead(read: Callable[[np.ndarray], Tensor], parts: list[np.ndarray]) -> Iterator[Tensor]:
    """Read the frames of each part while the part before it is being used."""
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(read, parts[0])
        for following in parts[1:]:
            frames, waiting = waiting.result(), reader.submit(read, following)
            yield frames
        yield waiting.result()

"""Batches from a frame store: seeded, read ahead by one thread, augmented on the device that trains.

An accelerator gets uint8 frames and makes all views of a batch at once. The CPU makes one view after the other in the
thread that trains: on two cores it was not faster to make them in the reading thread.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.copies import Copies, Sent
from data.pool import Frames
from data.seeds import generator, numpy_generator
from data.settings import ViewSettings
from data.views import ViewDraw, apply_views, centre_views, draw_views
from data.views_cpu import cpu_centre_views, cpu_views

VIEWS = 2


@dataclass(frozen=True)
class Batch:
    """What a training or scoring step sees."""

    views: Tensor  # [B, V, 3, H, W] float in [0, 1]
    labels: Tensor  # [B, A] float, 1 active, 0 inactive or not coded
    coded: Tensor  # [B, A] bool
    row: Tensor  # [B] int64, rows of the store
    domain: Tensor | None = None  # [B] int64 on the CPU, number of the dataset; None where it does not matter


@dataclass(frozen=True)
class Loader:
    """Batches of some rows of one store, for one label set."""

    store: Frames
    aus: tuple[int, ...]
    views: ViewSettings
    batch_size: int
    device: torch.device
    domains: np.ndarray | None = None  # number of the dataset of every row of the store, where it matters
    balanced: bool = False  # as many frames of each dataset in every batch of `train`

    def steps(self, rows: np.ndarray, limit: int | None = None) -> int:
        """Number of batches of `train`."""
        length = rows[0].size
        return max(min(len(rows), _clips(limit, length, len(rows))) // self._clips_a_batch(length), 1)

    def train(
        self, rows: np.ndarray, seed: int, epoch: int, limit: int | None = None, shared_views: bool = False
    ) -> Iterator[Batch]:
        """Two augmented views of `rows` in the order of (`seed`, `epoch`); at most `limit` frames.

        `rows` are frames [n], or clips [n, T]: the frames of a clip then come one after the other, and a batch holds as
        many whole clips as fit, at least one. With `shared_views` a clip has one draw for each view. An incomplete last
        batch is left out, unless it is the only one. A `balanced` loader sees as many rows in an epoch as any other:
        those of a small dataset come several times, and not all of a large one.
        """
        length = rows[0].size
        # named by epoch: a run that is continued sees the same order as one that was never stopped
        order = self.order(rows, numpy_generator("order", seed, epoch))[: _clips(limit, length, len(rows))]
        whole = self.steps(rows, limit) * self._clips_a_batch(length)
        draws, each = generator("views", seed, epoch), length if shared_views else 1

        def augment(frames: Tensor) -> Tensor:
            draw = draw_views(VIEWS * len(frames) // each, self.store.size, self.views, draws)
            views = _augmented(frames, _repeated(draw, each), self.views.crop)
            return views.view(len(frames), VIEWS, *views.shape[1:])

        return self._batches(rows[order[:whole]].ravel(), augment, self._clips_a_batch(length) * length)

    def order(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Positions in `rows`, frames [n] or clips [n, T], in the order in which an epoch comes to them."""
        if not self.balanced:
            return rng.permutation(len(rows))
        assert self.domains is not None
        return balanced_order(self.domains[rows.reshape(len(rows), -1)[:, 0]], rng)

    def score(self, rows: np.ndarray) -> Iterator[Batch]:
        """The centre view of every one of `rows`, in their order."""
        return self._batches(rows, lambda frames: _centred(frames, self.views.crop).unsqueeze(1), self.batch_size)

    def _clips_a_batch(self, length: int) -> int:
        return max(self.batch_size // length, 1)

    def _batches(self, rows: np.ndarray, to_views: Callable[[Tensor], Tensor], size: int) -> Iterator[Batch]:
        labels = self.store.labels(self.aus)
        parts = np.array_split(rows, range(size, len(rows), size))
        copies = Copies(self.device)
        for part, sent in zip(parts, _read_ahead(lambda rows: copies.send(self._read(rows)), parts), strict=True):
            views = to_views(copies.arrived(sent))
            known = torch.from_numpy(labels[part]).to(self.device)
            domain = None if self.domains is None else torch.from_numpy(self.domains[part])
            yield Batch(views, (known == 1).float(), known >= 0, torch.from_numpy(part), domain)

    def _read(self, rows: np.ndarray) -> Tensor:
        """Frames of `rows`, uint8 [B, size, size, 3], in memory from which CUDA copies without waiting."""
        shape = (len(rows), self.store.size, self.store.size, 3)
        frames = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        self.store.read(rows, out=frames.numpy())
        return frames


def balanced_order(domains: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions [n] in `domains` [n] in which the domains take turns, in an order drawn for each round.

    In no stretch of positions do the counts of two domains differ by more than 2. Each domain goes through all that it
    has before any of it comes again.
    """
    names = np.unique(domains)
    rounds = np.tile(names, (-(-len(domains) // len(names)), 1))
    turns = rng.permuted(rounds, axis=1).ravel()[: len(domains)]
    order = np.empty(len(domains), np.int64)
    for name in names:
        mine, places = np.flatnonzero(domains == name), np.flatnonzero(turns == name)
        again = [rng.permutation(mine) for _ in range(-(-len(places) // len(mine)))]
        order[places] = np.concatenate(again)[: len(places)]
    return order


def _clips(limit: int | None, length: int, most: int) -> int:
    """How many clips of `length` frames are at most `limit` frames, at least one."""
    return most if limit is None else max(limit // length, 1)


def _repeated(draw: ViewDraw, times: int) -> ViewDraw:
    """The draws of C clips, one for each view, as those of all C * `times` frames."""
    if times == 1:
        return draw
    number = torch.arange(len(draw)).view(-1, 1, VIEWS)
    return draw.take(number.expand(-1, times, VIEWS).flatten())


def _augmented(frames: Tensor, draw: ViewDraw, crop: int) -> Tensor:
    return cpu_views(frames.numpy(), draw, crop) if frames.device.type == "cpu" else apply_views(frames, draw, crop)


def _centred(frames: Tensor, crop: int) -> Tensor:
    return cpu_centre_views(frames.numpy(), crop) if frames.device.type == "cpu" else centre_views(frames, crop)


def _read_ahead(read: Callable[[np.ndarray], Sent], parts: list[np.ndarray]) -> Iterator[Sent]:
    """Read and send the frames of each part while the part before it is being used."""
    with ThreadPoolExecutor(1) as reader:  # one batch ahead: more would only take memory
        waiting = reader.submit(read, parts[0])
        for following in parts[1:]:
            frames, waiting = waiting.result(), reader.submit(read, following)
            yield frames
        yield waiting.result()

"""How much each searched setting matters to the objective, and how much it would seem to matter by chance.

PED-ANOVA (Watanabe et al., IJCAI 2023), as in Optuna: a setting matters if its values in the best trials are
distributed otherwise than in all trials. The null: the same after the ranks of the trials were shuffled.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import ndtr

from data.seeds import numpy_generator

MIN_TRIALS = 4
LEVEL = 0.05  # of the figures on noise, this share has a bar beyond its limit
SHUFFLES = 2000
GRID = 50  # numbers are rounded to so many values
_WIDE = 30.0  # positive numbers over this range (high / low) are rounded on a log scale
BEST, LEAST_BEST = 0.1, 5  # share of the trials that count as the best, and how many at least: of few, chance decides
IMPORTANCE: dict[str, type[pl.DataType]] = {
    "fold": pl.String,
    "parameter": pl.String,
    "importance": pl.Float64,  # shares of the settings of a fold and method; they sum to 1
    "limit": pl.Float64,  # what chance reaches, in the same units
    "beyond": pl.Boolean,  # more than the limit
}


@dataclass(frozen=True)
class TrialGroup:
    """Trials of one fold that have the same settings: their ranks, and for each setting the place of its values."""

    fold: str
    names: list[str]
    scores: np.ndarray  # [N] larger is better
    places: list[np.ndarray]  # [N] whole numbers from 0
    sizes: list[int]  # number of places
    words: list[bool]  # whether the places have no order


def ped_anova(trials: pl.DataFrame, epochs: pl.DataFrame) -> pl.DataFrame:
    """Importance of each searched setting, by fold, largest first; columns IMPORTANCE.

    `trials` and `epochs` as in `StudyStore`; finished and pruned trials of the search count. No rows for fewer than 4
    trials, and when all are equally good. Settings of a single method are compared over the trials of that method.
    The limits hold for all rows together: on noise, one figure in twenty has a bar beyond its limit.
    """
    ended = trials.filter(
        pl.col("status").is_in(["DONE", "PRUNED"]), pl.col("stage") == "sweep", pl.col("value").is_finite()
    )
    groups = [
        group
        for (fold,), part in sorted(ended.partition_by("fold", as_dict=True).items())
        for group in _groups(str(fold), part, epochs)
    ]
    if not groups:
        return pl.DataFrame(schema=IMPORTANCE)
    rows = [
        (group.fold, name, value / values.sum(), limit / values.sum(), bool(value > limit))
        for group, values, limits in zip(groups, *importances(groups), strict=True)
        for name, value, limit in zip(group.names, values, limits, strict=True)
    ]
    frame = pl.DataFrame(rows, schema=IMPORTANCE, orient="row")
    return frame.sort("fold", "importance", "parameter", descending=[False, True, False], maintain_order=True)


def importances(groups: Sequence[TrialGroup], shuffles: int = SHUFFLES) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """[P] for each group: the divergence of each setting, and the limit of what chance makes of it."""
    limits = null_limits(np.concatenate([_shuffled(group, at, shuffles) for at, group in enumerate(groups)], axis=1))
    ends = np.cumsum([len(group.names) for group in groups])[:-1]
    return [_observed(group) for group in groups], np.split(limits, ends)


def _groups(fold: str, ended: pl.DataFrame, epochs: pl.DataFrame) -> Iterator[TrialGroup]:
    """The trials of a fold, once for each set of settings that the same trials have, e.g. those of one method."""
    sets: dict[tuple[bool, ...], list[str]] = {}
    for name in ended.columns:
        if name.startswith("param/"):
            sets.setdefault(tuple(ended[name].is_null()), []).append(name)
    for names in sets.values():
        part = ended.drop_nulls(names)
        # a setting with one value cannot matter
        names = [name for name in names if part[name].n_unique() > 1]
        scores = fair_scores(part, epochs) if part.height >= MIN_TRIALS and names else np.zeros(0)
        if np.unique(scores).size > 1:
            placed = [_places(part[name]) for name in names]
            titles = [name.removeprefix("param/") for name in names]
            words = [not part[name].dtype.is_numeric() for name in names]
            yield TrialGroup(fold, titles, scores, [at for at, _ in placed], [size for _, size in placed], words)


def fair_scores(trials: pl.DataFrame, epochs: pl.DataFrame) -> np.ndarray:
    """[N] the share of the other trials that each trial beats; of equal ones it beats one half.

    Two trials are compared at the last epoch that both reached, and two finished ones by their final values: the
    value of an early epoch never stands against a final one.
    """
    keys, done = trials["key"].to_list(), (trials["status"] == "DONE").to_numpy()
    curves = epochs.filter(pl.col("key").is_in(keys)).sort("epoch").group_by("key").agg("value")
    by_key = dict(curves.iter_rows())
    last = np.array([len(by_key.get(key, [])) for key in keys])
    table = np.full((len(keys), last.max(initial=0) + 1), np.nan)  # [N, E + 1]; final values in front
    table[done, 0] = trials["value"].to_numpy().astype(float)[done]
    for row, key in enumerate(keys):
        table[row, 1 : last[row] + 1] = by_key.get(key, [])
    shared = np.minimum(last[:, None], last[None, :])
    shared[done[:, None] & done[None, :]] = 0
    ours = np.take_along_axis(table, shared, axis=1)  # [N, N] of trial i where it meets trial j
    ahead = np.sign(np.nan_to_num(ours - ours.T))
    return np.asarray((ahead.sum(axis=1) / max(len(keys) - 1, 1) + 1) / 2)


def _places(values: pl.Series) -> tuple[np.ndarray, int]:
    """[N] the place of each value among equal steps over the observed range, and the number of places."""
    if not values.dtype.is_numeric():
        choices = values.unique().sort()
        return values.replace_strict(choices, range(len(choices)), return_dtype=pl.Int64).to_numpy(), len(choices)
    numbers = values.to_numpy().astype(float)
    steps = min(int(np.ptp(numbers)) + 1, GRID) if values.dtype.is_integer() else GRID
    low, high = numbers.min(), numbers.max()
    if not values.dtype.is_integer() and low > 0 and high / low > _WIDE:
        numbers = np.log(numbers)
    share = (numbers - numbers.min()) / np.ptp(numbers)
    return np.clip(np.ceil(share * (steps - 1) - 0.5), 0, steps - 1).astype(int), steps


def best_count(trials: int) -> int:
    """How many trials count as the best: a tenth, but no fewer than five where these are not the greater half."""
    return max(int(np.ceil(BEST * trials)), min(LEAST_BEST, trials // 2))


def _observed(group: TrialGroup) -> np.ndarray:
    """[P] the divergence of each setting."""
    cut = np.sort(group.scores)[-best_count(len(group.scores))]
    [found] = _divergences(group, np.flatnonzero(group.scores >= cut)[None])
    return np.asarray(found)


def _shuffled(group: TrialGroup, number: int, shuffles: int) -> np.ndarray:
    """[R, P] the divergences when chance decides which trials are the best."""
    trials, cut = len(group.scores), np.sort(group.scores)[-best_count(len(group.scores))]
    best = int((group.scores >= cut).sum())
    drawn = numpy_generator("importance", number, trials).random((shuffles, trials))
    return _divergences(group, np.argpartition(drawn, best - 1, axis=1)[:, :best])


def _divergences(group: TrialGroup, best: np.ndarray) -> np.ndarray:
    """[R, P] for the rows `best` [R, K] of trials that count as the best."""
    columns = []
    for places, size, words in zip(group.places, group.sizes, group.words, strict=True):
        shares = _word_shares if words else _number_shares
        columns.append(divergence(shares(places[best], size), shares(places[None], size)))
    return np.stack(columns, axis=1)


def divergence(best: np.ndarray, every: np.ndarray) -> np.ndarray:
    """[R] Pearson divergence of the distributions `best` [R, S] from `every` [1, S]."""
    best, every = best + 1e-12, every + 1e-12
    return np.asarray((every * (best / every - 1) ** 2).sum(axis=1))


def _number_shares(places: np.ndarray, size: int) -> np.ndarray:
    """[R, S] a smooth distribution of the places [R, K]: a normal one about each, and a wide one for what is unknown.

    Cut off at the ends and of whole numbers; its width is by Scott's rule.
    """
    values = np.sort(places, axis=1)
    count = values.shape[1]
    width = _scott(values)[:, None]
    halves = ndtr((np.arange(2 * size) - size + 0.5) / width)  # [R, 2S] normal, at every half step around a centre
    steps = np.diff(halves, axis=1)  # [R, 2S - 1] between them; the middle one is at the centre
    inside = np.take_along_axis(halves, 2 * size - 1 - values, 1) - np.take_along_axis(halves, size - 1 - values, 1)
    shares = np.zeros((len(values), size))
    for column in range(count):
        places_from = size - 1 - values[:, [column]] + np.arange(size)
        shares += np.take_along_axis(steps, places_from, 1) / inside[:, [column]]
    middle, ends = (size - 1) / 2, np.array([-0.5, size - 0.5])
    wide = np.diff(ndtr((np.arange(size + 1) - 0.5 - middle) / size)) / np.diff(ndtr((ends - middle) / size))
    return np.asarray((shares + wide) / (count + 1))


def _scott(values: np.ndarray) -> np.ndarray:
    """[R] widths for the sorted `values` [R, K], in steps; at least so wide that 90 % lie within one step."""
    count = values.shape[1]
    deviation = np.sqrt(((values - values.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) / max(1, count - 1))
    quarters = values[:, min(count * 3 // 4, count - 1)] - values[:, max(count // 4 - 1, 0)]
    return np.asarray(np.maximum(1.059 * np.minimum(quarters / 1.34, deviation) * count**-0.2, 0.5 / 1.64))


def _word_shares(places: np.ndarray, size: int) -> np.ndarray:
    """[R, S] how often each choice occurs among the places [R, K], drawn towards equal shares."""
    counts = (places[:, :, None] == np.arange(size)).sum(axis=1)
    drawn = (counts > 0).sum(axis=1, keepdims=True) + 1
    count = places.shape[1]
    return np.asarray((count / (drawn + size) + counts * drawn / (drawn + size) + 1 / size) / (count + 1))


def null_limits(shuffled: np.ndarray) -> np.ndarray:
    """[B] a limit for each bar, from the bars [R, B] of shuffled trials; LEVEL of the rows have a bar beyond its limit.

    All bars get the same chance to be beyond (min-p, Westfall and Young 1993), however wide each is spread by chance.
    """
    rows = len(shuffled)
    falling = -np.sort(-shuffled, axis=0)
    # how many rows have this bar at least as large
    above = np.stack([np.searchsorted(-falling[:, b], -bar, side="right") for b, bar in enumerate(shuffled.T)], axis=1)
    rarest = np.sort(above.min(axis=1))
    # the largest rank that no more than LEVEL of the rows reach
    reached = rarest[min(int(LEVEL * rows), rows - 1)] - 1
    return np.asarray(falling[min(max(int(reached), 0), rows - 1)])

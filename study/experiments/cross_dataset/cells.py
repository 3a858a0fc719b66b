"""From the files of studies to cells: one study on one target, on frames that all studies of the target have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data.errors import raise_all
from data.frames import KEY
from data.store import FrameStore
from study.experiments.cross_dataset.marks import Marks, People, SampledScores, marks, sampled_scores
from study.experiments.cross_dataset.pairs import FOREIGN, Study, pair_aus
from study.records.predictions import Predictions, read_predictions
from study.records.result import TrialResult
from study.scoring.base_rates import Rates
from study.scoring.bootstrap import Floats, mean
from study.scoring.significance import Overall
from study.scoring.thresholds import rule_thresholds


@dataclass(frozen=True, eq=False)
class PairScores:
    """One study on one target."""

    study: Study
    target: str
    people: People
    scored: SampledScores

    @property
    def own(self) -> bool:
        """Whether these are the target's own detectors, each on the people that its fold tests on."""
        return self.scored.whole is None

    def has(self, name: str) -> bool:
        """Whether the study has this number; of a foreign one nobody knows a validation part."""
        return name in (self.scored.whole or self.scored.parts or {})

    def columns(self, name: str, aus: Sequence[int], by_part: bool) -> Floats:
        """A number [1 + R, A] of some AUs, over all people of the target or part by part."""
        found = self.scored.parts if by_part else self.scored.whole
        assert found is not None
        return found[name][:, [self.scored.aus.index(au) for au in aus]]

    def overall(self, name: str, aus: Sequence[int], by_part: bool) -> Overall:
        """The mean of a number over AUs, and its replicates."""
        drawn = mean(self.columns(name, aus, by_part), 1)
        return float(drawn[0]), drawn[1:]

    def resampled(self, by_part: bool) -> tuple[int, int]:
        """How many people are drawn, in how many groups."""
        parts = self.people.parts
        return (sum(map(len, parts.values())), len(parts)) if by_part else (len(self.people.names), 1)


@dataclass(frozen=True, eq=False)
class TargetDataset:
    """One dataset, who is scored on it, and on which of its frames."""

    name: str
    frames: FrameStore
    own: tuple[Study, ...]
    visitors: tuple[Study, ...]  # those with an AU of it, foreign ones among them
    keys: pl.DataFrame  # of the frames that all of them have predictions for
    people: People
    notes: tuple[str, ...]  # on frames that are left out


def targets_of(studies: Sequence[Study]) -> list[TargetDataset]:
    """The dataset of every study once; the predictions of all visitors are there."""
    return [_target(name, studies) for name in dict.fromkeys(study.target for study in studies)]


def _target(name: str, studies: Sequence[Study]) -> TargetDataset:
    here = [study for study in studies if study.target == name]
    frames, own = here[0].frames, tuple(study for study in here if not study.foreign)
    elsewhere = [study for study in studies if study.target != name and not study.foreign]
    visitors = [study for study in (*elsewhere, *here) if study not in own and pair_aus(study, frames)]
    keys, notes = frames.table.select(KEY), list[str]()
    for study in visitors:
        for path in _files(study, frames):
            found = pl.read_parquet(path, columns=list(KEY))
            keys = keys.join(found, on=KEY, how="semi", maintain_order="left")
            notes += _lost(f"{name}: {study.name} has no predictions for", found, frames)
    notes += _lost(f"{name}: all are scored without", keys, frames)
    if keys.is_empty():
        raise_all(f"no frame of {frames.path.name} has predictions of all studies:", notes)
    people = People(tuple(keys["subject"].unique().sort()), _parts(own, keys))
    return TargetDataset(name, frames, own, tuple(visitors), keys, people, tuple(dict.fromkeys(notes)))


def _lost(text: str, found: pl.DataFrame, frames: FrameStore) -> list[str]:
    """How many frames of the store are not among those that were found, with an example."""
    lost = frames.table.select(KEY).join(found, on=KEY, how="anti").sort(KEY)
    first = "/".join(str(lost[name][0]) for name in KEY[1:]) if lost.height else ""
    return [f"{text} {lost.height:,} of {len(frames):,} frames, e.g. {first}"] * bool(lost.height)


def _files(study: Study, frames: FrameStore) -> list[Path]:
    keys = [FOREIGN] if study.foreign else [result.config.key for result in study.results]
    return [study.store.predictions_path(key, frames.fingerprint) for key in keys]


def _parts(own: Sequence[Study], keys: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """Whom each fold tests on; `InputError` when the studies of a dataset do not agree."""
    found: dict[str, tuple[str, ...]] = {}
    problems = []
    for study in own:
        for fold, tested in _tested(study).items():
            there = keys.filter(pl.col("subject").is_in(tested))["subject"].unique().sort()
            if found.setdefault(fold, tuple(there)) != tuple(there):
                problems.append(f"fold {fold} of {study.name} and of {own[0].name} tests on others")
        problems += [f"{study.name} has not the folds of {own[0].name}"] * (set(found) != set(_tested(study)))
    raise_all("the studies of one dataset must have the same folds:", problems)
    return {fold: people for fold, people in found.items() if people}


def _tested(study: Study) -> dict[str, tuple[str, ...]]:
    return {result.config.data.fold: result.scores["test"].subjects for result in study.results}


def cells_of(target: TargetDataset, rates: Rates) -> Iterator[PairScores]:
    """Every study that has an AU of the target, on it."""
    for study in (*target.own, *target.visitors):
        own = study in target.own
        aus = study.aus if own else pair_aus(study, target.frames)
        found = _own(study, target, rates) if own else _visiting(study, aus, target, rates)
        yield PairScores(study, target.name, target.people, sampled_scores(aus, found, target.people, own))


def _own(study: Study, target: TargetDataset, rates: Rates) -> Iterator[Marks]:
    for result in study.results:
        found = read_predictions(study.store.predictions_path(result.config.key))
        test = _covered(found.part("test").on(study.aus), target)
        if len(test):
            yield marks(result.config.data.fold, test, target.people, _thresholds(study, result, test, target, rates))


def _visiting(study: Study, aus: tuple[int, ...], target: TargetDataset, rates: Rates) -> Iterator[Marks]:
    for result, path in zip(study.results or (None,), _files(study, target.frames), strict=True):
        found = _covered(read_predictions(path).on(aus), target)
        fold = result.config.data.fold if result else FOREIGN
        yield marks(fold, found, target.people, _thresholds(study, result, found, target, rates))


def _covered(found: Predictions, target: TargetDataset) -> Predictions:
    """Those of the frames that are scored."""
    if target.keys.height == len(target.frames):
        return found
    return Predictions(found.frame.join(target.keys, on=KEY, how="semi", maintain_order="left"), found.aus)


def _thresholds(
    study: Study, result: TrialResult | None, found: Predictions, target: TargetDataset, rates: Rates
) -> dict[str, Floats]:
    """Thresholds [A] of each rule that the study allows.

    `base_rate` assumes what `rates` say of the target, or else the share that the detector was trained on.
    """
    val, assumed = None, rates.get(target.name)
    if result is not None:
        val = read_predictions(study.store.predictions_path(result.config.key)).part("val")
        assumed = assumed or study.training_rates[result.config.data.fold]
    return rule_thresholds(found, val, [assumed[au] for au in found.aus] if assumed else None, oracle=True)

"""Scores of every study on every target dataset, on the frames for which all studies of the target have predictions.

There is no ensemble: each detector is scored alone, then follows the mean over seeds, then over folds. The bootstrap
draws the subjects of the target, the same ones for all detectors of all studies.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from data.errors import raise_all
from data.frames import KEY
from data.store import FrameStore
from study.experiments.cross_dataset.pairs import FOREIGN, Study, pair_aus
from study.records.predictions import Predictions, read_predicted, read_predictions
from study.records.result import TrialResult
from study.scoring.base_rates import Rates
from study.scoring.bootstrap import Floats
from study.scoring.evaluation import TEST, Evaluation
from study.scoring.sampled import Sampled
from study.scoring.tally import Tally, tally
from study.scoring.thresholds import rule_thresholds

_TRANSFER = ("bootstrap", "transfer")  # random stream that draws from all subjects of a target


@dataclass(frozen=True, eq=False)
class PairScores:
    """One study on one target: on all of its subjects, and on each part (the test subjects of one of its folds)."""

    study: Study
    target: str
    whole: Evaluation | None  # None on its own dataset, where each detector was trained on some of the subjects
    parts: Evaluation | None  # None when there is no study of the target, which defines the parts

    @property
    def own(self) -> bool:
        """Whether these are the target's own detectors, each on the test subjects of its fold."""
        return self.whole is None

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs that the study knows and the target codes."""
        return self._evaluation(self.own).aus

    def has(self, metric: str, rule: str) -> bool:
        """Whether the study has this number; external predictions have no validation part."""
        return self._evaluation(self.own).has(metric, rule)

    def number(self, metric: str, rule: str, aus: Sequence[int], by_part: bool) -> Sampled:
        """A metric of some AUs, on all subjects of the target or as the mean over its parts."""
        return self._evaluation(by_part).number(metric, rule).on(aus)

    def _evaluation(self, by_part: bool) -> Evaluation:
        found = self.parts if by_part else self.whole
        assert found is not None
        return found


@dataclass(frozen=True, eq=False)
class TargetDataset:
    """One dataset, the studies that are scored on it, and the frames that count."""

    name: str
    frames: FrameStore
    own: tuple[Study, ...]
    visitors: tuple[Study, ...]  # other studies that share an AU with it, and external predictions
    keys: pl.DataFrame  # of the frames for which all of them have predictions
    people: tuple[str, ...]
    parts: dict[str, tuple[str, ...]]  # fold of its own studies -> test subjects
    notes: tuple[str, ...]  # which frames are left out


def targets_of(studies: Sequence[Study]) -> list[TargetDataset]:
    """Every dataset once, after the predictions of all visitors are made."""
    return [_target(name, studies) for name in dict.fromkeys(study.target for study in studies)]


def _target(name: str, studies: Sequence[Study]) -> TargetDataset:
    here = [study for study in studies if study.target == name]
    frames, own = here[0].frames, tuple(study for study in here if not study.foreign)
    elsewhere = [study for study in studies if study.target != name and not study.foreign]
    visitors = [study for study in (*elsewhere, *here) if study not in own and pair_aus(study, frames)]
    keys, notes = frames.table.select(KEY), list[str]()
    for study in visitors:
        for path in _files(study, frames):
            found = read_predicted(path)
            # only frames that all detectors have: a missing frame must not favour anybody
            keys = keys.join(found, on=KEY, how="semi", maintain_order="left")
            notes += _lost(f"{name}: {study.name} has no predictions for", found, frames)
    notes += _lost(f"{name}: all are scored without", keys, frames)
    if keys.is_empty():
        raise_all(f"no frame of {frames.path.name} has predictions of all studies:", notes)
    people, parts = tuple(keys["subject"].unique().sort()), _parts(own, keys)
    return TargetDataset(name, frames, own, tuple(visitors), keys, people, parts, tuple(dict.fromkeys(notes)))


def _lost(text: str, found: pl.DataFrame, frames: FrameStore) -> list[str]:
    """A line with the number of frames of the store that are not in `found`, with an example."""
    lost = frames.table.select(KEY).join(found, on=KEY, how="anti").sort(KEY)
    if lost.is_empty():
        return []
    first = "/".join(str(lost[name][0]) for name in KEY[1:])
    return [f"{text} {lost.height:,} of {len(frames):,} frames, e.g. {first}"]


def _files(study: Study, frames: FrameStore) -> list[Path]:
    keys = [FOREIGN] if study.foreign else [result.config.key for result in study.results]
    return [study.store.predictions_path(key, frames.fingerprint) for key in keys]


def _parts(own: Sequence[Study], keys: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """Test subjects of each fold; `InputError` when studies of one dataset differ in them."""
    found: dict[str, tuple[str, ...]] = {}
    problems = []
    for study in own:
        for fold, tested in _tested(study).items():
            there = keys.filter(pl.col("subject").is_in(tested))["subject"].unique().sort()
            if found.setdefault(fold, tuple(there)) != tuple(there):
                problems.append(f"fold {fold} has other test subjects in {study.name} than in {own[0].name}")
        if set(found) != set(_tested(study)):
            problems.append(f"{study.name} and {own[0].name} have different folds")
    raise_all("the studies of one dataset must have the same folds:", problems)
    return {fold: people for fold, people in found.items() if people}


def _tested(study: Study) -> dict[str, tuple[str, ...]]:
    return {result.config.data.fold: result.scores["test"].subjects for result in study.results}


def cells_of(target: TargetDataset, rates: Rates) -> Iterator[PairScores]:
    """The scores of each study that shares an AU with the target."""
    for study in target.own:
        yield PairScores(study, target.name, None, _own(study, target, rates))
    for study in target.visitors:
        whole = _visiting(study, target, rates)
        # the stream of the own detectors, for paired differences
        parts = replace(whole, parts=target.parts, stream=TEST) if target.parts else None
        yield PairScores(study, target.name, whole, parts)


def _own(study: Study, target: TargetDataset, rates: Rates) -> Evaluation:
    """One tally for each seed: the detectors of all folds, each on the test subjects of its fold."""
    by_fold: dict[str, list[TrialResult]] = {}
    for result in study.results:
        by_fold.setdefault(result.config.data.fold, []).append(result)
    tallies = []
    for results in zip(*by_fold.values(), strict=True):
        parts, thresholds = {}, {}
        for fold, result in zip(by_fold, results, strict=True):
            kept = read_predictions(study.store.predictions_path(result.config.key))
            test = _covered(kept.part("test").on(study.aus), target)
            if len(test):
                parts[fold], thresholds[fold] = test, _thresholds(study, result, test, target, rates)
        tallies.append(tally(parts, thresholds, target.parts))
    return Evaluation((tuple(tallies),))


def _visiting(study: Study, target: TargetDataset, rates: Rates) -> Evaluation:
    """Detectors of another dataset on all subjects of the target; the seeds of one training fold are a group."""
    aus, people = pair_aus(study, target.frames), {"": target.people}
    groups: dict[str, list[Tally]] = {}
    for result, path in zip(study.results or (None,), _files(study, target.frames), strict=True):
        found = _covered(read_predictions(path).on(aus), target)
        fold = result.config.data.fold if result else FOREIGN
        thresholds = _thresholds(study, result, found, target, rates)
        groups.setdefault(fold, []).append(tally({"": found}, {"": thresholds}, people))
    return Evaluation(tuple(map(tuple, groups.values())), stream=_TRANSFER, as_is=study.foreign)


def _covered(found: Predictions, target: TargetDataset) -> Predictions:
    """The predictions for the frames that count."""
    if target.keys.height == len(target.frames):
        return found
    return Predictions(found.frame.join(target.keys, on=KEY, how="semi", maintain_order="left"), found.aus)


def _thresholds(
    study: Study, result: TrialResult | None, found: Predictions, target: TargetDataset, rates: Rates
) -> dict[str, Floats]:
    """Thresholds [A] of each rule that is possible for the study.

    `base_rate` uses the `rates` of the target, or, when the user gave none, the base rates of the training data.
    """
    val, assumed = None, rates.get(target.name)
    if result is not None:
        val = read_predictions(study.store.predictions_path(result.config.key)).part("val")
        assumed = assumed or study.training_rates[result.config.data.fold]
    return rule_thresholds(found, val, [assumed[au] for au in found.aus] if assumed else None, oracle=True)

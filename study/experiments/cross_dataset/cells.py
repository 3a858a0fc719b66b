"""From the files of studies to cells: one study on one target, on frames that all studies of the target have.

Detectors are never joined into one: a score is that of each by itself, then the mean over the seeds of a fold, then
over folds. Its interval is over the people of the target, who are drawn anew for all detectors of all studies at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from data.errors import raise_all
from data.frames import KEY
from data.store import FrameStore
from study.experiments.cross_dataset.pairs import FOREIGN, Study, pair_aus
from study.records.predictions import Predictions, read_predictions
from study.records.result import TrialResult
from study.scoring.base_rates import Rates
from study.scoring.bootstrap import Floats
from study.scoring.evaluation import TEST, Evaluation
from study.scoring.sampled import Sampled
from study.scoring.tally import Tally, tally
from study.scoring.thresholds import rule_thresholds

_TRANSFER = ("bootstrap", "transfer")  # the name of the draws of all people of a target


@dataclass(frozen=True, eq=False)
class PairScores:
    """One study on one target: over all of its people, and over those of each part, whom one of its folds tests on."""

    study: Study
    target: str
    whole: Evaluation | None  # None on its own dataset, where every detector was trained on others of the people
    parts: Evaluation | None  # None where no study of the target says what its parts are

    @property
    def own(self) -> bool:
        """Whether these are the target's own detectors, each on the people that its fold tests on."""
        return self.whole is None

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs that the study knows and the target codes."""
        return self._evaluation(self.own).aus

    def has(self, metric: str, rule: str) -> bool:
        """Whether the study has this number; of a foreign one nobody knows a validation part."""
        return self._evaluation(self.own).has(metric, rule)

    def number(self, metric: str, rule: str, aus: Sequence[int], by_part: bool) -> Sampled:
        """A number of some AUs, over all people of the target or part by part."""
        return self._evaluation(by_part).number(metric, rule).on(aus)

    def _evaluation(self, by_part: bool) -> Evaluation:
        found = self.parts if by_part else self.whole
        assert found is not None
        return found


@dataclass(frozen=True, eq=False)
class TargetDataset:
    """One dataset, who is scored on it, and on which of its frames."""

    name: str
    frames: FrameStore
    own: tuple[Study, ...]
    visitors: tuple[Study, ...]  # those with an AU of it, foreign ones among them
    keys: pl.DataFrame  # of the frames that all of them have predictions for
    people: tuple[str, ...]
    parts: dict[str, tuple[str, ...]]  # whom each fold of its own studies tests on
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
    people, parts = tuple(keys["subject"].unique().sort()), _parts(own, keys)
    return TargetDataset(name, frames, own, tuple(visitors), keys, people, parts, tuple(dict.fromkeys(notes)))


def _lost(text: str, found: pl.DataFrame, frames: FrameStore) -> list[str]:
    """How many frames of the store are not among those that were found, with an example."""
    lost = frames.table.select(KEY).join(found, on=KEY, how="anti").sort(KEY)
    if lost.is_empty():
        return []
    first = "/".join(str(lost[name][0]) for name in KEY[1:])
    return [f"{text} {lost.height:,} of {len(frames):,} frames, e.g. {first}"]


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
        if set(found) != set(_tested(study)):
            problems.append(f"{study.name} has not the folds of {own[0].name}")
    raise_all("the studies of one dataset must have the same folds:", problems)
    return {fold: people for fold, people in found.items() if people}


def _tested(study: Study) -> dict[str, tuple[str, ...]]:
    return {result.config.data.fold: result.scores["test"].subjects for result in study.results}


def cells_of(target: TargetDataset, rates: Rates) -> Iterator[PairScores]:
    """Every study that has an AU of the target, on it."""
    for study in target.own:
        yield PairScores(study, target.name, None, _own(study, target, rates))
    for study in target.visitors:
        whole = _visiting(study, target, rates)
        parts = replace(whole, parts=target.parts, stream=TEST) if target.parts else None
        yield PairScores(study, target.name, whole, parts)


def _own(study: Study, target: TargetDataset, rates: Rates) -> Evaluation:
    """A tally a seed, of the detectors of all folds, each on the people whom its fold tests on."""
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
    """Detectors of another dataset on all people of the target, those of a training fold in one group."""
    aus, people = pair_aus(study, target.frames), {"": target.people}
    groups: dict[str, list[Tally]] = {}
    for result, path in zip(study.results or (None,), _files(study, target.frames), strict=True):
        found = _covered(read_predictions(path).on(aus), target)
        fold = result.config.data.fold if result else FOREIGN
        thresholds = _thresholds(study, result, found, target, rates)
        groups.setdefault(fold, []).append(tally({"": found}, {"": thresholds}, people))
    return Evaluation(tuple(map(tuple, groups.values())), stream=_TRANSFER)


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

"""How much of a study is done, from the files of its trials; needs no torch and no polars."""

from collections.abc import Collection
from typing import Protocol

import numpy as np

from data.settings import fold_count
from model.metrics import Score, always_positive_f1, f1, mean_defined
from study.records.latest_work import LatestWork
from study.records.outcome import Outcome
from study.records.result import SWEEP
from study.records.study_spec import SEARCH, StudySpec
from study.records.verdict import Completeness, Standing


class Trials(Protocol):
    """What is read of a study; `study.records.study_trials.StudyTrials` is one."""

    def spec(self) -> StudySpec: ...
    def work(self) -> LatestWork: ...
    def outcomes(self, stage: str = "", fold: str = "") -> list[Outcome]: ...
    def running(self) -> list[Outcome]: ...


def progress_of(store: Trials, stage: str, keys: Collection[str] | None = None) -> Completeness:
    """The progress of a stage; of the final trials `keys` alone where they are given, and those that failed."""
    spec, found = store.spec(), store.outcomes(stage)
    # a final evaluation lacks what failed; a search goes on without it
    failed = [one for one in found if one.status == "FAILED"]
    ended = found if stage == SWEEP else [one for one in found if one.status == "DONE" and _among(one.key, keys)]
    folds = {one.fold for one in ended}
    asked_folds = max(_asked_folds(spec, stage), len(folds))
    to_do = max(_wanted(store, spec, stage) - len(found), 0)
    missing = to_do if stage == SWEEP else to_do + len(failed)
    grid = asked_folds * len({one.seed for one in ended}) if stage != SWEEP and spec.kind == SEARCH else 0
    return Completeness(
        what=_what(spec, stage),
        ended=len(ended),
        asked=max(len(ended) + missing, grid),
        folds=len(folds),
        asked_folds=asked_folds,
        failed=len(failed),
        running=sum(one.stage == stage for one in store.running()),
        written=max((one.started + one.seconds for one in ended), default=0.0),
    )


def score_standing(name: str, score: Score) -> Standing:
    """One trial against always-positive, from its counts on one split."""
    counts = score.counts.sum(axis=0)[score.counts.sum(axis=(0, 2)) > 0]  # [A, 4] of the coded AUs
    called, not_called = counts[:, :2].sum(axis=1), counts[:, 2:].sum(axis=1)
    silent, constant = not called.any(), bool(((called == 0) | (not_called == 0)).all())
    ours, base = (
        None if np.isnan(one).all() else mean_defined(one) for one in (f1(counts), always_positive_f1(counts))
    )
    named = [(name,) if idle else () for idle in (silent, constant and not silent)]
    return Standing(name, ours, base, None, None, 1, *named)


def _among(key: str, keys: Collection[str] | None) -> bool:
    return keys is None or key in keys


def _what(spec: StudySpec, stage: str) -> str:
    return "search" if stage == SWEEP else "final evaluation" if spec.kind == SEARCH else "study"


def _wanted(store: Trials, spec: StudySpec, stage: str) -> int:
    """Number of trials of a stage that the latest command wants, finished ones among them; 0 if it ran another one."""
    if spec.stage == stage:
        return spec.trials
    work = store.work()
    return work.trials if work.stage == stage else 0


def _asked_folds(spec: StudySpec, stage: str) -> int:
    """The searched folds of a search, else all folds of the division; 0 where they are unknown."""
    if stage == SWEEP:
        return len(spec.folds)
    return fold_count(str(spec.config.get("data", {}).get("fold_scheme", "")))

"""Trials and results made by hand, for the tests of `study`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.seeds import numpy_generator
from data.store import FrameStore
from model.metrics import BINS, Score
from study.records.config import Placement, TrialConfig, trial_from_dict
from study.records.outcome import Outcome, outcome_of
from study.records.result import Epoch, TrialResult
from study.records.store import StudyStore
from tests.study.specs import search_spec

AUS = (1, 12)


def trial(seed: int = 0, lr: float = 2e-3, fold: str = "part1", score_test: bool = False) -> TrialConfig:
    """A default trial with its own learning rate."""
    return trial_from_dict({"data": {"fold": fold}, "optim": {"lr": lr}, "seed": seed, "score_test": score_test})


def small_trial(frames: FrameStore, method_name: str = "aunce", seed: int = 0, objective: str = "f1") -> TrialConfig:
    """Two short epochs of the smallest detector on a store of `tests.data.stores`."""
    return trial_from_dict(
        {
            "data": {
                "dataset": "gft",
                "fingerprint": frames.fingerprint,
                "fold_scheme": "random3",
                "fold": "random3-2",
                "val_share": 0.5,
            },
            "views": {"crop": 16},
            "head": {"dim": 4},
            "method_name": method_name,
            "method": {"clip": {"frames": 4}} if method_name == "clp" else {},
            "optim": {"epochs": 2, "batch_size": 8, "lr": 0.01, "objective": objective},
            "probe": {"epochs": 3},
            "seed": seed,
        }
    )


def placement(frames: FrameStore, study: Path) -> Placement:
    """The CPU, one thread."""
    return Placement(frames.path, study)


def score(seed: int = 0, subjects: Sequence[str] = ("F001", "F002")) -> Score:
    """Seeded whole numbers."""
    rng = numpy_generator("score", seed)
    counts = rng.integers(0, 50, (len(subjects), len(AUS), 4))
    return Score(tuple(subjects), AUS, counts, rng.integers(0, 9, (len(AUS), 2, BINS)))


def epochs(*values: float) -> list[Epoch]:
    """A learning curve."""
    pooled = [[1, 2, 3, 4], [5, 6, 7, 8]]
    return [Epoch(number, 1 / number, value, pooled, 0.25) for number, value in enumerate(values, start=1)]


def result(
    config: TrialConfig,
    value: float | None = 0.5,
    started: float = 0.0,
    status: str = "DONE",
    curve: Sequence[float] = (0.25, 0.375),
    gpus: float = 0.0,
) -> TrialResult:
    """A result with seeded counts; a trial that scores the test part has them, too."""
    scores = {"val": score()} | ({"test": score(1, ("M001",))} if config.score_test else {})
    error = "Traceback: it broke" if status == "FAILED" else None
    return TrialResult(
        config,
        status,
        value,
        epochs(*curve),
        scores,
        started,
        1.5,
        error,
        {"torch": "2"} | ({"gpus": f"{gpus:g}"} if gpus else {}),
    )


def same(one: TrialResult, other: TrialResult) -> bool:
    """Whether all of two results agree; arrays have no `==` that a dataclass could use."""
    return one.to_json() == other.to_json()


def same_scores(one: TrialResult, other: TrialResult) -> bool:
    """Whether everything that was counted agrees; times may differ."""
    assert one.scores.keys() == other.scores.keys()
    pairs = [(one.scores[split], other.scores[split]) for split in one.scores]
    return all(
        a.subjects == b.subjects and np.array_equal(a.counts, b.counts) and np.array_equal(a.histogram, b.histogram)
        for a, b in pairs
    )


def curve(result: TrialResult) -> list[Epoch]:
    """The learning curve without its times."""
    return [replace(epoch, seconds=0.0) for epoch in result.epochs]


def opened(folder: Path, searched: Sequence[str] = ("optim.lr",)) -> StudyStore:
    """A study that was begun."""
    store = StudyStore(folder)
    store.open_study(search_spec(folder.name, searched=tuple(searched)), free=("trials",))
    return store


def fill(store: StudyStore) -> list[TrialResult]:
    """One result of every kind, in the order of their start."""
    made = [
        result(trial(1, lr=0.25), 0.5, started=1.0),
        result(trial(2, lr=0.5), 0.375, started=2.0, status="PRUNED"),
        result(trial(3, lr=1.0), None, started=3.0, status="FAILED", curve=(0.125,)),
        result(trial(1, lr=0.25, fold="part2", score_test=True), 0.625, started=4.0),
    ]
    for one in reversed(made):
        store.write(one)
    return made


def outcome(made: TrialResult) -> Outcome:
    """What a search keeps of a result."""
    return outcome_of(made, [])

"""A result store of plain frames, with random numbers from named generators."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.seeds import numpy_generator
from reports.frames.split_scores import scores_of_counts
from study.records.latest_work import LatestWork
from study.records.origin import ORIGIN, Origin
from study.records.outcome import Outcome
from study.records.predictions import Predictions, label_column, probability_column, write_predictions
from study.records.result import TrialResult
from study.records.score_table import SCORES
from study.records.selection_record import SelectionRecord
from study.records.store import COUNTS, EPOCHS, TRIALS
from study.records.study_spec import PruningSettings, StudySpec
from study.search.importance import IMPORTANCE
from tests.study.specs import search_spec

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
RATES = dict(zip(AUS, (0.21, 0.17, 0.2, 0.46, 0.55, 0.59, 0.56, 0.47, 0.17, 0.34, 0.16, 0.15), strict=True))
FOLDS = ("part1", "part2", "part3")
SPACE = {
    "optim": {"lr": {"log_uniform": [1e-5, 1e-2]}, "weight_decay": {"log_uniform": [1e-6, 1e-2]}},
    "method": {
        "temperature": {"uniform": [0.05, 1.0]},
        "draw": {"choice": ["anchor", "au"]},
        "ratios": {"simplex": ["self", "max", "mean"]},
    },
    "head": {"dim": {"int": [16, 64]}},
}
TRACEBACK = (
    "Traceback (most recent call last):\n  File 'fit.py', line 80, in fit\n    loss.backward()\n"
    "\x1b[31mtorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.25 GiB\x1b[0m"
)


@dataclass
class FakeStore:
    """`reports.frames.tables.Results` from rows in memory."""

    root: Path = Path("runs/fake")
    trial_rows: list[dict[str, Any]] = field(default_factory=list)
    epoch_rows: list[dict[str, Any]] = field(default_factory=list)
    count_rows: list[dict[str, Any]] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, str] = field(
        default_factory=lambda: {"git": "ceb08da", "torch": "2.13.0", ORIGIN: Origin("bp4d", 12, 12, drawn=False).text}
    )
    score_rows: list[dict[str, Any]] = field(default_factory=list)
    recorded: dict[str, SelectionRecord] = field(default_factory=dict)

    def trials(self) -> pl.DataFrame:
        if not self.trial_rows:
            return pl.DataFrame(schema=TRIALS)
        return pl.DataFrame(self.trial_rows, schema_overrides=TRIALS, infer_schema_length=None)

    def epochs(self) -> pl.DataFrame:
        return pl.DataFrame(self.epoch_rows, schema=EPOCHS)

    def counts(self, keys: Collection[str] | None = None) -> pl.DataFrame:
        rows = [row for row in self.count_rows if keys is None or row["key"] in keys]
        return pl.DataFrame(rows, schema=COUNTS)

    def environments(self) -> pl.DataFrame:
        shared = {"device": "cpu", "threads": "2", "torch": "2.13.0", "protocol": "4f1c"}
        rows = [{"key": row["key"], "host": f"node{at % 2 + 1}", **shared} for at, row in enumerate(self.trial_rows)]
        return pl.DataFrame(rows, schema=dict.fromkeys(("key", "host", *shared), pl.String))

    def final_scores(self) -> pl.DataFrame:
        return pl.DataFrame(self.score_rows, schema=SCORES)

    def selections(self) -> dict[str, SelectionRecord]:
        return self.recorded

    def outcomes(self, stage: str = "", fold: str = "") -> list[Outcome]:
        rows = [row for row in self.trial_rows if stage in ("", row["stage"]) and fold in ("", row["fold"])]
        return sorted(map(_outcome, rows), key=lambda one: (one.started, one.key))

    def running(self) -> list[Outcome]:
        return []

    def work(self) -> LatestWork:
        return LatestWork()

    def predictions_path(self, key: str, target: str = "") -> Path:
        return self.root / "predictions" / f"{key}.parquet"

    def results(self) -> Iterator[TrialResult]:
        return iter(())

    def spec(self) -> StudySpec:
        defaults: dict[str, Any] = {
            "epochs": 12,
            "trials": 40,
            "seed": 7,
            "aus": AUS,
            "pruning": PruningSettings("asha", grace=2, reduction=2),
            "space": SPACE,
            "config": {"optim": {"lr": 1e-4, "batch": 64}, "method_name": "aunce"},
        }
        return search_spec(**{"name": "aunce-ratios", **defaults, **self.asked})

    def provenance(self) -> dict[str, str]:
        return self.facts

    def add_trial(self, number: int, status: str = "DONE", stage: str = "sweep", **given: Any) -> dict[str, Any]:
        """Add a trial with its epochs; its score follows from its parameters. Returns its row."""
        rng = numpy_generator("fake trial", stage, number)
        params = given.pop("params", None) or draw_params(rng)
        skill = skill_of(params) + rng.normal(0, 0.012)
        ended = {"DONE": 12, "PRUNED": int(rng.integers(1, 6)), "FAILED": int(rng.integers(0, 4))}[status]
        values = [skill - 0.3 * np.exp(-0.45 * (epoch + 1)) + rng.normal(0, 0.006) for epoch in range(ended)]
        row = {
            "key": f"{number:04x}{'fi' if stage == 'final' else 'sw'}{int(rng.integers(1 << 32)):08x}",
            "stage": stage,
            "status": status,
            "value": None if status == "FAILED" else float(max(values)),
            "fold": "part1",
            "seed": 7,
            "method": "aunce",
            "epochs": ended,
            "started": 1.79e9 + 600.0 * number,
            "seconds": 41.0 * ended + 20,
            "error": TRACEBACK if status == "FAILED" else None,
            **{f"param/{name}": value for name, value in params.items()},
        } | given
        self.trial_rows.append(row)
        shared = {"key": row["key"], "stage": stage}
        self.epoch_rows += [
            {**shared, "epoch": epoch + 1, "loss": 2.0 - value, "value": float(value), "seconds": 41.0}
            for epoch, value in enumerate(values)
        ]
        return row

    def add_counts(self, row: dict[str, Any], split: str, subjects: list[str], aus: tuple[int, ...] = AUS) -> None:
        """Counts of a detector whose quality is the value of the trial."""
        for subject in subjects:
            person = numpy_generator("fake subject", subject)
            rng = numpy_generator("fake counts", row["key"], subject)
            shift = person.normal(0, 0.08)
            for au in aus:
                frames = int(person.integers(300, 700))
                positives = int(person.binomial(frames, np.clip(RATES[au] * person.uniform(0.5, 1.5), 0.01, 0.95)))
                hit = np.clip(row["value"] + (RATES[au] - 0.35) * 0.7 + shift + rng.normal(0, 0.03), 0.05, 0.98)
                tp = int(rng.binomial(positives, hit))
                fp = min(frames - positives, int(rng.poisson(positives * (1 - hit))))
                cells = {"tp": tp, "fp": fp, "fn": positives - tp, "tn": frames - positives - fp}
                shared = {name: row[name] for name in ("key", "stage", "fold", "seed", "method")}
                self.count_rows.append({**shared, "split": split, "subject": subject, "au": au, **cells})


def _outcome(row: dict[str, Any]) -> Outcome:
    names = ("key", "stage", "status", "value", "fold", "seed", "method", "started", "seconds", "error")
    given = {name: row[name] for name in names}
    return Outcome(**given, curve=[], numbers={}, gpus=0.0, host="", slowest=0.0, settings={})


def draw_params(rng: np.random.Generator) -> dict[str, Any]:
    """One point of `SPACE`."""
    first, second, third = rng.dirichlet([1, 1, 1])
    return {
        "optim.lr": float(10 ** rng.uniform(-5, -2)),
        "optim.weight_decay": float(10 ** rng.uniform(-6, -2)),
        "method.temperature": float(rng.uniform(0.05, 1)),
        "method.draw": str(rng.choice(["anchor", "au"])),
        "method.ratios.self": float(first),
        "method.ratios.max": float(second),
        "method.ratios.mean": float(third),
        "head.dim": int(rng.integers(16, 65)),
    }


def skill_of(params: dict[str, Any]) -> float:
    """A smooth bump over the parameters, so that figures have a shape to show."""
    rate = (np.log10(params.get("optim.lr", 1e-3)) + 3.4) ** 2 * 0.03
    heat = (params.get("method.temperature", 0.3) - 0.3) ** 2 * 0.15
    mix = (params.get("method.ratios.mean", 0.5) - 0.5) ** 2 * 0.12
    return float(0.64 - rate - heat - mix - (0.015 if params.get("method.draw") == "anchor" else 0))


def full_store(root: Path = Path("runs/fake"), trials: int = 40, seeds: int = 3, counted: bool = True) -> FakeStore:
    """A sweep with every kind of trial (whose counts take long to draw), and final trials on three folds."""
    store = FakeStore(root)
    people = [f"F{number:03d}" for number in range(1, 8)] + [f"M{number:03d}" for number in range(1, 6)]
    parts = {fold: people[at::3] for at, fold in enumerate(FOLDS)}
    rng = numpy_generator("fake states")
    for number in range(trials):
        status = str(rng.choice(["DONE", "PRUNED", "FAILED"], p=[0.55, 0.37, 0.08]))
        row = store.add_trial(number, status if number else "DONE")
        if counted and row["status"] != "FAILED":
            store.add_counts(row, "val", parts["part2"][:2] + parts["part3"][:2])
    done = [row for row in store.trial_rows if row["status"] == "DONE"]
    best = max(done, key=lambda row: row["value"])
    params = {name.removeprefix("param/"): value for name, value in best.items() if name.startswith("param/")}
    for at, (fold, test) in enumerate(parts.items()):
        for seed in range(seeds):
            row = store.add_trial(at * seeds + seed, stage="final", fold=fold, seed=seed, params=params)
            row["value"] -= 0.03 + 0.02 * at
            store.add_counts(row, "test", test)
            store.add_counts(row, "val", parts[FOLDS[(at + 1) % 3]][:2])
    return store


def folds_store(root: Path = Path("runs/folds"), trials: int = 30) -> FakeStore:
    """A separate search in every fold, and final trials with each fold's own configuration."""
    store = FakeStore(root, asked={"folds": FOLDS})
    people = {fold: [f"{fold[-1]}{number:02d}" for number in range(4)] for fold in FOLDS}
    for number in range(trials):
        row = store.add_trial(number, fold=FOLDS[number % 3])
        store.add_counts(row, "val", people[FOLDS[(number + 1) % 3]][:2])
    for at, fold in enumerate(FOLDS):
        best = max((row for row in store.trial_rows[:trials] if row["fold"] == fold), key=lambda row: row["value"])
        params = {name.removeprefix("param/"): value for name, value in best.items() if name.startswith("param/")}
        for seed in range(2):
            row = store.add_trial(2 * at + seed, stage="final", fold=fold, seed=seed, params=params)
            store.add_counts(row, "test", people[fold])
            store.add_counts(row, "val", people[FOLDS[(at + 1) % 3]][:2])
    return store


def add_predictions(store: FakeStore, frames: int = 90, aus: tuple[int, ...] = AUS) -> None:
    """Write probabilities of every final trial below the store's root; some labels are not coded."""
    for row in store.trial_rows:
        if row["stage"] == "final":
            path = store.predictions_path(row["key"])
            path.parent.mkdir(parents=True, exist_ok=True)
            write_predictions(path, some_predictions(row["key"], row["fold"], frames, aus))


def some_predictions(key: str, fold: str, frames: int, aus: tuple[int, ...]) -> Predictions:
    """Probabilities in hundredths, like thresholds, with some relation to the labels; 3 of 4 frames are test."""
    rng = numpy_generator("fake predictions", key)
    columns: dict[str, Any] = {
        "dataset": ["bp4d"] * frames,
        "subject": [f"{fold}-{at % 2}" for at in range(frames)],
        "sequence": ["T1"] * frames,
        "frame": pl.Series(range(frames), dtype=pl.Int32),
        "split": ["test" if at % 4 < 3 else "val" for at in range(frames)],
    }
    for au in aus:
        label = rng.random(frames) < RATES.get(au, 0.3)
        columns[probability_column(au)] = pl.Series(
            np.clip(0.25 + 0.4 * label + rng.normal(0, 0.2, frames), 0, 1).round(2).astype(np.float32)
        )
        coded = [None if rng.random() < 0.05 else int(active) for active in label]
        columns[label_column(au)] = pl.Series(coded, dtype=pl.Int8)
    return Predictions(pl.DataFrame(columns), aus)


def add_scores(store: FakeStore, aus: tuple[int, ...] = AUS) -> None:
    """Score rows of every kind that a final evaluation writes, those of the counts under "nested" at 0.5."""
    finals = [row for row in store.trial_rows if row["stage"] == "final"]
    by_fold = {fold: tuple(row["key"] for row in finals if row["fold"] == fold) for fold in FOLDS}
    store.recorded = {"nested": SelectionRecord(by_fold)}
    tested = store.counts([row["key"] for row in finals]).filter(split="test")
    store.score_rows += scores_of_counts(tested, aus, "nested").rows(named=True)
    rng = numpy_generator("fake scores")
    for selection, gain in (("nested", 0.0), ("oracle", 0.03), ("bias", -0.5)):
        for rule in ("0.5", "validation")[selection == "nested" :]:
            for au in (*aus, None):
                value = 0.53 + gain + (0.02 if rule == "validation" else 0) + (0 if au is None else rng.normal(0, 0.1))
                names = {"selection": selection, "rule": rule, "metric": "f1", "aggregate": "folds", "au": au}
                ends = {"low": value - 0.04, "high": value + 0.05, "seed_sd": 0.01}
                store.score_rows.append(names | {"value": value} | ends)


def no_importance(trials: pl.DataFrame, epochs: pl.DataFrame) -> pl.DataFrame:
    """The result of `study.search.importance.ped_anova` for too few trials."""
    return pl.DataFrame(schema=IMPORTANCE)


def some_importance(trials: pl.DataFrame, epochs: pl.DataFrame) -> pl.DataFrame:
    """Shares that sum to 1, one for each fold and searched parameter; the first two are beyond chance."""
    names = [name.removeprefix("param/") for name in trials.columns if name.startswith("param/")]
    shares = np.array([0.5**at for at in range(1, len(names) + 1)])
    of_fold = pl.DataFrame({"parameter": names, "importance": (shares / shares.sum()).tolist()})
    of_fold = of_fold.with_columns(limit=pl.lit(0.2), beyond=pl.col("importance") > 0.2)
    folds = trials.filter(stage="sweep")["fold"].unique().sort()
    return pl.DataFrame({"fold": folds}).join(of_fold, how="cross").cast(IMPORTANCE)  # type: ignore[arg-type]

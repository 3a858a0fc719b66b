"""The files that `tests.benchmarks.fuzz` damages, and everything that reads them."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data.build import build_store
from data.frames import aus_of
from data.settings import StoreSettings
from data.store import FrameStore, open_store
from launch.show.page import materials
from launch.show.snapshot import take_snapshot
from model.checkpoint import load_checkpoint, save_checkpoint
from reports.frames.report import StudyReport, report_of
from study.experiments.cross_dataset.cells import cells_of, targets_of
from study.experiments.cross_dataset.pairs import common_aus
from study.experiments.cross_dataset.transfer import Transfer, read_transfer, transfer_table, write_transfer
from study.experiments.selection import score_selections
from study.records.config import TrialConfig, trial_from_dict
from study.records.latest_work import LatestWork
from study.records.predictions import read_predictions
from study.records.result import TrialResult
from study.records.score_files import read_scores, write_scores
from study.records.score_table import scores_frame
from study.records.selection_record import SelectionRecord
from study.records.store import StudyStore
from study.records.study_spec import ROBUSTNESS, StudySpec
from study.search.importance import ped_anova
from study.trial.degraded import degraded
from study.trial.detectors import kept_detector
from study.trial.multi_source import keep_target
from study.trial.run import run_trial
from tests.data.stores import precropped, tiny_store
from tests.study.finals import opened_final
from tests.study.make import placement
from tests.study.specs import OTHERS, search_spec, transfer_member, transfer_spec

FOLDS = ("random2-1", "random2-2")
NAMES = {"alpha": "gft", "beta": "bp4d"}  # study -> dataset
UNSHOWN = ("detector", "detector, bit flips", "checkpoint", "pretrained")  # never read for a page
WEIGHTS = ("detector", "checkpoint", "pretrained", "study.json", "progress")
BLUR = ("blur", 2.0)
UNREAD = ("index", "progress", "checkpoint", "pretrained", "degraded")  # lost ones are made again


@dataclass(frozen=True)
class World:
    """Two studies, a transfer study and a robustness study in `runs`; the stores of both datasets, and one of JPEGs."""

    runs: Path
    frames: tuple[FrameStore, ...]

    @property
    def root(self) -> Path:
        """The study whose files are damaged."""
        return self.runs / "alpha"

    def files(self) -> dict[str, list[Path]]:
        """The files of each kind."""
        finals = [result.config.key for result in finals_of(StudyStore(self.root))]
        results = sorted((self.root / "trials").glob("*.json"))
        found = {
            "study.json": [self.root / "study.json"],
            "work.json": [self.root / "work.json"],
            "provenance.json": [self.root / "provenance.json"],
            "result": results,
            "index": [self.root / "trials.index"],
            "sampled": sorted((self.root / "sampled").glob("*.json")),
            "progress": sorted((self.root / "running").glob("*.json")),
            "checkpoint": sorted((self.root / "checkpoints").glob("*.pt")),
            "pretrained": sorted((self.root / "pretrained").glob("*.pt")),
            "detector": sorted((self.root / "detectors").glob("*.pt")),
            "predictions": [self.root / f"predictions/{key}.parquet" for key in sorted(finals)],
            "predictions elsewhere": sorted((self.root / "predictions").glob("*-*.parquet")),
            "degraded": sorted((self.root / "degraded").glob("*.json")),
            "scores": [self.root / "scores/final.parquet"],
            "scores/final.json": [self.root / "scores/final.json"],
            "transfer.json": [self.runs / "transfer/transfer.json"],
            "scores of transfer": [self.runs / "transfer/scores/transfer.parquet"],
            "scores of robustness": [self.runs / "worse/scores/robustness.parquet"],
        }
        stores = [frames.path for frames in self.frames]
        for kind in (
            "table.parquet",
            "excluded.parquet",
            "sources.parquet",
            "store.json",
            "lengths.npy",
            "pictures.bin",
        ):
            found[f"store: {kind}"] = [path / kind for path in stores if (path / kind).exists()]
        return found | {"store: shard": [path / "shards/00000.bin" for path in stores]}

    def alike(self, kind: str, path: Path) -> list[Path]:
        """Other files of this kind, of this study or of another one."""
        elsewhere = [self.runs / "beta" / path.relative_to(self.root)] if path.is_relative_to(self.root) else []
        others = [*self.files()[kind], *(other for other in elsewhere if other.exists())]
        return [other for other in others if other != path and other.read_bytes() != path.read_bytes()][:2]

    def names(self, path: Path, text: str) -> bool:
        """Whether the text names the file, or the store or study that it is a part of."""
        inside = next((frames.path.name for frames in self.frames if path.is_relative_to(frames.path)), path.name)
        if path.parent.name == "trials":
            return inside in text or "trials are missing" in text
        return inside in text or (path.name == "study.json" and f"no study in {path.parent}" in text)

    def is_spare(self, kind: str, removed: bool, copied: bool) -> bool:
        """Whether nobody needs to be told: the file is made again, or the copy lies where nothing looks for it."""
        beside = kind.startswith("store: ") or kind in ("transfer.json", "scores of transfer", "scores of robustness")
        return kind == "index" or (removed and kind in UNREAD) or (copied and beside)


def made(folder: Path) -> World:
    """Train and write everything."""
    frames = tuple(tiny_store(folder / name, 8, dataset=name, seed=at) for at, name in enumerate(NAMES.values()))
    small = build_store(
        precropped(frames[0].table), folder / "gft/raw", folder / "gft/jpeg", StoreSettings(24, codec="jpeg")
    )
    world = World(folder / "runs", (*frames, small))
    stores = [_study(world.runs / name, mine) for name, mine in zip(NAMES, frames, strict=True)]
    for store, target in zip(stores, reversed(frames), strict=True):
        for result in finals_of(store):
            keep_target(result.config, kept_detector(store, result), "best", target, store, torch.device("cpu"))
    studies = [opened_final(store) for store in stores]
    cells = [cell for target in targets_of(studies) for cell in cells_of(target, {})]
    spec = replace(
        transfer_spec(*(transfer_member(name, "bce", dataset) for name, dataset in NAMES.items())),
        common_aus=common_aus(studies),
    )
    write_transfer(world.runs / "transfer", Transfer(spec, transfer_table(cells, spec.common_aus)))
    worse = StudyStore(world.runs / "worse")
    worse.open_study(StudySpec("worse", "gft", OTHERS[ROBUSTNESS]), free=())
    curve = {"source": "gft", "target": "gft", "rule": "0.5", "metric": "f1", "aggregate": "folds", "value": 0.5}
    write_scores(worse.root, "robustness", scores_frame([curve | {"method": "bce", "condition": "blur=2"}]))
    return world


def _study(root: Path, frames: FrameStore) -> StudyStore:
    """A search of two trials a fold with one more that was interrupted, and its final evaluation."""
    store, dataset = StudyStore(root), str(frames.table["dataset"][0])
    facts: dict[str, Any] = {"aus": aus_of(frames.table), "store": str(frames.path), "size": frames.size}
    base = _trial(frames, FOLDS[0], 0.01)
    store.open_study(
        search_spec(root.name, dataset=dataset, method="bce", folds=FOLDS, config=base.to_dict(), **facts), free=()
    )
    store.write_provenance({"command": "python launch/sweep.py", "frame store": frames.fingerprint})
    store.write_work(LatestWork("final", "final", trials=len(FOLDS), epochs=2))
    searched = [_trial(frames, fold, lr) for fold in FOLDS for lr in (0.01, 0.02)]
    for config in searched:
        store.begin(config, {"optim.lr": config.optim.lr})
        run_trial(config, placement(frames, root))
    _interrupted(store, frames)
    finals = [replace(config, score_test=True) for config in searched[::2]]
    results = {config.data.fold: [run_trial(config, placement(frames, root))] for config in finals}
    record = SelectionRecord({fold: (result.config.key,) for fold, (result,) in results.items()})
    store.write_final({"nested": record}, score_selections(store, {"nested": results}))
    degraded(store, results[FOLDS[0]][0], frames, *BLUR, "cpu")
    store.write_index()
    return store


def _trial(frames: FrameStore, fold: str, lr: float) -> TrialConfig:
    data = {"dataset": str(frames.table["dataset"][0]), "fingerprint": frames.fingerprint, "fold_scheme": "random2"}
    return trial_from_dict(
        {
            "data": data | {"fold": fold, "val_share": 0.5},
            "views": {"crop": 16},
            "head": {"dim": 4},
            "method_name": "bce",
            "optim": {"epochs": 2, "batch_size": 16, "lr": lr},
            "probe": {"epochs": 3},
        }
    )


def _interrupted(store: StudyStore, frames: FrameStore) -> None:
    config = _trial(frames, FOLDS[0], 0.03)
    store.begin(config, {"optim.lr": 0.03})

    def stop(epoch: int, value: float) -> None:
        raise SystemExit

    with suppress(SystemExit):
        run_trial(config, placement(frames, store.root), stop)
    state = load_checkpoint(store.checkpoint_path(config.key))
    assert state is not None
    save_checkpoint(state, store.pretrained_path(config.key))


def finals_of(store: StudyStore) -> list[TrialResult]:
    """The final trials."""
    return [result for result in store.results() if result.config.score_test]


# --- the readers


def observed(world: World, kind: str) -> tuple[dict[str, object], list[BaseException], list[str]]:
    """The numbers of each reader, the errors of those that fail, and the lines that they show beside numbers."""
    numbers: dict[str, object] = {}
    errors: list[BaseException] = []
    said: list[str] = []
    for name, read in readers(world, kind, said).items():
        try:
            numbers[name] = read()
        except (Exception, SystemExit) as error:
            errors.append(error)
        # polars panics outside of Exception
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            errors.append(error)
    return numbers, errors, said


def readers(world: World, kind: str, said: list[str]) -> Mapping[str, Callable[[], object]]:
    """What commands read, by name; without the slow readers of other kinds of files if `kind` is one."""
    store, frames = StudyStore(world.root), world.frames
    found: dict[str, Callable[[], object]] = {
        "status": lambda: _status(StudyStore(world.root), said),
        "page": lambda: _page(store, said),
        "search": lambda: (store.begun().keys(), [config.key for config, _ in store.unfinished()]),
        "detectors": lambda: [_weights(kept_detector(store, one).state_dict()) for one in finals_of(store)],
        "checkpoints": lambda: [
            _weights(load_checkpoint(path(one.key)))
            for one in store.running()
            for path in (store.checkpoint_path, store.pretrained_path)
        ],
        "export": lambda: [
            _table(read_predictions(store.predictions_path(one.config.key, target)).frame)
            for one in finals_of(store)
            for target in ("", frames[1].fingerprint)
        ],
        "degraded": lambda: degraded(store, _of_fold(store, FOLDS[0]), frames[0], *BLUR, "cpu").score.counts.tolist(),
        "transfer": lambda: _table(read_transfer(world.runs / "transfer").scores),
        "robustness": lambda: _table(read_scores(world.runs / "worse", "robustness")),
    }
    found |= {f"frames {at}": partial(_frames, one.path) for at, one in enumerate(frames)}
    weights, inside = kind.startswith(WEIGHTS), kind.startswith("store: ")
    unneeded = {"page": kind in UNSHOWN, "detectors": not weights, "checkpoints": not weights}
    return {
        name: read
        for name, read in found.items()
        if not kind or not (unneeded.get(name) or (name.startswith("frames ") and not inside))
    }


def _of_fold(store: StudyStore, fold: str) -> TrialResult:
    return next(result for result in finals_of(store) if result.config.data.fold == fold)


def _status(store: StudyStore, said: list[str]) -> object:
    shown = []
    for stage, wanted in (("final", 0), ("sweep", 4)):
        found = take_snapshot(store, stage, wanted)
        said += found.left_out
        if found.finished < found.wanted:
            said.append(f"{found.wanted - found.finished} of {found.wanted} {stage} trials are missing")
        bests = {fold: (best.key, best.value) for fold, best in found.bests.items()}
        shown.append((found.counts, bests, [(one.key, one.epoch, one.value) for one in found.running]))
    return shown


def _page(store: StudyStore, said: list[str]) -> object:
    shown = materials(store, False)
    said += shown.left_out
    report = report_of(store, ped_anova, shown)
    said += report.neighbours.problems
    if report.predicted is not None and report.predicted.missing:
        said.append(f"{report.predicted.missing} runs have no predictions")
    return {name: _plain(value) for name, value in _fields(report).items()}


def _fields(report: StudyReport) -> dict[str, Any]:
    kept = [f.name for f in dataclasses.fields(report) if f.name not in ("root", "materials")]
    return {name: getattr(report, name) for name in kept} | {"labels": report.materials.labels}


def _plain(value: Any) -> object:
    return value.write_json() if hasattr(value, "write_json") else repr(value)


def _weights(state: Any) -> str:
    """Hash of all that a checkpoint holds."""
    digest = hashlib.sha256()
    places = [state]
    while places:
        value = places.pop()
        if isinstance(value, dict):
            places += [part for pair in value.items() for part in pair]
        elif isinstance(value, list | tuple):
            places += value
        else:
            digest.update(value.numpy().tobytes() if isinstance(value, torch.Tensor) else repr(value).encode())
    return digest.hexdigest()


def _table(frame: Any) -> str:
    return hashlib.sha256(frame.write_json().encode()).hexdigest()


def _frames(path: Path) -> object:
    store = open_store(path)
    pixels = hashlib.sha256(store.read(np.arange(len(store))).tobytes()).hexdigest()
    store.check_sources(path.parents[1] / "raw")
    hashes = store.pictures.tobytes() if store.has_pictures else b""
    return pixels, _table(store.table), _table(store.excluded), hashes

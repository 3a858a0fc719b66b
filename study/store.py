"""StudyStore: the folder of a study, and the only place that knows its file names.

    study.json             what was asked; written by the first command that makes the study
    provenance.json        code, data and command of the latest command
    trials/<key>.json      one TrialResult each, written once
    running/<key>.json     progress of a trial that has no result yet
    checkpoints/<key>.pt   state of the fit, deleted when the trial has a result
    pretrained/<key>.pt    a stage of pre-training, begun or whole, and its lock; trials share it
    detectors/<key>.pt     weights of the detectors of the final evaluation
    transfer/<key>-*.json  their scores on the frames of other datasets
    sampled/<key>.json     what the sampler drew for a trial, written when the trial is started
    report.html            the page
    comparison.md, .csv    the table of a comparison
    sweep.lock             held by the one driver

Every file is whole or absent; a store can be read at any time, by anyone, without a lock.
"""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl

from data.errors import InputError, raise_all
from data.files import exclusive_lock, write_atomic, write_once
from study.config import TrialConfig, trial_from_dict
from study.result import TrialResult, result_from_json

TRIALS: dict[str, type[pl.DataType]] = {
    "key": pl.String,
    "stage": pl.String,
    "status": pl.String,
    "value": pl.Float64,
    "fold": pl.String,
    "seed": pl.Int64,
    "method": pl.String,
    "epochs": pl.Int64,
    "started": pl.Float64,
    "seconds": pl.Float64,
    "error": pl.String,
}
EPOCHS: dict[str, type[pl.DataType]] = {
    "key": pl.String,
    "stage": pl.String,
    "epoch": pl.Int64,
    "loss": pl.Float64,
    "value": pl.Float64,
    "seconds": pl.Float64,
}
COUNTS: dict[str, type[pl.DataType]] = {
    **{name: TRIALS[name] for name in ("key", "stage", "fold", "seed", "method")},
    "split": pl.String,
    "subject": pl.String,
    **dict.fromkeys(("au", "tp", "fp", "fn", "tn"), pl.Int64),
}


class StudyStore:
    """Results of one study."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: dict[str, TrialResult] = {}  # results never change

    # --- paths

    def result_path(self, key: str) -> Path:
        """Where the result of the trial `key` lies."""
        return self.root / "trials" / f"{key}.json"

    def checkpoint_path(self, key: str) -> Path:
        """Where the fit of the trial `key` keeps its state."""
        return self.root / "checkpoints" / f"{key}.pt"

    def pretrained_path(self, key: str) -> Path:
        """Where the stage of pre-training `key` keeps its state, and stays when it is whole."""
        return self.root / "pretrained" / f"{key}.pt"

    def detector_path(self, key: str) -> Path:
        """Where the weights of the final detector `key` lie."""
        return self.root / "detectors" / f"{key}.pt"

    def transfer_path(self, key: str, target: str) -> Path:
        """Where the score of the detector `key` on the frame store with the fingerprint `target` lies."""
        return self.root / "transfer" / f"{key}-{target[:12]}.json"

    @property
    def report_path(self) -> Path:
        """Where the page lies."""
        return self.root / "report.html"

    def comparison_path(self, suffix: str) -> Path:
        """Where the table of a comparison lies; `suffix` is .md or .csv."""
        return self.root / f"comparison{suffix}"

    @property
    def ray_folder(self) -> Path:
        """Where Ray Tune may write; nothing in it is ever read again."""
        return self.root / "ray"

    def lock(self) -> AbstractContextManager[None]:
        """Held while a command adds trials; `InputError` when another one does."""
        busy = f"another command is running trials of {self.root}; wait for it, or give another name=<study>"
        return exclusive_lock(self.root / "sweep.lock", busy)

    # --- what was asked

    def exists(self) -> bool:
        """Whether a study lies here."""
        return (self.root / "study.json").exists()

    def study(self) -> dict[str, Any]:
        """What was asked of this study; `InputError` when there is none."""
        return dict(self._read("study.json", f"no study in {self.root}: run launch/sweep.py name={self.root.name}"))

    def open_study(self, asked: dict[str, Any], free: tuple[str, ...]) -> None:
        """Begin the study, or go on with it: everything but the `free` keys must be as it was."""
        asked = json.loads(json.dumps(asked))  # as it will be read: tuples are lists
        if self.exists():
            before = self.study()
            changed = [key for key in sorted({*before, *asked} - {*free}) if before.get(key) != asked.get(key)]
            raise_all(
                f"{self.root} was begun with other settings; give them again, or another name=<study>:",
                [line for key in changed for line in _differences(key, before.get(key), asked.get(key))],
            )
        write_atomic(self.root / "study.json", json.dumps(asked, indent=1).encode())

    def provenance(self) -> dict[str, str]:
        """Code, data and command of the latest command; empty before the first."""
        return dict(self._read("provenance.json", None))

    def write_provenance(self, facts: dict[str, str]) -> None:
        """Replace the provenance."""
        write_atomic(self.root / "provenance.json", json.dumps(facts, indent=1).encode())

    def _read(self, name: str, missing: str | None) -> dict[str, Any]:
        path = self.root / name
        if not path.exists():
            if missing is None:
                return {}
            raise InputError(missing)
        try:
            content: dict[str, Any] = json.loads(path.read_bytes())
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}). Restore it, or begin another study.") from error
        return content

    # --- results

    def begin(self, config: TrialConfig, params: dict[str, Any]) -> None:
        """Note that a trial was started and what the sampler drew for it, so that nothing drawn is ever lost."""
        content = {"config": config.to_dict(), "params": params}
        write_atomic(self.root / "sampled" / f"{config.key}.json", json.dumps(content).encode())

    def write_progress(self, result: TrialResult) -> None:
        """Show how far a running trial is."""
        write_atomic(self.root / "running" / f"{result.config.key}.json", result.to_json())

    def prune(self, key: str) -> None:
        """Make the last progress of a trial that was stopped early its result."""
        progress = self.progress(key)
        assert progress is not None, f"trial {key} was pruned before its first epoch"
        self.write(dataclasses.replace(progress, status="PRUNED"))

    def write(self, result: TrialResult) -> TrialResult:
        """Write the result of a trial once; when there is one already, that one stays. Returns the one that is kept."""
        key = result.config.key
        write_once(self.result_path(key), result.to_json())
        (self.root / "running" / f"{key}.json").unlink(missing_ok=True)
        self.checkpoint_path(key).unlink(missing_ok=True)
        kept = self.result(key)
        assert kept is not None
        return kept

    def result(self, key: str) -> TrialResult | None:
        """The result of the trial `key`, or None."""
        return self._result_at(self.result_path(key))

    def progress(self, key: str) -> TrialResult | None:
        """How far the running trial `key` is, or None."""
        return self._result_at(self.root / "running" / f"{key}.json")

    def running(self) -> list[TrialResult]:
        """How far every trial is that has finished an epoch and has no result yet, in the order of their start."""
        keys = [path.stem for path in self._files("running")]
        found = [self.progress(key) for key in keys if not self.result_path(key).exists()]
        return sorted((progress for progress in found if progress), key=lambda progress: progress.started)

    def _result_at(self, path: Path) -> TrialResult | None:
        try:
            return result_from_json(path.read_bytes(), str(path))
        except FileNotFoundError:
            return None

    def results(self) -> Iterator[TrialResult]:
        """Every finished trial, in the order of their start."""
        for path in self._files("trials"):
            if path.stem not in self._seen:
                self._seen[path.stem] = result_from_json(path.read_bytes(), str(path))
        yield from sorted(self._seen.values(), key=lambda result: (result.started, result.config.key))

    def count(self, stage: str = "sweep") -> int:
        """Number of finished trials of a stage."""
        return sum(result.stage == stage for result in self.results())

    def sampled(self) -> dict[str, dict[str, Any]]:
        """What the sampler drew for every trial that it ever started, by key."""
        return {config.key: params for config, params in self._begun()}

    def unfinished(self) -> list[tuple[TrialConfig, dict[str, Any]]]:
        """Trials that were started by a sampler and have no result, with what the sampler drew."""
        return [(config, params) for config, params in self._begun() if not self.result_path(config.key).exists()]

    def _begun(self) -> Iterator[tuple[TrialConfig, dict[str, Any]]]:
        for path in self._files("sampled"):
            content = json.loads(path.read_bytes())
            yield trial_from_dict(content["config"]), content["params"]

    def _files(self, folder: str) -> list[Path]:
        """Whole files of a folder by name; `glob` would also find the temporary ones of a write in progress."""
        return sorted(path for path in (self.root / folder).glob("*.json") if not path.name.startswith("."))

    # --- frames for tables and figures

    def trials(self) -> pl.DataFrame:
        """One row a finished trial: key, stage, status, value, fold, seed, method, epochs, times, param/<name>."""
        searched = self.study()["searched"]
        rows = [_trial_row(result, searched) for result in self.results()]
        return (
            pl.DataFrame(rows, schema_overrides=TRIALS, infer_schema_length=None)
            if rows
            else pl.DataFrame(schema=TRIALS)
        )

    def epochs(self) -> pl.DataFrame:
        """One row an epoch: key, stage, epoch, loss, value, seconds."""
        rows = [
            {
                "key": r.config.key,
                "stage": r.stage,
                "epoch": e.epoch,
                "loss": e.loss,
                "value": e.value,
                "seconds": e.seconds,
            }
            for r in self.results()
            for e in r.epochs
        ]
        return pl.DataFrame(rows, schema=EPOCHS)

    def counts(self) -> pl.DataFrame:
        """One row a trial, split, subject and AU, with its tp, fp, fn and tn."""
        return pl.DataFrame([row for result in self.results() for row in _count_rows(result)], schema=COUNTS)


def _trial_row(result: TrialResult, searched: list[str]) -> dict[str, Any]:
    config = result.config
    return {
        "key": config.key,
        "stage": result.stage,
        "status": result.status,
        "value": result.value,
        "fold": config.data.fold,
        "seed": config.seed,
        "method": config.method_name,
        "epochs": len(result.epochs),
        "started": result.started,
        "seconds": result.seconds,
        "error": result.error,
        **{f"param/{name}": config.value(name) for name in searched},
    }


def _count_rows(result: TrialResult) -> Iterator[dict[str, Any]]:
    config = result.config
    for split, score in result.scores.items():
        for subject, by_au in zip(score.subjects, score.counts.tolist(), strict=True):
            for au, (tp, fp, fn, tn) in zip(score.aus, by_au, strict=True):
                yield {
                    "key": config.key,
                    "stage": result.stage,
                    "fold": config.data.fold,
                    "seed": config.seed,
                    "method": config.method_name,
                    "split": split,
                    "subject": subject,
                    "au": au,
                    **{"tp": tp, "fp": fp, "fn": fn, "tn": tn},
                }


def _differences(key: str, before: Any, asked: Any) -> Iterator[str]:
    """One line for each setting that differs, however deep it lies."""
    if isinstance(before, dict) and isinstance(asked, dict):
        for name in sorted({*before, *asked}):
            if before.get(name) != asked.get(name):
                yield from _differences(f"{key}.{name}", before.get(name), asked.get(name))
    else:
        yield f"{key} was {before!r}, now {asked!r}"

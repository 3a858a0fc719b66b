"""StudyStore: the folder of a study, and the only place that knows its file names.

    study.json             what was asked; written by the first command that makes the study
    provenance.json        code, data and command of the latest command
    work.json              what the latest command runs: stage, number of trials, what one of them gets
    trials/<key>.json      one TrialResult each, written once
    running/<key>.json     progress of a trial that has no result yet
    checkpoints/<key>.pt   state of the fit, deleted when the trial has a result
    pretrained/<key>.pt    a stage of pre-training, begun or whole, and its lock; trials share it
    detectors/<key>.pt     weights of the detectors of the final evaluation
    predictions/<key>.parquet           their probabilities on the validation and test frames of their fold
    predictions/<key>-<store>.parquet   and on all frames of another dataset
    scores/final.json      which trials belong to which selection rule
    scores/final.parquet   the scores of each rule
    degraded/<key>-*.json  their scores on test pictures made worse
    stress.parquet         the curves of a stress study
    regret.parquet         what each study's best configuration is worth on the datasets of others
    sampled/<key>.json     what the sampler drew for a trial, written when the trial is started
    hung/<key>.txt         where a trial that stopped reporting was; gone when it has a result
    trials.index           outcomes of the finished trials, so that the next command need not read them all
    optuna.journal         the search for optuna-dashboard, written anew by every command and never read
    report.html            the page
    comparison.md, .csv    the table of a comparison
    generalize.parquet, .csv  that of detectors trained on several datasets
    sweep.lock             held by the one driver

Every file is whole or absent; a store can be read at any time, by anyone, without a lock.
"""

import dataclasses
import json
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl

from data.errors import InputError, raise_all
from data.files import atomic_path, exclusive_lock, is_locked, write_atomic, write_once
from study.config import TrialConfig, trial_from_dict
from study.goals import numbers_of
from study.outcomes import Outcome, index_from_bytes, index_to_bytes, outcome_of, stamp_of
from study.result import TrialResult, result_from_json
from study.scores import SCORES, check_scores

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
        self._outcomes: dict[str, Outcome] | None = None  # None: the index was not read yet

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

    def predictions_path(self, key: str, target: str = "") -> Path:
        """Where the predictions of the detector `key` lie; on the frame store `target` if given."""
        return self.root / "predictions" / f"{key}{'-' if target else ''}{target[:12]}.parquet"

    def degraded_path(self, key: str, kind: str, level: float) -> Path:
        """Where the score of the detector `key` on test pictures made worse lies."""
        return self.root / "degraded" / f"{key}-{kind}-{level:g}.json"

    @property
    def regret_path(self) -> Path:
        """Where the matrix of hyper-parameter regret lies."""
        return self.root / "regret.parquet"

    @property
    def curves_path(self) -> Path:
        """Where the curves of a stress study lie."""
        return self.root / "stress.parquet"

    @property
    def report_path(self) -> Path:
        """Where the page lies."""
        return self.root / "report.html"

    def comparison_path(self, suffix: str) -> Path:
        """Where the table of a comparison lies; `suffix` is .md or .csv."""
        return self.root / f"comparison{suffix}"

    def generalize_path(self, suffix: str) -> Path:
        """Where the table of a study on several datasets lies; `suffix` is .parquet or .csv."""
        return self.root / f"generalize{suffix}"

    @property
    def journal_path(self) -> Path:
        """Where the search lies as a journal of Optuna's."""
        return self.root / "optuna.journal"

    def progress_path(self, key: str) -> Path:
        """Where it is shown how far the running trial `key` is."""
        return self.root / "running" / f"{key}.json"

    @property
    def cluster_path(self) -> Path:
        """Where the cluster that runs the trials keeps its files."""
        return self.root / "cluster"

    def hung_path(self, key: str) -> Path:
        """Where the stack of the trial `key` is written when it stops reporting."""
        return self.root / "hung" / f"{key}.txt"

    @property
    def _index_path(self) -> Path:
        return self.root / "trials.index"

    @property
    def ray_folder(self) -> Path:
        """Where Ray Tune may write; nothing in it is ever read again."""
        return self.root / "ray"

    @property
    def lock_path(self) -> Path:
        """What the one driver holds."""
        return self.root / "sweep.lock"

    def lock(self) -> AbstractContextManager[None]:
        """Held while a command adds trials; `InputError` when another one does."""
        busy = f"another command is running trials of {self.root}; wait for it, or give another name=<study>"
        return exclusive_lock(self.lock_path, busy)

    def is_busy(self) -> bool:
        """Whether a command is running trials of this study now."""
        return is_locked(self.lock_path)

    # --- what was asked

    def exists(self) -> bool:
        """Whether a study lies here."""
        return (self.root / "study.json").exists()

    def study(self) -> dict[str, Any]:
        """What was asked of this study; `InputError` when there is none."""
        tables = (self.root / "transfer.json").exists()
        other = f"{self.root} holds tables of launch/transfer.py; give a study that they are of"
        none = f"no study in {self.root}: run launch/sweep.py name={self.root.name}"
        return dict(self._read("study.json", other if tables else none))

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

    def work(self) -> dict[str, Any]:
        """What the latest command that runs trials is about: stage, number of trials, what one gets; may be empty."""
        return dict(self._read("work.json", None))

    def write_work(self, facts: dict[str, Any]) -> None:
        """Replace what `work` says."""
        write_atomic(self.root / "work.json", json.dumps(facts, indent=1).encode())

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

    # --- the final evaluation

    def selections(self) -> dict[str, Any]:
        """What each selection rule chose in the latest final evaluation, see `study.selection`; empty before it."""
        return dict(self._read("scores/final.json", None))

    def final_scores(self) -> pl.DataFrame:
        """Scores of the latest final evaluation (`study.scores.SCORES`); without rows before it."""
        path = self.root / "scores" / "final.parquet"
        if not path.exists():
            return pl.DataFrame(schema=SCORES)
        scores = pl.read_parquet(path)
        check_scores(scores)
        return scores

    def write_final(self, selections: dict[str, Any], scores: pl.DataFrame) -> None:
        """Replace what a final evaluation came to."""
        check_scores(scores)
        write_atomic(self.root / "scores" / "final.json", json.dumps(selections, indent=1).encode())
        with atomic_path(self.root / "scores" / "final.parquet") as temporary:
            scores.write_parquet(temporary)

    # --- results

    def begin(self, config: TrialConfig, params: dict[str, Any], facts: Mapping[str, Any] | None = None) -> None:
        """Note that a trial was started and what the sampler drew for it, so that nothing drawn is ever lost.

        `facts` are for the sampler of a later command.
        """
        content = {"config": config.to_dict(), "params": params, "facts": {"begun": time.time(), **(facts or {})}}
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
        self.hung_path(key).unlink(missing_ok=True)
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

    def outcomes(self, stage: str = "", fold: str = "") -> list[Outcome]:
        """Every finished trial in the order of its start, without its counts; of a stage and a fold where given."""
        if self._outcomes is None:
            path = self._index_path
            self._outcomes = index_from_bytes(path.read_bytes()) if path.exists() else {}
        searched = self.study().get("searched", []) if self.exists() else []
        found = {path.stem: self._outcome(path, searched) for path in self._files("trials")}
        self._outcomes = found
        chosen = [one for one in found.values() if stage in ("", one.stage) and fold in ("", one.fold)]
        return sorted(chosen, key=lambda one: (one.started, one.key))

    def outcome(self, key: str) -> Outcome | None:
        """What became of the trial `key`, or None."""
        path, searched = self.result_path(key), self.study().get("searched", []) if self.exists() else []
        return self._outcome(path, searched) if path.exists() else None

    def _outcome(self, path: Path, searched: list[str]) -> Outcome:
        known, stamp = (self._outcomes or {}).get(path.stem), stamp_of(path)
        if known is not None and known.stamp == stamp and [*known.settings] == searched:
            return known
        result = result_from_json(path.read_bytes(), str(path))
        return dataclasses.replace(outcome_of(result, searched, numbers_of(result)), stamp=stamp)

    def write_index(self) -> None:
        """Keep the outcomes for the next command; only for the holder of the lock."""
        write_atomic(self._index_path, index_to_bytes(self.outcomes()))

    def count(self, stage: str = "sweep", fold: str = "") -> int:
        """Number of finished trials of a stage, and of a fold where given."""
        return len(self.outcomes(stage, fold))

    def lacking(self) -> int:
        """Number of trials of the search that are asked for and have no result; every fold has its own share."""
        study, found = self.study(), [one.fold for one in self.outcomes("sweep")]
        if not study.get("folds"):
            return max(int(study["trials"]) - len(found), 0)
        each = int(study["trials"]) // len(study["folds"])
        return sum(max(each - found.count(fold), 0) for fold in study["folds"])

    def forget_failed(self) -> int:
        """Remove the failed results of the search, so that its trials are started again; returns their number."""
        failed = [outcome.key for outcome in self.outcomes("sweep") if outcome.status == "FAILED"]
        for key in failed:
            self.result_path(key).unlink()
            self._seen.pop(key, None)
        return len(failed)

    def tidy(self) -> None:
        """Remove what trials left that have a result, and what writers left that were killed an hour ago or more."""
        for folder, suffix in (("checkpoints", ".pt"), ("running", ".json"), ("hung", ".txt")):
            for path in (self.root / folder).glob(f"[!.]*{suffix}"):
                if self.result_path(path.stem).exists():
                    path.unlink(missing_ok=True)
        for path in self.root.glob("*/.*.partial"):
            if path.stat().st_mtime < time.time() - 3600:
                path.unlink(missing_ok=True)

    def sampled(self) -> dict[str, dict[str, Any]]:
        """What the sampler drew for every trial that it ever started, by key."""
        return {key: content["params"] for key, content in self.begun().items()}

    def begun(self) -> dict[str, dict[str, Any]]:
        """Config, params and facts of every trial that was ever started, by key, in the order of their start."""
        found = {path.stem: json.loads(path.read_bytes()) for path in self._files("sampled")}
        return dict(sorted(found.items(), key=lambda pair: (pair[1].get("facts", {}).get("begun", 0.0), pair[0])))

    def unfinished(self) -> list[tuple[TrialConfig, dict[str, Any]]]:
        """Trials that were started by a sampler and have no result, with what the sampler drew."""
        left = {key: one for key, one in self.begun().items() if not self.result_path(key).exists()}
        return [(trial_from_dict(one["config"]), one["params"]) for one in left.values()]

    def _files(self, folder: str) -> list[Path]:
        """Whole files of a folder by name; `glob` would also find the temporary ones of a write in progress."""
        return sorted(path for path in (self.root / folder).glob("*.json") if not path.name.startswith("."))

    # --- frames for tables and figures

    def trials(self) -> pl.DataFrame:
        """One row a finished trial: key, stage, status, value, fold, seed, method, epochs, times, param/<name>."""
        found, searched = self.outcomes(), self.study()["searched"]
        plain = {name: [getattr(one, name) for one in found] for name in TRIALS if name != "epochs"}
        plain["epochs"] = [len(one.curve) for one in found]
        frame = pl.DataFrame({name: plain[name] for name in TRIALS}, schema=TRIALS)
        settings = {f"param/{name}": [one.settings[name] for one in found] for name in searched}
        return frame.hstack(pl.DataFrame(settings)) if found and searched else frame

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

    def counts(self, keys: Collection[str] | None = None) -> pl.DataFrame:
        """One row a trial (all, or those of `keys`), split, subject and AU, with its tp, fp, fn and tn."""
        chosen = [result for result in self.results() if keys is None or result.config.key in keys]
        return pl.DataFrame([row for result in chosen for row in _count_rows(result)], schema=COUNTS)

    def environments(self) -> pl.DataFrame:
        """One row a trial: key, and what is known of where it ran, e.g. host, device, torch, protocol."""
        rows = [{"key": result.config.key, **result.environment} for result in self.results()]
        return pl.DataFrame(rows, schema_overrides={"key": pl.String}, infer_schema_length=None)


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

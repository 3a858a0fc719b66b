"""StudyStore: the results of a study, and the tables made of them."""

import dataclasses
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from data.checked import json_bytes
from data.errors import InputError
from data.files import write_atomic, write_once
from data.store import FrameStore, open_store
from study.records.config import TrialConfig, trial_from_dict
from study.records.result import TrialResult
from study.records.score_files import read_scores, write_scores
from study.records.selection_record import SelectionRecord
from study.records.study_spec import EXTERNAL
from study.records.study_trials import StudyTrials

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


class StudyStore(StudyTrials):
    """A study whose trials are read, written and continued."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._seen: dict[str, TrialResult] = {}  # results never change

    def frames(self) -> FrameStore:
        """The frame store of the study; `InputError` when it is missing."""
        spec = self.spec()
        path = Path(spec.store)
        if path.is_dir():
            return open_store(path)
        writer = "score" if spec.kind == EXTERNAL else "sweep"
        raise InputError(
            f"the frame store {path} of {self.root.name} is missing: build it again with launch/prepare.py. If it was "
            f"moved, run the launch/{writer}.py command of this study again with store_root=<its new folder>"
        )

    # --- the final evaluation

    def final_scores(self) -> pl.DataFrame:
        """Scores of the latest final evaluation (`study.records.score_table.SCORES`); empty before the first."""
        return read_scores(self.root, "final")

    def write_final(self, selections: Mapping[str, SelectionRecord], scores: pl.DataFrame) -> None:
        """Replace the results of the final evaluation."""
        # first the record of the choice, then its scores: a page never shows scores without a choice
        self.write_selections(selections)
        write_scores(self.root, "final", scores)

    # --- results

    def begin(self, config: TrialConfig, params: dict[str, Any], facts: Mapping[str, Any] | None = None) -> None:
        """Record that a trial starts and what the sampler drew for it: a later command must know even if this one dies.

        `facts` are for the sampler of a later command.
        """
        content = {"config": config.to_dict(), "params": params, "facts": {"begun": time.time(), **(facts or {})}}
        write_atomic(self.root / "sampled" / f"{config.key}.json", json_bytes(content, config.key, indent=None))

    def write_progress(self, result: TrialResult) -> None:
        """Replace the progress of a running trial."""
        write_atomic(self.progress_path(result.config.key), result.to_json())

    def prune(self, key: str) -> None:
        """Make the last progress of a pruned trial its result."""
        progress = self.progress(key)
        assert progress is not None, f"trial {key} was pruned before its first epoch"
        self.write(dataclasses.replace(progress, status="PRUNED"))

    def write(self, result: TrialResult) -> TrialResult:
        """Write the result of a trial; an existing result is never replaced. Returns the result on disk."""
        key = result.config.key
        # two workers may finish the same trial after a network fault; the first result counts
        write_once(self.result_path(key), result.to_json())
        # after the result is on disk: a kill between the two lines loses nothing
        self.progress_path(key).unlink(missing_ok=True)
        self.checkpoint_path(key).unlink(missing_ok=True)
        self.hung_path(key).unlink(missing_ok=True)
        kept = self.result(key)
        assert kept is not None
        return kept

    def results(self) -> Iterator[TrialResult]:
        """The result of every finished trial, in the order of their start."""
        for key in self._files("trials").keys() - self._seen.keys():
            found = self.result(key)
            assert found is not None
            self._seen[key] = found
        yield from sorted(self._seen.values(), key=lambda result: (result.started, result.config.key))

    def forget(self, keys: Iterable[str]) -> None:
        """Remove the results of trials, so that these are started again."""
        for key in keys:
            self.result_path(key).unlink()
            self._seen.pop(key, None)

    def unfinished(self) -> list[tuple[TrialConfig, dict[str, Any]]]:
        """Trials that were started and have no result, with what the sampler drew for them."""
        left = {key: one for key, one in self.begun().items() if not self.result_path(key).exists()}
        return [(trial_from_dict(one["config"]), one["params"]) for one in left.values()]

    # --- frames for tables and figures

    def trials(self) -> pl.DataFrame:
        """One row for each finished trial: the columns of TRIALS and `param/<name>` for each searched setting."""
        found, searched = self.outcomes(), self.spec().searched
        plain = {name: [getattr(one, name) for one in found] for name in TRIALS if name != "epochs"}
        plain["epochs"] = [len(one.curve) for one in found]
        frame = pl.DataFrame({name: plain[name] for name in TRIALS}, schema=TRIALS)
        settings = {f"param/{name}": [one.settings[name] for one in found] for name in searched}
        return frame.hstack(pl.DataFrame(settings)) if found and searched else frame

    def epochs(self) -> pl.DataFrame:
        """One row for each epoch: key, stage, epoch, loss, value, seconds."""
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
        """One row for each trial (all, or those of `keys`), split, subject and AU: tp, fp, fn and tn."""
        chosen = [result for result in self.results() if keys is None or result.config.key in keys]
        return pl.DataFrame([row for result in chosen for row in _count_rows(result)], schema=COUNTS)

    def environments(self) -> pl.DataFrame:
        """One row for each trial: key, and where and how it ran, e.g. host, device, torch, protocol."""
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

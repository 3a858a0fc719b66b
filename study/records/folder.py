"""StudyFolder: the folder of a study, and the only place that knows its file names.

    study.json             what was asked; written by the first command that makes the study
    provenance.json        code, data and command of the latest command
    work.json              what the latest command runs: stage, number of trials, what one of them gets
    trials/<key>.json      one TrialResult each, written once
    running/<key>.json     progress of a trial that has no result yet
    checkpoints/<key>.pt   state of the fit, deleted when the trial has a result
    pretrained/<key>.pt    weights after pre-training, finished or not, and a lock; trials share them
    detectors/<key>.pt     weights of the detectors of the final evaluation
    detectors/<key>.nan    weights whose output was NaN; such a trial counts as failed
    predictions/<key>.parquet           probabilities on the validation and test frames of the detector's fold
    predictions/<key>-<store>.parquet   probabilities on all frames of another dataset
    scores/<kind>.parquet  every number of the study; see `study.records.score_table`
    scores/final.json      which trials belong to which selection rule
    degraded/<key>-*.json  scores of a detector on disturbed test images
    sampled/<key>.json     what the sampler drew for a trial, written when the trial is started
    hung/<key>.txt         stack of a trial that stopped reporting; deleted when it has a result
    trials.index           summary of the finished trials, so that the next command starts faster
    optuna.journal         the search, for optuna-dashboard; rewritten by every command, never read by us
    report.html            the page
    comparison.md, .csv    table of an ablation study, for other programs
    generalize.csv         table of a domain generalisation study, for other programs
    sweep.lock             held by the one command that runs trials

Every file is whole or absent, and carries a checksum (`data.checked`); a store can be read at any time, by anyone,
without a lock.
"""

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from data.checked import json_bytes
from data.errors import DamagedError, InputError, raise_all
from data.files import exclusive_lock, is_locked, write_atomic
from study.records.latest_work import LatestWork
from study.records.selection_record import SelectionRecord
from study.records.study_spec import StudySpec, changed_settings, spec_from_json
from study.records.transfer_spec import TransferSpec, transfer_spec_from_json
from study.records.versioned import record_of, versioned


def study_root(runs_root: str, name: str) -> Path:
    """The folder of the study `name`; `InputError` when `name` is not one plain folder name."""
    # a name with a slash or a dot in front could leave runs_root, or be hidden
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"name={name!r}; a study's name is one folder below runs_root, e.g. name=bp4d-aunce")
    return Path(runs_root) / name


def begun_name(root: Path) -> str:
    """The name with which the study in `root` was begun, also when its folder was renamed since."""
    for name, read in (("study.json", spec_from_json), ("transfer.json", transfer_spec_from_json)):
        path = root / name
        if path.exists():
            found: StudySpec | TransferSpec = read(path.read_bytes(), str(path))
            return found.name
    return root.resolve().name


def train_again_text(root: Path) -> str:
    """Advice for the user when files of a finished trial of the study in `root` are missing."""
    example = f"python launch/final.py name={root.name} retry_failed=true"
    return f"To train it again, run the command that trained it with retry_failed=true, e.g. {example}"


class StudyFolder:
    """Paths of everything in a study, and its settings; imports fast, without torch and polars."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # --- paths

    def result_path(self, key: str) -> Path:
        """Where the result of the trial `key` lies."""
        return self.root / "trials" / f"{key}.json"

    def checkpoint_path(self, key: str) -> Path:
        """Where the fit of the trial `key` keeps its state."""
        return self.root / "checkpoints" / f"{key}.pt"

    def pretrained_path(self, key: str) -> Path:
        """Where the pre-training `key` keeps its state, and at the end its weights."""
        return self.root / "pretrained" / f"{key}.pt"

    def detector_path(self, key: str) -> Path:
        """Where the weights of the final detector `key` lie."""
        return self.root / "detectors" / f"{key}.pt"

    def predictions_path(self, key: str, target: str = "") -> Path:
        """Where the predictions of the detector `key` lie; on the frame store `target` if given."""
        return self.root / "predictions" / f"{key}{'-' if target else ''}{target[:12]}.parquet"

    def degraded_path(self, key: str, kind: str, level: float) -> Path:
        """Where the score of the detector `key` on disturbed test images lies."""
        return self.root / "degraded" / f"{key}-{kind}-{level:g}.json"

    @property
    def report_path(self) -> Path:
        """Where the page lies."""
        return self.root / "report.html"

    def comparison_path(self, suffix: str) -> Path:
        """Where the table of a comparison lies; `suffix` is .md or .csv."""
        return self.root / f"comparison{suffix}"

    @property
    def generalize_path(self) -> Path:
        """Where the table of a study on several datasets lies as CSV."""
        return self.root / "generalize.csv"

    @property
    def journal_path(self) -> Path:
        """Where the search lies as an Optuna journal."""
        return self.root / "optuna.journal"

    def progress_path(self, key: str) -> Path:
        """Where the running trial `key` writes its progress."""
        return self.root / "running" / f"{key}.json"

    @property
    def cluster_path(self) -> Path:
        """Where the cluster keeps its files: an absolute path, the same in every job."""
        return self.root.resolve() / "cluster"

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
        """The lock of the one command that runs trials."""
        return self.root / "sweep.lock"

    def lock(self) -> AbstractContextManager[None]:
        """Held while a command runs trials; `InputError` when another command holds it."""
        busy = f"another command is running trials of {self.root}; wait for it, or give another name=<study>"
        return exclusive_lock(self.lock_path, busy)

    def is_busy(self) -> bool:
        """Whether a command is running trials of this study now."""
        return is_locked(self.lock_path)

    # --- settings

    def exists(self) -> bool:
        """Whether there is a study in this folder."""
        return (self.root / "study.json").exists()

    def spec(self) -> StudySpec:
        """The settings of this study; `InputError` when there is none."""
        path = self.root / "study.json"
        if path.exists():
            return spec_from_json(path.read_bytes(), str(path))
        if (self.root / "transfer.json").exists():
            raise InputError(f"{self.root} holds tables of launch/transfer.py; give a study that they are of")
        raise InputError(f"no study in {self.root}: run launch/sweep.py name={self.root.name}")

    def check_unchanged(self, asked: StudySpec, free: tuple[str, ...]) -> None:
        """`InputError` if a study is there with other settings, except for the `free` ones."""
        if self.exists():
            raise_all(
                f"{self.root} was begun with other settings; give them again, or another name=<study>:",
                changed_settings(self.spec(), asked, free),
            )

    def open_study(self, asked: StudySpec, free: tuple[str, ...]) -> None:
        """Begin the study, or continue it after `check_unchanged`."""
        self.check_unchanged(asked, free)
        write_atomic(self.root / "study.json", asked.to_json())

    def provenance(self) -> dict[str, str]:
        """Code, data and command of the latest command; empty before the first."""
        return dict(self._read("provenance.json"))

    def write_provenance(self, facts: dict[str, str]) -> None:
        """Replace the provenance."""
        self._write("provenance.json", facts)

    def work(self) -> LatestWork:
        """What the latest command runs."""
        found: LatestWork = record_of(LatestWork, self._read("work.json"), str(self.root / "work.json"))
        return found

    def write_work(self, work: LatestWork) -> None:
        """Replace the record that `work` reads."""
        self._write("work.json", dataclasses.asdict(work))

    def selections(self) -> dict[str, SelectionRecord]:
        """What each selection rule chose in the latest final evaluation; empty before it."""
        name = "scores/final.json"
        origin = str(self.root / name)
        return {rule: record_of(SelectionRecord, plain, origin) for rule, plain in self._read(name).items()}

    def write_selections(self, selections: Mapping[str, SelectionRecord]) -> None:
        """Replace the record that `selections` reads."""
        self._write("scores/final.json", {rule: dataclasses.asdict(record) for rule, record in selections.items()})

    def _read(self, name: str) -> dict[str, Any]:
        path = self.root / name
        if not path.exists():
            return {}
        try:
            return versioned(path.read_bytes(), str(path), self._sealed_name(name))
        except DamagedError as error:
            raise DamagedError(f"{error} (study.json is of study {begun_name(self.root)})") from error

    def _write(self, name: str, plain: Mapping[str, Any]) -> None:
        write_atomic(self.root / name, json_bytes(plain, self._sealed_name(name)))

    def _sealed_name(self, name: str) -> str:
        # with the study, so that the file of another one is not read in place of a lost one
        return f"{name} of {begun_name(self.root)}"

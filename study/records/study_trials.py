"""StudyTrials: how the trials of a study ended, from its files only; needs no torch and no polars."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.checked import has_seal, json_object
from data.errors import DamagedError
from data.files import write_atomic
from study.records.config import is_key, key_of
from study.records.folder import StudyFolder
from study.records.outcome import Outcome, Stamp, index_from_bytes, index_to_bytes, outcome_of, stamp_of
from study.records.result import TrialResult, result_from_json
from study.records.study_spec import fold_shares

# folders whose files are named by trials
_NAMED = ("trials", "running", "sampled", "checkpoints", "pretrained", "detectors", "predictions", "degraded")
_OURS = re.compile(r"(?:[0-9a-f]{16}|foreign)(?:-[^ ()]+?)?\.(?:json|pt|nan|lock|parquet)")
_PAIRS = {  # files that one command writes together -> what is missing without one of them
    ("work.json", "provenance.json"): "run the latest command again",
    ("scores/final.json", "scores/final.parquet"): "run launch/final.py again",
}


class StudyTrials(StudyFolder):
    """A study whose trials are only read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._outcomes: dict[str, Outcome] | None = None  # None until the index is read

    def result(self, key: str) -> TrialResult | None:
        """The result of the trial `key`, or None."""
        return self._result_at(self.result_path(key), key)

    def progress(self, key: str) -> TrialResult | None:
        """Progress of the running trial `key`, or None."""
        return self._result_at(self.progress_path(key), key)

    def _result_at(self, path: Path, key: str) -> TrialResult | None:
        try:
            return result_from_json(path.read_bytes(), str(path), key)
        except FileNotFoundError:
            return None

    def outcomes(self, stage: str = "", fold: str = "") -> list[Outcome]:
        """Every finished trial (of a stage and fold where given), in the order of their start."""
        if self._outcomes is None:
            path = self._index_path
            self._outcomes = index_from_bytes(path.read_bytes()) if path.exists() else {}
        # read once: it would be read again for every trial
        searched = self._searched()
        found = {key: self._outcome(key, stamp, searched) for key, stamp in self._files("trials").items()}
        self._outcomes = found
        chosen = [one for one in found.values() if stage in ("", one.stage) and fold in ("", one.fold)]
        return sorted(chosen, key=lambda one: (one.started, one.key))

    def outcome(self, key: str) -> Outcome | None:
        """The outcome of the finished trial `key`, or None."""
        path = self.result_path(key)
        return self._outcome(key, stamp_of(path.stat()), self._searched()) if path.exists() else None

    def _outcome(self, key: str, stamp: Stamp, searched: list[str]) -> Outcome:
        known = (self._outcomes or {}).get(key)
        if known is not None and known.stamp == stamp and [*known.settings] == searched:
            return known
        result = self.result(key)
        assert result is not None
        return replace(outcome_of(result, searched), stamp=stamp)

    def running(self) -> list[Outcome]:
        """Every trial with a finished epoch and no result yet, in the order of their start.

        Their status and error have no meaning.
        """
        keys, searched = [key for key in self._files("running") if not self.result_path(key).exists()], self._searched()
        found = [outcome_of(one, searched) for one in map(self.progress, keys) if one]  # None: it has just finished
        return sorted(found, key=lambda one: one.started)

    def _searched(self) -> list[str]:
        return [*self.spec().searched] if self.exists() else []

    def write_index(self) -> None:
        """Save the outcomes for the next command; only the holder of the lock may do this."""
        write_atomic(self._index_path, index_to_bytes(self.outcomes()))

    def count(self, stage: str = "sweep", fold: str = "") -> int:
        """Number of finished trials of a stage, and of a fold where given."""
        return len(self.outcomes(stage, fold))

    def lacking(self) -> int:
        """Number of wanted trials of the search without a result; each fold has its share."""
        spec, found = self.spec(), [one.fold for one in self.outcomes("sweep")]
        shares = fold_shares(spec.trials, spec.folds)
        return sum(max(share - found.count(fold), 0) for fold, share in shares.items())

    def tidy(self) -> None:
        """Remove temporary files of finished trials, and partial files of writers killed over an hour ago."""
        for folder, pattern in (("checkpoints", "[!.]*.pt"), ("running", "[!.]*.json"), ("hung", "[!.]*.txt")):
            for path in (self.root / folder).glob(pattern):
                if self.result_path(path.stem).exists():
                    path.unlink(missing_ok=True)
        for path in self.root.glob("*/.*.partial"):
            # a younger file may belong to a writer that is still running
            if path.stat().st_mtime < time.time() - 3600:
                path.unlink(missing_ok=True)

    def sampled(self) -> dict[str, dict[str, Any]]:
        """What the sampler drew for each started trial, by key."""
        return {key: content["params"] for key, content in self.begun().items()}

    def begun(self) -> dict[str, dict[str, Any]]:
        """Config, params and facts of every started trial, by key, in the order of their start."""
        found = {key: self._begun(key) for key in self._files("sampled")}
        return dict(sorted(found.items(), key=lambda pair: (pair[1].get("facts", {}).get("begun", 0.0), pair[0])))

    def _begun(self, key: str) -> dict[str, Any]:
        path = self.root / "sampled" / f"{key}.json"
        try:
            plain = json_object(path.read_bytes(), key)
            if key_of(plain["config"]) != key or not isinstance(plain["params"], dict):
                raise DamagedError("it is not that of this trial")
        except (DamagedError, KeyError, TypeError) as error:
            raise DamagedError(
                f"{path} is damaged: {error}. Restore it, or move it away to let the search forget this trial."
            ) from error
        return plain

    def left_out(self) -> list[str]:
        """A line for each file that nothing reads, e.g. a conflicted copy, and for each that was lost."""
        return [
            *(f"{self.root / name} has no name of this study (a conflicted copy?)" for name in self._strays()),
            *(f"{self.root / lost} is missing beside {there}: {what}" for lost, there, what in self._lost()),
        ]

    def _strays(self) -> list[str]:
        return sorted(
            str(Path(folder, name))
            for folder in ("", "scores", *_NAMED)
            for name in self._names(folder)
            if _is_stray(folder, name)
        )

    def _lost(self) -> Iterator[tuple[str, str, str]]:
        """Files that are always written together with another one; in former revisions they were not."""
        for pair, what in _PAIRS.items():
            for lost, there in (pair, pair[::-1]):
                path = self.root / there
                if not (self.root / lost).exists() and path.exists() and has_seal(path.read_bytes()):
                    yield lost, there, what
        sampled = {*self._names("sampled")}
        for name in sorted({*self._names("trials")} - sampled) if sampled else ():
            found = self.outcome(name.removesuffix(".json")) if not _is_stray("trials", name) else None
            if found is not None and found.stage == "sweep":
                yield f"sampled/{name}", f"trials/{name}", "a continued search forgets this trial"

    def _names(self, folder: str) -> list[str]:
        """Names of the files in a folder of the study, without those that are being written."""
        try:
            with os.scandir(self.root / folder) as entries:
                return [entry.name for entry in entries if not entry.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _files(self, folder: str) -> dict[str, Stamp]:
        """Keys of the finished files in a folder; names of files that are being written begin with a dot."""
        found = {}
        with suppress(FileNotFoundError), os.scandir(self.root / folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and is_key(key := entry.name.removesuffix(".json")):
                    with suppress(FileNotFoundError):  # just removed
                        found[key] = stamp_of(entry.stat())
        return found


def _is_stray(folder: str, name: str) -> bool:
    copied = "(" in name or "conflict" in name.lower()
    return copied or (folder in _NAMED and _OURS.fullmatch(name) is None)

"""Optuna's journal with one writer: it needs no lock, and nothing is read back from the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from data.files import atomic_path

Log = dict[str, Any]


class OneWriter(BaseJournalBackend):
    """Appends to a file that a `JournalFileBackend` of other processes can read at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun: list[bytes] | None = []  # lines that were not written yet; None once the file is there
        self.unread: list[Log] = []
        self.read = 0

    def append_logs(self, logs: list[Log]) -> None:
        """Keep, or write, one line a log."""
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        self.unread += [json.loads(line) for line in lines]
        content = "".join(f"{line}\n" for line in lines).encode()
        if self.begun is None:
            with self.path.open("ab") as file:
                file.write(content)
        else:
            self.begun.append(content)

    def read_logs(self, log_number_from: int) -> Iterator[Log]:
        """What was appended since the last call."""
        assert log_number_from == self.read
        fresh, self.unread = self.unread, []
        self.read += len(fresh)
        return iter(fresh)

    def publish(self) -> None:
        """Put what was appended so far in place of the file of the last command; from here on it grows."""
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(b"".join(self.begun or []))
        self.begun = None


def new_journal(path: Path) -> tuple[JournalStorage, OneWriter]:
    """A storage that mirrors all it is told to `path`, once it is published."""
    backend = OneWriter(path)
    return JournalStorage(backend), backend

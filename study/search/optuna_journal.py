"""An Optuna journal with one writer, which needs no lock and never reads the file back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from data.files import atomic_path

Log = dict[str, Any]


class OneWriter(BaseJournalBackend):
    """Writes a file that other processes can read with `JournalFileBackend` at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun: list[bytes] | None = []  # lines before `publish`; None after it
        self.unread: list[Log] = []
        self.read = 0

    def append_logs(self, logs: list[Log]) -> None:
        """Write one line for each log; before `publish` only keep it."""
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        # what a reader of the file would see, e.g. lists in place of tuples
        self.unread += [json.loads(line) for line in lines]
        content = "".join(f"{line}\n" for line in lines).encode()
        if self.begun is None:
            with self.path.open("ab") as file:
                file.write(content)
        else:
            self.begun.append(content)

    def read_logs(self, log_number_from: int) -> Iterator[Log]:
        """The logs appended since the last call."""
        assert log_number_from == self.read
        fresh, self.unread = self.unread, []
        self.read += len(fresh)
        return iter(fresh)

    def publish(self) -> None:
        """Replace the file of the last command by the lines so far; later lines are appended to it."""
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(b"".join(self.begun or []))
        self.begun = None


def new_journal(path: Path) -> tuple[JournalStorage, OneWriter]:
    """A storage in memory whose logs are also written to `path`, from `publish` on."""
    backend = OneWriter(path)
    return JournalStorage(backend), backend

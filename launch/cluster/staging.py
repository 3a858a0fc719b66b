"""A copy of the frame store on the node's own disk, shared by all workers of the node and removed after the last.

    <scratch>/au-stage-<uid>/<fingerprint[:12]>/<name of the store>/   the copy; other stores are links beside it
    <scratch>/au-stage-<uid>/<fingerprint[:12]>.lock                   held while the copy is made or removed
    <scratch>/au-stage-<uid>/<fingerprint[:12]>.use                    shared lock of all users of the copy

The kernel releases locks when a process ends, so a killed worker does not keep the copy forever.
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING

from data.errors import InputError
from data.files import exclusive_lock, private_folder
from data.store import open_store

if TYPE_CHECKING:  # importing torch would delay a worker by seconds
    from study.records.config import Placement

ORIGINAL, COPY = "AU_STORE_ORIGINAL", "AU_STORE_COPY"  # environment variables of trials on a node with a copy
SPARE = 2**30  # bytes that stay free


def placed(placement: "Placement") -> "Placement":
    """The placement, with the copy of its frame store if this node has one."""
    copy = os.environ.get(COPY)
    if copy and Path(os.environ[ORIGINAL]) == placement.store.resolve():
        return replace(placement, store=Path(copy))
    return placement


class StagedStore:
    """The node's copy of `store`; the first worker makes it."""

    def __init__(self, store: Path, scratch: Path, tell: Callable[[str], None]) -> None:
        self.original = store.resolve()
        opened = open_store(self.original)
        root = private_folder(scratch / f"au-stage-{os.getuid()}")
        self.folder = root / opened.fingerprint[:12]
        self.copy = self.folder / self.original.name
        with self._locked(), ExitStack() as kept:
            self._use: IO[str] = kept.enter_context(self.folder.with_suffix(".use").open("a"))
            fcntl.flock(self._use, fcntl.LOCK_SH)
            if not self.copy.exists():
                self._make(tell)
            if open_store(self.copy).fingerprint != opened.fingerprint:
                raise InputError(f"{self.copy} is not a copy of {self.original}; give another cluster.scratch")
            kept.pop_all()  # `release` closes it

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that tell trials about the copy."""
        return {ORIGINAL: str(self.original), COPY: str(self.copy)}

    def release(self) -> None:
        """Stop using the copy; the last user removes it."""
        with self._locked():
            fcntl.flock(self._use, fcntl.LOCK_UN)
            try:
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            finally:
                self._use.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _locked(self) -> AbstractContextManager[None]:
        return exclusive_lock(self.folder.with_suffix(".lock"))

    def _make(self, tell: Callable[[str], None]) -> None:
        files = [path for path in sorted(self.original.rglob("*")) if path.is_file()]
        needed, free = sum(path.stat().st_size for path in files), shutil.disk_usage(self.folder.parent).free
        if needed + SPARE > free:
            raise InputError(
                f"{self.folder.parent} has {free / 2**30:.1f} GiB free, the frame store needs {needed / 2**30:.1f}; "
                "give another cluster.scratch, or cluster.stage=false"
            )
        shutil.rmtree(self.folder, ignore_errors=True)  # a partial copy of a killed worker
        partial = self.folder / f".{self.copy.name}"
        done = 0
        for path in files:
            target = partial / path.relative_to(self.original)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            done += path.stat().st_size
            tell(f"copied {done / 2**30:.1f} of {needed / 2**30:.1f} GiB")
        open_store(partial).verify()
        for sibling in self.original.parent.iterdir():
            if sibling != self.original and not sibling.name.startswith("."):
                (self.folder / sibling.name).symlink_to(sibling)
        partial.replace(self.copy)


class Staging(Thread):
    """Copies the frame store in a thread, while the supervisor continues."""

    def __init__(self, store: Path, scratch: Path) -> None:
        super().__init__(daemon=True)
        self.original, self.scratch = store, scratch
        self.store: StagedStore | None = None
        self.problem = ""
        self.text = "waiting for another worker's copy"
        self.start()

    def run(self) -> None:
        """Make the copy, or set `problem`."""
        try:
            self.store = StagedStore(self.original, self.scratch, self._tell)
        except (InputError, OSError) as error:
            self.problem = str(error)

    def release(self) -> None:
        """Stop using the copy."""
        if self.store:
            self.store.release()

    def _tell(self, text: str) -> None:
        self.text = text

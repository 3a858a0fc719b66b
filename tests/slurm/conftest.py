"""A SLURM cluster for the tests that ask for one; tests are skipped where none can be had."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.sandbox import Sandbox, install, missing


@pytest.fixture(scope="session")
def cluster() -> Iterator[Sandbox]:
    """Four nodes for the whole session, whose paths are short: munge's and Ray's sockets allow 107 bytes."""
    reason = missing() or install()
    if reason:
        pytest.skip(reason)
    root = Path(tempfile.mkdtemp(prefix="slurm-"))
    root.chmod(0o755)
    sandbox = Sandbox(root / "s")
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.stop()
        shutil.rmtree(root)


@pytest.fixture
def slurm(cluster: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The cluster, known to this process and what it starts; its jobs are cancelled after the test."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield cluster
    cluster.cancel_all()

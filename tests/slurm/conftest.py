"""A SLURM cluster for the tests that ask for one; tests are skipped where none can be had."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.slurm.sandbox import PORT, Sandbox, install, missing


@pytest.fixture(scope="session")
def cluster(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Four nodes for this process of the session, whose paths are short: munge's and Ray's sockets allow 107 bytes."""
    number = 0 if worker_id == "master" else int(worker_id.removeprefix("gw"))
    with FileLock(tmp_path_factory.getbasetemp().parent / "slurm.lock"):
        reason = missing() or install()
    if reason:
        pytest.skip(reason)
    root = Path(tempfile.mkdtemp(prefix="slurm-"))
    root.chmod(0o755)
    sandbox = Sandbox(root / "s", PORT + 500 * number)
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

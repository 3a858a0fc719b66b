"""The head of a real Ray: private, without trials, known by its generation, closed to whoever lacks the secret."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.errors import InputError
from launch.cluster.files import ClusterFolder
from launch.cluster.head import RayHead
from launch.cluster.node import RayNode, authentication, node_address, reachable
from launch.cluster.versions import versions
from tests.launch.cluster.make import settings

PROBE = """
import ray, sys
ray.init(address=sys.argv[1], logging_level="error", log_to_driver=False)
print(sum(node["Resources"].get("CPU", 0) for node in ray.nodes()), len(ray.nodes()))
"""


@pytest.fixture
def folder(tmp_path: Path) -> ClusterFolder:
    return ClusterFolder(tmp_path / "cluster").open()


@pytest.fixture
def head(folder: ClusterFolder, scratch: Path) -> Iterator[RayHead]:
    started = RayHead(folder, settings(scratch=str(scratch)))
    yield started
    started.end()


def probe(head: RayHead, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What a driver sees that has `environment`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    limits = {"RAY_gcs_server_request_timeout_seconds": "5", "HOME": str(head.folder.root)}
    command = [sys.executable, "-c", PROBE, head.address]
    return subprocess.run(command, env=clean | limits | environment, capture_output=True, text=True, timeout=120)


@pytest.mark.ray
def test_a_head_takes_no_trials_and_lets_only_those_in_who_know_the_secret(head: RayHead, tmp_path: Path) -> None:
    assert probe(head, head.environment).stdout.split() == ["0", "1"]
    other = tmp_path / "other"
    other.write_text("0" * 64)
    for wrong in ({"RAY_AUTH_MODE": "disabled"}, authentication(other)):
        refused = probe(head, wrong)
        assert refused.returncode != 0
        assert refused.stdout == ""


@pytest.mark.ray
def test_what_it_leaves_on_disk_is_private_and_goes_with_it(head: RayHead, scratch: Path) -> None:
    session = head.node.folder
    assert head.node.temporary.parent == session
    assert [*session.rglob("plasma_store*")], "what Ray opens to everyone lies behind a closed door"
    assert stat.S_IMODE(session.stat().st_mode) == 0o700
    assert stat.S_IMODE(head.folder.token.stat().st_mode) == 0o600
    title = Path("/proc", str(head.node.process.pid), "cmdline").read_text()
    assert head.folder.token.read_text() not in title
    head.end()
    assert not reachable(head.address)
    assert [*scratch.iterdir()] == []


@pytest.mark.ray
def test_each_head_is_a_new_generation_with_a_new_secret(head: RayHead, folder: ClusterFolder, scratch: Path) -> None:
    first, secret = head.publish(), folder.token.read_text()
    assert folder.rendezvous() == first
    assert (first.generation, first.packages) == (1, versions())
    second = RayHead(folder, settings(scratch=str(scratch)))
    try:
        assert folder.rendezvous() == first, "workers come only when the driver is there"
        published = second.publish()
        assert published.generation == 2
        assert published.cluster_id != first.cluster_id
        assert folder.token.read_text() != secret
        driver = folder.head()
        assert driver is not None
        assert (driver.generation, driver.pid) == (2, os.getpid())
    finally:
        second.end()


@pytest.mark.ray
def test_a_node_that_does_not_start_says_why_and_leaves_nothing(scratch: Path, tmp_path: Path) -> None:
    node = RayNode("w", ["--address=127.0.0.1:nowhere"], authentication(tmp_path / "none"), scratch)
    with pytest.raises(RuntimeError, match="Ray did not start"):
        node.wait(60)
    node.end()
    assert [*scratch.iterdir()] == []


def test_the_address_of_an_interface() -> None:
    assert node_address("") == []
    assert node_address("lo") == ["--node-ip-address=127.0.0.1"]
    with pytest.raises(InputError, match=r"cluster\.interface=ib7.*it has .*lo"):
        node_address("ib7")

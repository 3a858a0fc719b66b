"""What is found wrong with a cluster before anything is submitted, from commands that say what a site would."""

import resource
import sys
from pathlib import Path
from types import ModuleType

import pytest

from data.errors import InputError
from launch.cluster import preflight
from launch.cluster.preflight import Look, Seen, _verdict, check_cluster, gpus_of, limits
from launch.cluster.versions import versions
from launch.keys.runs import RunKeys
from launch.run.command import compose_keys
from tests.launch.cluster.fake_slurm import site
from tests.launch.commands import run


def asked(*overrides: str) -> RunKeys:
    given: RunKeys = compose_keys("final", ["name=x", "cluster=slurm", *overrides])
    return given


def complaints(*overrides: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        check_cluster(asked(*overrides))
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]


def test_what_the_site_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site(monkeypatch, tmp_path / "bin")
    check_cluster(asked("cluster.account=lab", "cluster.qos=long", "trial.gpus=1", "cluster.worker_gpus=2"))
    check_cluster(asked("cluster.partition=short", "cluster.time=60", "cluster.head_time=60", "cluster.worker_cpus=32"))
    check_cluster(asked("cluster.partition=short", "cluster.time=60", "cluster.head_partition=gpu"))


def test_everything_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site(monkeypatch, tmp_path / "bin")
    said = complaints(
        "cluster.partition=short",
        "cluster.time=61",
        "cluster.account=nobody",
        "cluster.qos=fast",
        "+cluster.extra.signal=USR1",
        "cluster.head_partition=absent",
        "trial.gpus=4",
    )
    assert said == [
        "cluster.extra.signal: the command sets this itself; leave it out",
        "cluster.time=61 minutes; partition short allows 60",
        "partition short has no node for 4 cores 0 MB 4 GPUs; it has: 16 cores 64000 MB 2 GPUs; "
        "32 cores 128000 MB 0 GPUs. Change cluster.worker_* or the partition",
        "cluster.head_partition='absent'; allowed: gpu, short, closed",
        "cluster.account='nobody'; yours: lab, other",
        "cluster.qos='fast'; yours: long, normal",
    ]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("cluster.head_time=1441", "cluster.head_time=1441 minutes; partition gpu allows 1440"),
        ("cluster.partition=closed", "cluster.partition: partition closed is DOWN; choose another"),
        ("cluster.worker_mem_gb=126", "no node for 4 cores 129024 MB 0 GPUs"),
        ("cluster.worker_cpus=33", "no node for 33 cores"),
    ],
)
def test_one_thing_wrong(override: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site(monkeypatch, tmp_path / "bin")
    assert said in complaints(override)[0]


def test_a_site_without_accounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site(monkeypatch, tmp_path / "bin", sacctmgr="error: You are not running a supported accounting_storage plugin")
    check_cluster(asked("cluster.account=lab", "cluster.qos=long"))


def test_slurm_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site(monkeypatch, tmp_path / "bin", scontrol="error: Unable to contact slurm controller")
    assert "SLURM does not answer" in complaints()[0]


def test_a_machine_without_slurm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("sweep", "name=x", f"runs_root={tmp_path}", "cluster=slurm") == 2
    said = capsys.readouterr().err
    assert "no sbatch, squeue, scancel, scontrol, sinfo on this machine" in said


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [("(null)", 0), ("gpu:2", 2), ("gpu", 1), ("gpu:a100:4(S:0-1)", 4), ("nvme:1,gpu:a100:2,gpu:v100:1(S:0)", 3)],
)
def test_gpus_of_a_node(gres: str, gpus: int) -> None:
    assert gpus_of(gres) == gpus


def test_the_dashboard_needs_more_of_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site(monkeypatch, tmp_path / "bin")
    monkeypatch.setitem(sys.modules, "ray.dashboard.optional_deps", None)
    [said] = complaints("cluster.dashboard=true")
    assert said.startswith("cluster.dashboard=true: ")
    assert said.endswith("; pip install 'ray[default]', or leave it out")
    monkeypatch.setitem(sys.modules, "ray.dashboard.optional_deps", ModuleType("as if it were there"))
    check_cluster(asked("cluster.dashboard=true"))


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    hard = {resource.RLIMIT_NOFILE: 1024, resource.RLIMIT_NPROC: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (64, hard[kind]))
    assert ["allows 1024 open files (ulimit -n); Ray needs 4096" in line for line in limits()] == [True]
    hard[resource.RLIMIT_NOFILE] = 4096
    assert limits() == []


def test_a_node_that_is_as_it_should_be(tmp_path: Path) -> None:
    look = looked(tmp_path)
    seen = look()
    assert (seen.read, seen.versions) == ("word", versions())
    assert [*_verdict(seen, look, "word")] == seen.problems == []


def test_a_node_with_other_versions_and_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_appears", lambda path: path.exists())
    other = versions() | {"ray": "1.0"}
    here = versions()["ray"]
    look = looked(tmp_path)
    said = [*_verdict(Seen("node1", other, "word", ["node1 lacks something"]), look, "word")]
    assert said[0].startswith(f"what node1 writes to {tmp_path} is different there and here: put runs_root on a disk")
    assert said[1:] == [
        f"ray is 1.0 on node1, {here} on this machine; see cluster.python and cluster.setup",
        "node1 lacks something",
    ]
    assert "(No such file)" in next(_verdict(Seen("node1", versions(), "No such file", []), look, "word"))


def test_a_node_that_sees_nothing(tmp_path: Path) -> None:
    seen = Look(tmp_path / "absent" / "asked", tmp_path / "answer", tmp_path / "frames", tmp_path / "scratch")()
    assert "No such file" in seen.read
    assert ["frames" in seen.problems[-2], "cluster.scratch=" in seen.problems[-1]] == [True, True]


def looked(folder: Path) -> Look:
    """A look that finds everything."""
    (folder / "asked").write_text("word")
    return Look(folder / "asked", folder / "answer", folder, folder)

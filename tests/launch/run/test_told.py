"""What a head job tells reaches whoever follows it, whatever else its log holds."""

import dataclasses
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from submitit.core.utils import JobPaths

from data.errors import InputError
from launch.cluster.files import ClusterFolder
from launch.cluster.work import Work
from launch.keys.cluster import ClusterSettings
from launch.keys.runs import RunKeys
from launch.plan.resources import Resources
from launch.run.follow import HeadTask
from launch.run.told import CRASHED, exit_code, tell, telling, told
from study.records.config import Placement
from study.records.store import StudyStore
from tests.study.make import trial


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """What a head job works on."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    store = StudyStore(tmp_path / "study")
    made = Work(
        command="sweep",
        keys=RunKeys(in_head_job=True),
        store=store,
        placement=Placement(tmp_path, store.root),
        resources=Resources(1, 1, 0.0, "cpu", ClusterSettings(name="slurm")),
        example=trial(),
        stage="sweep",
        wanted=1,
        todo=1,
        about="1 trial",
        frames=frozenset(["f00"]),
        run=lambda: None,
        finish=lambda ending: 0,
    )
    made.folder.open()
    return made


def test_what_is_said_at_the_end_is_told_and_nothing_of_the_log_beside_it(
    work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(width=80)
    console.print("1/3 trials (1 done), 2 running")
    with telling(work, console):
        console.print("best trial abc: f1 66.1", markup=False)
        console.print("  3/3 trials (as a user may call a study)")
    assert told(work.folder, "7") == "best trial abc: f1 66.1\n  3/3 trials (as a user may call a study)"
    assert told(work.folder, "8") == ""
    said = capsys.readouterr().out
    assert said.splitlines() == ["1/3 trials (1 done), 2 running", *told(work.folder, "7").splitlines()]


def test_an_end_by_an_error_is_told_with_what_came_before_it(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    def main(keys: RunKeys) -> int:
        console = Console()
        with telling(dataclasses.replace(work, keys=keys), console):
            console.print("failed: trial abc")
            raise InputError("none of 3 trials kept the constraints")

    monkeypatch.setitem(sys.modules, "launch.broken", SimpleNamespace(main=main))
    monkeypatch.setattr(sys, "argv", [])
    assert HeadTask("broken", RunKeys(), ("launch/broken.py",), work.folder)() == 2
    assert told(work.folder, "7").splitlines() == [
        "failed: trial abc",
        "error: none of 3 trials kept the constraints",
    ]


def test_where_nobody_follows_everything_is_as_without(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    with telling(dataclasses.replace(work, keys=RunKeys()), Console()):
        Console().print("best trial abc")
    assert capsys.readouterr().out == "best trial abc\n"
    assert [*work.folder.events()] == []


def written(folder: ClusterFolder, content: object) -> None:
    path = JobPaths(folder.jobs, "7", 0).result_pickle
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


def test_exit_codes(work: Work) -> None:
    assert exit_code(work.folder, "7") is None
    written(work.folder, ("success", 2))
    assert exit_code(work.folder, "7") == 2
    written(work.folder, ("error", "Traceback ..."))
    assert exit_code(work.folder, "7") == CRASHED


def test_of_a_job_that_crashed_the_end_of_its_errors_is_shown(work: Work) -> None:
    log = JobPaths(work.folder.jobs, "7", 0).stderr
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    tell(work.folder, "failed: trial abc")
    found = told(work.folder, "7", crashed=True).splitlines()
    assert found[:2] == ["failed: trial abc", f"head job 7 crashed; the end of {log}:"]
    assert found[2:] == [f"line {number}" for number in range(60, 100)]
    assert told(work.folder, "7") == "failed: trial abc"

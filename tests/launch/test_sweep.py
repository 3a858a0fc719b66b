"""The main job with a real Ray: through, killed and continued, repeated, refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from data.checked import SEAL
from study.records.store import StudyStore
from tests.conftest import TreeMaker
from tests.launch.commands import sweep_arguments

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[2]
TRIAL = "ImplicitFunc"  # in the title of a process that runs one


def start(command: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "launch" / f"{command}.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str], expected: int = 0) -> str:
    output = process.communicate(timeout=900)[0]
    assert process.returncode == expected, output
    return output


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def results(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (folder / "runs/bp4d-aunce/trials").glob("*.json")}


def numbers(content: bytes) -> dict[str, Any]:
    """A result without its times and its machine."""
    plain: dict[str, Any] = json.loads(content)
    for name in ("started", "seconds", "environment", SEAL):
        plain.pop(name)
    for epoch in plain["epochs"]:
        epoch.pop("seconds")
    return plain


def descendants(pid: int) -> dict[int, str]:
    """Process ids below `pid`, with their titles."""
    parents, titles = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat, title = (entry / "stat").read_text(), (entry / "cmdline").read_text()
        except OSError:
            continue
        parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        titles[int(entry.name)] = title.replace("\0", " ")
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return {child: titles[child] for child in below - {pid} if child in titles}


def kill(pid: int) -> bool:
    """Whether there was something to kill."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def test_sweep_final_and_report(trees: TreeMaker, tmp_path: Path) -> None:
    arguments = sweep_arguments(trees("bp4d"), tmp_path)
    output = finish(start("sweep", *arguments))
    store = StudyStore(tmp_path / "runs/bp4d-aunce")
    assert store.count() == 3
    assert set(store.counts()["split"]) == {"val"}
    assert "best trial" in output
    assert str(store.report_path) in output
    page = store.report_path.read_text()
    before = results(tmp_path)

    assert "0 to do" in finish(start("sweep", *arguments))
    assert results(tmp_path) == before

    output = finish(start("final", "name=bp4d-aunce", "seeds=1", f"runs_root={tmp_path / 'runs'}"))
    assert "always-positive" in output
    assert store.count("final") == 3
    assert set(StudyStore(store.root).counts().filter(stage="final")["split"]) == {"val", "test"}
    assert store.report_path.read_text() != page
    assert not [*(store.root / "checkpoints").glob("*.pt")]
    assert not [*(store.root / "running").iterdir()]
    assert not store.ray_folder.exists()

    asked = finish(start("sweep", *arguments, "epochs=3"), expected=2)
    assert re.search(r"epochs was 2, now 3", asked)


@pytest.mark.parametrize("victim", ["driver", "trial", "everything", "nobody"])
def test_a_disturbed_sweep_goes_on(victim: str, trees: TreeMaker, tmp_path: Path) -> None:
    arguments = [*sweep_arguments(trees("bp4d"), tmp_path), "trials=6", "epochs=8", "pruning.grace=8"]
    root = tmp_path / "runs/bp4d-aunce"
    process = start("sweep", *arguments)
    wait_for(lambda: len(results(tmp_path)) >= 2 and bool(StudyStore(root).running()), process)
    before = results(tmp_path)
    others = [*descendants(process.pid)]
    if victim == "trial":
        wait_for(lambda: any(kill(pid) for pid, title in descendants(process.pid).items() if TRIAL in title), process)
        finish(process)
    elif victim == "nobody":
        process.send_signal(signal.SIGINT)  # Ctrl-C
        assert "the same command continues" in finish(process, expected=1)
        finish(start("sweep", *arguments))
    else:
        process.kill()
        for pid in others if victim == "everything" else []:
            kill(pid)
        process.communicate()
        finish(start("sweep", *arguments))
    after = results(tmp_path)
    assert {key: after[key] for key in before} == before, "a finished trial was written again"
    assert len(after) == 6
    assert {*StudyStore(root).sampled()} == {*after}, "a trial was lost, or run under another name"
    assert {json.loads(content)["status"] for content in after.values()} == {"DONE"}


def test_transfer_between_two_studies(trees: TreeMaker, tmp_path: Path) -> None:
    runs = f"runs_root={tmp_path / 'runs'}"
    for layout in ("bp4d", "disfa"):
        finish(start("sweep", *sweep_arguments(trees(layout), tmp_path, layout), "trials=3", "epochs=1"))
        finish(start("final", f"name={layout}-aunce", "seeds=1", runs))
    output = finish(start("transfer", "studies=[bp4d-aunce,disfa-aunce]", runs))
    assert "AUs that all share: 1 2 4 6 12." in output
    assert len([*tmp_path.glob("runs/*/predictions/*-*.parquet")]) == 6
    assert "3/3 trials (3 done" in finish(start("status", "name=disfa-aunce", runs)), "one on each fold"
    assert "at least two" in finish(start("transfer", "studies=[bp4d-aunce]", runs), expected=2)


def test_one_seed_one_trial_at_a_time_is_reproducible(trees: TreeMaker, tmp_path: Path) -> None:
    keys = ["trials=8", "epochs=3", "pruning.grace=1", "max_concurrent=1", "seed=5", "fold=part1"]
    runs = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        output = finish(start("sweep", *sweep_arguments(trees("bp4d"), folder), *keys))
        runs.append({key: numbers(content) for key, content in results(folder).items()})
        runs[-1]["best"] = {"said": re.findall(r"best trial .*", output)}
    assert runs[0] == runs[1]
    assert len(runs[0]) == 9
    killed = tmp_path / "killed"
    for least in (1, 4, 8):
        process = start("sweep", *sweep_arguments(trees("bp4d"), killed), *keys)
        if least < 8:
            wait_for(lambda least=least: len(results(killed)) >= least, process)  # type: ignore[misc]
            others = [*descendants(process.pid)]
            process.kill()
            for pid in others:
                kill(pid)
            process.communicate()
        else:
            finish(process)
    assert {key: numbers(content) for key, content in results(killed).items()} == {
        key: found for key, found in runs[0].items() if key != "best"
    }


def test_trials_that_fine_tune_share_their_pre_training(trees: TreeMaker, tmp_path: Path) -> None:
    clp = ["method=clp", "method.then=finetune", "search=clp_finetune", "method.clip.frames=4", "pretrain.epochs=2"]
    clp += ["fold=part1"]
    finish(start("sweep", *sweep_arguments(trees("bp4d"), tmp_path), *clp))
    store = StudyStore(tmp_path / "runs/bp4d-clp")
    assert store.count() == 3
    assert len({result.environment["pretrained"] for result in store.results()}) == 1
    assert len([*store.root.glob("pretrained/*.pt")]) == 1
    finish(start("final", "name=bp4d-clp", "seeds=1", "selection=shared", f"runs_root={tmp_path / 'runs'}"))
    assert store.count("final") == 3
    assert len([*store.root.glob("pretrained/*.pt")]) == 1 + 3, "the seed is fresh, so each fold is pre-trained with it"


def test_a_second_sweep_of_the_same_name_is_refused(trees: TreeMaker, tmp_path: Path) -> None:
    with StudyStore(tmp_path / "runs/bp4d-aunce").lock():
        output = finish(start("sweep", *sweep_arguments(trees("bp4d"), tmp_path)), expected=2)
    assert "another command" in output
    assert not results(tmp_path)


def test_failed_trials_fail_the_sweep_and_are_named(trees: TreeMaker, tmp_path: Path) -> None:
    explode = ["search.optim.lr.log_uniform=[9.0,10.0]", "search.optim.weight_decay.log_uniform=[9.0,10.0]"]
    fault = [*explode, "epochs=12", "pruning.grace=12"]
    output = finish(start("sweep", *sweep_arguments(trees("bp4d"), tmp_path), *fault), expected=1)
    assert output.count("NaN probability") == 3
    assert "3 of 3 trials failed" in output
    assert {json.loads(content)["status"] for content in results(tmp_path).values()} == {"FAILED"}

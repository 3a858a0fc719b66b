"""Every command of the README, on data that fit a test; `.ci/run` runs the install and test blocks as they stand."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from data.synthetic import write_tree
from tests.data.faults import FAULTS
from tests.readme import DOCUMENTS, ROOT, blocks, commands, texts

IN_A_COPY = ("your method", "your backbone", "your dataset")  # see tests/test_examples.py
TINY_TRIALS = ("epochs=1", "trials=3", "optim.batch_size=8", "head.dim=4", "probe.epochs=2", "pruning.grace=1")
TINY_TREE = ("subjects=6", "sequences=1", "frames=8")
TINY_DATASET = ("dataset.size=32", "dataset.crop=24")
TINY_CLIPS = ("method.clip.frames=2", "method.clip.stride=1", "pretrain.epochs=1")
COMPARED = ("epochs", "optim.batch_size", "head.dim", "probe.epochs")
DRAWN = tuple(f"dataset.tree.{key}" for key in TINY_TREE)


def smaller(command: str) -> list[str]:
    """The command with keys behind it that make it small; the last value of a key counts."""
    words = shlex.split(command)
    name = Path(words[0]).stem
    if "--help" in words or name in ("report", "status", "transfer", "export", "regret", "all"):
        return words
    if name == "synthesize":
        return [*words, *TINY_TREE, "size=32"]
    if name == "final":
        few = ["partitions=2"] if any(word.startswith("partitions=") for word in words) else []
        return [*words, *few, "seeds=1", "trial.gpus=0"]
    training = [word for word in TINY_TRIALS if word.split("=")[0] in COMPARED]
    if name == "generalize":
        return [*words, *training, "seeds=1"]
    if name in ("compare", "stress"):
        return [*words, *training, "seeds=1", *TINY_DATASET, *DRAWN]
    drawn = () if any(word.startswith(("dataset=", "data_root=")) for word in words) else DRAWN
    trials = (*TINY_TRIALS, "trial.gpus=0") if name == "sweep" else ()
    clips = TINY_CLIPS if "method=clp" in words else ()
    whole = ("dataset.alignment=precropped",) if "dataset=videos" in words else ()  # faces too small for a detector
    return [*words, *trials, *clips, *whole, *TINY_DATASET, *drawn]


def here() -> list[str]:
    """The commands that need no cluster and no example, in the order of the READMEs."""
    elsewhere = commands("cluster", *IN_A_COPY)
    return [command for command in commands() if command not in elsewhere]


def test_the_number_of_commands() -> None:
    assert (len(here()), len(commands("cluster"))) == (31, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader gives the commands, one after the other."""
    folder = tmp_path_factory.mktemp("reader")
    write_tree("bp4d", folder / "raw/bp4d", subjects=6, sequences=1, frames=12, size=32, scene=True)
    return folder


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("command", here())
def test_every_command_works_after_those_before_it(command: str, folder: Path) -> None:
    arguments = [sys.executable, str(ROOT / smaller(command)[0]), *smaller(command)[1:]]
    environment = {**os.environ, "AU_DATA": str(folder / "raw")}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    few_subjects = int("doctor=true" in command)  # six are not BP4D, says the doctor
    assert done.returncode == few_subjects, f"{done.stdout}{done.stderr}"


@pytest.mark.ray
@pytest.mark.slow
def test_the_commands_leave_these_studies(folder: Path) -> None:
    assert {path.name for path in (folder / "runs").iterdir()} == {
        "synthetic-aunce",
        "synthetic-bce",
        "synthetic-clp",
        "synthetic-comparison",
        "synthetic-methods",
        "synthetic-stress",
        "bp4d-aunce",
        "bp4d-warm",
        "disfa-aunce",
        "other-disfa",
        "generalize-aunce",
        "generalize-bce",
        "regret",
        "transfer",
        "with-other",
        "report.html",
    }


def test_the_two_commands_come_first() -> None:
    assert [*blocks()][:2] == ["run", "test"]
    for name in ("run", "test"):
        assert len(blocks()[name].strip().splitlines()) == 1


def test_numbers_are_those_of_the_code() -> None:
    assert f"any of {len(FAULTS)} damages" in texts()["data/README.md"]


def test_the_readme_is_short() -> None:
    assert len(texts()["README.md"].splitlines()) <= 150


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_local_link_and_picture_exists(document: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", texts()[document]):
        assert "://" in target or ((ROOT / document).parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_is_named_exists(document: str) -> None:
    for name in re.findall(r"`((?:launch|data|model|study|reports|tests)/[\w/.]+)`", texts()[document]):
        assert (ROOT / name).exists(), name

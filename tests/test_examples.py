"""The worked examples of the READMEs, done in a copy of the checkout as their reader would do them."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readme import ROOT, apply_examples, commands
from tests.test_readme import smaller

TOUCHED = {  # what a new dataset, method and backbone take: no other file
    "data/README.md": {
        "data/readers/clinic.py",
        "data/catalog.py",
        "launch/conf/dataset/clinic.yaml",
        "tests/data/readers/test_clinic.py",
    },
    "model/README.md": {
        "model/losses/dice.py",
        "model/losses/settings.py",
        "model/methods.py",
        "launch/conf/search/dice.yaml",
        "tests/model/test_dice.py",
        "model/settings.py",
        "launch/conf/backbone/resnet34.yaml",
    },
}
DRAWN = {"synthesize": ("subjects=6", "sequences=1", "frames=8", "size=32"), "prepare": ("dataset.size=32",)}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("data", "model", "study", "launch", "reports", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def python(checkout: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run([sys.executable, *words], cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("document", TOUCHED)
def test_an_example_touches_few_files_and_passes_its_own_test(document: str, checkout: Path) -> None:
    assert {*apply_examples(document, checkout)} == TOUCHED[document]
    tests = [path for path in TOUCHED[document] if path.startswith("tests/")]
    python(checkout, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests)


@pytest.mark.slow
def test_a_dataset_is_added_as_the_readme_says(checkout: Path) -> None:
    apply_examples("data/README.md", checkout)
    assert "|clinic|" in python(checkout, "launch/prepare.py", "--help")
    for command in commands("your dataset"):
        script, *keys = shlex.split(command)
        said = python(checkout, script, *keys, *DRAWN[Path(script).stem])
    assert "48 frames of 6 subjects in 6 sequences, AUs [1, 2, 4, 6, 12]" in said


@pytest.mark.ray
@pytest.mark.slow
def test_a_method_and_a_backbone_are_added_as_the_readme_says(checkout: Path) -> None:
    apply_examples("model/README.md", checkout)
    for command in commands("your method", "your backbone"):
        assert "best trial" in python(checkout, *smaller(command))

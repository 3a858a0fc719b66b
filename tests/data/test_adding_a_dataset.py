"""A new dataset takes a reader, a row, a YAML and a test: what data/README.md shows, done in a copy of the checkout."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readme import ROOT, apply_examples

README = "data/README.md"
FILES = {
    "data/readers/clinic.py",
    "data/catalog.py",
    "launch/conf/dataset/clinic.yaml",
    "tests/data/readers/test_clinic.py",
}
SMALL = {"synthesize": ("subjects=6", "sequences=1", "frames=8", "size=32"), "prepare": ("dataset.size=32",)}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("data", "model", "study", "launch", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def python(checkout: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run([sys.executable, *words], cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_a_dataset_is_added_as_the_readme_says(checkout: Path) -> None:
    assert set(apply_examples(README, checkout)) == FILES
    python(checkout, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/data/readers/test_clinic.py")
    assert "|clinic|" in python(checkout, "launch/prepare.py", "--help")
    block = (ROOT / README).read_text().split("<!-- commands: your dataset -->\n```bash\n")[1].split("```")[0]
    for command in block.splitlines():
        _, script, *keys = shlex.split(command)
        said = python(checkout, script, *keys, *SMALL[Path(script).stem])
    assert "48 frames of 6 subjects in 6 sequences, AUs [1, 2, 4, 6, 12]" in said

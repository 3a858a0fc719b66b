"""Faults are found beside the packages of a checkout, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import InputError
from data.synthetic import damage, write_tree

ROOT = Path(__file__).parents[3]
IMPORTS = "from pathlib import Path; from data.synthetic import write_tree"


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "said"), [("gap", ""), ("gaps", "allowed for this tree: code_7, code_9_column, ")])
def test_faults_are_loaded_from_any_folder(tmp_path: Path, fault: str, said: str) -> None:
    """With the packages alone on the path, as after `pip install -e .`, and another project's tests before them."""
    for name in ("data", "tests"):
        (tmp_path / "checkout" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "checkout" / name).symlink_to(ROOT / name)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").touch()
    write = f"write_tree('gft', Path('out'), 1, 1, 4, size=32, fault={fault!r})"
    code = f"import sys; sys.path += ['checkout']; {IMPORTS}; {write}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert said in done.stderr
    assert (done.returncode == 0) == (tmp_path / "out" / "labels").is_dir() == (not said), done.stderr


def test_without_the_tests_a_fault_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damage, "CHECKOUT", tmp_path)
    before = [*sys.path]
    with pytest.raises(InputError, match=r"fault= needs the tests .* has none\. Run it from a checkout"):
        write_tree("gft", tmp_path / "out", 1, 1, 4, size=32, fault="gap")
    write_tree("gft", tmp_path / "out", 1, 1, 4, size=32)
    assert sys.path == before

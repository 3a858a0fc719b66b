"""The keys of launch/synthesize.py that say what a tree looks like."""

import json
from pathlib import Path

import pytest

from tests.launch.commands import run

SMALL = ["subjects=3", "sequences=1", "frames=4", "size=32"]


def test_keys_of_the_form_reach_the_tree(tmp_path: Path) -> None:
    out = tmp_path / "tree"
    assert run("synthesize", "layout=bp4d", f"out={out}", *SMALL, "variant=plain", "scene=true", "fault=gap") == 0
    record = json.loads((out / "synthetic.json").read_text())
    assert (record["variant"], record["scene"], record["fault"]) == ("plain", True, "gap")
    assert (out / "2DFeatures" / "F001_T1.mat").is_file()


def test_a_tree_of_full_size_takes_the_subjects_that_are_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "tree"
    assert run("synthesize", "layout=gft", f"out={out}", "subjects=2", "full=true") == 0
    assert len(list((out / "images").iterdir())) == 2
    assert len(list((out / "images" / "001A").iterdir())) == 1_800


def test_what_is_left_open_has_its_default(tmp_path: Path) -> None:
    out = tmp_path / "tree"
    assert run("synthesize", "layout=gft", f"out={out}", "subjects=1", "frames=1", "size=32") == 0
    assert json.loads((out / "synthetic.json").read_text())["sequences"] == 2


def test_an_unknown_fault_is_refused_with_those_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("synthesize", "layout=disfa", f"out={tmp_path / 'tree'}", *SMALL, "fault=code_8") == 2
    said = capsys.readouterr().err
    assert "fault 'code_8'; allowed for this tree: code_7, " in said
    assert "truncated_video" in said
    assert not (tmp_path / "tree").exists()

"""Where results come from."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars
import pytest

import launch.plan.provenance
from data.store import FrameStore
from launch.plan.provenance import PACKAGES, origin_of, origins_in, provenance_facts
from study.records.origin import ORIGIN, Origin
from tests.conftest import TreeMaker
from tests.data.test_drawn import built


def test_every_fact_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["launch/sweep.py", "name=a b", "trials=3"])
    facts = provenance_facts("f" * 64)
    assert facts["command"] == "python launch/sweep.py 'name=a b' trials=3"
    assert facts["frame store"] == "f" * 64
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["polars"] == polars.__version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", facts["started"])
    assert [*facts] == ["command", "started", "git revision", "frame store", "python", *PACKAGES]
    assert all(type(value) is str and value for value in facts.values())


@pytest.fixture(scope="module")
def store(trees: TreeMaker, tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return built("disfa", trees("disfa"), tmp_path_factory.mktemp("stores"))


def test_whose_faces_a_store_shows(store: FrameStore) -> None:
    assert origin_of(store) == Origin("disfa", 6, 27, drawn=True)
    assert origins_in(store.path.parent, [store.fingerprint]) == (origin_of(store),)
    assert origins_in(store.path.parent, [store.fingerprint, "f" * 64]) == (), "half an answer would mislead"
    named = store.table.with_columns(dataset=polars.lit("affwild2"))
    assert origin_of(replace(store, table=named, drawn=None)) == Origin("affwild2", 6, 0, drawn=None)
    ours = store.table.with_columns(dataset=polars.lit("synthetic"))
    assert origin_of(replace(store, table=ours, drawn=None)) == Origin("synthetic", 6, 0, drawn=True)


def test_the_frames_are_a_part_of_the_provenance(store: FrameStore) -> None:
    facts = provenance_facts(store.fingerprint, [origin_of(store)])
    assert facts[ORIGIN] == "disfa: 6 of 27 people, drawn"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A folder with one file that takes the place of `launch/`; git answers for nothing above it."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "provenance.py").write_text("1\n")
    monkeypatch.setattr(launch.plan.provenance, "__file__", str(tmp_path / "provenance.py"))

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return git


@pytest.mark.usefixtures("checkout")
def test_outside_a_checkout_the_revision_is_unknown() -> None:
    assert provenance_facts("")["git revision"] == "unknown"


def test_without_git_the_revision_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance_facts("")["git revision"] == "unknown"


def test_the_revision_is_the_commit_and_marked_when_files_differ(checkout: Callable[..., str], tmp_path: Path) -> None:
    checkout("init", "-q")
    checkout("add", ".")
    checkout("commit", "-q", "-m", "one")
    commit = checkout("rev-parse", "HEAD")
    assert provenance_facts("")["git revision"] == commit
    (tmp_path / "provenance.py").write_text("2\n")
    assert provenance_facts("")["git revision"] == f"{commit}-dirty"

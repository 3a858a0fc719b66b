"""StudySpec: one record for every kind of study, and study.json of this version, older and newer ones."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.checked import json_object
from data.errors import InputError
from study.records.study_spec import StudySpec, changed_settings, fold_shares, search_in, spec_from_json
from study.records.versioned import VERSION
from tests.study.specs import OTHERS, changed, search_spec

FORMER: dict[str, dict[str, Any]] = {  # what marks each kind in a file of version 1
    "ablation": {"variants": {"bce": {}}, "label_noise": [0, 0.2]},
    "robustness": {"variants": {"bce": None}, "levels": {"blur": [2]}},
    "hyperparameter_transfer": {"variants": {"a": {}}, "studies": ["a", "b"]},
    "domain_generalization": {
        "generalize": [{"target": "gft", "sources": "bp4d+disfa"}],
        "candidates": {"bce": {}},
        "selection": ["pooled"],
    },
    "external": {
        "foreign": {
            **{"fingerprint": "f" * 8, "sha256": "e" * 8, "scale": "probability", "trained_on": ""},
            **{"convention": "occurrence", "frames": 9, "covered": 8, "unknown": 1},
        }
    },
}


@pytest.mark.parametrize("spec", [search_spec(), *(StudySpec("x", "gft", asked) for asked in OTHERS.values())])
def test_a_spec_survives_its_file(spec: StudySpec) -> None:
    assert spec_from_json(spec.to_json(), "study.json") == spec
    assert json.loads(spec.to_json())["version"] == VERSION


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_search_says_who_reads_it(kind: str) -> None:
    spec = StudySpec("x", "gft", OTHERS[kind])
    said = {"external": "transfer.py", "hyperparameter_transfer": "scores/hyper", "robustness": "scores/robust"}
    said |= {"ablation": "comparison.*py", "domain_generalization": "generalize.*py"}
    assert (spec.kind, spec.stage, spec.searched) == (kind, "final", ())
    with pytest.raises(InputError, match=said[kind]):
        search_in(Path("runs/x"), spec)


def test_a_search_is_a_search() -> None:
    spec = search_spec()
    assert (spec.kind, spec.stage, spec.searched) == ("search", "sweep", ("optim.lr",))
    assert search_in(Path("runs/x"), spec) is spec.asked


@pytest.mark.parametrize("kind", OTHERS)
def test_a_file_without_a_version_is_read(kind: str) -> None:
    found = spec_from_json(json.dumps({"name": "x", "dataset": "gft", "searched": [], **FORMER[kind]}).encode(), "x")
    assert found == StudySpec("x", "gft", OTHERS[kind])


def test_a_search_without_a_version_is_read() -> None:
    spec = search_spec(folds=("part1", "part2"), constraints=(("hours", "at_most", 1.5),), objectives=("f1", "hours"))
    now = json_object(spec.to_json(), "study.json")
    former = {name: value for name, value in now.items() if name not in ("version", "kind", "asked", "objectives")}
    former |= {name: value for name, value in now["asked"].items() if name != "constraints"}
    goals = {"objectives": ["f1", "hours"], "constraints": [["hours", "at_most", 1.5]]}
    former |= {"objective": "f1", "goals": goals, "fold": "all"}
    assert spec_from_json(json.dumps(former).encode(), "study.json") == spec


def test_a_file_of_a_newer_version_is_refused() -> None:
    newer = json_object(search_spec().to_json(), "study.json") | {"version": VERSION + 1}
    with pytest.raises(InputError, match=r"study\.json has format 3, and.* up to 2: use a newer one"):
        spec_from_json(json.dumps(newer).encode(), "study.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "quiz"}, "kind='quiz'; allowed: search, ablation"),
        ({"trials": "many"}, "trials='many' is str, expected int"),
        ({"speed": 3}, "unknown key 'speed'"),
        ({"asked": {}}, "missing key 'asked.seed'"),
    ],
)
def test_a_damaged_file_is_named(change: dict[str, Any], said: str) -> None:
    plain = json_object(search_spec().to_json(), "study.json") | change
    with pytest.raises(InputError, match=rf"(?s)runs/x/study\.json is damaged.*{said}"):
        spec_from_json(json.dumps(plain).encode(), "runs/x/study.json")


def test_what_was_changed_is_said_by_the_names_that_users_know() -> None:
    before = search_spec(size=32, folds=("part1",), config={"optim": {"lr": 0.1}, "seed": 0}, trials=4)
    now = search_spec(size=64, folds=("part1",), config={"optim": {"lr": 0.1}, "seed": 1}, trials=5, seed=1)
    assert changed_settings(before, now, free=("trials",)) == ["seed was 0, now 1", "dataset.size was 32, now 64"]
    assert changed_settings(before, replace(before, weights_file="a.pt"), free=("weights_file",)) == []
    other = changed(before, pruning=replace(search_spec().asked.pruning, grace=2))  # type: ignore[union-attr]
    assert changed_settings(before, other, free=()) == ["pruning.grace was 4, now 2"]


def test_reading_a_spec_needs_no_heavy_library() -> None:
    blocked = ("torch", "polars", "optuna", "ray", "hydra")
    code = f"import sys\nfor name in {blocked}: sys.modules[name] = None\nimport study.records.folder"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_the_shares_of_the_folds_are_the_trials_and_only_grow() -> None:
    folds = ("part1", "part2", "part3")
    assert fold_shares(8, folds) == {"part1": 3, "part2": 3, "part3": 2}
    before = dict.fromkeys(folds, 0)
    for trials in range(1, 201):
        shares = fold_shares(trials, folds)
        assert sum(shares.values()) == trials
        assert max(shares.values()) - min(shares.values()) <= 1
        assert all(shares[fold] >= before[fold] for fold in folds), "a trial that was run is never too many"
        before = shares

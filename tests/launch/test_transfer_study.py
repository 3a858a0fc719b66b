"""A transfer study of two methods on the four drawn datasets, and what its tables must say of them."""

import json
from pathlib import Path

import polars as pl
import pytest

from study.experiments.cross_dataset.transfer import Transfer, read_transfer
from tests.conftest import TreeMaker
from tests.launch.commands import run
from tests.launch.gallery import frames_of, study_of

DATASETS = ("bp4d", "disfa", "gft", "affwild2")
METHODS = ("bce", "supcon")
SHARED = "1 2 4 6 12"


@pytest.fixture(scope="module")
def folder(trees: TreeMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    for dataset in DATASETS:
        frames = frames_of(dataset, trees, folder)
        for method in METHODS:
            study_of(frames, folder, method)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> Transfer:
    names = ",".join(f"{dataset}-{method}" for dataset in DATASETS for method in METHODS)
    assert run("transfer", f"studies=[{names}]", f"runs_root={folder / 'runs'}") == 0
    return read_transfer(folder / "runs" / "transfer")


@pytest.mark.slow
def test_every_source_is_on_every_target_with_every_rule(found: Transfer) -> None:
    means = found.table.filter(pl.col("au").is_null(), metric="f1", aus_kind="pair")
    assert means.height == len(DATASETS) ** 2 * len(METHODS) * 4
    assert set(means["rule"]) == {"0.5", "validation", "base_rate", "oracle"}


@pytest.mark.slow
def test_no_rule_is_better_than_the_oracle(found: Transfer) -> None:
    """Of an AU that the target shows, F1 is defined for every detector and rule."""
    rows = found.table.filter(pl.col("au").is_not_null(), pl.col("source") != pl.col("target"), aus_kind="pair")
    place = ["source", "target", "method", "au"]
    shown = rows.filter(pl.col("value") > 0, metric="always_positive").select(place)
    wide = rows.filter(metric="f1").join(shown, on=place, how="semi").pivot("rule", index=place, values="value")
    assert wide.height > 50
    for rule in ("0.5", "validation", "base_rate"):
        assert (wide["oracle"] >= wide[rule] - 1e-12).all(), rule


@pytest.mark.slow
def test_label_conventions_and_aus_are_recorded(found: Transfer) -> None:
    conventions = found.spec.conventions
    assert conventions["disfa"].startswith("intensity >= 2")
    assert {conventions[name] for name in DATASETS if name != "disfa"} == {"occurrence"}
    assert set(found.table.filter(aus_kind="common")["aus"]) == {SHARED}
    pairs = found.table.filter(aus_kind="pair").select("source", "target", "aus").unique()
    aus = {(source, target): named for source, target, named in pairs.iter_rows()}
    assert aus["bp4d", "disfa"] == aus["disfa", "bp4d"] == SHARED
    assert aus["disfa", "affwild2"] == "1 2 4 6 12 25 26"
    assert aus["gft", "gft"] == "1 2 4 6 10 12 14 15 23 24"


@pytest.mark.slow
def test_tests_are_one_for_each_pair_of_datasets_rule_and_metric(found: Transfer) -> None:
    assert found.tests.filter(metric="f1").height == len(DATASETS) ** 2 * 4
    assert found.tests.filter(metric="auc").height == len(DATASETS) ** 2
    known = found.tests.drop_nulls("p")
    assert (known["p_holm"] >= known["p"]).all()


@pytest.mark.slow
def test_a_threshold_of_disfa_is_another_dataset(
    found: Transfer, folder: Path, trees: TreeMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lower = frames_of("disfa", trees, folder, "dataset.options.threshold=1")
    name = study_of(lower, tmp_path)
    (folder / "runs" / "disfa-lower").symlink_to(tmp_path / "runs" / name)
    arguments = [f"runs_root={folder / 'runs'}", "name=lower"]
    assert run("transfer", "studies=[bp4d-bce,disfa-bce,disfa-lower]", *arguments) == 2
    assert "disfa-bce and disfa-lower use two stores of disfa" in capsys.readouterr().err
    assert run("transfer", "studies=[bp4d-bce,disfa-lower]", *arguments) == 0
    asked = json.loads((folder / "runs" / "lower" / "transfer.json").read_text())
    assert asked["conventions"]["disfa"] == "intensity >= 1"

"""`launch/stress.py`: what is wrong is said first, which trials it takes, and with a real Ray how it goes on."""

import io
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from data.errors import InputError
from launch.keys.trials import StressKeys
from launch.plan.datasets import prepare_store
from launch.run.command import compose_keys
from launch.stress import curve_table, plan_stress, stress_problems
from study.experiments.robustness import DISTURBANCES, Point, curves_of, undisturbed
from study.records.score_files import read_scores
from study.records.store import StudyStore
from tests.conftest import TreeMaker
from tests.launch.commands import SMALL, sweep_arguments
from tests.launch.test_sweep import finish as ended
from tests.launch.test_sweep import start

FAULTS = [
    ("kinds=[rain]", "kinds: no kind 'rain'; allowed: label_noise, "),
    ("levels.blur=[]", "levels.blur=[]; a list of numbers"),
    ("levels.blur=[120]", "levels.blur: 120; from 0, in percent"),
    ("levels.blur=[much]", "levels.blur: 'much'; from 0, in percent"),
    ("levels.subjects=[-1]", "levels.subjects: -1; from 0, in percent, or people"),
    ("levels.label_noise=[80]", "label_noise at 80: data:"),
    ("only=[bcee]", "only: no variant 'bcee'"),
    ("seeds=0", "seeds=0; at least 1"),
]


def keys(folder: Path, *given: str) -> StressKeys:
    found: StressKeys = compose_keys("stress", [f"runs_root={folder}", "name=x", *given], stress_problems)
    return found


def test_all_kinds_have_levels_by_default(tmp_path: Path) -> None:
    assert tuple(keys(tmp_path).levels) == DISTURBANCES


@pytest.mark.parametrize(("fault", "said"), FAULTS)
def test_what_is_wrong_is_said_before_any_data_are_read(fault: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        keys(tmp_path, fault)
    assert said in str(caught.value)


def test_trials_on_good_data_are_shared_by_all_kinds_and_keep_their_detectors(trees: TreeMaker, tmp_path: Path) -> None:
    places = [f"data_root={trees('bp4d')}", f"store_root={tmp_path / 'stores'}"]
    asked = ["only=[bce]", "kinds=[positives,blur]", "levels.positives=[50]", "levels.blur=[2,4]", "folds=[part1]"]
    given = keys(tmp_path / "runs", "dataset=bp4d", *places, *SMALL, *asked, "seeds=2")
    plan = plan_stress(given, prepare_store(given, Console(file=io.StringIO())))
    levels = {("positives", 100.0), ("positives", 50.0), ("blur", 0.0), ("blur", 2.0), ("blur", 4.0)}
    assert {(point.kind, point.level) for point in plan.trials} == levels
    kept = {config.key: placement.keep_detector for config, placement in plan.jobs}
    assert sorted(kept.values()) == [False, False, True, True], "two seeds, with all positives and with half of them"
    asked_of = {config.key: placement.worse for config, placement in plan.jobs}
    for point, trials in plan.trials.items():
        good = point != Point("bce", "positives", 50.0)
        assert {asked_of[config.key] for config in trials} == {(("blur", 2.0), ("blur", 4.0)) if good else ()}
        assert [config.seed for config in trials] == [0, 1]
        assert {kept[config.key] for config in trials} == {(point.kind, point.level) != ("positives", 50.0)}
        assert {config.data.positives for config in trials} == {0.5 if point.level == 50.0 else 1.0}


def test_a_table_has_a_row_for_every_level() -> None:
    rows = [
        ("bce", "blur", level, "f1", au, 0.5 - level / 100, 0.25, None if level else 0.75)
        for level in (0.0, 2.0)
        for au in (None, 1)
    ]
    names = ["method", "kind", "level", "metric", "au", "value", "low", "high"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        low=pl.when(pl.col("level") == 0).then("low"), high=pl.when(pl.col("level") == 0).then("high")
    )
    out = Console(file=io.StringIO(), width=80)
    out.print(curve_table(frame, "blur"))
    assert isinstance(out.file, io.StringIO)
    _, *lines = (" ".join(line.split()) for line in out.file.getvalue().splitlines())
    assert lines == ["0 % 50.0 (25.0 to 75.0)", "2 % 48.0"]


@pytest.mark.ray
def test_a_stress_study_runs_goes_on_and_grows(trees: TreeMaker, tmp_path: Path) -> None:
    kept = [word for word in sweep_arguments(trees("bp4d"), tmp_path) if not word.startswith("trials=")]
    asked = ["only=[bce]", "folds=[part1]", "levels.label_noise=[20]", "levels.blur=[4]"]
    store = StudyStore(tmp_path / "runs/bp4d-stress")
    output = ended(start("stress", *kept, *asked, "kinds=[label_noise,blur]"))
    assert "4 points, 2 trials, 2 to do" in output
    frame = curves_of(read_scores(store.root, "robustness")).filter(pl.col("au").is_null(), metric="f1")
    points = {Point(*row) for row in frame.select("method", "kind", "level").iter_rows()}
    assert points == {
        Point("bce", kind, level) for kind in ("label_noise", "blur") for level in (undisturbed(kind), 20.0, 4.0)
    } - {
        Point("bce", "label_noise", 4.0),
        Point("bce", "blur", 20.0),
    }
    output = ended(start("stress", *kept, *asked, "kinds=[label_noise,blur]", "seeds=2"))
    assert "4 points, 4 trials, 2 to do" in output

"""`launch/compare.py`: what it prints and keeps, and with a real Ray how it goes on."""

import io
import re
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from launch.compare import ablation_markdown, finish_ablation
from launch.plan.resources import Resources
from launch.plan.variants import AblationPlan
from study.experiments.ablation import Condition, noisy_trials
from study.records.config import Placement, TrialConfig
from study.records.score_table import label_noise, scores_frame
from study.records.store import StudyStore
from study.records.study_spec import ABLATION, StudySpec
from tests.conftest import TreeMaker
from tests.launch.commands import run, sweep_arguments
from tests.launch.test_sweep import finish as ended
from tests.launch.test_sweep import start
from tests.study.make import result, trial
from tests.study.specs import OTHERS

NOTHING = float("nan")


def plan(root: Path, *cells: Condition) -> AblationPlan:
    """Variants that differ in their learning rate, on two folds."""
    variants = {name: trial(lr=1e-3 * number) for number, (name, _) in enumerate(cells, start=1)}
    trials = {cell: noisy_trials(variants[cell[0]], cell[1], ["part1", "part2"], 1) for cell in cells}
    against = dict.fromkeys(variants, cells[0][0])
    store = StudyStore(root)
    asked = StudySpec(root.name, "bp4d", OTHERS[ABLATION], trials=sum(map(len, trials.values())))
    store.open_study(asked, free=())
    return AblationPlan(store, trials, against, Placement(root, root), Resources(1, 1, 0.0, "cpu"))


def console() -> Console:
    return Console(file=io.StringIO(), width=60)


def said(by: Console) -> str:
    assert isinstance(by.file, io.StringIO)
    return by.file.getvalue()


def table_rows(text: str) -> dict[str, list[str]]:
    """Cells of the Markdown table by the name of the variant."""
    lines = [re.split(r"\s*\|\s*", line.strip("| ")) for line in text.splitlines() if line.startswith("| ")]
    return {line[0]: line for line in lines}


def test_the_table_is_printed_and_kept(tmp_path: Path) -> None:
    asked, out = plan(tmp_path, ("aunce", 0.0), ("other", 0.0)), console()
    for config in asked.trials:
        asked.store.write(result(config))
    assert finish_ablation(asked, out) == 0
    kept = (tmp_path / "comparison.md").read_text()
    assert kept[kept.index("Test F1") :] in said(out), "printed as it is kept, whatever the width of the terminal"
    assert {*table_rows(kept)} == {"variant", "aunce", "other"}
    assert pl.read_csv(tmp_path / "comparison.csv")["variant"].to_list() == ["aunce", "other"]


@pytest.mark.parametrize("failed", [True, False])
def test_rows_that_are_whole_are_shown_and_the_rest_is_asked_for(failed: bool, tmp_path: Path) -> None:
    asked, out = plan(tmp_path, ("aunce", 0.0), ("other", 0.0)), console()
    for config in asked.trials[:3]:
        asked.store.write(result(config))
    if failed:
        asked.store.write(result(asked.trials[3], None, status="FAILED", curve=()))
    assert finish_ablation(asked, out) == 1
    assert {*table_rows((tmp_path / "comparison.md").read_text())} == {"variant", "aunce"}
    assert "3 of 4 final trials are done" in said(out)
    assert ("it broke" in said(out)) == failed


def test_nothing_done_is_no_table(tmp_path: Path) -> None:
    asked, out = plan(tmp_path, ("aunce", 0.0)), console()
    assert finish_ablation(asked, out) == 1
    assert "0 of 2" in said(out)
    assert not (tmp_path / "comparison.md").exists()


@pytest.mark.parametrize("kind", ["symmetric", "event"])
def test_the_markdown_has_percent_signs_of_gains_and_no_interval_where_there_is_none(kind: str) -> None:
    names = {"condition": label_noise(0.2, kind), "rule": "0.5", "n_seeds": 2}
    numbers: list[dict[str, object]] = [
        {"metric": "f1", "value": 0.5, "low": 0.4, "high": 0.6},
        {"metric": "rare_f1", "value": 0.25, "low": NOTHING, "high": NOTHING},
        {"metric": "f1", "au": 1, "value": 0.5},
        {"metric": "always_positive", "value": 0.45},
        {"metric": "rare_always_positive", "value": 0.1},
        *({"metric": "base_rate", "au": au, "value": rate} for au, rate in ((1, 0.05), (2, 0.075))),
        {"metric": "trials", "value": 9},
        {"metric": "seconds", "value": 21.34},
    ]
    gains: list[dict[str, object]] = [
        {"metric": "f1", "value": 0.01, "low": -0.02, "high": 0.03, "p": 0.01, "p_holm": 0.02},
        {"metric": "rare_f1", "value": -0.1, "low": -0.2, "high": 0.0},
    ]
    rows = [names | {"method": method} | number for method in ("a", "b") for number in numbers]
    rows += [names | {"method": "b", "against": "a"} | gain for gain in gains]
    text = ablation_markdown(scores_frame(rows))
    cells = table_rows(text)
    assert cells["a"] == ["a", "20", "50.0 (40.0 to 60.0)", "25.0", "", "", "", "", "", "21.3"]
    assert cells["b"][4:9] == ["a", "+1.0 (-2.0 to +3.0)", "0.020", "-10.0 (-20.0 to +0.0)", "-"]
    assert "95 % intervals over people and training runs" in text
    once = scores_frame([row | {"n_seeds": 1} for row in rows])
    assert "intervals over people alone, because there is one training run of each" in ablation_markdown(once)
    assert f"| variant | {kind} noise % |" in text
    assert "1 (5.0 %), 2 (7.5 %)" in text
    assert "45.0" in text
    assert len({len(line) for line in text.splitlines() if line.startswith("|")}) == 1


def test_a_comparison_is_no_study_of_one_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("c", "d"):
        StudyStore(tmp_path / name).open_study(StudySpec(name, "bp4d", OTHERS[ABLATION]), free=())
    assert run("final", "name=c", f"runs_root={tmp_path}") == 2
    assert "is an ablation study" in capsys.readouterr().err
    assert run("transfer", "studies=[c,d]", f"runs_root={tmp_path}") == 2
    assert "is an ablation study" in capsys.readouterr().err


def test_wrong_input_stops_before_any_data_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "only=[simclear]", f"runs_root={tmp_path}", f"store_root={tmp_path / 'stores'}") == 2
    assert "no variant 'simclear'" in capsys.readouterr().err
    assert not (tmp_path / "stores").exists()


@pytest.mark.ray
def test_a_comparison_runs_goes_on_and_grows(trees: TreeMaker, tmp_path: Path) -> None:
    kept = [word for word in sweep_arguments(trees("bp4d"), tmp_path) if not word.startswith("trials=")]
    arguments = [*kept, "only=[aunce,bce]", "seeds=1"]
    store = StudyStore(tmp_path / "runs/bp4d-comparison")
    output = ended(start("compare", *arguments))
    assert "2 rows, 6 trials, 6 to do" in output
    assert store.count("final") == 6
    assert not store.detector_path("any").parent.exists(), "hundreds of detectors that nothing reads"
    files = {path: path.stat().st_mtime_ns for path in (store.root / "trials").iterdir()}

    assert "6 trials, 0 to do" in ended(start("compare", *arguments))
    output = ended(start("compare", *arguments, "label_noise=[0,0.2]", "only=[bce]"))
    assert "2 rows, 6 trials, 3 to do" in output
    assert {path: path.stat().st_mtime_ns for path in files} == files
    frame = pl.read_csv(store.comparison_path(".csv"))
    assert frame.select("variant", "label_noise").rows() == [("bce", 0.0), ("bce", 0.2)]
    assert _noise(store) == {"aunce": {0.0}, "bce": {0.0, 0.2}}
    assert "9/9 trials (9 done" in ended(start("status", "name=bp4d-comparison", f"runs_root={tmp_path / 'runs'}"))
    assert "epochs was 2, now 3" in ended(start("compare", *arguments, "epochs=3"), expected=2)


def _noise(store: StudyStore) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    configs: list[TrialConfig] = [done.config for done in store.results()]
    for config in configs:
        found.setdefault(config.method_name, set()).add(config.data.label_noise)
    return found

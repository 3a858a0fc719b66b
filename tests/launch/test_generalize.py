"""The command that trains on several datasets, on stores of noisy frames; with Ray in the last test alone."""

from pathlib import Path

import polars as pl
import pytest

import launch.generalize
import launch.run.recipe
from data.store import FrameStore
from launch.plan.resources import Resources
from study.experiments.domain_generalization import generalization_export
from study.experiments.selection import SelectionPlan as Selected
from study.experiments.selection import decided_trials, record, score_selections
from study.records.config import Placement, TrialConfig
from study.records.predictions import read_predictions
from study.records.score_files import read_scores
from study.records.store import StudyStore
from study.search.best_trial import final_trials
from study.trial.run import run_trial
from tests.data.several import three_stores
from tests.launch.commands import run
from tests.launch.test_sweep import finish as ended
from tests.launch.test_sweep import start
from tests.study.make import small_trial
from tests.study.specs import search_spec

QUICK = ("epochs=2", "optim.batch_size=9", "head.dim=4", "probe.epochs=2")
SMALL = ("dataset.crop=16", *QUICK, "val_share=0.34", "seeds=1")
ALL = "leave_one_out=[bp4d,disfa,gft]"
Job = tuple[TrialConfig, Placement]
TWO = ("variants=claims", "only=[bce,bce-plain]")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FrameStore]:
    return three_stores(tmp_path_factory.mktemp("generalize"))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the trials that are run from here on, in this process."""
    keys: list[str] = []

    def here(jobs: list[Job], store: StudyStore, resources: Resources) -> None:
        for config, placement in jobs:
            if store.result(config.key) is None:
                keys.append(config.key)
                run_trial(config, placement)

    monkeypatch.setattr(launch.run.recipe, "run_all", here)
    return keys


def arguments(stores: dict[str, FrameStore], folder: Path, *given: str) -> list[str]:
    places = f"store_root={stores['gft'].path.parent}", f"runs_root={folder}", "name=x"
    return [*places, *SMALL, *given]


def table(folder: Path) -> pl.DataFrame:
    return generalization_export(read_scores(folder / "x", "domain_generalization"))


def test_leave_one_out_in_one_command(
    stores: dict[str, FrameStore], ran: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = arguments(stores, tmp_path, ALL, "method=bce")
    assert run("generalize", *asked) == 0
    said = capsys.readouterr().out
    assert "train on disfa+gft, test on bp4d: AU 1 12\n" in said
    assert "bce: one candidate, so there is nothing for selection to choose" in said
    assert "3 trials, 3 to do" in said
    assert len(ran) == 3
    found = table(tmp_path)
    names = ("method", "target", "sources", "selection", "rule", "metric", "au", "value", "low", "high")
    assert found.columns == [*names, "candidates", "chosen"]
    assert {*found.select("target", "sources").unique().rows()} == {
        ("bp4d", "disfa+gft"),
        ("disfa", "bp4d+gft"),
        ("gft", "bp4d+disfa"),
    }
    assert pl.read_csv(tmp_path / "x/generalize.csv").height == found.height
    for dataset in stores:
        assert any(f"| {dataset} " in line and line.startswith("| bce ") for line in said.splitlines())

    assert run("generalize", *asked) == 0
    assert "3 trials, 0 to do" in capsys.readouterr().out
    assert len(ran) == 3
    assert table(tmp_path).equals(found)

    assert run("final", "name=x", f"runs_root={tmp_path}") == 2
    assert "is a study of domain generalisation: launch/generalize.py writes" in capsys.readouterr().err
    assert run("status", "name=x", f"runs_root={tmp_path}") == 0
    assert "3/3 trials (3 done" in capsys.readouterr().out


@pytest.mark.slow
def test_more_rules_train_and_score_only_what_is_missing(
    stores: dict[str, FrameStore], ran: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = arguments(stores, tmp_path, ALL, *TWO)
    assert run("generalize", *asked, "selection=[pooled]") == 0
    assert len(ran) == 6
    kept = {path.name for path in (tmp_path / "x/predictions").iterdir()}
    assert not any("-last-" in name for name in kept), "nobody asked for what the last epoch says of a target"
    pooled = table(tmp_path)
    assert {*pooled["selection"]} == {"pooled"}
    assert {*pooled["candidates"]} == {2}

    assert run("generalize", *asked, "selection=[pooled,oracle]") == 0
    assert len(ran) == 6, "the weights of the last epoch were kept"
    new = {path.name for path in (tmp_path / "x/predictions").iterdir()} - kept
    assert len(new) == 6
    assert all("-last-" in name for name in new)

    assert run("generalize", *asked) == 0
    assert len(ran) == 12, "each dataset alone, for two candidates"
    assert {*table(tmp_path)["selection"]} == {"pooled", "oracle", "leave_one_source_out"}
    assert table(tmp_path).filter(selection="pooled").equals(pooled)
    assert run("generalize", *arguments(stores, tmp_path, "train_on=[gft,bp4d]", "test_on=[disfa]", *TWO)) == 0
    assert len(ran) == 12, "another target of the same sources trains nothing"
    assert {*table(tmp_path)["target"]} == {"disfa"}
    capsys.readouterr()
    for words in (["epochs=3"], ["epochs=3", "dry_run=true"]):
        assert run("generalize", *asked, *words) == 2
        assert "epochs was 2, now 3" in capsys.readouterr().err


def test_no_target_reaches_its_training(stores: dict[str, FrameStore], ran: list[str], tmp_path: Path) -> None:
    assert run("generalize", *arguments(stores, tmp_path, ALL, "method=supcon", "norm=per_dataset")) == 0
    store = StudyStore(tmp_path / "x")
    names = {one.fingerprint: name for name, one in stores.items()}
    for key in ran:
        result = store.result(key)
        assert result is not None
        (out,) = {*stores} - {names[fingerprint] for fingerprint in result.config.sources.stores}
        assert not any(subject.startswith(f"{out}:") for subject in result.scores["val"].subjects)
        assert {*read_predictions(store.predictions_path(key)).frame["dataset"]} == {*stores} - {out}
        tested = read_predictions(store.predictions_path(key, stores[out].fingerprint))
        assert {*tested.frame["dataset"]} == {out}
        assert len(tested) == len(stores[out])


def test_a_trial_that_failed_is_named_and_the_others_are_shown(
    stores: dict[str, FrameStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def here(jobs: list[Job], store: StudyStore, resources: Resources) -> None:
        for config, placement in jobs[1:]:
            run_trial(config, placement)

    monkeypatch.setattr(launch.run.recipe, "run_all", here)
    assert run("generalize", *arguments(stores, tmp_path, ALL, "method=bce")) == 1
    assert "2 of 3 final trials are done. The same command continues." in capsys.readouterr().out
    assert {*table(tmp_path)["target"]} == {"disfa", "gft"}


def test_the_targets_own_detectors_stand_beside(
    stores: dict[str, FrameStore], ran: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, own = stores["gft"], StudyStore(tmp_path / "gft-bce")
    base = small_trial(frames, "bce")
    own.open_study(search_spec(dataset="gft", config=base.to_dict()), free=())
    names = ["random3-1", "random3-2", "random3-3"]
    plan = Selected("nested", {fold: [final_trials(base, [fold], range(2))] for fold in names})
    for trial in plan.trials:
        run_trial(trial, Placement(frames.path, own.root))
    chosen = {"nested": decided_trials(own, plan)}
    own.write_final(record([plan], chosen), score_selections(own, chosen))
    given = "train_on=[bp4d,disfa]", "test_on=[gft]", "method=bce", "own=[gft-bce]"
    assert run("generalize", *arguments(stores, tmp_path, *given)) == 0
    found = table(tmp_path).filter(selection="own")
    assert found.select("method", "sources", "target", "chosen").unique().rows() == [("bce", "gft", "gft", "gft-bce")]
    assert {*found["au"]} == {1, 12, None}, "on the AUs that the sources know"
    kept = own.final_scores().filter(aggregate="folds", selection="nested", metric="f1", rule="0.5", au=12)
    mine = found.filter(metric="f1", rule="0.5", au=12)
    assert mine["value"].to_list() == pytest.approx(kept["value"].to_list(), abs=1e-12)
    assert " own " in capsys.readouterr().out


def test_wrong_input_stops_before_anything_is_written(
    stores: dict[str, FrameStore], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("generalize", *arguments(stores, tmp_path / "r", "train_on=[bp4d]", "test_on=[bp4d]")) == 2
    assert "bp4d is in train_on and in test_on" in capsys.readouterr().err
    assert not (tmp_path / "r/x").exists()


def test_a_dry_run_starts_nothing(
    stores: dict[str, FrameStore], ran: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("generalize", *arguments(stores, tmp_path, ALL, "method=bce", "dry_run=true")) == 0
    assert "0 of 3 trials finished, 3 to do" in capsys.readouterr().out
    assert ran == []
    assert not (tmp_path / "x/study.json").exists()


@pytest.mark.ray
def test_the_command_itself(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    asked = arguments(stores, tmp_path, ALL, "method=aunce", "norm=adapt", "cluster.cpus=2")
    output = ended(start("generalize", *asked))
    assert "3/3 trials (3 done" in output
    assert "table: " in output
    assert "3 trials, 0 to do" in ended(start("generalize", *asked))
    assert table(tmp_path).height > 0

"""launch/transfer.py, launch/score.py and launch/export.py on studies of a moment."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from study.experiments.cross_dataset.transfer import read_transfer
from study.experiments.selection import evaluation_of, final_trials_of
from study.records.predictions import Predictions, write_predictions
from study.records.store import StudyStore
from study.scoring.evaluation import Evaluation, score_table
from tests.data.stores import tiny_store
from tests.launch.commands import run
from tests.study.finals import final_study

FOLDS = ("random2-1", "random2-2")


@dataclass(frozen=True)
class Lab:
    """A folder with studies of two datasets."""

    folder: Path

    @property
    def runs(self) -> str:
        return f"runs_root={self.folder / 'runs'}"

    def study(self, name: str) -> StudyStore:
        return StudyStore(self.folder / "runs" / name)

    def transfer(self, studies: str, *arguments: str) -> int:
        return run("transfer", f"studies={studies}", self.runs, *arguments)

    def score(self, file: Path, name: str, *arguments: str) -> int:
        stores = f"store_root={self.folder / 'stores'}"
        return run(
            "score",
            f"predictions={file}",
            f"name={name}",
            "dataset=gft",
            "dataset.size=24",
            stores,
            self.runs,
            *arguments,
        )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    gft = tiny_store(folder, subjects=6, aus=(1, 12))
    bp4d = tiny_store(folder, subjects=4, aus=(1, 4, 12), seed=1, dataset="bp4d")
    disfa = tiny_store(folder, subjects=4, aus=(4, 6), seed=2, dataset="disfa")
    for frames in (gft, bp4d, disfa):
        name = f"{frames.table['dataset'][0]}-bce"
        final_study(folder / "runs" / name, frames, FOLDS, epochs=2)
    return folder


@pytest.fixture
def lab(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Studies of one's own; the frame stores are shared."""
    monkeypatch.delenv("AU_DATA", raising=False)
    shutil.copytree(trained / "runs", tmp_path / "runs")
    (tmp_path / "stores").symlink_to(trained / "stores")
    return Lab(tmp_path)


def test_every_detector_goes_on_every_other_dataset_once(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab.transfer("[gft-bce,bp4d-bce]") == 0
    told = capsys.readouterr().out
    for words in (
        "F1 by threshold, %",
        "AUC, %",
        "Retention, %",
        "source validation",
        "always-positive",
        "AUs that all share: 1 12.",
    ):
        assert words in told
    first = read_transfer(lab.folder / "runs" / "transfer")
    assert [study.name for study in first.spec.studies] == ["gft-bce", "bp4d-bce"]
    assert first.spec.conventions == {"gft": "occurrence", "bp4d": "occurrence"}
    assert first.spec.common_aus == (1, 12)
    monkeypatch.setattr("study.experiments.cross_dataset.pairs.predict", lambda *_: 1 / 0)
    assert lab.transfer("[gft-bce,bp4d-bce]", "aus=pair", "rule=oracle", "name=again") == 0
    told = capsys.readouterr().out
    assert "gft on bp4d 1 12" in told
    assert "cannot be compared: for that, give aus=common" in told
    assert read_transfer(lab.folder / "runs" / "again").table.equals(first.table)


def test_a_command_that_was_stopped_goes_on(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = lab.folder / "runs" / "gft-bce" / "predictions"
    before = {*kept.iterdir()}
    written: list[Path] = []

    def stopped(path: Path, predictions: Predictions) -> None:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(path)
        write_predictions(path, predictions)

    monkeypatch.setattr("study.experiments.cross_dataset.pairs.write_predictions", stopped)
    assert lab.transfer("[gft-bce,bp4d-bce]") == 1
    assert "the same command continues" in capsys.readouterr().err
    assert {*kept.iterdir()} - before == {*written}
    stamp = written[0].stat().st_mtime_ns
    monkeypatch.undo()
    assert lab.transfer("[gft-bce,bp4d-bce]") == 0
    assert written[0].stat().st_mtime_ns == stamp


def test_a_pair_without_shared_aus_is_named_and_left_out(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.transfer("[gft-bce,bp4d-bce,disfa-bce]") == 0
    told = capsys.readouterr().out
    assert "note: gft-bce on disfa: no AU is shared, [1, 12] and [4, 6]" in told
    assert "note: disfa-bce on gft: no AU is shared" in told
    found = read_transfer(lab.folder / "runs" / "transfer")
    assert not found.table.filter(source="gft", target="disfa").height
    assert set(found.table.filter(source="bp4d", target="disfa")["aus"]) == {"4"}
    assert set(found.table["aus_kind"]) == {"pair"}
    assert lab.transfer("[gft-bce,disfa-bce]") == 2
    assert "no detector can be scored on another dataset" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("studies", "arguments", "said"),
    [
        ("[gft-bce]", [], "at least two names"),
        ("[gft-bce,gft-bce]", [], "gft-bce is listed twice"),
        ("[gft-bce,bp4d-bce]", ["selection=best"], "selection='best'; allowed: nested, shared, oracle"),
        ("[gft-bce,bp4d-bce]", ["rule=0.4", "aus=all"], "rule='0.4'; allowed: 0.5, validation, base_rate, oracle"),
        ("[gft-bce,bp4d-bce]", ["device=gpu"], "device='gpu'; allowed: auto, cpu, cuda"),
        ("[gft-bce,bp4d-bce]", ["aus=all"], "aus='all'; allowed: common, pair"),
        ("[gft-bce,bp4d-bce]", ["name=gft-bce"], "gft-bce is a study; give another name"),
        ("[gft-bce,bp4d-bce]", ["name=../x"], "name='../x'"),
        ("[gft-bce,bp4d-bce]", ["base_rates=none.csv"], "base_rates=none.csv: no such file"),
        ("[gft-bce,nobody]", [], "no study in"),
        ("[gft-bce,bp4d-bce]", ["selection=oracle"], "run launch/final.py name=gft-bce selection=oracle"),
    ],
)
def test_what_cannot_be_compared_is_said(
    studies: str, arguments: list[str], said: str, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab.transfer(studies, *arguments) == 2
    assert said in capsys.readouterr().err
    assert not (lab.folder / "runs" / "transfer").exists()


def test_all_studies_that_cannot_be_opened_are_named(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.transfer("[nobody,no-one]") == 2
    told = capsys.readouterr().err
    assert "nobody" in told
    assert "no-one" in told


def test_given_base_rates_are_matched(lab: Lab) -> None:
    rates = lab.folder / "rates.csv"
    rates.write_text("dataset,au,rate\nbp4d,1,0\nbp4d,4,0\nbp4d,12,0\n")
    assert lab.transfer("[gft-bce,bp4d-bce]", f"base_rates={rates}") == 0
    found = read_transfer(lab.folder / "runs" / "transfer")
    rows = found.table.filter(target="bp4d", metric="f1", rule="base_rate")
    assert set(rows["value"]) == {0.0}
    assert found.spec.base_rates == {"bp4d": {1: 0.0, 4: 0.0, 12: 0.0}}


def exported(lab: Lab, name: str, *arguments: str) -> Path:
    out = lab.folder / f"{name}.csv"
    assert run("export", "name=gft-bce", f"out={out}", lab.runs, *arguments) == 0
    return out


def evaluated(store: StudyStore) -> Evaluation:
    trials = final_trials_of(store)
    return evaluation_of(store, {fold: [t for t in trials if t.config.data.fold == fold] for fold in FOLDS})


def test_what_is_exported_is_scored_as_it_was(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    file = exported(lab, "mine")
    assert "96 probabilities of 48 frames" in capsys.readouterr().out
    assert lab.score(file, "theirs") == 0
    told = capsys.readouterr().out
    assert "F1, oracle threshold, %" in told
    assert "note:" not in told
    theirs = lab.study("theirs").final_scores().filter(aggregate="pooled", metric="f1", rule="0.5").sort("au")
    ours = (
        score_table(evaluated(lab.study("gft-bce")), {}).filter(aggregate="pooled", metric="f1", rule="0.5").sort("au")
    )
    assert theirs["value"].to_list() == pytest.approx(ours["value"].to_list(), abs=1e-12)


def test_a_foreign_detector_stands_in_the_tables(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    rows = pl.read_csv(exported(lab, "mine")).filter(pl.col("frame") > 1)
    rows.write_csv(lab.folder / "less.csv")
    assert lab.score(lab.folder / "less.csv", "openface-gft", "detector=openface") == 0
    assert "note: 12 of 48 frames have no predictions" in capsys.readouterr().out
    assert lab.transfer("[gft-bce,bp4d-bce,openface-gft]") == 0
    told = capsys.readouterr().out
    assert "note: gft: all are scored without 12 of 48 frames" in told
    assert "foreign:openface" in told
    found = read_transfer(lab.folder / "runs" / "transfer")
    assert set(found.tests["method_b"]) == {"foreign:openface"}
    assert set(found.tests["source"]) == {"gft", "bp4d"}
    assert run("final", "name=openface-gft", lab.runs) == 2
    assert "launch/transfer.py reads it" in capsys.readouterr().err


def test_foreign_predictions_that_cannot_be_scored(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    file = exported(lab, "mine")
    for arguments, said in (
        (["trained_on=gft"], "trained_on=gft is the scored dataset"),
        (["trained_on=BP4D+GFT"], "trained_on=BP4D+GFT is the scored dataset"),
        (["scale=percent"], "scale='percent'; allowed: probability, intensity5"),
        (["dataset=videos"], "dataset=videos has no labels"),
    ):
        assert lab.score(file, "x", *arguments) == 2
        assert said in capsys.readouterr().err
    assert lab.score(lab.folder / "none.csv", "x") == 2
    assert "no file" in capsys.readouterr().err
    assert not lab.study("x").exists()
    assert lab.score(file, "x") == 0
    pl.read_csv(file).with_columns(probability=pl.lit(0.2)).write_csv(file)
    assert lab.score(file, "x") == 2
    assert "predictions was" in capsys.readouterr().err


def test_predictions_elsewhere_are_exported_of_one_detector(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    out = lab.folder / "out.parquet"
    arguments = ["name=gft-bce", f"out={out}", lab.runs]
    assert run("export", *arguments, "what=bp4d") == 2
    assert "what='bp4d'; allowed: test" in capsys.readouterr().err
    assert lab.transfer("[gft-bce,bp4d-bce]") == 0
    capsys.readouterr()
    assert run("export", *arguments, "what=bp4d", "fold=random2-2") == 0
    rows = pl.read_parquet(out)
    assert (rows.height, set(rows["dataset"]), set(rows["au"])) == (64, {"bp4d"}, {1, 12})
    for given, said in (
        (["what=bp4d", "fold=part1"], "fold='part1'; allowed: random2-1, random2-2"),
        (["seed=4"], "seed=4; gft-bce has 0"),
        (["fold=random2-1"], "is for another dataset"),
        (["out=x.xlsx"], "neither .parquet nor .csv"),
    ):
        assert run("export", *arguments, *given) == 2
        assert said in capsys.readouterr().err

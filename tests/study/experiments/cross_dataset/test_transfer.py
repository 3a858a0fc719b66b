"""The tables of a transfer study, against plain loops over the kept predictions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import InputError
from data.store import FrameStore
from study.experiments.cross_dataset.cells import PairScores, cells_of, targets_of
from study.experiments.cross_dataset.pairs import FOREIGN, Study, common_aus, member, pair_aus, predict_all
from study.experiments.cross_dataset.transfer import (
    Transfer,
    read_transfer,
    transfer_table,
    write_transfer,
)
from study.experiments.selection import evaluation_of
from study.records.predictions import Predictions, predictions_of, read_predictions, write_predictions
from study.records.score_files import scores_path
from study.records.score_table import SCORES
from study.records.store import StudyStore
from study.records.transfer_spec import TransferMember
from study.scoring.bootstrap import standard_error
from study.scoring.evaluation import score_table
from study.scoring.significance import holm
from study.scoring.thresholds import tuned_thresholds
from tests.data.stores import tiny_store
from tests.study.finals import final_study, opened_final
from tests.study.specs import external_spec, transfer_spec

FOLDS = ("random2-1", "random2-2")


@dataclass(frozen=True)
class World:
    """Two datasets, two methods, and a foreign detector of AU 12 that has not seen every frame of the second."""

    frames: dict[str, FrameStore]
    studies: list[Study]
    cells: list[PairScores]
    table: pl.DataFrame
    tests: pl.DataFrame
    notes: tuple[str, ...]
    found: Transfer

    def study(self, name: str) -> Study:
        return next(study for study in self.studies if study.name == name)

    def value(self, study: str, target: str, metric: str, rule: str = "0.5", au: int | None = None) -> float:
        rows = self.table.filter(
            pl.col("study") == study,
            pl.col("target") == target,
            pl.col("metric") == metric,
            pl.col("rule") == rule,
            pl.col("aus_kind") == "pair",
            pl.col("au").eq_missing(pl.lit(au, pl.Int64)),
        )
        value = rows["value"].item()
        return math.nan if value is None else float(value)


def foreign_study(folder: Path, frames: FrameStore, rows: np.ndarray) -> StudyStore:
    store = StudyStore(folder)
    store.open_study(external_spec(folder.name, frames, aus=(12,)), free=())
    labels = frames.labels((12,))
    guesses = np.abs(labels - 0.4 * np.random.default_rng(0).random(labels.shape)).clip(0, 1)
    predictions = predictions_of(frames.table[rows], guesses[rows], labels[rows], (12,), "test")
    write_predictions(store.predictions_path(FOREIGN, frames.fingerprint), predictions)
    return store


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    gft = tiny_store(folder, subjects=6, aus=(1, 12), unknown=0.1)
    bp4d = tiny_store(folder, subjects=4, frames=10, aus=(1, 4, 12), seed=1, dataset="bp4d")
    stores = [
        final_study(folder / f"{name}-{method}", frames, FOLDS, method=method, seeds=seeds)
        for name, frames in (("gft", gft), ("bp4d", bp4d))
        for method, seeds in (("bce", 2), ("supcon", 3))
    ]
    studies = [opened_final(store) for store in stores]
    studies.append(member(foreign_study(folder / "openface", bp4d, np.arange(3, 40)), ()))
    for source in studies:
        for frames in (gft, bp4d):
            for result in source.results if frames is not source.frames else ():
                predict_all(source, result, frames, "cpu")
    targets = targets_of(studies)
    cells = [cell for target in targets for cell in cells_of(target, {"gft": {1: 0.4, 12: 0.6}})]
    found = Transfer(transfer_spec(*map(described, studies)), transfer_table(cells, common_aus(studies)))
    notes = tuple(note for target in targets for note in target.notes)
    return World({"gft": gft, "bp4d": bp4d}, studies, cells, found.table, found.tests, notes, found)


def described(study: Study) -> TransferMember:
    trained_on = (study.frames.fingerprint,) if study.results else ()
    return TransferMember(study.name, study.method, study.source, study.target, study.aus, 1, trained_on)


def kept(study: Study, number: int, target: FrameStore | None = None) -> Predictions:
    key = study.results[number].config.key
    return read_predictions(study.store.predictions_path(key, target.fingerprint if target else ""))


def plain_f1(
    found: Predictions, thresholds: Sequence[float] | np.ndarray, au: int, people: Sequence[str] = ()
) -> float:
    at, tp, wrong = found.aus.index(au), 0, 0
    for who, p, y in zip(found.subjects, found.probabilities[:, at], found.labels[:, at], strict=True):
        if y >= 0 and (not people or who in people):
            tp += int(p >= thresholds[at] and y == 1)
            wrong += int((p >= thresholds[at]) != (y == 1))
    return 2 * tp / (2 * tp + wrong) if tp + wrong else math.nan


def first_frames(found: Predictions) -> Predictions:
    """Without the three frames of the first person that the foreign detector has not seen."""
    unseen = (pl.col("subject") == "S00") & (pl.col("frame") < 3)
    return Predictions(found.frame.filter(~unseen), found.aus)


def best_f1(found: Predictions, au: int) -> float:
    at = found.aus.index(au)
    candidates = [0.5, *found.probabilities[:, at].tolist()]
    values = [plain_f1(found, [np.float64(t)] * len(found.aus), au) for t in candidates]
    return max(value for value in values if not math.isnan(value))


def matching(found: Predictions, au: int, rate: float) -> np.float64:
    """The threshold that lets through a number of frames nearest to `rate` of them."""
    values = found.probabilities[:, found.aus.index(au)].tolist()
    far = {t: abs(sum(p >= t for p in values) - rate * len(values)) for t in [2.0, *values]}
    return np.float64(max(t for t in far if far[t] == min(far.values())))


def test_tables_have_their_schema(world: World) -> None:
    assert dict(world.found.scores.schema) == SCORES
    assert world.table.height + world.tests.height == world.found.scores.height
    assert set(world.table["aus_kind"]) == {"pair", "common"}
    assert set(world.table.filter(aus_kind="common")["aus"]) == {"12"}
    assert set(world.table.filter(pl.col("study") == "bp4d-bce", pl.col("aus_kind") == "pair")["aus"]) == {
        "1 4 12",
        "1 12",
    }


@pytest.mark.parametrize("au", [1, 12])
def test_a_score_elsewhere_is_the_mean_over_detectors_on_all_frames(world: World, au: int) -> None:
    study = world.study("bp4d-bce")
    values = [plain_f1(kept(study, n, world.frames["gft"]), (0.5,) * 3, au) for n in range(4)]
    assert world.value("bp4d-bce", "gft", "f1", au=au) == pytest.approx(sum(values) / 4, abs=1e-10)


def test_the_rules_of_thresholds(world: World) -> None:
    study, gft = world.study("bp4d-bce"), world.frames["gft"]
    oracle, validated, matched = [], [], []
    for number in range(4):
        found, val = kept(study, number, gft), kept(study, number).part("val")
        oracle.append(best_f1(found, 1))
        at = val.aus.index(1)
        best = max(
            (plain_f1(val, [np.float64(t)] * 3, 1), -abs(t - 0.5), -t)
            for t in [0.5, *val.probabilities[:, at].tolist()]
        )
        validated.append(plain_f1(found, [np.float64(-best[2])] * 3, 1))
        matched.append(plain_f1(found, [matching(found, 1, 0.4)] * 3, 1))
    for rule, values in (("oracle", oracle), ("validation", validated), ("base_rate", matched)):
        assert world.value("bp4d-bce", "gft", "f1", rule, 1) == pytest.approx(np.mean(values), abs=1e-10), rule


def test_without_given_rates_those_of_the_training_part_are_matched(world: World) -> None:
    study, bp4d = world.study("gft-supcon"), world.frames["bp4d"]
    rates = study.training_rates
    values = []
    for number, result in enumerate(study.results):
        fold = result.config.data.fold
        scored = set(result.scores["test"].subjects) | set(result.scores["val"].subjects)
        trained = study.frames.table.filter(~pl.col("subject").is_in(list(scored)))
        assert rates[fold][12] == pytest.approx(trained["au_12"].mean())
        found = first_frames(kept(study, number, bp4d))
        values.append(plain_f1(found, [matching(found, 12, rates[fold][12])] * 2, 12))
    assert world.value("gft-supcon", "bp4d", "f1", "base_rate", 12) == pytest.approx(np.mean(values), abs=1e-10)


def test_the_diagonal_is_what_the_final_evaluation_says(world: World) -> None:
    study = world.study("gft-bce")
    chosen = {fold: [result for result in study.results if result.config.data.fold == fold] for fold in FOLDS}
    scores = score_table(evaluation_of(study.store, chosen), {"selection": "nested"}).filter(
        pl.col("aggregate") == "folds"
    )
    for metric, rule in (("f1", "0.5"), ("f1", "validation"), ("auc", "0.5"), ("always_positive", "0.5")):
        names = pl.col("metric") == metric, pl.col("rule") == rule
        ours = world.table.filter(*names, study="gft-bce", target="gft", aus_kind="pair").sort("au")
        theirs = scores.filter(*names).sort("au")
        for column in ("value", "low", "high"):
            np.testing.assert_allclose(ours[column], theirs[column], atol=1e-10, err_msg=f"{metric} {rule} {column}")


def test_retention_is_over_the_target_s_own_detectors_on_the_same_parts(world: World) -> None:
    source, own, gft = world.study("bp4d-bce"), world.study("gft-bce"), world.frames["gft"]
    tested = {result.config.data.fold: result.scores["test"].subjects for result in own.results}
    here, there = [], []
    for fold, people in tested.items():
        found = [kept(source, n, gft) for n in range(4)]
        here.append(np.mean([plain_f1(one, tuned_thresholds(one), 12, people) for one in found]))
        mine = [kept(own, n).part("test") for n, one in enumerate(own.results) if one.config.data.fold == fold]
        there.append(np.mean([plain_f1(one, tuned_thresholds(one), 12) for one in mine]))
    retained = world.value("bp4d-bce", "gft", "retention_f1", "oracle", au=12)
    assert retained == pytest.approx(np.mean(here) / np.mean(there), abs=1e-10)


def test_retention_needs_the_target_s_own_detectors_of_the_method(world: World) -> None:
    retained = world.table.filter(pl.col("metric").str.starts_with("retention"))
    assert not retained.filter(pl.col("source") == pl.col("target")).height
    assert not retained.filter(pl.col("method").str.starts_with("foreign")).height
    assert set(retained["metric"]) == {"retention_f1", "retention_auc"}


def test_frames_without_predictions_are_counted_and_left_out_for_all(world: World) -> None:
    lost = "3 of 40 frames, e.g. S00/T1/0"
    assert world.notes == (f"bp4d: openface has no predictions for {lost}", f"bp4d: all are scored without {lost}")
    study = world.study("gft-bce")
    values = [plain_f1(first_frames(kept(study, n, world.frames["bp4d"])), (0.5, 0.5), 1) for n in range(4)]
    assert world.value("gft-bce", "bp4d", "f1", au=1) == pytest.approx(np.mean(values), abs=1e-10)


def test_a_foreign_detector_stands_among_the_methods(world: World) -> None:
    study = world.study("openface")
    found = read_predictions(study.store.predictions_path(FOREIGN, study.frames.fingerprint))
    assert world.value("openface", "bp4d", "f1", au=12) == pytest.approx(plain_f1(found, (0.5,), 12), abs=1e-10)
    rows = world.table.filter(study="openface")
    assert set(rows["source"]) == {"elsewhere"}
    assert set(rows.filter(metric="f1")["rule"]) == {"0.5", "oracle"}
    against = world.tests.filter(method_b="foreign:openface")
    assert set(against.select("source", "method_a").unique().iter_rows()) == {
        (source, method) for source in ("gft", "bp4d") for method in ("bce", "supcon")
    }
    assert set(against["aus"]) == {"12"}


def test_differences_are_those_of_the_table(world: World) -> None:
    rows = world.tests.filter(method_b="supcon", metric="f1", rule="oracle").to_dicts()
    assert {(row["source"], row["target"]) for row in rows} == {(a, b) for a in world.frames for b in world.frames}
    for row in rows:
        one, other = (
            world.value(f"{row['source']}-{row[m]}", row["target"], "f1", "oracle") for m in ("method_a", "method_b")
        )
        assert row["difference"] == pytest.approx(one - other, abs=1e-10)
        assert row["low"] <= row["high"]


def test_differences_are_paired_within_replicates(world: World) -> None:
    one, other = (cell for cell in world.cells if cell.target == "gft" and cell.study.source == "bp4d")
    a, b = (cell.number("auc", "0.5", (1, 12), by_part=False) for cell in (one, other))
    row = world.tests.filter(source="bp4d", target="gft", metric="auc").row(0, named=True)
    drawn = a.replicates[:, -1] - b.replicates[:, -1]
    expected = standard_error(row["difference"], drawn, 6, 1, (*a.trained, *b.trained))
    assert expected
    assert (row["low"], row["high"]) == pytest.approx(expected.interval, rel=1e-7)


def test_holm_is_over_all_tests_of_all_metrics_and_rules(world: World) -> None:
    expected = holm([math.nan if p is None else p for p in world.tests["p"]])
    np.testing.assert_allclose(world.tests["p_holm"].fill_null(math.nan), expected)


def test_studies_of_a_dataset_must_have_the_same_folds(world: World, tmp_path: Path) -> None:
    other = final_study(tmp_path / "gft-aunce", world.frames["gft"], ("random3-1",), scheme="random3", method="aunce")
    with pytest.raises(InputError, match=r"gft-aunce and gft-bce have different folds"):
        targets_of([world.study("gft-bce"), opened_final(other)])


def test_no_frame_that_all_have_is_refused(world: World, tmp_path: Path) -> None:
    bp4d = world.frames["bp4d"]
    parts = [
        foreign_study(tmp_path / name, bp4d, rows) for name, rows in (("a", np.arange(9)), ("b", np.arange(9, 40)))
    ]
    with pytest.raises(InputError, match=r"(?s)no frame of bp4d.*b has no predictions for 9 of 40 frames"):
        targets_of([member(part, ()) for part in parts])


def test_tables_are_read_as_they_were_written(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "transfer"
    with pytest.raises(InputError, match=r"no transfer study in .*launch/transfer.py name=transfer"):
        read_transfer(folder)
    write_transfer(folder, world.found)
    found = read_transfer(folder)
    assert found.spec == world.found.spec
    assert found.table.equals(world.table)
    assert found.tests.equals(world.tests)
    world.found.scores.drop("rule").write_parquet(scores_path(folder, "transfer"))
    with pytest.raises(InputError, match="another version"):
        read_transfer(folder)
    scores_path(folder, "transfer").write_bytes(b"half")
    with pytest.raises(InputError, match="damaged"):
        read_transfer(folder)


def test_a_target_with_one_person_has_no_intervals(tmp_path: Path, world: World) -> None:
    alone = tiny_store(tmp_path, subjects=1, frames=12, aus=(1, 12), dataset="disfa")
    source = world.study("gft-bce")
    for result in source.results:
        predict_all(source, result, alone, "cpu")
    store = StudyStore(tmp_path / "nobody")
    store.open_study(external_spec("x", alone, aus=(1, 12), trained_on="bp4d"), free=())
    found = predictions_of(alone.table, np.full((12, 2), 0.7), alone.labels((1, 12)), (1, 12), "test")
    write_predictions(store.predictions_path(FOREIGN, alone.fingerprint), found)
    studies = [source, member(store, ())]
    (target,) = [target for target in targets_of(studies) if target.name == "disfa"]
    cells = list(cells_of(target, {}))
    scores = transfer_table(cells, pair_aus(source, alone))
    tests = scores.filter(pl.col("against").is_not_null())
    assert min(scores["value"].count(), tests["value"].count()) > 0
    assert scores["low"].count() == tests["p"].count() == tests["p_holm"].count() == 0

"""Comparison of studies: which differences are paired, and every number against the counts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import InputError
from data.seeds import numpy_generator
from model.metrics import f1
from reports.figures.comparison_figures import difference_dots, study_dots, variant_heat
from reports.frames import comparison
from reports.frames.comparison import Comparison, compare_studies
from reports.frames.facts import Facts, facts_of
from reports.sections import compared_sections, variant_sections
from study.experiments.ablation import comparison_frame
from study.records.score_files import read_scores, scores_path
from study.records.store import StudyStore
from study.scoring import bootstrap
from tests.reports.made import AUS, PARTS, made_comparison, made_result, made_study
from tests.reports.test_page import HOSTILE, Outline

PEOPLE = sum(map(len, PARTS.values()))
NAMES = ["ours", "theirs", "older", "begun", "elsewhere"]


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Facts]:
    root = tmp_path_factory.mktemp("runs")
    made_study(root / "ours", 0.72)
    made_study(root / "theirs", 0.66, method="bce")
    made_study(root / "older", 0.7, fingerprint="a" * 8)
    made_study(root / "begun", seeds=0)
    made_study(root / "elsewhere", 0.6, dataset="mine")
    return {name: facts_of(StudyStore(root / name)) for name in NAMES}


@pytest.fixture(scope="module")
def compared(members: dict[str, Facts]) -> Comparison:
    return compare_studies([members[name] for name in NAMES])


def mean_f1(member: Facts) -> float:
    """The usual mean, from loops over folds and seeds."""
    folds = []
    for fold in PARTS:
        rows = member.counts.filter(pl.col("fold") == fold)
        seeds = []
        for seed in rows["seed"].unique():
            sums = rows.filter(pl.col("seed") == seed).group_by("au").agg(pl.col("tp", "fp", "fn").sum())
            seeds.append([2 * tp / (2 * tp + fp + fn) for _, tp, fp, fn in sums.sort("au").iter_rows()])
        folds.append(np.mean(seeds, axis=0))
    return float(np.mean(folds))


def test_the_leaderboard_agrees_with_the_counts(compared: Comparison, members: dict[str, Facts]) -> None:
    values = dict(compared.standings.select("study", "f1").iter_rows())
    for name in ("ours", "theirs", "older", "elsewhere"):
        assert values[name] == pytest.approx(mean_f1(members[name])), name
    assert values["begun"] is None
    protocols = dict(compared.standings.select("study", "protocol").iter_rows())
    assert protocols["ours"] == protocols["theirs"] != protocols["older"]
    assert protocols["begun"] == ""


def test_only_studies_of_one_protocol_are_paired(compared: Comparison) -> None:
    pairs = {(a, b): pairing for a, b, pairing in compared.differences.select("a", "b", "pairing").iter_rows()}
    assert pairs == {("ours", "theirs"): "paired", ("ours", "older"): "unpaired", ("theirs", "older"): "unpaired"}


def test_a_paired_difference_draws_the_same_people(compared: Comparison, members: dict[str, Facts]) -> None:
    row = compared.differences.row(0, named=True)
    ours, theirs = (bootstrap.fold_cubes(members[name].counts, AUS) for name in ("ours", "theirs"))
    rng = numpy_generator("bootstrap", "test")
    weights = {
        fold: rng.multinomial(len(PARTS[fold]), [1 / len(PARTS[fold])] * len(PARTS[fold]), 2000) for fold in PARTS
    }
    draws = []
    for cubes in (ours, theirs):
        by_fold = [f1(np.einsum("rs,ksac->rkac", weights[fold], cubes[fold])).mean(1) for fold in PARTS]
        draws.append(np.mean(by_fold, axis=0).mean(1))
    value, drawn = mean_f1(members["ours"]) - mean_f1(members["theirs"]), draws[0] - draws[1]
    error = drawn.std(ddof=1) * (PEOPLE / (PEOPLE - len(PARTS))) ** 0.5
    assert row["difference"] == pytest.approx(value)
    assert (row["low"] + row["high"]) / 2 == pytest.approx(2 * value - drawn.mean())
    # the interval also covers training, which can only add to the error
    assert (row["high"] - row["low"]) / 2 >= 1.959 * error
    unpaired = compared.differences.row(1, named=True)
    assert unpaired["p"] is None
    assert unpaired["high"] - unpaired["low"] > row["high"] - row["low"]


def test_a_difference_to_a_single_run_has_no_interval(tmp_path: Path) -> None:
    one, other = (facts_of(made_study(tmp_path / name, seeds=seeds)) for name, seeds in (("a", 1), ("b", 2)))
    row = comparison.differences_frame([one, other]).row(0, named=True)
    assert (row["low"], row["high"], row["p"], row["n_seeds"]) == (None, None, None, 1)


def test_other_people_in_a_fold_are_not_paired(tmp_path: Path) -> None:
    fewer = {**PARTS, "part1": PARTS["part1"][:2]}
    one, other = (facts_of(made_study(tmp_path / name, parts=parts)) for name, parts in (("a", PARTS), ("b", fewer)))
    assert comparison.shared_folds(one, other) == ["part2", "part3"]
    row = comparison.differences_frame([one, other]).row(0, named=True)
    assert (row["pairing"], row["folds"]) == ("paired", "part2, part3")


def test_an_unknown_protocol_is_never_shared(tmp_path: Path) -> None:
    studies = []
    for name in ("a", "b"):
        facts = facts_of(made_study(tmp_path / name))
        for result in facts.finals:
            result.environment.pop("protocol")
        studies.append(facts)
    assert [facts.protocol for facts in studies] == ["", ""]
    assert comparison.differences_frame(studies)["pairing"].to_list() == ["unpaired"]


def test_settings_that_differ(compared: Comparison) -> None:
    rows = {row[0]: row[1:] for row in compared.settings.iter_rows()}
    assert rows["data.fingerprint"] == ("f" * 8, "f" * 8, "a" * 8, "f" * 8, "f" * 8)
    assert rows["optim.lr"] == ("0.003", "0.003", "0.003", "0.002", "0.003")
    assert "optim.weight_decay" not in rows
    assert not {name for name in rows if name.endswith((".fold", "score_test"))}


def test_settings_of_each_fold(tmp_path: Path) -> None:
    same, nested = made_study(tmp_path / "same", seeds=1), made_study(tmp_path / "nested", seeds=0)
    for at, (fold, people) in enumerate(PARTS.items()):
        given = {"data": {"dataset": "disfa", "fingerprint": "f" * 8, "fold_scheme": "parts"}, "head": {"dim": 8}}
        rate = {"optim": {"lr": 0.001 * (1 + at)}}
        nested.write(made_result("nested", 0.7, 20 + at, "final", {fold: people}, {**given, **rate}))
    one, two = facts_of(same), facts_of(nested)
    # without a record of the choice, a page shows the final trials of one configuration
    two = replace(two, finals=[result for result in nested.results() if result.stage == "final"])
    rows = {row[0]: row[1:] for row in compare_studies([one, two]).settings.iter_rows()}
    assert rows["optim.lr"] == ("0.003", "0.001 (part1), 0.002 (part2), 0.003 (part3)")
    assert rows["head.dim"] == (str(one.finals[0].config.head.dim), "8")
    assert "data.fold" not in rows


def test_costs(compared: Comparison) -> None:
    row = compared.costs.row(0, named=True)
    assert (row["done"], row["failed"], row["final trials"]) == (3, 0, 6)
    assert row["search"] == pytest.approx(30 + 31 + 32)


def test_names_must_differ(members: dict[str, Facts]) -> None:
    with pytest.raises(InputError, match="ours is given twice"):
        compare_studies([members["ours"], members["ours"]])


def test_the_page_names_what_can_be_compared(compared: Comparison) -> None:
    page = Outline(compared_sections.comparison_page(compared))
    rest = ["aus", "scores", "cost", "settings", "published", "provenance"]
    assert page.sections == ["summary", "differences", "variance", *rest]
    assert "Of 2 studies of disfa with the same protocol, ours has the highest test F1" in page.text
    assert "begun has no final trials yet" in page.text
    assert "Do not compare scores on different datasets" in page.text
    assert "their differences are marked as unpaired" in page.text
    drawn = [attrs["id"] for tag, attrs in page.tags if tag == "figure"]
    assert drawn == ["figure-differences", "figure-per-au"]


def test_studies_without_any_final_trial_still_give_a_page(tmp_path: Path) -> None:
    begun = [facts_of(made_study(tmp_path / name, seeds=0)) for name in ("a", "b")]
    page = Outline(compared_sections.comparison_page(compare_studies(begun)))
    assert "No two of these studies were tested with the same protocol yet." in page.text
    assert page.sections == ["summary", "cost", "settings", "published", "provenance"]


def test_a_hostile_study_stays_text(tmp_path: Path) -> None:
    def page(name: str) -> Outline:
        stores = [made_study(tmp_path / name[:1] / at, 0.7 if at == "a" else 0.6, method=name) for at in ("a", "b")]
        for store in stores:
            store.write_provenance({name: name})
        named = [facts_of(store, f"{at} {name}") for at, store in zip(("a", "setting"), stores, strict=True)]
        return Outline(compared_sections.comparison_page(compare_studies(named)))

    plain, hostile = page("plain"), page(HOSTILE)
    assert HOSTILE in hostile.text
    for tag in ("script", "img", "style", "figure", "table", "tr"):
        assert sum(name == tag for name, _ in hostile.tags) == sum(name == tag for name, _ in plain.tags), tag
    assert not any(name.startswith("on") for _, attrs in hostile.tags for name in attrs)


def test_figures_hold_the_numbers_of_their_frames(compared: Comparison) -> None:
    dots = study_dots(compared.per_au)
    assert [trace.name for trace in dots.data] == ["ours", "theirs", "older", "elsewhere"]
    ours = compared.per_au.filter(pl.col("study") == "ours")
    assert list(dots.data[0].y) == pytest.approx([100 * value for value in ours["f1"]], abs=1e-3)
    assert len({(trace.marker.color, trace.marker.symbol) for trace in dots.data}) == 4
    labelled = compared.differences.with_columns(label=pl.format("{} minus {}", "a", "b"))
    drawn = difference_dots(labelled)
    assert {trace.name: len(trace.x) for trace in drawn.data} == {"paired": 1, "unpaired": 2}
    row = labelled.row(0, named=True)
    assert drawn.data[0].x[0] == pytest.approx(100 * row["difference"], abs=1e-3)
    assert drawn.data[0].error_x.array[0] == pytest.approx(100 * (row["high"] - row["difference"]), abs=1e-3)


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> StudyStore:
    return made_comparison(tmp_path_factory.mktemp("variants") / "mine", {"aunce": 0.7, "aunce-max": 0.62, "bce": 0.72})


def test_the_page_of_a_comparison_of_variants(variants: StudyStore) -> None:
    page = Outline(variant_sections.ablation_page(variants))
    assert page.sections == ["summary", "gains", "aus", "settings", "provenance"]
    assert "label noise symmetric" in page.text
    assert "With clean labels bce has the highest test F1" in page.text
    assert "With 20 % of the training labels flipped (symmetric noise) bce has the highest test F1" in page.text
    assert "18 of 18 trials have ended (18 DONE)." in page.text
    assert "The rarest third: AU6" in page.text


def test_the_page_names_noise_that_is_not_symmetric(tmp_path: Path) -> None:
    store = made_comparison(tmp_path / "mine", {"aunce": 0.7, "bce": 0.72}, kind="event")
    page = Outline(variant_sections.ablation_page(store)).text
    assert "label noise event" in page
    assert "With 20 % of the training labels flipped (event noise) bce has" in page
    labels = variant_sections.comparison_table(store)["label"].to_list()
    assert labels == ["aunce", "aunce (20 % flipped, event)", "bce", "bce (20 % flipped, event)"]


def test_frames_of_the_variants_agree_with_the_table(variants: StudyStore) -> None:
    table = variant_sections.comparison_table(variants)
    written = comparison_frame(read_scores(variants.root, "ablation"))
    by_au = variant_sections.ablation_by_au(read_scores(variants.root, "ablation"))
    for name, noise in (("aunce-max", 0.2), ("bce", 0.0)):
        label = f"{name} (20 % flipped)" if noise else name
        row = written.filter(pl.col("variant") == name, pl.col("label_noise") == noise).row(0, named=True)
        shown = dict(by_au.filter(pl.col("label") == label).select("au", "f1").iter_rows())
        assert shown.pop(None) == row["f1"]
        assert shown == {au: row[f"f1_au_{au}"] for au in AUS}
    gains = variant_sections.gains_of(table)
    assert gains["label"].to_list() == ["aunce-max", "aunce-max (20 % flipped)", "bce", "bce (20 % flipped)"]
    assert gains["difference"].to_list() == written["f1_gain"].drop_nulls().to_list()
    heat = variant_heat(by_au).data[0]
    assert heat.z[0][-1] == pytest.approx(100 * table["f1"][0], abs=1e-3)
    assert heat.text[0][-1] == f"{100 * table['f1'][0]:.1f}"


def test_an_unfinished_ablation_shows_its_progress(variants: StudyStore) -> None:
    path = scores_path(variants.root, "ablation")
    kept = path.read_bytes()
    path.unlink()
    try:
        page = Outline(variant_sections.ablation_page(variants))
        variants.comparison_path(".csv").write_text("variant,label_noise\na,0\n")  # the file of a former revision
        with pytest.raises(InputError, match=r"damaged \(.*; run launch/compare\.py name=mine again"):
            variant_sections.ablation_page(variants)
    finally:
        variants.comparison_path(".csv").unlink(missing_ok=True)
        path.write_bytes(kept)
    assert "The table appears when launch/compare.py has ended." in page.text
    assert page.sections == ["summary", "settings", "provenance"]

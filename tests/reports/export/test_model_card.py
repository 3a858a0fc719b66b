"""The model card agrees with the store, and names what the store does not have."""

import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from model.metrics import f1
from reports.export.model_card import model_card
from reports.frames.facts import facts_of
from study.records.score_table import scores_frame
from study.records.store import StudyStore
from study.scoring import bootstrap
from tests.reports.made import AUS, PARTS, made_study

SECTIONS = [
    "Model",
    "Intended use",
    "Training data",
    "Evaluation data",
    "Selection",
    "Results",
    "Limits",
    "Licences",
    "Configuration",
    "Environment",
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StudyStore:
    return made_study(tmp_path_factory.mktemp("card") / "ours")


@pytest.fixture(scope="module")
def card(store: StudyStore) -> str:
    return model_card(facts_of(store))


def test_it_has_all_sections(card: str) -> None:
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == SECTIONS
    assert card.startswith("# Model card: ours\n")


def test_it_names_data_protocol_and_code(card: str, store: StudyStore) -> None:
    facts = facts_of(store)
    assert "frame store: ffffffff" in card
    assert f"protocol of all folds: {facts.protocol}" in card
    for fold, people in PARTS.items():
        assert f"fold {fold}: {len(people)} test subjects, protocol disfa-ffffffff-{fold}" in card
    assert "revision ceb08da" in card
    assert "torch of the final trials: 2.15.0" in card
    assert "University of Denver" in card
    assert "6 detectors, one for each fold and seed" in card


def test_its_numbers_agree_with_the_counts(card: str, store: StudyStore) -> None:
    counts = store.counts().filter(pl.col("stage") == "final", pl.col("split") == "test")
    folds = bootstrap.fold_cubes(counts, AUS).values()
    values = sum(f1(cube.sum(1)).mean(0) for cube in folds) / len(PARTS)
    for au, value in zip(AUS, values.tolist(), strict=True):
        assert re.search(rf"^\| AU{au} \| {100 * value:.1f} \(", card, re.MULTILINE), au
    assert f"| F1 | shared | threshold 0.5 | folds | {100 * values.mean():.1f} (" in card
    once = counts.filter(pl.col("seed") == 1, pl.col("au") == 12)
    frames, active = (
        once.select(pl.sum_horizontal("tp", "fp", "fn", "tn").sum()).item(),
        (once["tp"] + once["fn"]).sum(),
    )
    assert f"| AU12 | {frames:,} | {active:,} | {100 * active / frames:.1f} |" in card


def test_limits_are_measured(card: str, tmp_path: Path) -> None:
    assert "A fold has only 2 test subjects" in card
    assert "Only 2 seeds: the variation between training runs is uncertain" in card
    assert "Not better than the always-positive detector" not in card
    weak = model_card(facts_of(made_study(tmp_path / "weak", 0.35)))
    assert "Not better than the always-positive detector: AU1" in weak


def test_a_study_without_final_trials_says_so(tmp_path: Path) -> None:
    card = model_card(facts_of(made_study(tmp_path / "begun", seeds=0)))
    assert "There are no final trials yet" in card
    assert "There are no final scores yet: run launch/final.py." in card


def test_an_unknown_dataset_has_no_known_licence(tmp_path: Path) -> None:
    card = model_card(facts_of(made_study(tmp_path / "mine", dataset="mine")))
    assert "mine: licence unknown" in card


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    name = "x\n# Heading\n<script>alert(1)</script> | [link](https://evil.example) `"
    store = made_study(tmp_path / "x", name=name)
    store.write_provenance({name: name})
    card = model_card(facts_of(store))
    assert "<script" not in card
    assert not re.search(r"^# Heading", card, re.MULTILINE)
    assert not re.search(r"(?<!\\)\]\(|https:", card)
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == SECTIONS


def test_a_shared_configuration_names_the_fold_that_chose_it(store: StudyStore) -> None:
    facts = facts_of(store)
    several = replace(facts, spec=replace(facts.spec, folds=("part2", "part3")))
    assert "so only fold part2 is nested" in " ".join(model_card(several).split())


@pytest.mark.parametrize("selections", [("nested", "oracle", "bias"), ("nested", "shared"), ("shared", "oracle")])
def test_limits_are_of_the_selection_that_may_be_reported(tmp_path: Path, selections: tuple[str, ...]) -> None:
    made = made_study(tmp_path / "ours")
    values = dict.fromkeys(selections, 0.9) | {selections[0]: 0.3}
    same = {"rule": "0.5", "aggregate": "folds", "low": None, "high": None, "seed_sd": None}
    rows = [
        {**same, "selection": selection, "metric": metric, "au": au, "value": value}
        for selection in selections
        for metric, value in (("f1", values[selection]), ("always_positive", 0.4))
        for au in (1, None)
    ]
    made.write_final({}, scores_frame(rows))
    assert "Not better than the always-positive detector: AU1." in model_card(facts_of(made))

"""Studies on random partitions: their frames and sections against plain loops, and that they are no final trials."""

from pathlib import Path
from statistics import fmean, stdev

import polars as pl
import pytest

from reports.frames.comparison import Comparison, compare_studies
from reports.frames.facts import facts_of
from reports.frames.partitions import Partitioned, components_frame, dots_frame, is_current, order_frame, partitioned
from reports.frames.report import StudyReport, report_of
from reports.frames.usage import hours_frame
from reports.html.blocks import Figure, Section, Table
from reports.sections.partitions_section import compared_variance, order_words, variance_section
from study.experiments.partitions import partitions_of
from study.records.score_files import read_scores
from study.records.store import StudyStore
from tests.reports.fake import no_importance
from tests.reports.made import made_partitions, made_result, made_study

OURS, THEIRS = (0.7, 0.75, 0.72, 0.6), (0.6, 0.7, 0.71, 0.66)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    made_partitions(made_study(root / "ours", 0.72), OURS)
    made_partitions(made_study(root / "theirs", 0.66, method="bce"), THEIRS)
    made_partitions(made_study(root / "older", 0.7, fingerprint="a" * 8), OURS)
    made_partitions(made_study(root / "one", 0.7, seeds=1), OURS[:2], seeds=1)
    made_study(root / "without", 0.7)
    return root


def study(runs: Path, name: str) -> Partitioned:
    return partitioned(runs / name, StudyStore(runs / name).spec())


def report(runs: Path, name: str) -> StudyReport:
    return report_of(StudyStore(runs / name), no_importance)


def compared(runs: Path, *names: str) -> Comparison:
    return compare_studies([facts_of(StudyStore(runs / name)) for name in names])


def words(section: Section | None) -> str:
    assert section is not None
    return " ".join(getattr(block, "words", getattr(block, "caption", "")) for block in section.blocks)


def test_the_order_of_two_studies(runs: Path) -> None:
    studies = [study(runs, name) for name in ("ours", "theirs", "older", "without")]
    order = order_frame(studies)
    assert order.height == 1, "older has other frames, without has no partitions"
    row = order.row(0, named=True)
    ours, theirs = (partitions_of(one.scores)["value"].to_list() for one in studies[:2])
    gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    assert (row["a"], row["b"], row["partitions"]) == ("ours", "theirs", 4)
    assert row["difference"] == pytest.approx(fmean(gaps))
    assert row["sd"] == pytest.approx(stdev(gaps))
    assert row["above"] == row["held"] == sum(gap > 0 for gap in gaps) == 3
    back = order_frame([studies[1], studies[0]]).row(0, named=True)
    assert (back["above"], back["held"]) == (1, 3), "the order is that of the mean difference"
    assert order_words(order)[0].endswith("the order held in 3 of 4 partitions.")


def test_dots_and_components_are_those_of_the_tables(runs: Path) -> None:
    studies = [study(runs, name) for name in ("ours", "one")]
    dots = dots_frame(studies)
    assert dots["partition"].to_list() == [1, 2, 3, 4, 1, 2]
    assert dots.filter(study="ours")["value"].to_list() == partitions_of(studies[0].scores)["value"].to_list()
    components = components_frame(studies)
    assert components.select("study", "component").rows() == [
        *(("ours", name) for name in ("people", "training seed", "partition into folds")),
        *(("one", name) for name in ("people", "partition and seed together")),
    ]
    scores = read_scores(runs / "ours", "partitions").filter(metric="sd_partition")
    assert components.row(2)[2:5] == scores.select("value", "low", "high").row(0)


def test_the_section_of_a_study(runs: Path) -> None:
    section = variance_section(report(runs, "ours"))
    said = words(section)
    assert "The 95 % interval of the result covers people and training, and not the partition" in said
    assert "These numbers show variance and are no result" in said
    assert "Only" not in said
    assert section is not None
    (drawn,) = (block for block in section.blocks if isinstance(block, Figure))
    assert [row[0] for row in drawn.table.rows] == ["people", "training seed", "partition into folds"]
    assert "give seeds=2 or more" in words(variance_section(report(runs, "one")))


def test_a_study_without_partitions_says_how_to_get_them(runs: Path) -> None:
    said = words(variance_section(report(runs, "without")))
    assert "and not the partition into folds" in said
    assert "launch/final.py name=without partitions=5 seeds=2" in said
    assert "no result" not in said


def test_partitions_change_nothing_else_on_the_page(runs: Path) -> None:
    ours, trials = report(runs, "ours"), 4 * 2 * 2
    assert ours.trials.filter(stage="partition").height == trials
    assert (ours.finals.runs.height, ours.finals.left_out) == (6, 0)
    assert ours.test is not None
    assert ours.test.folds == ("part1", "part2", "part3")
    facts = facts_of(StudyStore(runs / "ours"))
    assert {one.config.data.fold for one in facts.finals} == {"part1", "part2", "part3"}
    assert compared(runs, "ours", "theirs").costs["final trials"].to_list() == [6, 6]
    hours = hours_frame(ours.trials, ours.environments).filter(stage="partition")
    assert hours.select("fold", "trials").rows() == [("random2", trials)]


def test_a_better_configuration_makes_partitions_old(runs: Path, tmp_path: Path) -> None:
    store = made_partitions(made_study(tmp_path / "later", 0.7), OURS[:2])
    found = report(tmp_path, "later")
    assert found.partitions_current
    given = {"data": store.spec().config["data"], "optim": {"lr": 0.009}}
    store.write(made_result("later", 0.9, 99, "sweep", {"part1": ("SN001",)}, given))
    later = report(tmp_path, "later")
    assert not later.partitions_current
    assert "run launch/final.py with partitions= again" in words(variance_section(later))
    assert is_current(study(runs, "without"), later.trials, later.best)


def test_the_section_of_a_comparison(runs: Path) -> None:
    section = compared_variance(compared(runs, "ours", "theirs", "without"))
    said = words(section)
    assert "the order held in 3 of 4 partitions." in said
    assert "without: To see how much the partition matters, run launch/final.py name=without partitions=5" in said
    assert "A 95 % interval covers people and training, " in said
    assert section is not None
    (order,) = (block for block in section.blocks if isinstance(block, Table))
    assert order.rows[0][:4] == ["ours", "theirs", "4", "3"]
    assert "A 95 % interval covers people alone, " in words(compared_variance(compared(runs, "one", "without")))


def test_a_spread_of_nothing_is_said(runs: Path) -> None:
    found = report(runs, "ours")
    zero = pl.when(metric="sd_partition").then(0.0).otherwise("value").alias("value")
    found.partitions.scores.replace_column(
        found.partitions.scores.get_column_index("value"), found.partitions.scores.select(zero).to_series()
    )
    assert "the seeds alone explain the differences" in words(variance_section(found))

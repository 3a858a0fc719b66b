"""`launch/report.py`: which studies are meant, where pages and exports go, and what is wrong input."""

from pathlib import Path

import pytest

from launch import report
from launch.keys.studies import ReportKeys
from launch.show.page import study_labels
from study.records.store import StudyStore
from study.records.study_spec import DOMAIN_GENERALIZATION, EXTERNAL, HYPERPARAMETER_TRANSFER, ROBUSTNESS, StudySpec
from tests.launch.commands import run
from tests.reports.made import made_comparison, made_partitions, made_study
from tests.study.specs import OTHERS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("work") / "runs"
    for name in ("a", "b"):
        made_study(root / name)
    made_study(root.parent / "other" / "a", 0.6, method="bce")
    made_comparison(root / "variants", {"aunce": 0.7, "bce": 0.6}, [0.0])
    return root


def test_names_and_folders_are_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    for words in (("a", "b"), ("runs/a", "b"), (str(root / "a"), "runs/b/")):
        assert [path.resolve() for path in report.asked(ReportKeys(studies=words))] == [root / "a", root / "b"]
    assert report.asked(ReportKeys(name="a", studies=("b",))) == [Path("runs/a"), Path("runs/b")]


def test_all_that_is_wrong_is_said_at_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["studies=[a,nobody,a]", f"runs_root={root}", "every=0", "watch=true", "export=[csv]"]
    assert run("report", *wrong) == 2
    said = capsys.readouterr().err
    for words in ("nobody: no study in", "a is given twice", "every=0; at least", "give no export"):
        assert words in said
    assert run("report") == 2
    assert "no study; give its folder or name" in capsys.readouterr().err
    assert run("report", "name=a", f"runs_root={root}", "export=[pdf]") == 2
    assert "'pdf'; allowed: latex, markdown, csv, parquet, model_card" in capsys.readouterr().err


def test_pages_go_where_they_belong(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"runs_root={root}"
    assert run("report", "name=a", where) == 0
    assert "<h1>a</h1>" in (root / "a" / "report.html").read_text("utf-8")
    assert run("report", "studies=[a,b]", where) == 0
    assert "Comparison of studies" in (root / "report.html").read_text("utf-8")
    assert run("report", "name=variants", where, f"out={tmp_path}") == 0
    assert "Gains of the variants" in (tmp_path / "report.html").read_text("utf-8")
    assert run("report", "name=a", where, f"out={tmp_path / 'new' / 'page.html'}") == 0
    assert (tmp_path / "new" / "page.html").exists()
    assert f"report: {tmp_path / 'new' / 'page.html'}" in capsys.readouterr().out


def test_whether_the_order_of_two_studies_holds_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, skills in (("a", (0.7, 0.72, 0.6)), ("b", (0.6, 0.6, 0.7))):
        made_partitions(made_study(tmp_path / name), skills)
    assert run("report", "studies=[a,b]", f"runs_root={tmp_path}") == 0
    assert "the order held in 2 of 3 partitions." in capsys.readouterr().out
    assert "the order held in 2 of 3 partitions." in (tmp_path / "report.html").read_text("utf-8")


def test_published_rows_are_exported_when_they_are_asked_for(root: Path, tmp_path: Path) -> None:
    for asked, there in (([], False), (["published=true"], True)):
        folder = tmp_path / str(there)
        assert run("report", "name=a", f"runs_root={root}", "export=[latex]", f"out={folder}", *asked) == 0
        assert ("FMAE" in (folder / "per-au-f1.tex").read_text("utf-8")) == there


def test_studies_of_one_name_are_told_apart(root: Path) -> None:
    assert study_labels([root / "a", root / "b"]) == ["a", "b"]
    assert study_labels([root / "a", root.parent / "other" / "a"]) == ["runs/a", "other/a"]


def test_a_comparison_of_variants_is_no_study_to_compare(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", "studies=[a,variants]", f"runs_root={root}") == 2
    assert "is an ablation study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ROBUSTNESS, "scores/robustness.parquet"),
        (HYPERPARAMETER_TRANSFER, "scores/hyperparameter_transfer.parquet"),
        (DOMAIN_GENERALIZATION, "generalize.csv"),
        (EXTERNAL, "it"),
    ],
)
def test_what_has_no_page_says_where_it_stands(
    kind: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    StudyStore(tmp_path / "x").open_study(StudySpec("x", "bp4d", OTHERS[kind]), free=())
    for more in ("watch=true", "export=[csv]", "export=[]"):
        assert run("report", "name=x", f"runs_root={tmp_path}", more) == 2
        assert said in capsys.readouterr().err


def test_exports_are_written_and_named(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", "name=a", f"runs_root={root}", "export=[latex,model_card]") == 0
    assert (root / "a" / "export" / "model_card.md").exists()
    assert f"written: {root / 'a' / 'export' / 'per-au-f1.tex'}" in capsys.readouterr().out
    assert run("report", "studies=[a,b]", f"runs_root={root}", "export=[csv]", f"out={tmp_path}") == 0
    assert (tmp_path / "differences.csv").exists()
    assert run("report", "studies=[a,b]", f"runs_root={root}", "export=[model_card]") == 2

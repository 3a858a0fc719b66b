"""Exports: structure and escape rules of LaTeX and Markdown, ranks, and frames against the store."""

import re
from pathlib import Path

import polars as pl
import pytest

from data.errors import InputError
from reports.export import latex, markdown
from reports.export.export import EXPORTS, check_kinds, export, export_variants, safe, transfers_beside
from reports.frames.facts import facts_of
from reports.frames.grid import Cell, Grid, Row, ranked, score, word
from reports.frames.grids import StudyScores, au_grid, study_scores, transfer_matrices
from reports.frames.split_scores import scores_of_counts
from study.experiments.ablation import comparison_frame
from study.experiments.cross_dataset.transfer import Transfer, write_transfer
from study.records.score_files import read_scores, scores_path
from study.records.score_table import SCORES, scores_frame
from study.records.store import StudyStore
from tests.reports.made import AUS, made_comparison, made_study
from tests.study.specs import transfer_member, transfer_spec

HOSTILE = "a_b & 50% #1 $x$ {y} \\input{/etc/passwd} ~^ <script> | `code` [z] *w* --dash\n\\\\ \x1b[31m 名前 ß"


def balanced(text: str) -> bool:
    """Whether the braces of LaTeX text match, without the escaped ones."""
    depth = 0
    for mark in re.findall(r"(?<!\\)[{}]", text.replace("\\\\", "")):
        depth += 1 if mark == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def body(text: str) -> list[list[str]]:
    """Cells of each row of a LaTeX table."""
    rows = text.partition("\\toprule")[2].partition("\\bottomrule")[0]
    lines = [line for line in rows.splitlines() if line.endswith(r"\\")]
    return [re.split(r"(?<!\\)&", line.removesuffix(r"\\")) for line in lines]


def check_latex(text: str, columns: int) -> None:
    assert balanced(text)
    begun, ended = re.findall(r"\\begin\{(\w+\*?)\}", text), re.findall(r"\\end\{(\w+\*?)\}", text)
    assert begun == ended[::-1]
    spec = re.search(r"begin\{tabular\}\{@\{\}([lc]+)@\{\}\}", text)
    assert spec is not None
    assert len(spec[1]) == columns
    assert {len(cells) for cells in body(text)} == {columns}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    made_study(root / "ours", 0.72)
    made_study(root / "theirs", 0.66, method="bce")
    return root


def test_every_special_character_of_latex_is_escaped() -> None:
    written = latex.latex_text(HOSTILE)
    assert r"\textbackslash{}input\{/etc/passwd\}" in written
    assert "\n" not in written
    assert "名" not in written
    assert "{[}U+540D{]}" in written
    assert "ß" in written
    assert "-{}-dash" in written
    named = ("backslash", "asciitilde", "asciicircum", "less", "greater", "bar", "asciigrave")
    assert set(re.findall(r"\\([a-zA-Z]+)", written)) == {f"text{name}" for name in named}
    assert not re.findall(r"(?<!\\)[&%$#_~^]", re.sub(r"\$[^$]*\$", "", written))
    assert balanced(written)


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("a–b — c", r"a\textendash{}b \textemdash{} c"),
        ("−1.5 ± 2", "$-$1.5 $\\pm$ 2"),
        ("[x]", "{[}x{]}"),
        ("*", "{*}"),
    ],
)
def test_signs_that_our_own_texts_use(words: str, written: str) -> None:
    assert latex.latex_text(words) == written


def test_a_hostile_table_keeps_its_shape() -> None:
    rows = [
        Row([Cell(HOSTILE), score(0.5, 0.4, 0.6), score(None)]),
        Row([Cell("[1]"), score(-0.1, signed=True), word(3)]),
    ]
    grid = Grid(HOSTILE, HOSTILE, [HOSTILE, "F1", "&"], [rows, []], [HOSTILE])
    text = latex.latex(grid)
    check_latex(text, 3)
    assert "$50.0_{-10.0}^{+10.0}$" in text
    assert "$-10.0$" in text
    assert not any(line.startswith(("[", "*")) for line in text.splitlines())
    assert re.search(r"\\label\{tab:[a-z0-9-]+\}", text)


def test_markdown_keeps_its_cells_and_has_no_active_content() -> None:
    text = markdown.markdown(Grid("g", HOSTILE, ["a", "b"], [[Row([Cell(HOSTILE), score(0.5, 0.4, 0.6)])]]))
    assert "<script" not in text
    line = next(line for line in text.splitlines() if "50.0" in line)
    assert len(re.findall(r"(?<!\\)\|", line)) == 3
    assert line.endswith("| 50.0 (40.0 to 60.0) |")
    assert "https://" not in markdown.markdown_text("see https://evil.example and www.evil.example")
    assert "www." not in markdown.markdown_text("see https://evil.example and www.evil.example")


def row(name: str, value: float | None, protocol: str) -> Row:
    return Row([word(name), score(value)], protocol)


def test_ranks_stay_within_a_protocol() -> None:
    first = [row("a", 0.61, "p"), row("b", 0.612, "p"), row("c", 0.6121, "p"), row("alone", 0.9, "q")]
    second = [row("published", 0.99, ""), row("undefined", None, "p"), row("worst", 0.1, "p")]
    grid = ranked(Grid("g", "", ["", "F1"], [first, second]))
    ranks = {line.cells[0].words: line.cells[1].rank for group in grid.groups for line in group}
    # b and c print the same and are both best; the published row is higher and is not ranked.
    assert ranks == {"a": 2, "b": 1, "c": 1, "alone": 0, "published": 0, "undefined": 0, "worst": 0}
    text = latex.latex(grid)
    assert text.count(r"\mathbf{61.2}") == 2
    assert text.count(r"\underline{61.0}") == 1
    assert markdown.markdown(grid).count("**61.2**") == 2


def test_a_baseline_does_not_compete() -> None:
    rows = [Row([word("a"), Cell("", 0.3, competes=False)], "p"), Row([word("b"), Cell("", 0.4, competes=False)], "p")]
    assert all(line.cells[1].rank == 0 for line in ranked(Grid("g", "", ["", ""], [rows])).groups[0])


def scores(selection: str, rule: str, value: float, metric: str = "f1") -> pl.DataFrame:
    same = {"selection": selection, "rule": rule, "metric": metric, "aggregate": "folds", "seed_sd": None}
    rows = [{**same, "au": au, "value": value, "low": value - 0.02, "high": value + 0.03} for au in (1, 12, None)]
    return scores_frame(rows)


def test_choices_on_the_test_part_are_not_ranked() -> None:
    parts = [scores("nested", "0.5", 0.6), scores("nested", "oracle", 0.8), scores("oracle", "0.5", 0.7)]
    parts.append(scores("nested", "0.5", 0.4, "always_positive"))
    lower = [scores("nested", "0.5", 0.5), scores("nested", "oracle", 0.7), scores("bias", "0.5", 0.1)]
    ours, other = (StudyScores(name, "mine", "p", pl.concat(frames)) for name, frames in (("a", parts), ("b", lower)))
    grid = au_grid([ours, other])
    assert grid.heads == ["", "AU1", "AU12", "mean"]
    ranks = {line.cells[0].words: line.cells[1].rank for line in grid.groups[0]}
    assert [name for name, rank in ranks.items() if rank] == [
        "a, chosen in every fold, threshold 0.5",
        "b, chosen in every fold, threshold 0.5",
    ]
    assert "never report it as a result" in " ".join(grid.notes)
    assert [cell.shown for cell in grid.groups[1][0].cells] == ["always-positive on mine", "40.0", "40.0", "40.0"]
    other_protocol = au_grid([ours, StudyScores("b", "mine", "q", pl.concat(lower))])
    assert not any(cell.rank for group in other_protocol.groups for line in group for cell in line.cells)


def test_published_rows_are_shown_and_never_ranked(root: Path) -> None:
    studies = [study_scores(facts_of(StudyStore(root / name), name)) for name in ("ours", "theirs")]
    assert len(au_grid(studies).groups) == 2, "only when they are asked for"
    grid = au_grid(studies, published=True)
    ours, base, published = grid.groups
    assert {cell.rank for line in ours for cell in line.cells[1:]} == {1, 2}
    assert len(base) == 1, "one protocol, one baseline"
    assert len(published) > 30
    assert not any(cell.rank for line in published for cell in line.cells)
    fmae = next(line for line in published if line.cells[0].words.startswith("FMAE ["))
    assert " ".join(cell.shown for cell in fmae.cells[1:]) == "62.7 59.5 67.3 55.6 61.8 77.9 95.0 69.8 68.7"
    eac = next(line for line in published if line.cells[0].words.startswith("EAC-Net"))
    assert eac.cells[0].words.startswith("EAC-Net* [")
    assert "so they are not ranked" in " ".join(grid.notes)


def test_scores_of_counts_by_hand() -> None:
    cells = {"key": "k", "stage": "final", "seed": 0, "method": "m", "split": "test", "subject": "S", "au": 1}
    rows = [
        {**cells, "fold": "a", "tp": 3, "fp": 1, "fn": 1, "tn": 5},
        {**cells, "fold": "b", "tp": 1, "fp": 1, "fn": 0, "tn": 8},
    ]
    frame = scores_of_counts(pl.DataFrame(rows), (1,))
    assert dict(frame.schema) == SCORES
    known = {
        (metric, aggregate): value
        for metric, aggregate, value in frame.filter(pl.col("au") == 1)
        .select("metric", "aggregate", "value")
        .iter_rows()
    }
    assert known["f1", "folds"] == pytest.approx((6 / 8 + 2 / 3) / 2)
    assert known["f1", "pooled"] == pytest.approx(8 / 11)
    assert known["precision", "folds"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert known["always_positive", "folds"] == pytest.approx((8 / 14 + 2 / 11) / 2)
    assert frame["low"].null_count() == frame.height, "one subject a fold has no interval"


def test_every_export_of_a_study(root: Path, tmp_path: Path) -> None:
    store = StudyStore(root / "ours")
    files = export([("ours", store)], EXPORTS, tmp_path, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)
    for path in tmp_path.glob("*.tex"):
        check_latex(path.read_text("utf-8"), len(AUS) + 2)
    for name in ("trials", "epochs", "counts"):
        assert pl.read_parquet(tmp_path / f"{name}.parquet").equals(getattr(store, name)())
    kept = pl.read_csv(tmp_path / "counts.csv")
    assert kept.equals(store.counts().cast(kept.schema))
    written = (tmp_path / "per-au-f1.tex").read_text("utf-8")
    facts = facts_of(store)
    mean = facts.scores.filter(pl.col("metric") == "f1", pl.col("aggregate") == "folds", pl.col("au").is_null())
    value, low, high = mean.select("value", "low", "high").row(0)
    assert f"${100 * value:.1f}_{{{100 * (low - value):+.1f}}}^{{{100 * (high - value):+.1f}}}$" in written


def test_final_scores_equal_the_store(root: Path, tmp_path: Path) -> None:
    store = made_study(tmp_path / "ours")
    store.write_final({}, scores("nested", "validation", 0.4321))
    export([("ours", store)], ["latex", "parquet"], tmp_path / "out", {})
    assert "$43.2_{-2.0}^{+3.0}$" in (tmp_path / "out" / "per-au-f1.tex").read_text("utf-8")
    assert pl.read_parquet(tmp_path / "out" / "scores.parquet").equals(store.final_scores())


def test_several_studies_are_exported_with_their_names(root: Path, tmp_path: Path) -> None:
    stores = [(name, StudyStore(root / name)) for name in ("ours", "theirs")]
    export(stores, ["latex", "markdown", "csv", "parquet"], tmp_path, {})
    check_latex((tmp_path / "studies.tex").read_text("utf-8"), 8)
    check_latex((tmp_path / "differences.tex").read_text("utf-8"), 7)
    trials = pl.read_parquet(tmp_path / "trials.parquet")
    assert trials["study"].unique(maintain_order=True).to_list() == ["ours", "theirs"]
    assert trials.height == sum(store.trials().height for _, store in stores)
    assert "**" in (tmp_path / "studies.md").read_text("utf-8")


def transfer_study(folder: Path) -> Transfer:
    names = {"source": "disfa", "target": "bp4d", "condition": "pair", "aus": "1 12", "rule": "0.5", "metric": "f1"}
    rows = [
        {
            "method": method,
            **names,
            "au": None,
            "value": value,
            "low": value - 0.1,
            "high": value + 0.1,
        }
        for method, value in (("aunce", 0.5), ("bce", 0.4))
    ]
    other = {**rows[0], "target": "gft", "value": None, "low": None, "high": None}
    test = {**names, "method": "aunce", "against": "bce", "value": 0.1, "low": 0.05, "high": 0.2}
    studies = (transfer_member(method, method, "disfa") for method in ("aunce", "bce"))
    scores = scores_frame([*rows, other, test | {"p": 0.0004, "p_holm": 0.02}])
    transfer = Transfer(transfer_spec(*studies), scores)
    write_transfer(folder, transfer)
    return transfer


def test_transfer_matrices(tmp_path: Path) -> None:
    transfer = transfer_study(tmp_path / "transfer")
    (grid,) = transfer_matrices("transfer", transfer.table)
    assert grid.heads == ["trained on", "method", "study", "on bp4d", "on gft"]
    assert [[cell.shown for cell in line.cells] for line in grid.groups[0]] == [
        ["disfa", "aunce", "aunce", "50.0", "–"],
        ["disfa", "bce", "bce", "40.0", "–"],
    ]
    assert [line.cells[3].rank for line in grid.groups[0]] == [1, 2]
    assert "disfa to bp4d: 1 12" in " ".join(grid.notes)
    check_latex(latex.latex(grid), 5)


def test_transfer_studies_of_a_study_are_exported(tmp_path: Path) -> None:
    store = made_study(tmp_path / "aunce")
    transfer_study(tmp_path / "transfer")
    found = transfers_beside(tmp_path, ["aunce"])
    assert [*found] == ["transfer"]
    assert transfers_beside(tmp_path, ["another"]) == {}
    export([("aunce", store)], ["latex", "parquet"], tmp_path / "out", found)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {
        "transfer-pair-f1-0-5.tex",
        "transfer-tests.tex",
        "transfer-scores.parquet",
        "transfer-tests.parquet",
    } <= names
    written = (tmp_path / "out" / "transfer-tests.tex").read_text("utf-8")
    check_latex(written, 9)
    assert r"\textless{} 0.001 & 0.020" in written


def test_no_cell_of_a_csv_is_a_formula() -> None:
    acting, plain = ["=1+1", "@x", "-y", "+z", "\t=1", "\r=1"], ["plain", "a=1", "a\t=1", None]
    frame = pl.DataFrame({"a": [*acting, *plain], "b": [float(number) for number in range(-5, 5)]})
    assert safe(frame)["a"].to_list() == [*(f"'{cell}" for cell in acting), *plain]
    assert safe(frame)["b"].equals(frame["b"])


def test_a_study_without_final_trials(tmp_path: Path) -> None:
    store = made_study(tmp_path / "begun", seeds=0)
    with pytest.raises(InputError, match=r"no final scores yet: run launch/final\.py name=begun"):
        export([("begun", store)], ["latex"], tmp_path / "out", {})
    assert {path.suffix for path in export([("begun", store)], ["csv"], tmp_path / "out", {})} == {".csv", ".txt"}


def test_unknown_kinds_are_all_listed() -> None:
    with pytest.raises(InputError, match=r"'pdf'; allowed: latex") as caught:
        check_kinds(["pdf", "model_card", "xls"], 2)
    assert "'xls'" in str(caught.value)
    assert "model_card describes one study" in str(caught.value)


def test_the_table_of_a_comparison_of_variants(tmp_path: Path) -> None:
    store = made_comparison(tmp_path / "mine", {"aunce": 0.7, "other_one": 0.6})
    export_variants(store, ["latex", "markdown", "parquet"], tmp_path / "out")
    written = (tmp_path / "out" / "variants.tex").read_text("utf-8")
    check_latex(written, 6)
    check_latex((tmp_path / "out" / "variants-by-au.tex").read_text("utf-8"), len(AUS) + 2)
    assert r"other\_one (20 \% flipped)" in written
    kept = comparison_frame(read_scores(store.root, "ablation"))
    first = kept.row(0, named=True)
    assert f"$\\mathbf{{{100 * first['f1']:.1f}}}_{{{100 * (first['f1_low'] - first['f1']):+.1f}}}" in written
    assert pl.read_parquet(tmp_path / "out" / "variants.parquet")["f1"].equals(kept["f1"])
    scores_path(store.root, "ablation").unlink()
    with pytest.raises(InputError, match=r"has no table yet: launch/compare\.py"):
        export_variants(store, ["latex"], tmp_path / "out")

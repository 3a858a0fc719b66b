"""Exports of one study or several for a paper: LaTeX, Markdown, CSV, parquet and a model card, as files in a folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from data.errors import InputError, raise_all
from data.files import atomic_path, write_atomic
from reports.export.latex import latex, slug
from reports.export.markdown import markdown
from reports.export.model_card import model_card
from reports.frames.comparison import Comparison, compare_studies
from reports.frames.facts import Facts, StudyResults, facts_of
from reports.frames.grid import Cell, Grid, Row, ranked, score, word
from reports.frames.grids import (
    INTERVALS,
    METRIC_TITLES,
    au_grid,
    p_value,
    study_scores,
    transfer_matrices,
    transfer_tests,
)
from reports.sections.variant_sections import AblationResults, ablation_verdict, comparison_table
from study.experiments.cross_dataset.transfer import AU_SETS, COMMON, PAIR, Transfer, read_transfer
from study.records.origin import Origin, origins_from
from study.records.store import StudyStore
from study.records.verdict import StudyVerdict
from study.scoring.verdicts import transfer_verdict

EXPORTS = ("latex", "markdown", "csv", "parquet", "model_card")
_WRITERS: dict[str, tuple[str, Callable[[Grid], str]]] = {"latex": (".tex", latex), "markdown": (".md", markdown)}
VERDICT = "verdict.txt"
FORMULA = r"^[=+\-@\t\r]"  # a spreadsheet would run a cell that begins with one of these


def transfers_beside(folder: Path, names: Sequence[str]) -> dict[str, Transfer]:
    """The transfer studies in `folder` that use detectors of the studies `names`, by name."""
    # a transfer study has no study.json of its own: its folder is known by transfer.json
    found = {path.parent.name: read_transfer(path.parent) for path in sorted(folder.glob("*/transfer.json"))}
    return {name: transfer for name, transfer in found.items() if {*transfer.table["study"]} & {*names}}


def check_kinds(kinds: Sequence[str], studies: int) -> None:
    """Raise `InputError` for an unknown kind of export, or for a model card of several studies."""
    problems = [f"{kind!r}; allowed: {', '.join(EXPORTS)}" for kind in kinds if kind not in EXPORTS]
    if "model_card" in kinds and studies > 1:
        problems.append("model_card describes one study; export the studies one at a time")
    raise_all("export:", problems)


def export(
    stores: Sequence[tuple[str, StudyResults]],
    kinds: Sequence[str],
    folder: Path,
    transfers: Mapping[str, Transfer],
    published: bool = False,
) -> list[Path]:
    """Write the exports of the named studies into `folder`, each file atomically; returns the files.

    With `published`, the table of F1 has the published rows beside ours, where they may stand there.
    """
    check_kinds(kinds, len(stores))
    members = [facts_of(store, name) for name, store in stores]
    compared = compare_studies(members) if len(members) > 1 else None
    verdict = compared.verdict if compared is not None else members[0].verdict
    grids = [] if not {*_WRITERS} & {*kinds} else _grids(members, compared, transfers, published)
    # csv, parquet and the model card are possible before the final evaluation
    if {*kinds} <= {*_WRITERS} and not grids:
        raise InputError(f"{members[0].root} has no final scores yet: run launch/final.py name={members[0].name}")
    written = _grids_written(grids, kinds, folder) + _said_written(verdict, kinds, folder)
    if {"csv", "parquet"} & {*kinds}:
        written += _frames_written(frames(stores, members, compared, transfers), kinds, folder)
    if "model_card" in kinds:
        written.append(_text(folder / "model_card.md", model_card(members[0])))
    return written


def export_variants(store: AblationResults, kinds: Sequence[str], folder: Path) -> list[Path]:
    """Write the table of an ablation; returns the files. `InputError` before the table exists."""
    check_kinds(kinds, 1)
    table = comparison_table(store)
    if table.is_empty():
        raise InputError(f"{store.root} has no table yet: launch/compare.py writes it when it ends")
    if "model_card" in kinds:
        raise InputError("model_card describes a study of launch/sweep.py and launch/final.py, not one of compare.py")
    verdict = ablation_verdict(store)
    grids = [replace(grid, said=verdict.said) for grid in (variants(table), variants_by_au(table))]
    written = _grids_written(grids, kinds, folder) + _said_written(verdict, kinds, folder)
    return written + _frames_written({"variants": table.drop("label", "noise")}, kinds, folder)


def variants(table: pl.DataFrame) -> Grid:
    """Variants as rows, ranked among variants that were trained on the same labels."""
    rows = []
    for row in table.iter_rows(named=True):
        spans = [_estimate(row, name) for name in ("f1", "rare")]
        gains = [_estimate(row, name, signed=True) for name in ("f1_gain", "rare_gain")]
        rows.append(Row([word(row["label"]), *spans, word(row["against"] or ""), *gains], f"{row['noise']}"))
    heads = ["variant", "F1", "rarest third", "against", "gain", "gain, rarest third"]
    note = "Gains are paired: each replicate of the bootstrap draws the same subjects for both."
    return ranked(Grid("variants", "Comparison of variants, test part.", heads, [rows], [INTERVALS, note]))


def variants_by_au(table: pl.DataFrame) -> Grid:
    """Variants as rows, AUs as columns."""
    aus = [name for name in table.columns if name.startswith("f1_au_")]
    rows = [
        Row([word(row["label"]), *(score(row[au]) for au in aus), score(row["f1"])], f"{row['noise']}")
        for row in table.iter_rows(named=True)
    ]
    heads = ["variant", *(f"AU{au.removeprefix('f1_au_')}" for au in aus), "mean"]
    return ranked(Grid("variants-by-au", "F1 of every variant and AU, in percent.", heads, [rows]))


def _estimate(row: Mapping[str, Any], name: str, signed: bool = False) -> Cell:
    """A score with its interval; a gain is not ranked."""
    cell = score(row[name], row[f"{name}_low"], row[f"{name}_high"], signed)
    return _idle(cell) if signed else cell


def _idle(cell: Cell) -> Cell:
    """A cell that is not ranked."""
    return replace(cell, competes=False)


def _grids_written(grids: Sequence[Grid], kinds: Sequence[str], folder: Path) -> list[Path]:
    """A file for each table and kind; names that would be the same file get a number."""
    written: list[Path] = []
    for kind, (suffix, write) in _WRITERS.items():
        names = [slug(grid.name) for grid in grids]
        for at, (name, grid) in enumerate(zip(names, grids, strict=True)):
            # two studies may have the same name in different folders
            again = f"-{names[:at].count(name) + 1}" if name in names[:at] else ""
            if kind in kinds:
                written.append(_text(folder / f"{name}{again}{suffix}", write(grid)))
    return written


def _said_written(verdict: StudyVerdict, kinds: Sequence[str], folder: Path) -> list[Path]:
    """What is said before any number, beside files that have no place for it."""
    if not {"csv", "parquet"} & {*kinds}:
        return []
    return [_text(folder / VERDICT, "".join(f"{one.words}\n" for one in verdict.said))]


def _text(path: Path, content: str) -> Path:
    write_atomic(path, content.encode("utf-8", "replace"))
    return path


def _grids(
    members: Sequence[Facts], compared: Comparison | None, transfers: Mapping[str, Transfer], published: bool
) -> list[Grid]:
    rows = [study_scores(member) for member in members]
    present = {metric for row in rows for metric in row.scores["metric"].unique()}
    grids = [
        au_grid(rows, metric, published)
        for metric in METRIC_TITLES
        if metric in present and metric != "always_positive"
    ]
    if compared is not None:
        grids += [grid for grid in (_standings(compared), _differences(compared)) if grid.groups[0]]
    said = compared.verdict.said if compared is not None else members[0].verdict.said
    grids = [replace(grid, said=said) for grid in grids]
    for name, transfer in transfers.items():
        found = transfer_matrices(name, transfer.table)
        found += [transfer_tests(name, transfer.tests)] if transfer.tests.height > 0 else []
        origins = _origins_beside(members[0].root.resolve().parent, transfer)
        said_on = {aus: transfer_verdict(transfer.scores, origins, aus).said for aus in AU_SETS}
        # differences are on the AUs of the pair
        on_common = f"{name}-{COMMON}-"
        grids += [replace(grid, said=said_on[COMMON if grid.name.startswith(on_common) else PAIR]) for grid in found]
    return grids


def _origins_beside(folder: Path, transfer: Transfer) -> tuple[Origin, ...]:
    """The origins of all studies of a transfer study in `folder`; none when one of them does not say it."""
    stores = [StudyStore(folder / study.name) for study in transfer.spec.studies]
    found = [origins_from(store.provenance()) for store in stores]
    return tuple(dict.fromkeys(one for origins in found for one in origins)) if all(found) else ()


def _standings(compared: Comparison) -> Grid:
    """The leaderboard: studies as rows, ranked among studies of the same protocol."""
    rows = []
    for row in compared.standings.filter(pl.col("f1").is_not_null()).iter_rows(named=True):
        words = [word(row[name]) for name in ("study", "method", "dataset", "protocol", "subjects")]
        # the baseline is no competitor: it must not be printed bold
        base = _idle(score(row["always_positive"]))
        scores = [score(row["f1"], row["low"], row["high"]), score(row["auc"]), base]
        rows.append(Row([*words, *scores], f"{row['protocol']}/{row['selection']}" if row["protocol"] else ""))
    heads = ["study", "method", "dataset", "protocol", "subjects", "F1", "AUC", "always-positive"]
    note = "Ranks are among rows of the same protocol and selection."
    return ranked(Grid("studies", "Comparison of studies, test part.", heads, [rows], [INTERVALS, note]))


def _differences(compared: Comparison) -> Grid:
    """Differences between studies of one dataset."""
    rows = []
    for row in compared.differences.iter_rows(named=True):
        gain = score(row["difference"], row["low"], row["high"], signed=True)
        words = [word(row["a"]), word(row["b"]), word(row["dataset"]), word(row["pairing"])]
        rows.append(Row([*words, gain, Cell(p_value(row["p"])), Cell(p_value(row["p_holm"]))]))
    heads = ["a", "b", "dataset", "pairing", "a minus b", "p", "p (Holm)"]
    return Grid("differences", "Differences of test F1 between studies.", heads, [rows], [INTERVALS])


def frames(
    stores: Sequence[tuple[str, StudyResults]],
    members: Sequence[Facts],
    compared: Comparison | None,
    transfers: Mapping[str, Transfer],
) -> dict[str, pl.DataFrame]:
    """Every frame of the store by the name of its file; with several studies, with a column `study`."""
    found: dict[str, pl.DataFrame] = {}
    for name in ("trials", "epochs", "counts"):
        parts = [(label, getattr(store, name)()) for label, store in stores]
        found[name] = _stacked(parts)
    found["scores"] = _stacked([(member.name, member.scores) for member in members])
    if compared is not None:
        found |= {"studies": compared.standings, "differences": compared.differences, "settings": compared.settings}
    for name, transfer in transfers.items():
        found |= {f"{slug(name)}-scores": transfer.table, f"{slug(name)}-tests": transfer.tests}
    return found


def _stacked(parts: Sequence[tuple[str, pl.DataFrame]]) -> pl.DataFrame:
    if len(parts) == 1:
        return parts[0][1]
    # diagonal: studies with different searches have different param/ columns
    named = [frame.select(pl.lit(label).alias("study"), pl.all()) for label, frame in parts]
    return pl.concat(named, how="diagonal_relaxed")


def _frames_written(found: Mapping[str, pl.DataFrame], kinds: Sequence[str], folder: Path) -> list[Path]:
    written = []
    for name, frame in found.items():
        if "csv" in kinds:
            written.append(_text(folder / f"{name}.csv", safe(frame).write_csv()))
        if "parquet" in kinds:
            with atomic_path(folder / f"{name}.parquet") as temporary:
                frame.write_parquet(temporary)
            written.append(folder / f"{name}.parquet")
    return written


def safe(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` for a CSV that may be opened in a spreadsheet: a formula gets an apostrophe, as text."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(FORMULA)).then("'" + pl.col(name)).otherwise(pl.col(name)).alias(name)
        for name in texts
    )

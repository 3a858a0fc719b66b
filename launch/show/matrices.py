"""The tables of a transfer study for the terminal: sources and methods in rows, targets in columns, in percent."""

from collections.abc import Iterator
from typing import Any

import polars as pl
from rich.table import Table
from rich.text import Text

from launch.show.display import interval_text, p_text
from study.experiments.cross_dataset.transfer import Transfer
from study.records.score_table import FIXED_THRESHOLD, RULES, interval_note

WIDTH = 160  # when the output is no terminal
RULE_NAMES = {"0.5": "0.5", "validation": "source validation", "base_rate": "base rate", "oracle": "oracle"}
_NOTE = (
    "On another dataset: all of its frames, mean over detectors. On the own dataset (bold): mean over folds, each"
    " detector on its test subjects. Retention: the score on the same test parts divided by the score of the target's"
    " own detectors of this method."
)


def print_matrices(found: Transfer, kind: str, rule: str) -> Iterator[Table | Text]:
    """The tables to print: on the AUs of `kind`, with tests and retention at the threshold `rule`."""
    table = found.table.filter(pl.col("au").is_null() & (pl.col("aus_kind") == kind))
    yield Text("\n".join(caption(found, table, kind)))
    if table.is_empty():
        return
    rules = [name for name in RULES if name in table["rule"].unique()]
    f1 = {(name, "f1"): RULE_NAMES[name] for name in rules} | {(FIXED_THRESHOLD, "always_positive"): "always-positive"}
    yield _matrix("F1 by threshold", table, f1)
    yield _matrix("AUC", table, {(FIXED_THRESHOLD, "auc"): ""})
    kept = {(rule, "retention_f1"): f"F1 at {RULE_NAMES[rule]}", (FIXED_THRESHOLD, "retention_auc"): "AUC"}
    if not table.filter(pl.col("metric").str.starts_with("retention")).is_empty():
        yield _matrix("Retention", table, kept)
    if not found.tests.is_empty():
        yield _tests(found.tests, rule)


def caption(found: Transfer, table: pl.DataFrame, kind: str) -> Iterator[str]:
    """Lines that explain the numbers."""
    spec = found.spec
    yield "Labels: " + "; ".join(f"{name} {convention}" for name, convention in spec.conventions.items()) + "."
    if kind == "common":
        yield f"AUs that all share: {' '.join(map(str, spec.common_aus)) or 'none; give aus=pair'}."
    else:
        pairs = table.select("source", "target", "aus").unique(maintain_order=True).iter_rows()
        yield "AUs: " + "; ".join(f"{source} on {target} {aus}" for source, target, aus in pairs) + "."
        yield "The cells of a row have other AUs, so they cannot be compared: for that, give aus=common."
    yield f"Configurations were chosen by selection={spec.selection}. {_NOTE}"
    yield interval_note(found.seeds)
    yield from (f"note: {note}" for note in spec.notes)


def _matrix(title: str, table: pl.DataFrame, lines: dict[tuple[str, str], str]) -> Table:
    """One row for each source, method, and entry of `lines`: (rule, metric) -> name."""
    targets = table["target"].unique(maintain_order=True).to_list()
    drawn = _table(f"{title}, %", "trained on", "method", "", *targets)
    for source, method in table.select("source", "method").unique(maintain_order=True).iter_rows():
        mine = table.filter((pl.col("source") == source) & (pl.col("method") == method))
        for (rule, metric), name in lines.items():
            # one row of `lines` may exist for some targets only
            rows = mine.filter((pl.col("rule") == rule) & (pl.col("metric") == metric))
            cells = {row["target"]: _cell(row, source) for row in rows.iter_rows(named=True)}
            if cells:
                drawn.add_row(source, method, name, *(cells.get(target, Text("")) for target in targets))
    return drawn


def _table(title: str, *heads: str) -> Table:
    return Table(*heads, title=title, title_justify="left", header_style="dim", box=None, pad_edge=False)


def _cell(row: dict[str, Any], source: str) -> Text:
    return Text(interval_text(row["value"], row["low"], row["high"]), "bold" if row["target"] == source else "")


def _tests(tests: pl.DataFrame, rule: str) -> Table:
    heads = ("trained on", "target", "methods", "AUs", "F1", "p (Holm)", "AUC", "p (Holm)")
    title = (
        f"Differences between methods, F1 at {RULE_NAMES[rule]}; p corrected over all {tests.height} tests, all rules"
    )
    drawn = _table(title, *heads)
    names = ("source", "target", "method_a", "method_b", "aus")
    for place in tests.select(names).unique(maintain_order=True).iter_rows():
        mine = tests.filter(pl.all_horizontal(pl.col(name) == value for name, value in zip(names, place, strict=True)))
        source, target, one, other, aus = place
        f1, auc = (_difference(mine, *asked) for asked in ((rule, "f1"), (FIXED_THRESHOLD, "auc")))
        drawn.add_row(source, target, f"{one} - {other}", aus, *f1, *auc)
    return drawn


def _difference(tests: pl.DataFrame, rule: str, metric: str) -> tuple[str, str]:
    rows = tests.filter((pl.col("rule") == rule) & (pl.col("metric") == metric)).to_dicts()
    if not rows:
        return "", ""
    row = rows[0]
    return interval_text(row["difference"], row["low"], row["high"], "+"), p_text(row["p_holm"])

"""Titles and formats of columns in tables; scores are fractions in frames and percent on the page."""

import polars as pl

from reports.frames import text
from reports.frames.grids import p_value
from reports.frames.tables import PARAM
from reports.html.blocks import Format, Table, table

_SCORES = (
    *("f1", "low", "high", "value", "val_f1", "test_f1", "always_positive", "precision", "recall", "auc"),
    *(
        "base_rate",
        "best_so_far",
        "importance",
        "limit",
        "shade",
        "seed_sd",
        "labelled",
        "predicted",
        "share_active",
        "mean_probability",
    ),
    *("balanced_accuracy", "accuracy", "mcc", "rare_f1", "objective", "score", "least", "most"),
)
FORMATS: dict[str, Format] = {
    **dict.fromkeys(_SCORES, text.percent),
    **dict.fromkeys(("lift", "difference", "regret", "regret_low", "regret_high"), text.points),
    **dict.fromkeys(("positives", "frames", "coded", "active", "not_coded", "trials"), text.count),
    **dict.fromkeys(("tp", "fp", "fn", "tn"), text.count),
    **dict.fromkeys(("p", "p_holm", "regret_p"), p_value),
    "seconds": text.duration,
    "protocol": lambda digest: text.plain(digest)[:12],  # enough to see whether two are equal
    **dict.fromkeys(("nested", "beyond"), lambda marked: "yes" if marked else ""),
}
_NAMES = {"au": "AU", "f1": "F1", "val_f1": "validation F1", "test_f1": "test F1", "auc": "AUC", "mcc": "MCC"}
_NAMES |= {"always_positive": "always-positive", "seed_sd": "sd over seeds", "low": "95 % from", "high": "to"}
_NAMES |= {"n_seeds": "training seeds", "p_holm": "p (Holm)", "regret_p": "p (Holm)"}
_NAMES |= {"limit": "limit of chance", "beyond": "beyond chance"}


def title_of(column: str) -> str:
    """The title of a column on a page."""
    name = _NAMES.get(column, column.removeprefix(PARAM).replace("_", " "))
    # the ends of an interval stand beside their score, whose title has the unit
    return f"{name} %" if FORMATS.get(column) is text.percent and column not in ("low", "high") else name


def numbers_table(name: str, frame: pl.DataFrame, caption: str = "", marked: frozenset[int] = frozenset()) -> Table:
    """A frame as a table with the usual titles and formats of the page."""
    return table(name, frame, {column: title_of(column) for column in frame.columns}, FORMATS, marked, caption)

"""The page of an ablation: the variants of a method that launch/compare.py trained."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from reports.figures import comparison_figures
from reports.frames import tables, text
from reports.html.blocks import Block, Paragraph, Section, Verbatim, figure, table
from reports.html.columns import numbers_table
from reports.html.document import render_sections
from study.experiments.ablation import Baseline, baseline_in, baseline_rows, comparison_frame, rare_aus
from study.records.score_files import read_scores
from study.records.score_table import scores_frame
from study.records.study_spec import AblationSpec, StudySpec
from study.scoring.bootstrap import fold_cubes
from study.scoring.evaluation import evaluation_of_cubes

ESTIMATES = ("f1", "rare", "f1_gain", "rare_gain")
TITLES = {
    "variant": "variant",
    "noise": "flipped labels %",
    "f1": "F1 %",
    "f1_low": "95 % from",
    "f1_high": "to",
    "rare": "rarest third %",
    "rare_low": "95 % from",
    "rare_high": "to",
    "against": "against",
    "f1_gain": "gain",
    "f1_gain_low": "95 % from",
    "f1_gain_high": "to",
    "rare_gain": "gain in the rarest third",
    "rare_gain_low": "95 % from",
    "rare_gain_high": "to",
    "trials": "trials",
    "seconds": "a trial",
}
_BOUNDS = tuple(f"{name}{end}" for name in ESTIMATES for end in ("", "_low", "_high"))
_FORMATS = {
    **{name: text.points if "gain" in name else text.percent for name in _BOUNDS},
    "noise": text.plain,
    "seconds": text.duration,
}


class AblationResults(Protocol):
    """What the page reads from the store of an ablation; `study.records.store.StudyStore` is one."""

    @property
    def root(self) -> Path: ...
    def spec(self) -> StudySpec: ...
    def provenance(self) -> dict[str, str]: ...
    def trials(self) -> pl.DataFrame: ...
    def counts(self) -> pl.DataFrame: ...


def ablation_page(store: AblationResults, left_out: Sequence[str] = ()) -> str:
    """The page as text; before the scores exist it shows the progress of the trials."""
    spec, trials = store.spec(), store.trials()
    assert isinstance(spec.asked, AblationSpec)
    facts = [("dataset", spec.dataset), ("epochs", str(spec.epochs)), ("seeds", str(spec.seeds))]
    facts.append(("variants", str(len(spec.asked.variants))))
    built = [
        _summary(store, trials),
        *_rows(store),
        _asked(spec.config, spec.asked.variants),
        _provenance(store),
        *_failed(trials),
    ]
    return render_sections(spec.name, facts, built, left_out)


def comparison_table(store: AblationResults) -> pl.DataFrame:
    """One row for each variant and share of flipped labels, as launch/compare.py recorded it; empty before."""
    scores = read_scores(store.root, "ablation")
    if scores.is_empty():
        return pl.DataFrame()
    frame = comparison_frame(scores)
    noises = [_with_noise(share) for share in frame["label_noise"]]
    named = frame.with_columns(noise=100 * pl.col("label_noise"), noises=pl.Series(noises, dtype=pl.String))
    return named.with_columns(label=pl.format("{}{}", "variant", "noises")).drop("noises")


def _with_noise(share: float) -> str:
    return f" ({100 * share:g} % flipped)" if share else ""


def _summary(store: AblationResults, trials: pl.DataFrame) -> Section:
    frame = comparison_table(store)
    states = ", ".join(f"{count} {state}" for state, count in tables.states(trials).items() if count)
    done = f"{trials.height:,} of {store.spec().trials:,} trials have ended ({states or 'none'})."
    if frame.is_empty():
        words = f"{done} The table appears when launch/compare.py has ended."
        return Section("summary", "Summary", [Paragraph(words, "lead")])
    blocks: list[Block] = [Paragraph(words, "lead") for words in _answers(frame)]
    blocks += [Paragraph(words) for words in (*_baseline(store), done)]
    titles = {name: title for name, title in TITLES.items() if frame[name].null_count() < frame.height}
    caption = "Test F1, mean of folds and seeds, then of AUs, with the 95 % interval from a bootstrap of subjects."
    return Section("summary", "Summary", [*blocks, table("variants", frame, titles, _FORMATS, caption=caption)])


def _answers(frame: pl.DataFrame) -> Iterator[str]:
    """One sentence for each share of flipped labels."""
    for (share,), rows in frame.group_by("label_noise", maintain_order=True):
        best = rows.sort("f1", descending=True, nulls_last=True, maintain_order=True).row(0, named=True)
        labels = f"With {100 * float(str(share)):g} % of the training labels flipped" if share else "With clean labels"
        span = f" ({text.span(best['f1_low'], best['f1_high'])})" if text.known(best["f1_low"]) else ""
        yield f"{labels} {best['variant']} has the highest test F1, {text.percent(best['f1'])}{span}."


def _baseline(store: AblationResults) -> Iterator[str]:
    """Always-positive and the rarest AUs, the same for all variants: all are scored on the same frames."""
    found = baseline_in(read_scores(store.root, "ablation")) or _counted_baseline(store)
    if found is not None:
        rates = [f"AU{au} ({text.percent(rate)} %)" for au, rate in found.base_rates.items()]
        base = text.percent(found.always_positive)
        yield f"The always-positive detector reaches {base}. The rarest third: {', '.join(rates)}."


def _counted_baseline(store: AblationResults) -> Baseline | None:
    """The same from the counts of any seed, for a study whose scores a former revision wrote."""
    counts, aus = store.counts(), store.spec().aus
    test = counts.filter(pl.col("split") == "test").unique(["fold", "subject", "au"], keep="first", maintain_order=True)
    cubes = fold_cubes(test.with_columns(seed=pl.lit(0, pl.Int64)), aus)
    if not cubes:
        return None
    evaluation = evaluation_of_cubes(cubes, aus)
    return baseline_in(scores_frame([*baseline_rows(evaluation, rare_aus(evaluation), {})]))


def _rows(store: AblationResults) -> Iterator[Section]:
    frame = comparison_table(store)
    if frame.is_empty():
        return
    gains = gains_of(frame)
    if gains.height:
        caption = (
            "Test F1 of each variant minus that of its reference, in points. Paired: each replicate of the bootstrap "
            "draws the same subjects for both. If the interval contains 0, the gain may be due to the choice of "
            "subjects."
        )
        drawing = comparison_figures.difference_dots(gains)
        shown = table("gains", gains, GAIN_TITLES, GAIN_FORMATS, caption="Gains of the variants, in points.")
        yield Section("gains", "Gains", [figure("gains", "Gains of the variants", caption, drawing, shown, 480)])
    scores = ablation_by_au(frame)
    caption = "Test F1 of every variant and AU, mean of folds and seeds."
    drawing = comparison_figures.variant_heat(scores)
    width = 54 * scores["au"].n_unique() + 220
    block = figure("by-au", "F1 of every AU", caption, drawing, numbers_table("by-au", scores), width)
    yield Section("aus", "Every AU", [block])


GAIN_TITLES = {"label": "variant", "against": "against", "difference": "gain", "low": "95 % from", "high": "to"}
GAIN_FORMATS = dict.fromkeys(("difference", "low", "high"), text.points)


def gains_of(frame: pl.DataFrame) -> pl.DataFrame:
    """label, against, difference, low, high, pairing: the rows of an ablation that have a reference."""
    columns = {"difference": "f1_gain", "low": "f1_gain_low", "high": "f1_gain_high"}
    return frame.filter(pl.col("f1_gain").is_not_null()).select(
        "label", "against", pairing=pl.lit("paired"), **{name: pl.col(column) for name, column in columns.items()}
    )


def ablation_by_au(frame: pl.DataFrame) -> pl.DataFrame:
    """label, au, f1: one row for each variant, share of flipped labels and AU; au is null for the mean over AUs."""
    columns = [name for name in frame.columns if name.startswith("f1_au_")]
    long = frame.select("label", *columns).unpivot(index="label", variable_name="au", value_name="f1")
    long = long.with_columns(pl.col("au").str.strip_prefix("f1_au_").cast(pl.Int64))
    means = frame.select("label", pl.lit(None, pl.Int64).alias("au"), "f1")
    return pl.concat([long, means])


def _asked(config: Mapping[str, Any], variants: Mapping[str, Any]) -> Section:
    """The settings in which the variants differ."""
    parts = ((f"Variant {name}", settings or {}) for name, settings in variants.items())
    shared = ("Settings of all variants", config)
    blocks = [Verbatim(title, json.dumps(settings, indent=2, default=str)) for title, settings in (shared, *parts)]
    words = "A variant is the method of the same name, or of its method_name, with the settings below."
    return Section("settings", "Variants", [Paragraph(words), *blocks])


def _provenance(store: AblationResults) -> Section:
    rows = [(text.clean(str(what)), text.clean(str(value))) for what, value in store.provenance().items()]
    frame = pl.DataFrame(rows, schema={"what": pl.String, "value": pl.String}, orient="row")
    return Section("provenance", "Provenance", [table("provenance", frame, caption="Code, data and command.")])


def _failed(trials: pl.DataFrame) -> Iterator[Section]:
    frame = tables.failures(trials)
    if frame.height:
        words = f"{text.plural(frame.height, 'trial')} failed. The table has the last lines of each error."
        yield Section("failed", "Failed trials", [Paragraph(words), table("failed", frame)])

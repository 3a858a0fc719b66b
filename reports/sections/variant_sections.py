"""The page of an ablation: the variants of a method that launch/compare.py trained."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from reports.figures import comparison_figures
from reports.frames import tables, text
from reports.frames.grids import p_value
from reports.frames.intervals import difference_words, interval_words
from reports.html.blocks import Paragraph, Section, Verbatim, figure, said_blocks, table
from reports.html.columns import numbers_table
from reports.html.document import render_sections
from study.experiments.ablation import Baseline, baseline_in, baseline_rows, comparison_frame, rare_aus
from study.records.latest_work import LatestWork
from study.records.outcome import Outcome
from study.records.score_files import read_scores
from study.records.score_table import noise_in, scores_frame
from study.records.study_spec import AblationSpec, StudySpec
from study.records.verdict import StudyVerdict
from study.scoring.bootstrap import fold_cubes
from study.scoring.evaluation import evaluation_of_cubes
from study.scoring.verdicts import table_verdict

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
    "f1_gain_p_holm": "p (Holm)",
    "rare_gain": "gain in the rarest third",
    "rare_gain_low": "95 % from",
    "rare_gain_high": "to",
    "rare_gain_p_holm": "p (Holm)",
    "seeds": "training seeds",
    "trials": "trials",
    "seconds": "a trial",
}
_BOUNDS = tuple(f"{name}{end}" for name in ESTIMATES for end in ("", "_low", "_high"))
_FORMATS = {
    **{name: text.points if "gain" in name else text.percent for name in _BOUNDS},
    **dict.fromkeys(("f1_gain_p_holm", "rare_gain_p_holm"), p_value),
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
    def counts(self, keys: Collection[str] | None = None) -> pl.DataFrame: ...
    def outcomes(self, stage: str = "", fold: str = "") -> list[Outcome]: ...
    def running(self) -> list[Outcome]: ...
    def work(self) -> LatestWork: ...


def ablation_page(store: AblationResults, left_out: Sequence[str] = ()) -> str:
    """The page as text; before the scores exist it shows the progress of the trials."""
    spec, trials = store.spec(), store.trials()
    assert isinstance(spec.asked, AblationSpec)
    facts = [("dataset", spec.dataset), ("epochs", str(spec.epochs)), ("seeds", str(spec.seeds))]
    facts.append(("variants", str(len(spec.asked.variants))))
    if any(spec.asked.label_noise):
        facts.append(("label noise", spec.asked.noise_kind))
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
    noises = [_with_noise(*noise) for noise in frame.select("label_noise", "noise_kind").iter_rows()]
    named = frame.with_columns(noise=100 * pl.col("label_noise"), noises=pl.Series(noises, dtype=pl.String))
    return named.with_columns(label=pl.format("{}{}", "variant", "noises")).drop("noises")


def ablation_verdict(store: AblationResults) -> StudyVerdict:
    """The verdict on the variants; the order is among those with the same share of flipped labels."""
    frame = read_scores(store.root, "ablation")
    return table_verdict(store, frame, ("method", "condition"), ("condition",))


def _with_noise(share: float, kind: str) -> str:
    how = "" if kind == AblationSpec.noise_kind else f", {kind}"
    return f" ({100 * share:g} % flipped{how})" if share else ""


def _summary(store: AblationResults, trials: pl.DataFrame) -> Section:
    frame, said = comparison_table(store), said_blocks(ablation_verdict(store).said)
    states = ", ".join(f"{count} {state}" for state, count in tables.states(trials).items() if count)
    done = f"{trials.height:,} of {store.spec().trials:,} trials have ended ({states or 'none'})."
    if frame.is_empty():
        words = f"{done} The table appears when launch/compare.py has ended."
        return Section("summary", "Summary", [*said, Paragraph(words, "lead")])
    blocks = [*said, *(Paragraph(words, "lead") for words in _answers(frame))]
    blocks += [Paragraph(words) for words in (*_baseline(store), done)]
    titles = {name: title for name, title in TITLES.items() if frame[name].null_count() < frame.height}
    caption = f"Test F1, mean of folds and seeds, then of AUs. {interval_words(_numbers(store, gains=False))}"
    if (gains := _numbers(store, gains=True)).height:
        caption += f" Gains: {interval_words(gains, compares=True)}"
    return Section("summary", "Summary", [*blocks, table("variants", frame, titles, _FORMATS, caption=caption)])


def _numbers(store: AblationResults, gains: bool) -> pl.DataFrame:
    """The mean F1 of all variants, or their gains: the rows of the score table."""
    found = read_scores(store.root, "ablation").filter(pl.col("au").is_null(), metric="f1")
    return found.filter(pl.col("against").is_not_null() == gains)


def _answers(frame: pl.DataFrame) -> Iterator[str]:
    """One sentence for each share of flipped labels."""
    for (share, kind), rows in frame.group_by("label_noise", "noise_kind", maintain_order=True):
        ranked = rows.drop_nulls("f1").sort("f1", descending=True, maintain_order=True)
        if ranked.is_empty():
            continue
        best = ranked.row(0, named=True)
        # all that are equal at the printed digits
        top = text.as_shown(best["f1"])
        names = [name for name, f1 in ranked.select("variant", "f1").iter_rows() if text.as_shown(f1) == top]
        noisy = f"With {100 * float(str(share)):g} % of the training labels flipped ({kind} noise)"
        labels = noisy if share else "With clean labels"
        alone = len(names) == 1 and text.known(best["f1_low"])
        span = f" ({text.span(best['f1_low'], best['f1_high'])})" if alone else ""
        have = "has" if len(names) == 1 else "have"
        yield f"{labels} {text.listing(names)} {have} the highest test F1, {text.percent(best['f1'])}{span}."


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
            "Test F1 of each variant minus that of its reference, in points, on the same subjects. "
            f"{difference_words(_numbers(store, gains=True), 'value')}"
        )
        drawing = comparison_figures.difference_dots(gains)
        shown = table("gains", gains, GAIN_TITLES, GAIN_FORMATS, caption="Gains of the variants, in points.")
        yield Section("gains", "Gains", [figure("gains", "Gains of the variants", caption, drawing, shown, 480)])
    scores = ablation_by_au(read_scores(store.root, "ablation"))
    caption = f"Test F1 of every variant and AU, mean of folds and seeds. {interval_words(scores, 'f1')}"
    drawing = comparison_figures.variant_heat(scores)
    width = 54 * scores["au"].n_unique() + 220
    block = figure("by-au", "F1 of every AU", caption, drawing, numbers_table("by-au", scores), width)
    yield Section("aus", "Every AU", [block])


GAIN_TITLES = {"label": "variant", "against": "against", "difference": "gain", "low": "95 % from", "high": "to"}
GAIN_TITLES |= {"p_holm": "p (Holm)"}
GAIN_FORMATS = dict.fromkeys(("difference", "low", "high"), text.points) | {"p_holm": p_value}


def gains_of(frame: pl.DataFrame) -> pl.DataFrame:
    """label, against, difference, low, high, p_holm, pairing: the rows of an ablation that have a reference."""
    columns = {"difference": "f1_gain", "low": "f1_gain_low", "high": "f1_gain_high"} | {"p_holm": "f1_gain_p_holm"}
    return frame.filter(pl.col("f1_gain").is_not_null()).select(
        "label", "against", pairing=pl.lit("paired"), **{name: pl.col(column) for name, column in columns.items()}
    )


def ablation_by_au(scores: pl.DataFrame) -> pl.DataFrame:
    """label, au, f1, low, high, n_seeds: for each variant, share of flipped labels and AU; au null: mean."""
    found = scores.filter(pl.col("against").is_null(), metric="f1")
    noises = [_with_noise(*noise_in(condition)) for condition in found["condition"]]
    labels = found["method"] + pl.Series(noises, dtype=pl.String)
    columns = found.select("au", "low", "high", "n_seeds", f1="value").insert_column(0, labels.alias("label"))
    return columns.sort("au", nulls_last=True, maintain_order=True)


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

"""Where the variance lies: people, training seed, and partition into folds; on the page of one study and of several."""

from collections.abc import Iterator, Sequence

import polars as pl

from reports.figures import partition_figures
from reports.frames import partitions, text
from reports.frames.comparison import Comparison
from reports.frames.partitions import Partitioned
from reports.frames.report import StudyReport
from reports.html.blocks import Block, Paragraph, Section, figure, table
from study.records.score_table import covers, fewest_runs

_NAME, _TITLE = "variance", "Where the variance lies"
NO_RESULT = (
    "These numbers show variance and are no result: one configuration, the choice of the first searched fold, was "
    "trained on every partition, and people of the new test parts took part in that choice. (Without this fault, every "
    "partition would need a search of its own.)"
)
_TITLES = {"study": "study", "component": "mean F1 depends on", "sd": "sd, points", "low": "95 % from", "high": "to"}
_ORDER_TITLES = {"a": "a", "b": "b", "partitions": "partitions", "above": "a above b", "difference": "a minus b"}
_ORDER_TITLES |= {"sd": "sd, points"}
_FORMATS = dict.fromkeys(("sd", "low", "high"), text.percent)


def variance_section(report: StudyReport) -> Section | None:
    """The components of one study or, without partitions, what its interval covers and how to get them."""
    if report.test is None and not report.partitions.number:
        return None
    blocks: list[Block] = []
    if report.test is not None:
        fewest = report.finals.runs["fold"].value_counts()["count"].to_list()
        blocks.append(Paragraph(f"The 95 % interval of the result {_covered(min(fewest))}"))
    if not report.partitions.number:
        blocks.append(Paragraph(_how([report.partitions.name])))
        return Section(_NAME, _TITLE, blocks)
    if not report.partitions_current:
        words = "The search has another best configuration since: run launch/final.py with partitions= again."
        blocks.append(Paragraph(words, "note"))
    return Section(_NAME, _TITLE, [*blocks, *_blocks([report.partitions])])


def compared_variance(comparison: Comparison) -> Section | None:
    """The components of several studies, and how often the order of two holds."""
    known = [study for study in comparison.partitions if study.number]
    without = [study.name for study in comparison.partitions if not study.number]
    seeds = [fewest_runs(member.scores) for member in comparison.members if member.finals]
    if not known and not seeds:
        return None
    # of the study with the fewest
    blocks: list[Block] = [Paragraph(f"A 95 % interval {_covered(min(seeds))}")] if seeds else []
    if without:
        blocks.append(Paragraph(f"{text.listing(without)}: {_how(without)}"))
    if known:
        blocks += _blocks(known)
    order = partitions.order_frame(known)
    if order.height:
        blocks += [Paragraph(words) for words in order_words(order)]
        formats = {"difference": text.points, "sd": text.percent}
        caption = "Differences of mean F1 on the same random partitions: their mean and standard deviation, in points."
        blocks.append(table("partition-order", order, _ORDER_TITLES, formats, caption=caption))
    return Section(_NAME, _TITLE, blocks)


def order_words(order: pl.DataFrame) -> list[str]:
    """One sentence for each pair of `reports.frames.partitions.order_frame`."""
    return [
        f"{a} minus {b} on {number} random partitions: {text.points(difference)} points on average (sd "
        f"{text.percent(sd)}); the order held in {held} of {number} partitions."
        for a, b, number, _, held, difference, sd in order.iter_rows()
    ]


def _covered(seeds: int) -> str:
    """Of the three components."""
    return f"covers {covers(seeds)}, and not the partition into folds."


def _how(names: Sequence[str]) -> str:
    commands = text.listing([f"launch/final.py name={name} partitions=5 seeds=2" for name in names])
    return f"To see how much the partition matters, run {commands}."


def _blocks(studies: Sequence[Partitioned]) -> Iterator[Block]:
    yield Paragraph(NO_RESULT, "note")
    dots, components = partitions.dots_frame(studies), partitions.components_frame(studies)
    titles = _TITLES if len(studies) > 1 else {name: title for name, title in _TITLES.items() if name != "study"}
    caption = (
        "Left: mean F1 of each random partition of the people into folds, mean over seeds; bars are the standard "
        "deviation over seeds. Right: how far mean F1 would move, as a standard deviation, with other people, another "
        "training seed (one seed in each fold) or another partition of the same people, each alone; bars are its 95 % "
        "interval."
    )
    if components.filter(n_seeds=1).height:
        caption += " With one seed, partition and training seed cannot be told apart: give seeds=2 or more."
    drawing = partition_figures.partition_figure(dots, components)
    shown = table("variance", components, titles, _FORMATS, caption="Components of the variance of mean F1")
    yield figure("variance", "Random partitions", caption, drawing, shown, 660, alt=_alt(dots))
    floored = components.filter(sd=0)
    if floored.height:
        yield Paragraph(
            "A standard deviation of 0.0 over partitions: the seeds alone explain the differences between them."
        )


def _alt(dots: pl.DataFrame) -> str:
    ends = dots.group_by("study", maintain_order=True).agg(low=pl.col("value").min(), high=pl.col("value").max())
    return " ".join(f"{study}: from {text.span(low, high)}." for study, low, high in ends.iter_rows())

"""Figures of the search beyond its history: slices, pairs of parameters, rungs, nodes and hours."""

from collections.abc import Sequence

import plotly.graph_objects as go
import polars as pl

from reports.figures import space_figures
from reports.figures.figures import BLUE, NEUTRAL, RED, SERIES, SYMBOLS, blank, escaped, grid, percents, places
from reports.frames import text

ENDS = {"DONE": BLUE, "PRUNED": NEUTRAL, "FAILED": RED}
CROSSED = {"shape": "x", "size": 5, "fillmode": "overlay", "fgcolor": "#ffffff"}
PATTERNS = {"DONE": {}, "PRUNED": {}, "FAILED": CROSSED}  # colour-blind readers cannot separate red from the others


def slices(axes: pl.DataFrame, order: Sequence[str], objective: str) -> go.Figure:
    """Objective against every parameter, one panel each; `axes` from `series.coordinates`."""
    names = [name for name in order if name in set(axes["parameter"])]
    # then those that are not beyond chance, as they are searched
    names += [name for name in axes["parameter"].unique(maintain_order=True) if name not in names]
    short, columns = text.short_names(names), min(4, max(len(names), 2))
    folds = axes["fold"].n_unique() > 1
    figure = grid(len(names), columns, [short[name] for name in names], 230, legend=folds)
    for name, (row, column) in zip(names, places(len(names), columns), strict=True):
        part = axes.filter(pl.col("parameter") == name)
        _add_slices(figure, part, row, column)
        kind = "category" if part["category"][0] else "log" if part["log"][0] else "linear"
        figure.update_xaxes(type=kind, row=row, col=column, **({"nticks": 4} if kind != "category" else {}))
        if kind == "log":  # powers of ten only: a small panel has no room for 2 and 5
            figure.update_xaxes(dtick=1, exponentformat="e", row=row, col=column)
    figure.update_yaxes(title=escaped(f"{objective} (%)"), col=1)
    return figure


def _add_slices(figure: go.Figure, part: pl.DataFrame, row: int, column: int) -> None:
    for at, (fold, rows) in enumerate(_by_fold(part)):
        figure.add_scatter(
            x=[escaped(word) for word in rows["shown"]] if rows["category"][0] else rows["raw"].to_list(),
            y=percents(rows["score"]),
            mode="markers",
            name=escaped(fold),
            legendgroup=escaped(fold),
            showlegend=(row, column) == (1, 1),
            marker={"color": SERIES[at % 6], "symbol": SYMBOLS[at % 6], "size": 6, "opacity": 0.65},
            text=[f"trial {trial}: {escaped(shown)}" for trial, shown in rows.select("trial", "shown").iter_rows()],
            hovertemplate="%{text}<br>%{y:.1f}<extra></extra>",
            row=row,
            col=column,
        )


def _by_fold(part: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    parts = part.partition_by("fold", as_dict=True)
    return [(str(fold), parts[(fold,)]) for (fold,) in sorted(parts)]


def pairs(frame: pl.DataFrame, shade: str) -> go.Figure:
    """Two parameters in each panel, one dot for each trial; nothing is interpolated.

    The colour is the column `shade` in percent, which `shade` names.
    """
    panels = frame.select("x_parameter", "y_parameter").unique(maintain_order=True).rows()
    short = text.short_names(sorted({name for panel in panels for name in panel}))
    figure = grid(len(panels), len(panels), [""] * len(panels), 360, shared_y=False)
    low, high = space_figures.ends(frame)
    for at, (first, second) in enumerate(panels, start=1):
        rows = frame.filter(pl.col("x_parameter") == first, pl.col("y_parameter") == second).sort("shade")
        # sorted above: the best dots are drawn last, on top of the others
        marker = space_figures.scaled(percents(rows["shade"]), low, high, shade)
        figure.add_scatter(
            x=rows["x"].to_list(),
            y=rows["y"].to_list(),
            mode="markers",
            marker=marker | {"size": 9, "showscale": at == len(panels) and high > low},
            text=[space_figures.trial_text(row) for row in rows.iter_rows(named=True)],
            hovertemplate="%{text}<br>%{x:.3g}, %{y:.3g}<extra></extra>",
            row=1,
            col=at,
        )
        _scale(figure.update_xaxes, short[first], bool(rows["x_log"][0]), at)
        _scale(figure.update_yaxes, short[second], bool(rows["y_log"][0]), at)
    return figure


def _scale(update: object, name: str, log: bool, column: int) -> None:
    assert callable(update)
    update(title=escaped(name) + (" (log)" if log else ""), row=1, col=column)
    if log:
        update(type="log", dtick=1, exponentformat="e", row=1, col=column)


def rungs(frame: pl.DataFrame) -> go.Figure:
    """Trials at every rung: how many continued, and how many ended before the next rung."""
    several = frame["fold"].n_unique() > 1
    names = [f"{rung}, {escaped(fold)}" if several else str(rung) for fold, rung in frame.select("fold", "rung").rows()]
    figure = blank("epochs trained (rung)", "trials that reached the rung")
    kinds = [("on", "continued or finished", "DONE"), ("pruned", "pruned", "PRUNED"), ("failed", "failed", "FAILED")]
    for column, name, state in kinds:
        figure.add_bar(
            x=names,
            y=frame[column].to_list(),
            name=name,
            marker={"color": ENDS[state], "pattern": PATTERNS[state]},
            hovertemplate=f"%{{x}}: %{{y}} {name}<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.45, height=320)
    figure.update_xaxes(type="category", showgrid=False)
    return figure


def timeline(frame: pl.DataFrame) -> go.Figure:
    """One bar for each trial from its start, in the lanes of its node."""
    lanes = frame.select("host", "lane").unique().sort("host", "lane", descending=True).rows()
    hosts = {host for host, _ in lanes}
    row = {lane: at for at, lane in enumerate(lanes)}
    short = bool(frame["ends"].max() < 2)  # type: ignore[operator]  # hours: an axis from 0 to 0.1 is hard to read
    figure, scale = blank(f"{'minutes' if short else 'hours'} since the first trial began", ""), 60 if short else 1
    for state in ENDS:
        part = frame.filter(pl.col("status") == state)
        if part.is_empty():
            continue
        figure.add_bar(
            base=[round(scale * begins, 4) for begins in part["begins"]],
            x=[round(scale * (ends - begins), 4) for begins, ends in part.select("begins", "ends").iter_rows()],
            y=[row[lane] for lane in part.select("host", "lane").iter_rows()],
            orientation="h",
            name=state,
            marker={"color": ENDS[state], "line": {"width": 0}, "pattern": PATTERNS[state]},
            # prepared texts: a hover template cannot print durations
            text=[
                f"{escaped(key[:8])} ({stage}, {escaped(fold)}), {escaped(host)}: "
                + text.duration(3600 * (ends - begins))
                for key, stage, fold, host, begins, ends in part.select(
                    "key", "stage", "fold", "host", "begins", "ends"
                ).iter_rows()
            ],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
        )
    _name_hosts(figure, lanes)
    figure.update_layout(barmode="overlay", bargap=0.15, height=min(150 + 22 * len(lanes) + 8 * len(hosts), 900))
    return figure


def _name_hosts(figure: go.Figure, lanes: list[tuple[str, int]]) -> None:
    """Write the name of each node at its first lane."""
    first = {host: at for at, (host, lane) in enumerate(lanes) if lane == 1}
    figure.update_yaxes(tickvals=list(first.values()), ticktext=[escaped(host) for host in first], showgrid=False)
    figure.update_yaxes(range=[-0.7, max(len(lanes), 2) - 0.3], zeroline=False)


def hours(frame: pl.DataFrame) -> go.Figure:
    """Device-hours by stage and fold, divided by the final state of the trials."""
    figure = blank(f"{frame['unit'][0]}-hours", "")
    for state in ENDS:
        part = frame.filter(pl.col("status") == state)
        if part.is_empty():
            continue
        figure.add_bar(
            x=[round(value, 4) for value in part["hours"]],
            y=[f"{escaped(stage)}, {escaped(fold)}" for stage, fold in part.select("stage", "fold").iter_rows()],
            orientation="h",
            name=state,
            marker={"color": ENDS[state], "pattern": PATTERNS[state]},
            text=[text.plural(count, "trial") for count in part["trials"]],
            textposition="none",
            hovertemplate="%{y}: %{x:.2f} h, %{text}<extra></extra>",
        )
    count = frame.select("stage", "fold").unique().height
    figure.update_layout(barmode="stack", height=140 + 36 * count)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure

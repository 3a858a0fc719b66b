"""Heat maps: one order in all panels, fixed ranges of colour, numbers that can be read and printed in grey."""

from itertools import pairwise

import polars as pl
import pytest

from reports.figures import heat
from reports.figures.comparison_figures import variant_heat
from reports.figures.data_figures import shift
from reports.figures.final_figures import cooccurrence
from reports.figures.transfer_figures import matrices

SCALES = {"F1": heat.F1, "AUC": heat.AUC, "retention": heat.RETENTION, "regret": heat.REGRET}


def luminance(colour: str) -> float:
    """Relative luminance of a colour, as in the contrast rules for web pages."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", [heat.SEQUENTIAL, heat.DIVERGING])
def test_colours_have_an_order_in_grey_and_dark_numbers_can_be_read(colours: tuple[str, ...]) -> None:
    light = [luminance(colour) for colour in colours]
    assert all(after > before for before, after in pairwise(light))
    assert min(light) + 0.05 >= 4.5 * (luminance(heat.CELL_TEXT) + 0.05)


def cells(*rows: tuple[str, str, str, float | None]) -> pl.DataFrame:
    names = {"method": pl.String, "source": pl.String, "target": pl.String, "value": pl.Float64}
    frame = pl.DataFrame(rows, names, orient="row")
    return frame.with_columns(low=pl.col("value") - 0.1, high=pl.col("value") + 0.05)


UNLIKE = cells(  # retention: no diagonal; each method has other datasets
    ("aunce", "gft", "bp4d", 0.9),
    ("aunce", "bp4d", "gft", 0.7),
    ("bce", "disfa", "bp4d", 1.2),
    ("bce", "bp4d", "disfa", None),
)


def test_rows_and_columns_have_one_order_in_every_panel() -> None:
    figure = matrices(UNLIKE, heat.RETENTION)
    for at in ("", "2"):
        for axis in ("xaxis", "yaxis"):
            assert list(figure.layout[f"{axis}{at}"].ticktext) == ["bp4d", "disfa", "gft"]
    aunce, bce = figure.data
    assert [list(line) for line in aunce.z] == [[None, None, 70], [None] * 3, [90, None, None]]
    assert [list(line) for line in bce.z] == [[None] * 3, [120, None, None], [None] * 3]


def test_numbers_stand_on_the_cells_of_their_colours() -> None:
    for trace in matrices(UNLIKE, heat.RETENTION).data:
        # by number, so that plotly cannot order rows or join names on its own
        assert (list(trace.x), list(trace.y)) == ([0, 1, 2], [0, 1, 2])
        for colours, words in zip(trace.z, trace.text, strict=True):
            for colour, word in zip(colours, words, strict=True):
                assert word == "–" if colour is None else word.startswith(f"{colour:.1f}<br>")


def test_a_matrix_shows_its_intervals() -> None:
    aunce = matrices(UNLIKE, heat.RETENTION).data[0]
    assert "60.0 to 75.0" in aunce.text[0][2]
    assert aunce.textfont.size >= 10  # without one, plotly makes the number above the interval invisible
    assert aunce.customdata[0][2] == "bp4d → gft: 70.0 (60.0 to 75.0)"
    many = pl.concat([cells(("m", f"s{at}", f"t{at}", 0.5)) for at in range(13)])
    crowded = matrices(many, heat.F1).data[0]
    assert crowded.text[0][0] == "50.0"  # no room for more
    assert "40.0 to 55.0" in crowded.customdata[0][0]


@pytest.mark.parametrize(
    ("name", "low", "high"), [("F1", 0, 100), ("AUC", 50, 100), ("retention", 50, 150), ("regret", -20, 20)]
)
def test_colours_do_not_depend_on_the_numbers_of_a_figure(name: str, low: float, high: float) -> None:
    for value in (0.3, 0.6):
        axis = matrices(cells(("a", "x", "y", value)), SCALES[name]).layout.coloraxis
        assert (axis.cmin, axis.cmax) == (low, high)
        assert axis.showscale is not False
        assert len(axis.colorbar.ticktext) == 3


def test_a_good_regret_and_a_good_retention_have_the_same_colours() -> None:
    assert heat.REGRET.colours == heat.RETENTION.colours[::-1]
    assert heat.REGRET.shown(0.021) == "+2.1"
    assert heat.REGRET.shown(0.0) == "0.0"


def test_names_cannot_add_markup() -> None:
    trace = matrices(cells(("m", "<a href='x'>", "t", 0.5)), heat.F1)
    assert "<a" not in str(trace.layout.yaxis.ticktext) + trace.data[0].customdata[0][0]


def test_other_heat_maps_have_fixed_colours_and_a_bar_too() -> None:
    rows = [("v", 1, 0.5), ("v", None, 0.4), ("w", 1, 0.6)]
    variants = pl.DataFrame(rows, {"label": pl.String, "au": pl.Int64, "f1": pl.Float64}, orient="row")
    drawn = variant_heat(variants.with_columns(low=pl.col("f1") - 0.1, high=pl.col("f1") + 0.1))
    assert (drawn.layout.coloraxis.cmin, drawn.layout.coloraxis.cmax) == (0, 100)
    assert [list(line) for line in drawn.data[0].text] == [["50.0", "40.0"], ["60.0", "–"]]
    assert drawn.data[0].customdata[0][1] == "v → mean: 40.0 (30.0 to 50.0)"
    moved = shift(pl.DataFrame({"fold": ["a", "b"], "au": [1, 1], "difference": [0.01, -0.01]}))
    assert (moved.layout.coloraxis.cmin, moved.layout.coloraxis.cmax) == (-20, 20)
    assert [list(line) for line in moved.data[0].text] == [["+1.0"], ["−1.0"]]
    together = pl.DataFrame({"given": [1, 1, 2, 2], "au": [1, 2, 1, 2], "labelled": [1.0, 0.2, 0.3, 1.0]})
    both = cooccurrence(together.with_columns(predicted=pl.col("labelled") / 2))
    assert [trace.coloraxis for trace in both.data] == ["coloraxis", "coloraxis", "coloraxis2"]
    assert (both.layout.coloraxis.cmax, both.layout.coloraxis2.cmin) == (100, -50)

"""A contact sheet: frames of a store as detectors see them, with their labels, for a person to check."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data.errors import InputError
from data.files import atomic_path, write_atomic
from data.frames import aus_of
from data.media import encode_jpeg, resize
from data.seeds import numpy_generator
from data.store import FrameStore

SHEET_FORMATS = (".png", ".html")
TILE, GAP, COLUMNS = 160, 12, 8  # pixels, pixels, tiles a row
TEXT, HEADING = 12, 18  # pixels
LINE = TEXT + 3
INK, FAINT, PAPER = "#1a1a1a", "#5c5c5c", "#ffffff"


@dataclass(frozen=True, eq=False)
class Tile:
    """One frame uint8 [TILE, TILE, 3], where it comes from, and what is coded in it."""

    image: np.ndarray
    name: str
    active: tuple[int, ...]
    uncoded: int

    @property
    def labels(self) -> str:
        """Active AUs, and how many are not coded: `AU 1, 12; 2 not coded`."""
        active = f"AU {', '.join(map(str, self.active))}" if self.active else "no active AU"
        return f"{active}; {self.uncoded} not coded" if self.uncoded else active


def contact_sheet(store: FrameStore, path: Path, count: int = 48, seed: int = 0) -> None:
    """Write `count` random frames of `store`, spread over its subjects, to `path` (.png or .html)."""
    check_sheet(path)
    rows = sample_rows(store.table["subject"].to_list(), count, seed)
    sheet = tiles(store, rows)
    if path.suffix.lower() == ".html":
        write_atomic(path, page(heading(store, len(rows)), sheet).encode())
        return
    with atomic_path(path) as temporary:
        picture(heading(store, len(rows)), sheet).save(temporary, format="PNG")


def check_sheet(path: Path) -> None:
    """Raise `InputError` unless a contact sheet can be written as `path` by its name."""
    if path.suffix.lower() not in SHEET_FORMATS or path.is_dir():
        raise InputError(f"sheet={path}; allowed: a file name that ends in {' or '.join(SHEET_FORMATS)}")


def sample_rows(subjects: Sequence[str], count: int, seed: int) -> np.ndarray:
    """`count` random rows, ascending; no subject has two more than another that has rows left."""
    # in turns, so that one person with many frames does not fill the sheet
    order = numpy_generator("contact sheet", seed).permutation(len(subjects))
    taken: dict[str, int] = {}
    turns = []
    for row in order:
        turns.append(taken.get(subjects[row], 0))
        taken[subjects[row]] = turns[-1] + 1
    return np.sort(order[np.argsort(turns, kind="stable")][:count])


def tiles(store: FrameStore, rows: np.ndarray) -> list[Tile]:
    """The frames of `rows` with their labels."""
    aus = aus_of(store.table)
    labels = store.labels(aus)[rows]
    places = store.table.select("subject", "sequence", "frame")[rows].rows()
    return [
        Tile(
            resize(image, TILE),
            f"{subject if subject == sequence else f'{subject}/{sequence}'} frame {frame}",
            tuple(au for au, label in zip(aus, coded, strict=True) if label == 1),
            int((coded == -1).sum()),
        )
        for image, (subject, sequence, frame), coded in zip(store.read(rows), places, labels, strict=True)
    ]


def heading(store: FrameStore, shown: int) -> str:
    """One line about the store."""
    name = store.table["dataset"][0]
    subjects = store.table["subject"].n_unique()
    return (
        f"{name}: {shown} of {len(store):,} frames, {subjects} subjects, "
        f"alignment {store.alignment}, {store.size} px, {store.settings.codec}"
    )


def picture(title: str, sheet: Sequence[Tile]) -> Image.Image:
    """The sheet as one picture."""
    columns, captions = min(COLUMNS, len(sheet)), [_caption(tile) for tile in sheet]
    top, step = HEADING + 2 * GAP, TILE + GAP
    height = TILE + max(map(len, captions)) * LINE + 2 * GAP
    title_font = ImageFont.load_default(HEADING)
    width = max(GAP + columns * step, 2 * GAP + round(title_font.getlength(title)))
    canvas = Image.new("RGB", (width, top + -(-len(sheet) // columns) * height), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((GAP, GAP), title, INK, title_font)
    for number, (tile, caption) in enumerate(zip(sheet, captions, strict=True)):
        left, upper = GAP + number % columns * step, top + number // columns * height
        canvas.paste(Image.fromarray(tile.image), (left, upper))
        for line, (text, colour) in enumerate(caption):
            draw.text((left, upper + TILE + 3 + line * LINE), text, colour, ImageFont.load_default(TEXT))
    return canvas


def _caption(tile: Tile) -> list[tuple[str, str]]:
    """The lines of text below a tile, with their colours."""
    font = ImageFont.load_default(TEXT)
    parts = ((tile.name, FAINT), (tile.labels, INK))
    return [(line, colour) for text, colour in parts for line in wrap(text, font, TILE)]


def wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """`text` in lines of at most `width` pixels, broken at spaces where there are any."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if font.getlength(joined) <= width:
            lines[-1] = joined
            continue
        lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ margin: 12px; font: 12px/1.3 system-ui, sans-serif; color: {ink}; background: {paper}; }}
h1 {{ font-size: 18px; }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, {tile}px); gap: 12px; }}
figure {{ margin: 0; overflow-wrap: anywhere; }}
img {{ display: block; width: {tile}px; height: {tile}px; }}
small {{ display: block; font-size: 12px; color: {faint}; }}
</style></head>
<body><h1>{title}</h1>
<main>
{figures}
</main></body></html>
"""


def page(title: str, sheet: Sequence[Tile]) -> str:
    """The sheet as one HTML file, pictures included."""
    figures = "\n".join(_figure(tile) for tile in sheet)
    return _PAGE.format(title=html.escape(title), figures=figures, tile=TILE, ink=INK, faint=FAINT, paper=PAPER)


def _figure(tile: Tile) -> str:
    # inside the page: a sheet is sent to others as one file
    content = base64.b64encode(encode_jpeg(tile.image, 95)).decode()
    name, labels = html.escape(tile.name), html.escape(tile.labels)
    return (
        f'<figure><img alt="{name}: {labels}" src="data:image/jpeg;base64,{content}">'
        f"<figcaption><small>{name}</small>{labels}</figcaption></figure>"
    )

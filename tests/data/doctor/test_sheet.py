"""The contact sheet: which frames, what it says about them, and that it shows them."""

import base64
import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from data.doctor.sheet import GAP, TEXT, TILE, Tile, check_sheet, contact_sheet, picture, sample_rows, tiles, wrap
from data.errors import InputError
from data.media import resize
from tests.data.stores import tiny_store


def test_frames_are_spread_over_the_subjects() -> None:
    subjects = ["a"] * 90 + ["b"] * 8 + ["c"] * 2
    rows = sample_rows(subjects, 12, seed=0)
    assert Counter(subjects[row] for row in rows) == {"a": 5, "b": 5, "c": 2}
    assert (np.diff(rows) > 0).all()
    assert not np.array_equal(rows, sample_rows(subjects, 12, seed=1))
    assert np.array_equal(rows, sample_rows(subjects, 12, seed=0))
    assert len(sample_rows(subjects, 1000, seed=0)) == 100


def test_a_tile_says_where_it_is_from_and_what_is_active(tmp_path: Path) -> None:
    store = tiny_store(tmp_path, unknown=0.3)
    rows = np.array([3, 10])
    for tile, row in zip(tiles(store, rows), rows, strict=True):
        subject, sequence, frame = store.table.select("subject", "sequence", "frame").row(int(row))
        labels = dict(zip((1, 12), store.labels((1, 12))[row], strict=True))
        assert tile.name == f"{subject}/{sequence} frame {frame}"
        assert tile.active == tuple(au for au, label in labels.items() if label == 1)
        assert tile.uncoded == sum(label == -1 for label in labels.values())
        assert np.array_equal(tile.image, resize(store.read(np.array([row]))[0], TILE))


def tile(active: tuple[int, ...] = (1, 12), uncoded: int = 0, name: str = "F001/T1 7") -> Tile:
    return Tile(np.full((TILE, TILE, 3), 90, np.uint8), name, active, uncoded)


def test_labels_in_words() -> None:
    assert tile().labels == "AU 1, 12"
    assert tile(uncoded=3).labels == "AU 1, 12; 3 not coded"
    assert tile(active=(), uncoded=1).labels == "no active AU; 1 not coded"


@pytest.mark.parametrize("text", ["AU " + ", ".join(map(str, range(1, 40))), "122-60-1920x1080-2_left" * 5, "a b", ""])
def test_a_caption_is_as_wide_as_its_tile_at_most(text: str) -> None:
    font = ImageFont.load_default(TEXT)
    lines = wrap(text, font, TILE)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(0 < font.getlength(line) <= TILE for line in lines)


def test_the_picture_shows_the_frames_in_their_order() -> None:
    shown = [Tile(np.full((TILE, TILE, 3), 10 * n, np.uint8), str(n), (1,), 0) for n in range(11)]
    sheet = np.asarray(picture("title", shown))
    height = (sheet.shape[0] - (18 + 2 * GAP)) // 2
    for number in range(11):
        top, left = 18 + 2 * GAP + number // 8 * height, GAP + number % 8 * (TILE + GAP)
        assert (sheet[top : top + TILE, left : left + TILE] == 10 * number).all()
        caption = sheet[top + TILE : top + height - 2, left : left + TILE]
        assert caption.min() < 100 < 250 < caption.max()
    assert (sheet[-height:, GAP + 3 * (TILE + GAP) :] == 255).all()


def test_a_png_has_every_frame_and_is_the_same_again(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    for name in ("a.png", "b.PNG"):
        contact_sheet(store, tmp_path / name, count=9)
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width == GAP + 8 * (TILE + GAP)
        assert sheet.height > 2 * TILE
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.PNG").read_bytes()


def test_a_page_needs_no_other_file(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    contact_sheet(store, tmp_path / "sheet.html", count=5)
    text = (tmp_path / "sheet.html").read_text()
    pictures = re.findall(r'<img alt="([^"]+)" src="data:image/jpeg;base64,([^"]+)">', text)
    assert len(pictures) == text.count("<img") == 5
    rows = sample_rows(store.table["subject"].to_list(), 5, 0)
    for expected, (alt, content) in zip(tiles(store, rows), pictures, strict=True):
        assert alt == f"{expected.name}: {expected.labels}"
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert np.abs(np.asarray(image).astype(int) - expected.image).mean() < 3
    assert "http" not in text
    for words in ("gft", f"{len(store)} frames", store.alignment, f"{store.size} px"):
        assert words in text


@pytest.mark.parametrize("name", ["sheet.gif", "sheet", ""])
def test_another_kind_of_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.png or \.html"):
        check_sheet(tmp_path / name)
    check_sheet(tmp_path / "sheet.HTML")

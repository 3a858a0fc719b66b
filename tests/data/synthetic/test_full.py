from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from data.catalog import CATALOG, read_dataset
from data.media import iter_video, read_image
from data.synthetic import write_tree
from data.synthetic.full import calibrate, full_recordings
from data.synthetic.layouts import LAYOUTS
from data.synthetic.patterns import MODULUS, pattern, read_pattern
from data.synthetic.recordings import Recording, TreePlan


def plan(layout: str, seed: int = 0) -> TreePlan:
    return TreePlan(layout, 1, 0, 0, seed, 0.0, 16, full=True)


def test_bp4d_has_the_published_counts() -> None:
    recordings = full_recordings(plan("bp4d"), LAYOUTS["bp4d"].subjects())
    lengths = [recording.frames for recording in recordings]
    assert len(recordings) == 328
    assert (sum(lengths), min(lengths), max(lengths)) == (146_847, 90, 768)
    assert sum(recording.first == 1 for recording in recordings) == 118
    for subjects, frames in zip(CATALOG["bp4d"].parts.values(), (50_631, 50_182, 46_034), strict=True):
        assert sum(recording.frames for recording in recordings if recording.subject in subjects) == frames
    active = np.concatenate([recording.occurrence(CATALOG["bp4d"].aus) for recording in recordings]).mean(axis=0)
    published = (21.1, 17.1, 20.3, 46.1, 54.9, 59.4, 56.2, 46.6, 16.9, 34.3, 16.5, 15.1)
    np.testing.assert_allclose(100 * active, published, atol=0.02)
    assert active.std() > 0


def test_disfa_has_the_published_counts() -> None:
    recordings = full_recordings(plan("disfa"), LAYOUTS["disfa"].subjects())
    lengths = {recording.subject: recording.frames for recording in recordings}
    assert sum(lengths.values()) == 130_814
    assert lengths.pop("SN010") == 4_844
    assert set(lengths.values()) == {4_845}
    aus = CATALOG["disfa"].aus
    active = np.concatenate([recording.occurrence(aus) for recording in recordings]).mean(axis=0)
    np.testing.assert_allclose(100 * active, (5.0, 4.3, 15.2, 7.9, 4.2, 12.9, 27.7, 8.8), atol=0.02)
    assert {1, 2, 5} <= set(np.unique(recordings[0].coded))


def test_gft_and_affwild2_have_the_reported_counts() -> None:
    assert [recording.frames for recording in full_recordings(plan("gft"), LAYOUTS["gft"].subjects())] == [1_800] * 96
    lengths = [recording.frames for recording in full_recordings(plan("affwild2"), LAYOUTS["affwild2"].subjects())]
    assert (len(lengths), sum(lengths)) == (541, 2_627_632)
    assert len(set(LAYOUTS["affwild2"].subjects())) == 541


def test_some_subjects_have_the_lengths_that_they_have_among_all() -> None:
    whole = full_recordings(plan("affwild2"), LAYOUTS["affwild2"].subjects())
    some = full_recordings(plan("affwild2"), LAYOUTS["affwild2"].subjects()[:5])
    assert [(r.subject, r.frames, r.marker) for r in some] == [(r.subject, r.frames, r.marker) for r in whole[:5]]
    assert [r.frames for r in full_recordings(plan("affwild2", seed=1), LAYOUTS["affwild2"].subjects()[:5])] != [
        r.frames for r in some
    ]


def test_calibrated_rates_are_exact_and_smooth() -> None:
    made = [Recording(plan("bp4d"), f"S{number}", "T1", 500) for number in range(4)]
    raw = np.concatenate([recording.occurrence((12,)) for recording in made])
    exact = np.concatenate([recording.occurrence((12,)) for recording in calibrate(made)])
    assert exact.sum() == pytest.approx(0.562 * 2000, abs=1)
    assert abs(raw.sum() - 0.562 * 2000) > 5
    assert (raw == exact).mean() > 0.8  # the same courses
    assert np.abs(np.diff(exact[:500, 0])).sum() < 100


def test_patterns_survive_jpeg_and_other_sizes() -> None:
    for number, marker in ((0, 0), (250, 250), (251, 7), (4845, 540)):
        image = pattern(number, marker, 16)
        assert read_pattern(image) == (number % MODULUS, marker % MODULUS)
        assert read_pattern(image.repeat(3, axis=0).repeat(2, axis=1)) == (number % MODULUS, marker % MODULUS)
    assert len({pattern(number, 3, 16).tobytes() for number in range(MODULUS)}) == MODULUS


@pytest.mark.slow
def test_pictures_of_bp4d_say_which_label_frame_they_are(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write_tree("bp4d", tmp_path / "t", 1, full=True, progress=lambda *call: calls.append(call))
    table = read_dataset("bp4d", tmp_path / "t", {}).table
    assert calls[-1] == (table.height, table.height)
    assert table["sequence"].n_unique() == 8
    for path, frame in table.select("path", "frame").sample(200, seed=0).iter_rows():
        assert read_pattern(read_image(tmp_path / "t" / path)) == (frame % MODULUS, 0)
    links = Counter((tmp_path / "t" / path).stat().st_nlink for path in table["path"])
    assert max(links) > 1  # the same picture is stored once


@pytest.mark.slow
def test_videos_of_disfa_say_which_label_frame_they_are(tmp_path: Path) -> None:
    write_tree("disfa", tmp_path / "t", 1, full=True)
    table = read_dataset("disfa", tmp_path / "t", {}).table
    assert table.height == 4_845
    shown = [read_pattern(image) for image in iter_video(tmp_path / "t" / table["path"][-1])]
    assert shown == [(frame % MODULUS, 0) for frame in range(1, 4_846)]
    with av.open(str(tmp_path / "t" / "Video_RightCamera" / "RightVideoSN001_Comp.avi")) as right:
        mirrored = next(right.decode(video=0)).to_ndarray(format="rgb24")[:, ::-1]
    assert read_pattern(mirrored) == (1, 0)


def test_crops_of_affwild2_are_links(tmp_path: Path) -> None:
    write_tree("affwild2", tmp_path / "t", 1, full=True, variant="abaw1")
    crops = list((tmp_path / "t" / "cropped_aligned").glob("*/*.jpg"))
    assert len(crops) > 200
    assert len({crop.stat().st_ino for crop in crops}) <= MODULUS
    for crop in crops[::50]:
        assert read_pattern(read_image(crop)) == (int(crop.stem) % MODULUS, 0)


def test_the_writers_without_hard_links_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise OSError("links are not supported here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write_tree("gft", tmp_path / "t", 1, full=True)
    crop = tmp_path / "t" / "images" / "001A" / "1800.jpg"
    assert crop.stat().st_nlink == 1
    assert read_pattern(read_image(crop))[0] == int(crop.stem) % MODULUS

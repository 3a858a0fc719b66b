from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import loadmat

import data.synthetic.lower
import data.synthetic.render
import data.synthetic.upper
from data.media import read_image
from data.seeds import generator
from data.synthetic import write_tree
from data.synthetic.actions import intensities
from data.synthetic.identity import AUS, Traits, gather, identity
from data.synthetic.landmarks import POINTS_49, POINTS_66, landmarks
from data.synthetic.layouts import LAYOUTS
from data.synthetic.recordings import Recording, TreePlan
from data.synthetic.render import STEPS, render
from data.synthetic.scene import move, paste, placements, scene_size
from data.synthetic.style import STYLES, frontal, looks, poses

SIZE = 192
PEOPLE = 8
NEAR = 0.02 * 0.75 * SIZE  # 2 % of the width of a face, which is about three quarters of the crop's


Shown = tuple[Traits, torch.Tensor, Traits, Traits]  # who, intensity, pose, look


@pytest.fixture(scope="module")
def scene() -> Shown:
    """Several people in strong poses without glasses, eyes open, mouths at rest or moved."""
    people = gather([identity("landmarks", number) for number in range(PEOPLE)])
    people["glasses"], people["long"], people["beard"] = (torch.zeros(PEOPLE) for _ in range(3))
    action = 0.7 * torch.cat([intensities("bp4d", 9, 0, f"S{n}", "T1")[4:5] for n in range(PEOPLE)])
    pose = {name: values[::5] for name, values in poses(STYLES["gft"], 5 * PEOPLE, generator("pose")).items()}
    look = {name: values[::5] for name, values in looks(STYLES["bp4d"], 5 * PEOPLE, generator("look")).items()}
    return people, action, pose | {"blink": torch.zeros(PEOPLE)}, look | {"noise": torch.zeros(PEOPLE)}


def extremes(one: np.ndarray, other: np.ndarray, half: slice) -> np.ndarray:
    """[2, 2] x, y of the leftmost and the rightmost pixel in which two pictures differ clearly."""
    changed = np.abs(one.astype(int) - other).max(axis=-1) > 30
    rows, columns = np.nonzero(changed[:, half])
    columns = columns + (half.start or 0)
    ends = [columns.argmin(), columns.argmax()]
    return np.stack([columns[ends], rows[ends]], axis=1)


def drawn(scene: Shown) -> tuple[np.ndarray, np.ndarray]:
    return render(*scene, SIZE), landmarks(*scene, SIZE)


def test_the_corners_of_the_eyes(scene: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, points = drawn(scene)
    monkeypatch.setattr(data.synthetic.upper, "WHITE", torch.tensor([1.0, 0.0, 1.0]))
    for one, other, face in zip(usual, render(*scene, SIZE), points, strict=True):
        middle = round(face[27, 0])
        for half, corners in ((slice(0, middle), (36, 39)), (slice(middle, SIZE), (42, 45))):
            found = extremes(one, other, half)
            assert np.abs(found[:, 0] - face[list(corners), 0]).max() < NEAR
            eye = face[corners[0] : corners[0] + 6]
            assert eye[:, 1].min() - NEAR < found[:, 1].min() <= found[:, 1].max() < eye[:, 1].max() + NEAR


def test_the_corners_and_the_edges_of_the_mouth(scene: Shown) -> None:
    usual, points = drawn(scene)
    who = scene[0] | {"lip": torch.tensor([[0.1, 0.2, 0.9]]).expand(PEOPLE, 3)}
    for one, other, face in zip(usual, render(who, *scene[1:], SIZE), points, strict=True):
        found = extremes(one, other, slice(0, SIZE))
        assert np.linalg.norm(found - face[[48, 54]], axis=1).max() < 2 * NEAR  # lips end in a point that hardly shows
        rows = np.nonzero((np.abs(one.astype(int) - other).max(axis=-1) > 30).any(axis=1))[0]
        assert abs(rows.min() - face[49:54, 1].min()) < NEAR
        assert abs(rows.max() - face[55:60, 1].max()) < NEAR


def test_the_tip_of_the_nose_is_above_the_nostrils(scene: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    people, action, _, look = scene
    upright = (people, action, frontal(PEOPLE), look)
    usual, points = drawn(upright)
    monkeypatch.setattr(data.synthetic.render, "STEPS", [step for step in STEPS if step.__name__ != "draw_nostrils"])
    for one, other, face in zip(usual, render(*upright, SIZE), points, strict=True):
        rows, columns = np.nonzero(np.abs(one.astype(int) - other).max(axis=-1) > 20)
        assert abs(columns.mean() - face[30, 0]) < NEAR
        assert face[30, 1] < rows.mean() < face[33, 1] + NEAR


def test_points_are_mirrored_on_an_even_face_and_in_ibug_order() -> None:
    who = identity("someone") | {"asymmetry": torch.zeros(1, len(AUS))}
    look = {name: values[:1] for name, values in looks(STYLES["bp4d"], 1, generator("look")).items()}
    points = landmarks(who, torch.zeros(1, len(AUS)), frontal(1), look, SIZE)[0]
    across, middle = points[:, 0], (SIZE - 1) / 2
    pairs = [(0, 16), (8, 8), (17, 26), (21, 22), (36, 45), (39, 42), (31, 35), (48, 54), (60, 64), (50, 52), (59, 55)]
    for left, right in pairs:
        assert across[left] + across[right] == pytest.approx(2 * middle, abs=1e-3)
        assert points[left, 1] == pytest.approx(points[right, 1], abs=1e-3)
    assert (np.diff(across[1:16]) > 0).all()
    assert (np.diff(points[:9, 1]) > 0).all()
    assert (np.diff(across[17:27]) > 0).all()
    assert across[36] < across[37] < across[38] < across[39] < across[42]
    assert points[8, 1] == points[:, 1].max()
    assert points[37, 1] < points[36, 1] < points[41, 1]
    assert points[51, 1] < points[62, 1] <= points[66, 1] < points[57, 1]
    assert len(POINTS_49) == 49
    assert len(POINTS_66) == 66
    assert POINTS_49[19:31] == list(range(36, 48))


def test_a_point_of_the_crop_is_shown_where_it_is_moved_to() -> None:
    crops = np.zeros((6, 64, 64, 3), np.uint8)
    crops[:, 19:22, 39:42] = 255
    look = {name: values[:6] for name, values in looks(STYLES["disfa"], 6, generator("look")).items()}
    look |= {"backdrop_top": torch.zeros(6, 3), "backdrop_bottom": torch.zeros(6, 3)}
    maps = placements(60, 64, generator("scene"))[::10]
    pictures = paste(crops, maps, look)
    width, height = scene_size(64)
    assert pictures.shape == (6, height, width, 3)
    light = pictures[..., 0].astype(float)
    rows, columns = np.mgrid[:height, :width]
    middle = np.stack([(light * columns).sum((1, 2)), (light * rows).sum((1, 2))], axis=1) / light.sum((1, 2))[:, None]
    moved = move(np.full((6, 1, 2), (40.0, 20.0)), maps)[:, 0]
    assert np.abs(middle - moved).max() < 0.3
    assert np.ptp(moved, axis=0).min() > 0.5  # it moves
    assert np.abs(np.diff(move(np.full((60, 1, 2), 32.0), placements(60, 64, generator("scene"))), axis=0)).max() < 2


def recording(layout: str, subject: str, sequence: str, frames: int, first: int) -> Recording:
    return Recording(TreePlan(layout, 1, 1, frames, 0, 0.0, 64, scene=True), subject, sequence, frames, first)


def test_landmark_files_of_bp4d(tmp_path: Path) -> None:
    write_tree("bp4d", tmp_path / "t", 1, 1, 60, size=64, scene=True)
    images = sorted((tmp_path / "t" / "Sequences(2D+3D)" / "F001" / "T1").iterdir(), key=lambda path: int(path.stem))
    assert read_image(images[0]).shape[1::-1] == scene_size(64) == (122, 90)
    first = int(images[0].stem) + 1
    path = tmp_path / "t" / "2DFeatures" / "F001_T1.mat"
    fit = loadmat(path)["fit"]["pred"][0]
    assert fit.size == first + 59
    found = [row for row in range(60) if fit[first - 1 + row].size]
    assert 57 < len(found) < 60
    assert not any(fit[number].size for number in range(first - 1))
    expected = recording("bp4d", "F001", "T1", 60, first).landmarks()[:, POINTS_49]
    for row in found:
        np.testing.assert_allclose(fit[first - 1 + row], expected[row], rtol=1e-6)
    assert path.read_bytes()[:116].rstrip() == b"MATLAB 5.0 MAT-file"  # no date


def test_landmark_files_of_disfa_count_from_0_or_from_1(tmp_path: Path) -> None:
    write_tree("disfa", tmp_path / "t", 7, 1, 12, size=32, scene=True)
    folders = sorted((tmp_path / "t" / "Landmark_Points").glob("*/tmp_frame_lm"))
    names = {folder.parent.name: sorted(path.name for path in folder.iterdir()) for folder in folders}
    assert len(names) == 7
    from_one = {subject for subject, files in names.items() if files[0].startswith("l")}
    assert from_one == {"SN003", "SN006", "SN009"}
    for subject, files in names.items():
        every = [f"l{n:05d}_lm.mat" for n in range(1, 13)]
        if subject not in from_one:
            every = [f"{subject}_{n:04d}_lm.mat" for n in range(12)]
        assert set(files) < set(every)
        assert len(files) == 11
    whole = Recording(TreePlan("disfa", 7, 1, 12, 0, 0.0, 32, scene=True), "SN003", "video", 12)
    points = whole.landmarks()[:, POINTS_66]
    for name in names["SN003"]:
        pts = loadmat(tmp_path / "t" / "Landmark_Points" / "SN003" / "tmp_frame_lm" / name)["pts"]
        np.testing.assert_allclose(pts, points[int(name[1:6]) - 1], rtol=1e-6)


def test_a_scene_shows_the_crop(tmp_path: Path) -> None:
    pasted, plan = recording("bp4d", "F001", "T1", 9, 1), TreePlan("bp4d", 1, 1, 9, 0, 0.0, 64)
    crops = np.concatenate(list(Recording(plan, "F001", "T1", 9).images()))
    pictures = np.concatenate(list(pasted.images()))
    inner = np.stack(np.meshgrid(np.arange(16, 48), np.arange(16, 48)), axis=-1).reshape(1, -1, 2)
    places = move(np.repeat(inner, 9, axis=0), placements(9, 64, generator("scene", "bp4d", 0, "F001", "T1")))
    for crop, picture, place in zip(crops, pictures, places, strict=True):
        seen = picture[tuple(place.round().astype(int).T[::-1])].astype(int)
        assert np.abs(seen - crop[16:48, 16:48].reshape(-1, 3)).mean() < 12


def test_only_raw_trees_have_scenes() -> None:
    assert {name for name, layout in LAYOUTS.items() if layout.scenes} == {"bp4d", "disfa"}

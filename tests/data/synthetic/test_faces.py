import numpy as np
import pytest
import torch

from data.seeds import generator
from data.synthetic.camera import _blur
from data.synthetic.canvas import join_halves, split_halves
from data.synthetic.identity import AUS, Traits, gather, identity, repeat
from data.synthetic.render import render
from data.synthetic.sheet import TITLE, au_sheet
from data.synthetic.style import STYLES, frontal, looks, poses, smooth_noise

SIZE = 96
UPPER = (1, 2, 4, 5, 6, 7, 9)


def quiet_look(count: int) -> Traits:
    look = repeat({name: values[:1] for name, values in looks(STYLES["bp4d"], 1, generator("look")).items()}, count)
    return look | {"noise": torch.zeros(count)}


def faces(intensity: torch.Tensor, name: str = "someone", size: int = SIZE) -> np.ndarray:
    count = len(intensity)
    return render(repeat(identity(name), count), intensity, frontal(count), quiet_look(count), size).astype(int)


@pytest.mark.parametrize("size", [64, SIZE])
@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_each_au_changes_its_own_part_of_the_face(name: str, size: int) -> None:
    pictures = faces(torch.cat([torch.zeros(1, len(AUS)), 5 * torch.eye(len(AUS))]), name, size)
    for au, picture in zip(AUS, pictures[1:], strict=True):
        change = np.abs(picture - pictures[0]).max(axis=-1)
        part = change[: int(0.64 * size)] if au in UPPER else change[int(0.45 * size) :]
        assert part.sum() > 0.95 * change.sum(), f"AU{au}"
        assert (change > 20).mean() > 0.004, f"AU{au}"


def test_no_two_aus_look_alike() -> None:
    pictures = faces(torch.cat([torch.zeros(1, len(AUS)), 5 * torch.eye(len(AUS))]))
    change = (pictures[1:] - pictures[:1]).reshape(len(AUS), -1).astype(float)
    likeness = np.corrcoef(change) - np.eye(len(AUS))
    assert likeness.max() < 0.75


def test_the_change_grows_with_intensity() -> None:
    levels = torch.arange(6.0)[:, None, None] * torch.eye(len(AUS))
    pictures = faces(levels.reshape(-1, len(AUS))).reshape(6, len(AUS), -1)
    change = np.abs(pictures - pictures[:1]).sum(axis=2)
    assert (np.diff(change, axis=0) > 0).all()


def test_faces_are_the_same_however_they_are_batched() -> None:
    intensity = 5 * torch.rand(5, len(AUS), generator=generator("intensity"))
    whole = faces(intensity)
    alone = np.concatenate([faces(row[None]) for row in intensity])
    assert np.abs(whole - alone).max() <= 1


def test_people_differ_and_have_a_lasting_face() -> None:
    people = [identity("person", number) for number in range(12)]
    neutral = render(gather(people), torch.zeros(12, len(AUS)), frontal(12), quiet_look(12), SIZE).astype(int)
    apart = np.abs(neutral[:, None] - neutral[None]).mean(axis=(2, 3, 4))
    assert apart[~np.eye(12, dtype=bool)].min() > 2
    assert (neutral[:1] == faces(torch.zeros(1, len(AUS)), name="nobody")).mean() < 0.5
    assert torch.equal(identity("person", 3)["eye_x"], people[3]["eye_x"])


@pytest.mark.parametrize("style", STYLES)
def test_pictures_of_every_style_are_neither_black_nor_burnt_out(style: str) -> None:
    for number in range(12):
        named = generator("exposure", style, number)
        pose, look = poses(STYLES[style], 2, named), looks(STYLES[style], 2, named)
        picture = render(repeat(identity(style, number), 2), torch.zeros(2, len(AUS)), pose, look, SIZE)
        assert picture.dtype == np.uint8
        assert picture.shape == (2, SIZE, SIZE, 3)
        face = picture[:, 24:72, 24:72]
        assert 25 < face.mean() < 225
        assert face.std() > 10


def test_halves_are_mirrored_and_joined_back() -> None:
    whole = torch.arange(24.0).reshape(1, 2, 12)
    halves = split_halves(whole)
    assert halves[0, 0].tolist() == [6, 7, 8, 9, 10, 11]
    assert halves[1, 0].tolist() == [5, 4, 3, 2, 1, 0]
    assert torch.equal(join_halves(halves), whole)


def test_blur_keeps_brightness_and_blurs() -> None:
    point = torch.zeros(1, 3, 9, 9)
    point[..., 4, 4] = 1
    blurred = _blur(point, torch.tensor([0.8]))
    assert torch.allclose(blurred.sum((2, 3)), torch.ones(1, 3))
    assert blurred[0, 0, 4, 4] < 0.5
    assert torch.allclose(_blur(point, torch.tensor([0.05])), point, atol=1e-6)


def test_smooth_noise_has_unit_variance_and_memory() -> None:
    noise = smooth_noise(200, 100, 4.0, generator("noise"))
    assert noise.shape == (200, 100)
    assert noise.var().item() == pytest.approx(1, abs=0.1)
    assert (noise[:, 1:] * noise[:, :-1]).mean() > 0.9


def test_contact_sheet() -> None:
    sheet = au_sheet(size=48, identities=2)
    assert sheet.shape == (TITLE + 2 * 48, (len(AUS) + 1) * 48, 3)
    assert sheet.dtype == np.uint8
    assert (sheet == au_sheet(size=48, identities=2)).all()

import numpy as np
import pytest
import torch

from data.catalog import CATALOG
from data.synthetic import LAYOUTS
from data.synthetic.actions import ACTIVE_AT, RATES, codes, flip, intensities
from data.synthetic.identity import AUS


def draws(layout: str, people: int = 250, frames: int = 60) -> torch.Tensor:
    """[people, frames, A]"""
    return torch.stack([intensities(layout, frames, 0, f"S{number}", "T1") for number in range(people)])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_base_rates(layout: str) -> None:
    active = codes(draws(layout)) >= ACTIVE_AT[layout]
    for au, rate in zip(AUS, active.mean(axis=(0, 1)), strict=True):
        assert rate == pytest.approx(RATES[layout][au], abs=0.035), f"AU{au}"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_published_au_uses_the_whole_scale(layout: str) -> None:
    coded = codes(draws(layout))
    assert set(np.unique(coded)) == {0, 1, 2, 3, 4, 5}
    for au in CATALOG[layout].aus:
        assert coded[..., AUS.index(au)].max() >= 4


def test_aus_appear_in_their_usual_company() -> None:
    active = (codes(draws("bp4d")) >= 1).reshape(-1, len(AUS)).astype(float)
    together = np.corrcoef(active.T)
    for a, b, low, high in ((6, 12, 0.25, 0.6), (1, 2, 0.2, 0.6), (15, 17, 0.15, 0.6), (24, 25, -0.5, -0.1)):
        assert low < together[AUS.index(a), AUS.index(b)] < high


def test_courses_are_smooth_and_events_last() -> None:
    course = draws("bp4d", people=20)
    assert (course[:, 1:] - course[:, :-1]).abs().mean() < 0.35
    active = codes(course) >= 1
    onsets = (active[:, 1:] & ~active[:, :-1]).sum()
    assert 4 < active.sum() / onsets < 60


def test_a_course_is_decided_by_its_names() -> None:
    one = intensities("bp4d", 30, 0, "F001", "T1")
    assert torch.equal(one, intensities("bp4d", 30, 0, "F001", "T1"))
    for other in (("bp4d", 30, 1, "F001", "T1"), ("bp4d", 30, 0, "F002", "T1"), ("bp4d", 30, 0, "F001", "T2")):
        assert not torch.equal(one, intensities(*other))


def test_codes_round_to_the_nearest_intensity() -> None:
    assert codes(torch.tensor([0.0, 0.49, 0.5, 1.4, 2.5, 5.0])).tolist() == [0, 0, 1, 1, 3, 5]


@pytest.mark.parametrize("layout", ["bp4d", "disfa"])
def test_label_noise_flips_the_asked_share_of_occurrences(layout: str) -> None:
    clean = codes(draws(layout, people=10)).reshape(-1, len(AUS))
    noisy = flip(clean, layout, 0.2, "names")
    turned = (clean >= ACTIVE_AT[layout]) != (noisy >= ACTIVE_AT[layout])
    assert turned.mean() == pytest.approx(0.2, abs=0.01)
    assert (noisy[~turned] == clean[~turned]).all()
    assert (noisy == flip(clean, layout, 0.2, "names")).all()
    assert (flip(clean, layout, 0.0, "names") == clean).all()
    assert ((flip(clean, layout, 1.0, "names") >= ACTIVE_AT[layout]) != (clean >= ACTIVE_AT[layout])).all()

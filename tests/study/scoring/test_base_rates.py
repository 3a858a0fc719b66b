"""Thresholds that match a base rate, and base rates from a file."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from data.seeds import numpy_generator
from study.scoring.base_rates import matched_threshold, matched_thresholds, read_rates
from tests.study.predicted import predicted

AUS = {"disfa": (1, 12), "gft": (1,)}


@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("rate", [0.0, 0.013, 0.25, 0.5, 0.999, 1.0])
def test_no_threshold_lets_through_a_nearer_number(rate: float, decimals: int) -> None:
    probabilities = numpy_generator("rates", decimals).random(73).round(decimals).astype(np.float32)
    found = matched_threshold(probabilities, rate)
    nearest, best = float("inf"), 2.0
    for threshold in [2.0, *sorted({float(p) for p in probabilities}, reverse=True)]:
        far = abs(sum(float(p) >= threshold for p in probabilities) - rate * 73)
        if far < nearest:
            nearest, best = far, threshold
    assert abs((probabilities >= found).sum() - rate * 73) == pytest.approx(nearest, abs=1e-10)
    assert (probabilities >= found).sum() == (probabilities >= best).sum()


def test_of_two_as_near_the_higher_threshold_is_taken() -> None:
    tied = np.array([0.9, 0.4, 0.4, 0.1], np.float32)
    assert matched_threshold(tied, 0.5) == pytest.approx(0.9)
    assert matched_threshold(tied, 0.6) == pytest.approx(0.4)
    assert matched_threshold(np.ones(3, np.float32), 0.1) > 1


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.37, 1.0])
def test_a_matched_threshold_lets_the_share_through(rate: float) -> None:
    made = predicted("m", [f"F{n}" for n in range(8)], levels=10**6)
    thresholds = matched_thresholds(made, [rate] * 3)
    shares = (made.probabilities >= thresholds).mean(axis=0)
    np.testing.assert_allclose(shares, rate, atol=0.5 / len(made))


def test_a_matched_threshold_with_ties() -> None:
    made = predicted("m", ["F1"], frames=4, aus=(1,))
    frame = made.frame.with_columns(p_1=np.array([0.2, 0.2, 0.2, 0.9], np.float32))
    tied = type(made)(frame, (1,))
    shares = [(tied.probabilities >= matched_thresholds(tied, [rate])).mean() for rate in (0.3, 0.6, 0.7, 0.1, 0.125)]
    assert shares == [0.25, 0.25, 1.0, 0.0, 0.0]


def written(folder: Path, *lines: str) -> Path:
    path = folder / "rates.csv"
    path.write_text("\n".join(("dataset,au,rate", *lines)))
    return path


def test_rates_are_read(tmp_path: Path) -> None:
    found = read_rates(written(tmp_path, "disfa,12,0.13", "disfa,1,0.05"), AUS)
    assert found == {"disfa": {1: 0.05, 12: 0.13}}


def test_all_that_is_wrong_with_rates_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_rates(written(tmp_path, "disfa,12,1.3", "bp4d,1,0.1", "disfa,12,0.1", "gft,one,0.1"), AUS)
    for words in (
        "line 2: rate 1.3; allowed: 0 to 1",
        "line 3: dataset 'bp4d'; allowed: disfa, gft",
        "line 4: AU 12 of disfa is listed twice",
        "line 5: ValueError",
        "disfa: no rate of AU 1",
    ):
        assert words in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        read_rates(tmp_path / "none.csv", AUS)

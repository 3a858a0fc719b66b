"""The null benchmark finds what it is for: resampling people only calls equal methods different, far too often."""

import numpy as np
import pytest

from tests.benchmarks.null import KINDS, Setting, repeat, truth

pytestmark = pytest.mark.slow  # the truth is computed from many people and runs


@pytest.mark.parametrize("kind", KINDS)
def test_a_repeat_is_the_same_again(kind: str) -> None:
    asked = Setting(kind, 2, 12, 0.1)
    assert repeat(asked, 0.0, 3) == repeat(asked, 0.0, 3) != repeat(asked, 0.0, 4)


def test_people_alone_call_equal_methods_different_and_both_together_do_not() -> None:
    found = [repeat(Setting("final", 3, 12, 0.2), 0.0, number) for number in range(40)]
    assert np.mean([one.people_alone for one in found]) > 0.3
    assert np.mean([one.ours for one in found]) < 0.2
    assert np.mean([one.score_held for one in found]) > 0.8
    assert [one.difference_held for one in found] == [not one.ours for one in found]


def test_a_gain_raises_the_truth() -> None:
    assert truth("final", 0.1, 0.3) > truth("final", 0.1, 0.0)
    assert truth("auc", 0.1, 0.3) > truth("auc", 0.1, 0.0)

"""`TrialResult` as a file."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from data.checked import SEAL
from data.errors import DamagedError, InputError
from model.metrics import BINS, Score
from study.records.config import key_of
from study.records.result import STATUSES, result_from_json, score_from_plain, score_to_plain
from tests.study.make import result, same, score, trial


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("score_test", [False, True])
def test_round_trip_is_exact(status: str, score_test: bool) -> None:
    value = None if status == "FAILED" else 1 / 3
    before = result(trial(lr=0.1, score_test=score_test), value, 1.0e9 + 0.1, status, curve=(0.1, 2 / 3))
    after = result_from_json(before.to_json(), "here", before.config.key)
    assert same(before, after)
    assert replace(after, scores={}) == replace(before, scores={})
    assert after.scores.keys() == before.scores.keys()
    for split, kept in after.scores.items():
        assert (kept.subjects, kept.aus) == (before.scores[split].subjects, before.scores[split].aus)
        assert kept.counts.dtype == kept.histogram.dtype == np.int64
        np.testing.assert_array_equal(kept.counts, before.scores[split].counts)
        np.testing.assert_array_equal(kept.histogram, before.scores[split].histogram)


def test_stage_is_final_when_the_test_part_is_scored() -> None:
    assert result(trial()).stage == "sweep"
    assert result(trial(score_test=True)).stage == "final"


def test_a_result_without_epochs_and_scores() -> None:
    empty = replace(result(trial(), None, status="FAILED", curve=()), scores={})
    assert result_from_json(empty.to_json(), "here", empty.config.key) == empty


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        result(trial(), number).to_json()
    with pytest.raises(ValueError, match="not JSON compliant"):
        result(trial(), curve=(number,)).to_json()


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    plain = json.loads(result(trial()).to_json())
    del plain[SEAL]  # the rest is found without a checksum, too
    change(plain)
    return json.dumps(plain).encode()


def of_another_version(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A result whose configuration is another than that of this version, and whose name fits it."""

    def changed(plain: dict[str, Any]) -> None:
        change(plain["config"])
        plain["key"] = key_of(plain["config"])

    return edited(changed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe{", "utf|decode"),
        (result(trial()).to_json()[:-200], "line"),
        (b"[]", "."),
        (b"3", "."),
        (edited(lambda p: p.update(format=99)), "not of format 1"),
        (edited(lambda p: p.pop("format")), "format"),
        (edited(lambda p: p.update(key="0" * 16)), "it says it is trial 0000000000000000, but"),
        (edited(lambda p: p["config"].update(seed=5)), "but its configuration is trial"),
        (of_another_version(lambda config: config["optim"].update(speed=5)), "unknown key 'optim.speed'"),
        (of_another_version(lambda config: config.pop("probe")), "lacks settings of this version"),
        (edited(lambda p: p.pop("config")), "config"),
        (edited(lambda p: p.pop("seconds")), "seconds"),
        (edited(lambda p: p.update(extra=1)), "extra"),
        (edited(lambda p: p.update(status="OK")), "status 'OK'; allowed: DONE, PRUNED, FAILED"),
        (edited(lambda p: p["epochs"][0].pop("loss")), "loss"),
        (edited(lambda p: p["scores"]["val"].pop("histogram")), "histogram"),
        (edited(lambda p: p["scores"].update(val=[])), "."),
    ],
)
def test_a_damaged_file_is_named(content: bytes, reason: str) -> None:
    with pytest.raises(InputError) as raised:
        result_from_json(content, "trials/abc.json", trial().key)
    message = str(raised.value)
    assert message.startswith("trials/abc.json is not a trial result: ")
    assert re.search(reason, message)
    assert "move it away" in message


def test_a_score_survives() -> None:
    before = score(3)
    after = score_from_plain(json.loads(json.dumps(score_to_plain(before))))
    assert (after.subjects, after.aus) == (before.subjects, before.aus)
    assert (after.counts == before.counts).all()
    assert (after.histogram == before.histogram).all()


def test_the_content_of_a_result() -> None:
    made = result(trial(5))
    plain = json.loads(made.to_json())
    assert (plain["key"], plain["status"], plain["value"]) == (made.config.key, "DONE", 0.5)


def test_a_changed_configuration_is_found() -> None:
    content = edited(lambda p: p["config"].update(seed=6))
    with pytest.raises(
        InputError, match=r"^here is not a trial result: it says it is trial \w+, but its configuration"
    ):
        result_from_json(content, "here", trial().key)


def test_every_changed_byte_is_found() -> None:
    made = result(trial(5))
    content = made.to_json()
    for at in range(0, len(content), 97):
        changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        with pytest.raises(DamagedError, match=r"^here is not a trial result: "):
            result_from_json(changed, "here", made.config.key)


def test_the_result_of_another_trial_is_found() -> None:
    with pytest.raises(DamagedError, match=f"it holds {trial(5).key}, not {trial(6).key}"):
        result_from_json(result(trial(5)).to_json(), "here", trial(6).key)
    former = edited(lambda p: None)
    with pytest.raises(DamagedError, match=f"it is the result of trial {trial().key}"):
        result_from_json(former, "here", trial(6).key)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: None, None),
        (lambda p: p.update(value=0.51), "its value is 0.51, but its counts give 0.5"),
        (lambda p: p["scores"]["val"]["counts"][0][0].__setitem__(0, 2), "do not fit its histogram"),
        (lambda p: p["scores"]["val"]["counts"][0][0].__setitem__(0, -1), "its counts are not those"),
        (lambda p: p["scores"]["val"]["histogram"][0][0].__setitem__(0, -1), "its histogram are not those"),
        (lambda p: p["scores"]["val"].update(subjects=["a", "a"]), "its subjects are not those"),
        (lambda p: p["scores"]["val"].update(aus=[1, 1]), "its aus are not those"),
        (lambda p: p["scores"]["val"].update(subjects=["a"]), "its counts are not those"),
    ],
)
def test_the_numbers_of_a_result_without_a_checksum_fit(change: Callable[[Any], object], reason: str | None) -> None:
    # two people, one frame of each kind: F1 is 0.5
    histogram = np.zeros((2, 2, BINS), np.int64)
    histogram[:, :, 0] = 4
    fitting = Score(("a", "b"), (1, 12), np.ones((2, 2, 4), np.int64), histogram)
    plain = json.loads(replace(result(trial(), 0.5), scores={"val": fitting}).to_json())
    del plain[SEAL]
    change(plain)
    content = json.dumps(plain).encode()
    if reason is None:
        assert result_from_json(content, "here", trial().key).value == 0.5
    else:
        with pytest.raises(DamagedError, match=reason):
            result_from_json(content, "here", trial().key)

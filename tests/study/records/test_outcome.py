"""What is kept of a trial's result, and the index of it."""

import json
from dataclasses import replace

from data.checked import json_bytes
from study.records.outcome import INDEX, index_from_bytes, index_to_bytes
from tests.study.make import epochs, outcome, result, trial


def test_the_longest_epoch_is_kept() -> None:
    took = zip(epochs(0.1, 0.2, 0.3), (1.0, 9.0, 2.0), strict=True)
    made = [replace(epoch, seconds=seconds) for epoch, seconds in took]
    assert outcome(replace(result(trial()), epochs=made)).slowest == 9.0
    assert outcome(result(trial(), None, status="FAILED", curve=())).slowest == 0.0


def test_only_the_last_report_of_a_finished_trial_is_its_value() -> None:
    assert outcome(result(trial(), 0.5, curve=(0.25, 0.375))).reports == {1: 0.25, 2: 0.5}
    assert outcome(result(trial(), 0.5, status="PRUNED", curve=(0.25, 0.375))).reports == {1: 0.25, 2: 0.375}


def test_an_index_of_another_version_is_none() -> None:
    kept = outcome(result(trial()))
    written = index_to_bytes([kept])
    assert index_from_bytes(written) == {kept.key: kept}
    (plain,) = json.loads(written)["outcomes"]
    for other in ({**plain, "new": 1}, {name: value for name, value in plain.items() if name != "host"}):
        assert index_from_bytes(json_bytes({"outcomes": [other]}, INDEX)) == {}


def test_a_changed_index_is_none() -> None:
    kept = outcome(result(trial()))
    written = index_to_bytes([kept])
    assert index_from_bytes(written.replace(b'"value": 0.5', b'"value": 0.9')) == {}
    (plain,) = json.loads(written)["outcomes"]
    assert index_from_bytes(json.dumps([plain]).encode()) == {}, "nothing says that it is whole"

"""Configurations and results as JSON holds them."""

import json
import subprocess
import sys
from operator import getitem
from pathlib import Path

import pytest

from data.errors import InputError
from study.records.config import trial_from_dict
from study.records.json_records import key_of, read_result, score_from_plain, score_to_plain, value_at
from tests.study.make import result, score, trial

ROOT = Path(__file__).parents[3]


def test_a_trial_has_the_name_of_its_file() -> None:
    config = trial(7, lr=0.1 + 0.2)
    assert key_of(json.loads(json.dumps(config.to_dict()))) == config.key
    assert key_of(trial(8).to_dict()) != config.key


@pytest.mark.parametrize(
    "name", ["optim.lr", "seed", "method.ratios.max", "aunce:method.beta_active", "bce:method.balance"]
)
def test_settings_have_the_values_of_the_configuration(name: str) -> None:
    config = trial_from_dict({"optim": {"lr": 0.25}, "seed": 3, "method": {"beta_active": 1.5}})
    plain = json.loads(json.dumps(config.to_dict()))
    assert value_at(plain, plain["method_name"], name, getitem) == config.value(name)
    assert (config.value(name) is None) == name.startswith("bce:")


def test_a_score_survives() -> None:
    before = score(3)
    after = score_from_plain(json.loads(json.dumps(score_to_plain(before))))
    assert (after.subjects, after.aus) == (before.subjects, before.aus)
    assert (after.counts == before.counts).all()
    assert (after.histogram == before.histogram).all()


def test_the_content_of_a_result() -> None:
    made = result(trial(5))
    plain = read_result(made.to_json(), "here")
    assert (plain["key"], plain["status"], plain["value"]) == (made.config.key, "DONE", 0.5)


def test_a_changed_configuration_is_found_without_building_it() -> None:
    content = result(trial(5)).to_json().replace(b'"seed": 5', b'"seed": 6')
    with pytest.raises(
        InputError, match=r"^here is not a trial result: it says it is trial \w+, but its configuration"
    ):
        read_result(content, "here")


def test_looking_at_a_study_needs_nothing_that_is_slow_to_import() -> None:
    slow = ("torch", "ray", "optuna", "polars", "scipy", "submitit")
    code = f"import sys\nfor name in {slow}: sys.modules[name] = None\nfrom launch.status import main"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

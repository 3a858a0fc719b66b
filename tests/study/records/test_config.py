"""`TrialConfig`: its dictionary, its name and what is refused."""

import copy
import dataclasses
import json
import re
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any

import pytest

from data.errors import InputError
from data.settings import settings_from_dict
from model.losses.settings import METHOD_SETTINGS
from study.records.config import DataSettings, Placement, TrialConfig, key_of, trial_from_dict
from tests.study.make import trial

# Every setting, given: its name may only change together with the meaning of a setting, or with a new one.
PINNED: dict[str, Any] = {
    "data": {
        "dataset": "disfa",
        "fingerprint": "0123abcd",
        "fold_scheme": "parts",
        "fold": "part2",
        "fold_seed": 3,
        "val_share": 0.25,
        "label_noise": 0.125,
        "noise_kind": "symmetric",
        "positives": 1.0,
        "train_subjects": 0,
    },
    "sources": {"stores": (), "balanced": True, "norm": "shared"},
    "views": {
        "crop": 64,
        "flip": 0.5,
        "jitter": 0.8,
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0.4,
        "hue": 0.1,
        "grayscale": 0.2,
        "blur": 1.0,
        "blur_sigma": 2.0,
    },
    "backbone": {"name": "tiny", "weights": ""},
    "head": {"dim": 32, "pool": "mean", "neighbours": 0},
    "method_name": "bce",
    "method": {"label_smoothing": 0.125, "balance": 0.5, "class_weights": False},
    "optim": {
        "epochs": 16,
        "batch_size": 64,
        "lr": 2e-3,
        "weight_decay": 1e-3,
        "warmup": 1.0,
        "epoch_frames": 0,
        "precision": "fp32",
        "separate_views": False,
        "compile": False,
        "checkpointing": False,
        "objective": "f1",
    },
    "probe": {
        "online_lr": 1e-2,
        "lr": 3e-2,
        "weight_decay": 1e-6,
        "epochs": 30,
        "batch_size": 256,
        "frames": 20_000,
        "balance": 0.5,
    },
    "pretrain": {"epochs": 16, "lr": 2e-3, "weight_decay": 1e-3, "stores": ()},
    "seed": 7,
    "score_test": True,
}
PINNED_KEY = "a40e454eaf3198a4"


def default(method_name: str) -> TrialConfig:
    return trial_from_dict({"method_name": method_name, "method": {}})


def leaves(settings: Any) -> Iterator[tuple[str, ...]]:
    """The path of every setting that is not a group of settings."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        inner = leaves(value) if dataclasses.is_dataclass(value) else [()]
        yield from ((field.name, *path) for path in inner)


LEAVES = [(method, path) for method in METHOD_SETTINGS for path in leaves(default(method))]


def changed(config: TrialConfig, path: tuple[str, ...]) -> TrialConfig:
    """A copy that differs in one setting, whatever the setting allows."""
    other = copy.deepcopy(config)
    owner: Any = other
    for step in path[:-1]:
        owner = getattr(owner, step)
    object.__setattr__(owner, path[-1], f"not {getattr(owner, path[-1])}")
    return other


@pytest.mark.parametrize("method", METHOD_SETTINGS)
def test_from_dict_is_the_inverse_of_to_dict(method: str) -> None:
    config = default(method)
    through_json = json.loads(json.dumps(config.to_dict()))
    assert trial_from_dict(config.to_dict()) == trial_from_dict(through_json) == config
    assert trial_from_dict(through_json).key == config.key
    assert type(config.method) is METHOD_SETTINGS[method]


def test_what_is_not_given_has_its_default() -> None:
    assert trial_from_dict({}) == TrialConfig()


def test_key_is_the_same_in_every_version() -> None:
    config = trial_from_dict(PINNED)
    assert config.to_dict() == PINNED, "a new setting changes every key: give it in PINNED, too"
    assert config.key == PINNED_KEY
    assert re.fullmatch("[0-9a-f]{16}", config.key)


def test_key_does_not_depend_on_the_order_of_keys() -> None:
    assert trial_from_dict(dict(reversed(PINNED.items()))).key == PINNED_KEY


@pytest.mark.parametrize(("method", "path"), LEAVES, ids=[".".join(path) + f"-{m}" for m, path in LEAVES])
def test_key_changes_with_every_setting(method: str, path: tuple[str, ...]) -> None:
    assert changed(default(method), path).key != default(method).key


def test_every_key_is_different() -> None:
    keys = [changed(default(method), path).key for method, path in LEAVES]
    assert len({*keys, *(default(method).key for method in METHOD_SETTINGS)}) == len(keys) + len(METHOD_SETTINGS)


def test_placement_is_not_in_the_name() -> None:
    places = {field.name for field in dataclasses.fields(Placement)}
    assert not places & {name for _, path in LEAVES for name in path}


def test_value_by_dotted_name() -> None:
    config = TrialConfig()
    assert config.value("method.ratios.max") == config.to_dict()["method"]["ratios"]["max"]
    assert config.value("seed") == 0


@pytest.mark.parametrize(
    ("values", "name", "near", "allowed"),
    [
        ({"optimm": {}}, "optimm", "optim", "views"),
        ({"sead": 1}, "sead", "seed", "score_test"),
        ({"optim": {"learning_rate": 1.0}}, "optim.learning_rate", None, "weight_decay"),
        ({"optim": {"weight_decy": 1.0}}, "optim.weight_decy", "weight_decay", "lr"),
        ({"method": {"ratios": {"maximum": 1.0}}}, "method.ratios.maximum", "max", "self, max, mean"),
        ({"method_name": "bce", "method": {"temperature": 1.0}}, "method.temperature", None, "label_smoothing"),
    ],
)
def test_unknown_key_is_named_with_the_nearest_and_the_allowed(
    values: dict[str, Any], name: str, near: str | None, allowed: str
) -> None:
    with pytest.raises(InputError) as raised:
        trial_from_dict(values)
    message = str(raised.value)
    assert f"'{name}'" in message
    assert allowed in message
    assert (f"Did you mean '{near}'?" in message) if near else "Did you mean" not in message


def test_all_unknown_keys_of_a_group_are_listed() -> None:
    with pytest.raises(InputError, match=r"(?s)'optim\.a'.*'optim\.b'"):
        trial_from_dict({"optim": {"a": 1, "b": 2}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": "1"}, "seed='1' is str, expected int"),
        ({"seed": True}, "seed=True is bool, expected int"),
        ({"seed": 1.0}, "seed=1.0 is float, expected int"),
        ({"score_test": 1}, "score_test=1 is int, expected bool"),
        ({"optim": {"lr": True}}, "optim.lr=True is bool, expected float"),
        ({"optim": {"lr": "1e-3"}}, "optim.lr='1e-3' is str, expected float"),
        ({"optim": {"lr": None}}, "optim.lr=None is NoneType, expected float"),
        ({"optim": {"lr": {"uniform": [0, 1]}}}, "is dict, expected float"),
        ({"optim": {"epochs": 2.5}}, "optim.epochs=2.5 is float, expected int"),
        ({"optim": 3}, "optim=3 is int, expected OptimSettings"),
        ({"method": {"ratios": [1, 0, 0]}}, "expected Ratios"),
        ({"head": {"pool": 1}}, "head.pool=1 is int, expected str"),
        ({"pretrain": {"stores": "disfa"}}, "pretrain.stores='disfa' is str, expected a list of words"),
        ({"pretrain": {"stores": [1]}}, "pretrain.stores[0]=1 is int, expected str"),
    ],
)
def test_wrong_type_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        trial_from_dict(values)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"optim": {"lr": -1.0}}, "lr=-1.0"),
        ({"optim": {"lr": float("nan")}}, "lr=nan"),
        ({"method_name": "simclear"}, "method='simclear'; allowed: aunce"),
        ({"method": {"ratios": {"self": 0.5}}}, "must sum to 1"),
    ],
)
def test_value_outside_its_range_is_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=re.escape(named)):
        trial_from_dict(values)


def test_int_is_a_float_where_one_is_needed() -> None:
    whole = trial_from_dict({"optim": {"lr": 1}})
    assert type(whole.optim.lr) is float
    assert whole.key == trial_from_dict({"optim": {"lr": 1.0}}).key


def test_settings_of_one_group() -> None:
    assert settings_from_dict(DataSettings, {"fold": "part3"}, "data") == DataSettings(fold="part3")


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
    expected = None if name.startswith("bce:") else reduce(getitem, name.removeprefix("aunce:").split("."), plain)
    assert config.value(name) == expected


@pytest.mark.parametrize("method", METHOD_SETTINGS)
def test_the_dictionary_is_that_of_the_dataclass(method: str) -> None:
    assert default(method).to_dict() == dataclasses.asdict(default(method))

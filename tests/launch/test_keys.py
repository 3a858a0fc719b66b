"""The typed keys and the YAML files beside them."""

import dataclasses
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import launch.conf
from data.catalog import CATALOG
from data.settings import ViewSettings, setting
from launch.keys import COMMANDS
from launch.keys.cluster import ClusterSettings
from launch.keys.fields import mutable
from launch.keys.frames import DatasetKeys
from launch.keys.trials import SweepKeys
from launch.plan.preflight import searched_trial, sweep_problems
from launch.run.command import compose_keys
from model.losses.settings import METHOD_SETTINGS, AunceSettings
from model.settings import BACKBONES, HeadSettings, OptimSettings
from study.search.space import parse_space

CONF = Path(launch.conf.__file__).parent


def stems(folder: str) -> set[str]:
    return {path.stem for path in (CONF / folder).glob("*.yaml")}


@pytest.mark.parametrize("kind", [ViewSettings, OptimSettings, HeadSettings, AunceSettings])
def test_mutable_keeps_fields_defaults_and_help(kind: type[Any]) -> None:
    copy = mutable(kind)
    assert dataclasses.asdict(copy()) == dataclasses.asdict(kind())
    assert [(f.name, f.metadata) for f in dataclasses.fields(copy)] == [
        (f.name, f.metadata) for f in dataclasses.fields(kind)
    ]


def test_a_mutable_copy_can_be_filled_in_and_shares_nothing() -> None:
    copy = mutable(AunceSettings)
    one, other = copy(), copy()
    one.temperature, one.ratios.max = 0.1, 0.7
    assert (other.temperature, other.ratios.max) == (AunceSettings().temperature, AunceSettings().ratios.max)


def test_mutable_does_not_check_what_the_settings_check() -> None:
    @dataclasses.dataclass(frozen=True)
    class Positive:
        number: int = setting(1, "a number")

        def __post_init__(self) -> None:
            assert self.number > 0

    assert mutable(Positive)(number=-1).number == -1


def test_every_yaml_file_is_reached() -> None:
    assert {path.name for path in CONF.iterdir() if path.is_dir() and path.name != "__pycache__"} == {
        "backbone",
        "cluster",
        "dataset",
        "search",
        "variants",
    }
    assert stems(".") == set(COMMANDS)
    assert stems("dataset") == set(CATALOG)
    assert stems("backbone") == set(BACKBONES)
    assert stems("search") == {*METHOD_SETTINGS, "aunce_full", "clp_finetune", "methods"}
    assert stems("cluster") == {"local", "slurm"}
    assert stems("variants") == {"claims"}
    assert not [path for path in CONF.rglob("*") if path.is_file() and path.suffix not in (".yaml", ".py", ".pyc")]


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_a_yaml_is_about_the_dataset_it_is_named_after(name: str) -> None:
    keys = compose_keys("prepare", [f"dataset={name}"])
    assert keys.dataset.name == name
    assert bool(keys.dataset.tree) == (name == "synthetic")


def repeated(kind: Any, values: dict[str, Any]) -> Iterator[str]:
    """The values of a YAML file that are the defaults of a settings class."""
    known = {f.name: f for f in dataclasses.fields(kind)}
    for name in values.keys() & known:
        inner = known[name].type
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from repeated(inner, values[name])
        elif values[name] == known[name].default and name != "name":  # what a group is called stands in its file
            yield name


@pytest.mark.parametrize(
    ("folder", "kind"), [("dataset", DatasetKeys), ("backbone", SweepKeys), ("cluster", ClusterSettings)]
)
def test_a_yaml_file_repeats_no_default(folder: str, kind: type[Any]) -> None:
    for path in (CONF / folder).glob("*.yaml"):
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        assert isinstance(content, dict)
        assert [*repeated(kind, {str(name): value for name, value in content.items()})] == [], path.name


LABELLED = sorted(name for name, row in CATALOG.items() if row.aus)
COMBINATIONS = [
    *product(LABELLED, ["tiny"], sorted(METHOD_SETTINGS)),
    *product(["bp4d"], BACKBONES, sorted(METHOD_SETTINGS)),
]


@pytest.mark.parametrize(("dataset", "backbone", "method"), sorted({*COMBINATIONS}))
def test_dataset_backbone_and_method_make_a_valid_search(
    dataset: str, backbone: str, method: str, tmp_path: Path
) -> None:
    choice = [f"dataset={dataset}", f"backbone={backbone}", f"method={method}", f"runs_root={tmp_path}", "name=a"]
    keys = compose_keys("sweep", choice, sweep_problems)
    base = searched_trial(keys, "fingerprint", "part1")
    assert (base.data.dataset, base.backbone.name, base.method_name) == (dataset, backbone, method)
    assert type(base.method) is METHOD_SETTINGS[method]
    assert base.views.crop == keys.dataset.crop <= keys.dataset.size
    space = parse_space(keys.search, base)
    assert {"optim.lr", "optim.weight_decay"} < {*space.settings_names}
    assert any(name.startswith("method.") for name in space.settings_names)
    assert searched_trial(keys, "fingerprint", "part1").key == base.key


@pytest.mark.parametrize("backbone", BACKBONES)
def test_what_a_backbone_yaml_says_arrives_in_the_trial(backbone: str) -> None:
    file = OmegaConf.to_container(OmegaConf.load(CONF / "backbone" / f"{backbone}.yaml"))
    assert isinstance(file, dict)
    keys = compose_keys("sweep", ["dataset=bp4d", f"backbone={backbone}"])
    base = searched_trial(keys, "", "").to_dict()
    for group in {str(name) for name in file} - {"search"}:
        assert file[group].items() <= base[group].items()
    searched = file.get("search", {"optim": {"lr": {"log_uniform": [5e-4, 1e-2]}}})
    assert keys.search["optim"]["lr"] == searched["optim"]["lr"]
    assert "weight_decay" in keys.search["optim"]


def test_the_given_value_wins_over_the_backbone_yaml() -> None:
    keys = compose_keys("sweep", ["backbone=swin_t", "head.dim=7", "optim.batch_size=5"])
    assert (keys.head.dim, keys.optim.batch_size) == (7, 5)


@pytest.mark.parametrize(
    ("given", "setting_name", "value"),
    [
        ("epochs=5", "optim.epochs", 5),
        ("objective=auc", "optim.objective", "auc"),
        ("dataset.crop=40", "views.crop", 40),
    ],
)
def test_a_short_key_sets_the_setting_of_the_trial(given: str, setting_name: str, value: object) -> None:
    assert searched_trial(compose_keys("sweep", [given]), "", "").value(setting_name) == value

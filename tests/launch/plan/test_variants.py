"""From the variants of a comparison to its trials; what is wrong is said before the first of them, all at once."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from data.errors import InputError
from launch.keys.trials import CompareKeys
from launch.plan.datasets import prepare_store
from launch.plan.preflight import common_settings, data_settings
from launch.plan.variants import comparison_problems, noise_notes, plan_comparison, variant
from launch.run.command import compose_keys
from model.losses.settings import METHOD_SETTINGS
from study.records.config import DataSettings, TrialConfig
from tests.conftest import TreeMaker
from tests.data.stores import tiny_store
from tests.launch.commands import SMALL

OWN = "+variants.mine={method_name:bce,method:{balance:0.25},optim:{lr:0.01}}"


def keys(folder: Path, *given: str) -> CompareKeys:
    found: CompareKeys = compose_keys("compare", [f"runs_root={folder}", "name=x", *given], comparison_problems)
    return found


def plan_keys(trees: TreeMaker, folder: Path, *given: str) -> CompareKeys:
    places = [f"data_root={trees('bp4d')}", f"store_root={folder / 'stores'}"]
    return keys(folder / "runs", "dataset=bp4d", *places, *SMALL, *given)


def made_variant(given: CompareKeys, name: str) -> TrialConfig:
    return variant(given, name, common_settings(given, data_settings(given, "f00", "")))


def test_the_claims_are_variants_of_every_method(tmp_path: Path) -> None:
    given = keys(tmp_path)
    made = {name: made_variant(given, name) for name in given.variants}
    assert {config.method_name for config in made.values()} == {*METHOD_SETTINGS}
    assert len({config.key for config in made.values()}) == len(made)
    for name, config in made.items():
        assert name == config.method_name or name.startswith(f"{config.method_name}-")
        plain = made[config.method_name].to_dict() if config.method_name in made else config.to_dict()
        same = ("views", "backbone", "head", "optim", "probe")
        changed = {group for group in same if config.to_dict()[group] != plain[group]}
        assert changed <= {"head"}, "a variant differs from its method in what it is about"


def test_a_variant_has_the_given_settings_but_for_its_own(tmp_path: Path) -> None:
    given = keys(tmp_path, OWN, "optim.lr=0.003", "optim.weight_decay=0.5", "epochs=4", "dataset.crop=40")
    mine, bce = (made_variant(given, name) for name in ("mine", "bce"))
    assert (mine.method_name, mine.value("method.balance")) == ("bce", 0.25)
    assert (mine.optim.lr, mine.optim.weight_decay, mine.optim.epochs) == (0.01, 0.5, 4)
    assert (bce.optim.lr, bce.value("method.balance"), bce.views.crop) == (0.003, 0.5, 40)
    assert (mine.data.fingerprint, mine.data.dataset) == ("f00", "synthetic")


LONG = "+variants.long={method_name:clp,head:{neighbours:0},method:{clip:{frames:200}}}"
FAULTS = [
    ("only=[aunce,bcee]", "only: no variant 'bcee'; allowed: aunce, "),
    ("seeds=0", "seeds=0; at least 1"),
    ("label_noise=[0.7]", "label_noise=0.7 lies outside [0, 0.5]"),
    ("label_noise=[0,0.0]", "label_noise=[0.0, 0.0]; each share once"),
    ("label_noise=[]", "label_noise=[]; each share once"),
    ("noise_kind=loud", "noise_kind='loud'; allowed: symmetric, per_au, boundary, event, onset"),
    ("noise_kind=event", "noise_kind=event without noise; give its shares, e.g. label_noise=[0,0.2]"),
    ("reference=nobody", "reference='nobody'; allowed: aunce, "),
    ("name=../x", "name='../x'"),
    ("dataset.crop=100", "dataset.crop=100 exceeds dataset.size=72"),
    ("max_concurrent=-1", "max_concurrent=-1"),
    ("+variants.simclear={}", "variant simclear: method='simclear'; allowed: aunce, "),
    ("+variants.mine={method_name:bce,method:{blance:0.2}}", "Did you mean 'balance'?"),
    ("+variants.mine={method_name:bce,method:{balance:7}}", "balance=7.0 lies outside"),
    ("+variants.mine={method_name:bce,metod:{}}", "variant mine: ['metod'] not known; allowed: against, "),
    ("+variants.mine={method_name:bce,against:nobody}", "variant mine: against='nobody'; allowed: aunce, "),
    ("+variants.mine={method_name:clp,pretrain:{stores:[disfa]}}", "variant mine: pretrain.stores is only for"),
    ("+variants.mine=bce", "variant mine: ['bce'] not known"),
    ("optim.lr=-1", "  - optim:\n  - lr=-1.0 lies outside"),
]


@pytest.mark.parametrize(("fault", "said"), FAULTS)
def test_a_fault_is_named(fault: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        keys(tmp_path, fault)
    assert said in str(raised.value)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        keys(tmp_path, *(fault for fault, _ in FAULTS[:3]), "+variants.simclear={}", "optim.lr=-1")
    for said in ("bcee", "seeds=0", "0.7", "lr=-1.0"):
        assert str(raised.value).count(said) == 1


def test_every_variant_is_trained_on_every_fold_with_every_seed_and_noise(trees: TreeMaker, tmp_path: Path) -> None:
    given = plan_keys(trees, tmp_path, "only=[bce,aunce,focal]", "label_noise=[0,0.2]", "noise_kind=event", "seeds=2")
    frames = prepare_store(given, Console(quiet=True))
    plan = plan_comparison(given, frames)
    assert [*plan.cells] == [(name, noise) for noise in (0.0, 0.2) for name in ("aunce", "bce", "focal")]
    assert plan.against == {"aunce": "aunce", "bce": "aunce", "focal": "bce"}
    for (name, noise), trials in plan.cells.items():
        assert {(config.data.fold, config.seed) for config in trials} == {
            (f"part{part}", seed) for part in (1, 2, 3) for seed in (0, 1)
        }
        kind = "event" if noise else "symmetric"
        assert {(c.method_name, c.data.label_noise, c.data.noise_kind, c.score_test) for c in trials} == {
            (name, noise, kind, True)
        }
        assert {config.data.fingerprint for config in trials} == {frames.fingerprint}
    assert len(plan.trials) == len({config.key for config in plan.trials}) == 36
    assert plan.placement.study == tmp_path / "runs/x"


def test_noise_that_an_au_cannot_have_is_said(tmp_path: Path) -> None:
    frames = tiny_store(tmp_path, aus=(1, 12))
    never = replace(frames, table=frames.table.with_columns(au_12=pl.lit(0, pl.Int8)))
    data = [DataSettings(label_noise=share, noise_kind="event") for share in (0.1, 0.4)]
    assert noise_notes(frames, data) == ()
    (note,) = noise_notes(never, [*data, DataSettings(label_noise=0.4), DataSettings()])
    assert "event noise of 40 %" in note
    assert note.endswith(": AU12 0.0 %")


def test_folds_and_reference_can_be_chosen_and_equal_variants_share_trials(trees: TreeMaker, tmp_path: Path) -> None:
    double = "+variants.double={method_name:bce}"
    given = plan_keys(trees, tmp_path, double, "only=[bce,double,focal]", "folds=[part2]", "reference=double")
    plan = plan_comparison(given, prepare_store(given, Console(quiet=True)))
    assert {config.data.fold for config in plan.trials} == {"part2"}
    assert {*plan.against.values()} == {"double"}
    assert len(plan.trials) == 6
    assert plan.cells["bce", 0.0] == plan.cells["double", 0.0]


def test_what_the_data_do_not_have_is_said_at_once(trees: TreeMaker, tmp_path: Path) -> None:
    given = plan_keys(trees, tmp_path, "folds=[part1,part9]", "head.neighbours=50", "only=[aunce,bce,long]", LONG)
    frames = prepare_store(given, Console(quiet=True))
    with pytest.raises(InputError) as raised:
        plan_comparison(given, frames)
    assert "variant long: fold part1: no clip of clip.frames=200" in str(raised.value)
    for said in ("no fold 'part9'; allowed: part1, part2, part3", "variant aunce: head.neighbours=50", "variant bce: "):
        assert said in str(raised.value)

"""From the keys of a study on several datasets to its trials, and everything that is refused before the first."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import InputError
from data.store import FrameStore
from launch.keys.trials import GeneralizeKeys
from launch.plan.several import MultiSourcePlan, generalization_problems, plan_study
from launch.run.command import compose_keys
from study.records.config import trial_from_dict
from study.records.store import StudyStore
from tests.data.copies import copied
from tests.data.several import store_of, three_stores
from tests.study.make import result, small_trial
from tests.study.specs import search_spec

FOLDER = "stores"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stores of bp4d, disfa and gft lie."""
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module")
def stores(root: Path) -> dict[str, FrameStore]:
    return three_stores(root)


def keys(runs: Path, *given: str) -> GeneralizeKeys:
    found: GeneralizeKeys = compose_keys("generalize", [f"runs_root={runs}", "name=x", *given], generalization_problems)
    return found


def planned(root: Path, runs: Path, *given: str) -> MultiSourcePlan:
    return plan_study(keys(runs, f"store_root={root / FOLDER}", "val_share=0.34", *given))


ALL = "leave_one_out=[bp4d,disfa,gft]"
FAULTS = [
    ([], "give train_on=[...] and test_on=[...], or leave_one_out=[...]"),
    (["train_on=[bp4d]"], "give train_on=[...] and test_on=[...]"),
    ([ALL, "train_on=[bp4d]", "test_on=[gft]"], "give train_on=[...] and test_on=[...]"),
    (["leave_one_out=[bp4d]"], "leave_one_out needs at least two datasets"),
    (["train_on=[bp4d,gft]", "test_on=[gft]"], "gft is in train_on and in test_on"),
    (["train_on=[bp4d,bp4d]", "test_on=[gft]"], "train_on: bp4d is listed more than once"),
    ([ALL, "selection=[best]"], "no rule 'best'; allowed: pooled, leave_one_source_out, oracle"),
    ([ALL, "selection=[]"], "selection=[]; give at least one rule"),
    ([ALL, "norm=batch"], "norm='batch'; allowed: shared, per_dataset, adapt"),
    ([ALL, "seeds=0"], "seeds=0; at least 1"),
    ([ALL, "study=a", "variants=claims"], "give one of variants= and study="),
    ([ALL, "variants=claims", "only=[bcee]"], "only: no variant 'bcee'"),
    ([ALL, "optim.lr=-1"], "lr=-1.0 lies outside"),
    ([ALL, "method.form=official"], "give form=corrected"),
    ([ALL, "pretrain.stores=[videos]"], "pretrain.stores is only for launch/sweep.py"),
    ([ALL, "max_concurrent=-1"], "max_concurrent=-1"),
]


@pytest.mark.parametrize(("given", "said"), FAULTS)
def test_a_fault_is_named_before_a_store_is_opened(given: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        keys(tmp_path, *given)
    assert said in str(raised.value)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        keys(tmp_path, "selection=[best]", "seeds=0", "optim.lr=-1")
    for said in ("give train_on=", "'best'", "seeds=0", "lr=-1.0"):
        assert str(raised.value).count(said) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["train_on=[bp4d,affwild2]", "test_on=[gft]"], "no store of affwild2: launch/prepare.py dataset=affwild2"),
        (["dataset.size=32", ALL], "no store of gft at 32 px: launch/prepare.py dataset=gft dataset.size=32"),
        (["train_on=[bp4d,nobody]", "test_on=[gft]"], "nobody is not a finished store"),
        (["train_on=[bp4d]", "test_on=['../x']"], "'../x' is neither a dataset"),
        ([ALL, "dataset.crop=32"], "dataset.crop=32 exceeds the frames' 24 px"),
        ([ALL, "dataset.crop=16", "head.neighbours=9"], "head.neighbours=9, but disfa+gft codes 4 AUs"),
        ([ALL, "dataset.crop=16", "method=clp", "method.clip.frames=20"], "no clip of clip.frames=20"),
        ([ALL, "dataset.crop=16", "study=gone"], "no study in"),
    ],
)
def test_what_the_stores_do_not_have_is_named(
    given: list[str], said: str, root: Path, stores: dict[str, FrameStore], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as raised:
        planned(root, tmp_path, *given)
    assert said in str(raised.value)


def test_the_size_is_the_one_that_all_have(root: Path, stores: dict[str, FrameStore], tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    for store in stores.values():
        (folder / store.path.name).symlink_to(store.path)
    store_of(tmp_path, "bp4d", size=32)
    assert {split.target.size for split in planned(tmp_path, tmp_path / "runs", ALL).asked.splits} == {24}
    store_of(tmp_path, "gft", size=32)
    given = "train_on=[gft]", "test_on=[bp4d]"
    with pytest.raises(InputError, match=r"several common sizes; .* Found: gft 24, 32 px; bp4d 24, 32 px"):
        planned(tmp_path, tmp_path / "runs", *given)
    plan = planned(tmp_path, tmp_path / "runs", *given, "dataset.size=32")
    assert {trial.views.crop for trial in plan.trials} == {32}, "7/8 of it, to a multiple of 8"


def test_leave_one_out_is_every_dataset_once(root: Path, stores: dict[str, FrameStore], tmp_path: Path) -> None:
    given = "dataset.crop=16", "method=bce", "norm=per_dataset", "seeds=2", "balanced=false"
    plan = planned(root, tmp_path, ALL, *given)
    assert [(split.target.table["dataset"][0], split.name) for split in plan.asked.splits] == [
        ("bp4d", "disfa+gft"),
        ("disfa", "bp4d+gft"),
        ("gft", "bp4d+disfa"),
    ]
    assert len(plan.trials) == 6
    assert {(t.sources.norm, t.sources.balanced, t.data.val_share) for t in plan.trials} == {
        ("per_dataset", False, 0.34)
    }
    assert plan.placement.store == stores["gft"].path, "the largest is what a node keeps a copy of"
    for trial, placement in plan.jobs:
        (wanted,) = placement.targets
        assert wanted[0] == "best"
        assert {wanted[1], *trial.sources.stores} == {store.fingerprint for store in stores.values()}


def test_a_store_can_be_named_by_its_folder(root: Path, stores: dict[str, FrameStore], tmp_path: Path) -> None:
    plan = planned(root, tmp_path, f"train_on=[{stores['bp4d'].path.name},disfa]", "test_on=[gft]", "dataset.crop=16")
    assert plan.asked.splits[0].name == "bp4d+disfa"


def test_the_variants_are_the_candidates(root: Path, stores: dict[str, FrameStore], tmp_path: Path) -> None:
    mine = "+variants.mine={method_name:bce,method:{balance:0.0},sources:{norm:per_dataset}}"
    plan = planned(root, tmp_path, ALL, "dataset.crop=16", "variants=claims", "only=[bce,focal,mine]", mine, "seeds=1")
    assert plan.asked.methods == {"bce": ["bce", "mine"], "focal": ["focal"]}
    assert plan.asked.rules("focal") == ("none",)
    assert plan.asked.candidates["mine"].sources.norm == "per_dataset"
    assert len(plan.trials) == 3 * 3 + 2 * 3, "three candidates on pairs, two of them on single datasets"


def test_the_best_trials_of_a_study_are_candidates(root: Path, stores: dict[str, FrameStore], tmp_path: Path) -> None:
    elsewhere = store_of(root, "affwild2", aus=(1, 12))
    store = searched(tmp_path, "searched", elsewhere)
    base = small_trial(elsewhere, "bce")
    for number, value in enumerate([0.5, 0.9, 0.7, 0.8]):
        config = replace(base, optim=replace(base.optim, lr=0.01 * (1 + number)))
        store.write(result(config, value, started=number))
    same = replace(base, optim=replace(base.optim, lr=0.02), data=replace(base.data, fold="random3-1"))
    store.write(result(same, 0.95, started=9))
    store.write(result(replace(base, seed=7, optim=replace(base.optim, lr=0.5)), 0.99, status="PRUNED"))
    plan = planned(root, tmp_path, ALL, "study=searched", "candidates=3", "seeds=1")
    assert [config.optim.lr for config in plan.asked.candidates.values()] == [0.02, 0.04, 0.03]
    assert {config.views.crop for config in plan.asked.candidates.values()} == {16}
    assert {trial.seed for trial in plan.trials} == {0}


def searched(runs: Path, name: str, frames: FrameStore, warm_start: str = "") -> StudyStore:
    """A search on `frames`, without trials."""
    store = StudyStore(runs / name)
    spec = search_spec(name, dataset=str(frames.table["dataset"][0]), store=str(frames.path), warm_start=warm_start)
    store.open_study(spec, free=())
    return store


def test_a_search_on_the_target_gives_no_candidates(root: Path, stores: dict[str, FrameStore], tmp_path: Path) -> None:
    elsewhere = store_of(root, "affwild2", aus=(1, 12), first=20)
    begun = {"on-target": stores["gft"], "renamed": copied(stores["gft"], "videos", "png", stores=tmp_path / "copies")}
    begun["renamed"].say_videos_of("gft")
    for name, frames in begun.items():
        searched(tmp_path, name, frames).write(result(small_trial(stores["gft"], "bce"), 0.9))
        searched(tmp_path, f"after-{name}", elsewhere, name).write(result(small_trial(elsewhere, "bce"), 0.9))
    searched(tmp_path, "after-after", elsewhere, "after-renamed").write(result(small_trial(elsewhere, "bce"), 0.9))
    asked = "train_on=[bp4d,disfa]", "test_on=[gft]", "seeds=1"
    for study, behind in (
        ("on-target", "on-target"),
        ("renamed", "renamed"),
        ("after-on-target", "on-target"),
        ("after-after", "renamed"),
    ):
        with pytest.raises(InputError) as raised:
            planned(root, tmp_path, *asked, f"study={study}")
        lines = str(raised.value).splitlines()
        assert lines[0].startswith(f"study={study} was chosen with people of a target")
        assert len(lines) == 2
        assert lines[1].startswith(f"  - {behind}: {begun[behind].path.name} shows 6 of the 6 people of")
    other = "train_on=[gft]", "test_on=[bp4d,disfa]", "seeds=1"
    assert len(planned(root, tmp_path, *other, "study=on-target").asked.candidates) == 1


def test_a_large_crop_is_held_against_the_size_that_is_there(tmp_path: Path) -> None:
    keys(tmp_path, ALL, "variants=claims", "only=[bce]", "dataset.size=512", "dataset.crop=448")


def test_weights_of_a_file_must_be_given_again(root: Path, stores: dict[str, FrameStore], tmp_path: Path) -> None:
    base = small_trial(stores["gft"], "bce")
    store = StudyStore(tmp_path / "searched")
    store.open_study(search_spec(weights_file="mine.pt"), free=())
    store.write(result(replace(base, backbone=replace(base.backbone, weights="sha256:1234"))))
    with pytest.raises(InputError, match=r"used the weights of mine.pt"):
        planned(root, tmp_path, ALL, "study=searched", "seeds=1")


def test_an_own_study_must_be_of_a_target(root: Path, stores: dict[str, FrameStore], tmp_path: Path) -> None:
    for name, dataset, frames in (("a", "gft", stores["gft"]), ("b", "bp4d", stores["gft"]), ("c", "affwild2", None)):
        config = trial_from_dict({"data": {"fingerprint": frames.fingerprint if frames else "f00"}}).to_dict()
        StudyStore(tmp_path / name).open_study(search_spec(name, dataset=dataset, config=config), free=())
    assert [*planned(root, tmp_path, ALL, "dataset.crop=16", "own=[a]").own] == ["gft"]
    with pytest.raises(InputError) as raised:
        planned(root, tmp_path, ALL, "dataset.crop=16", "own=[a,b,c]")
    assert "b uses another store of bp4d" in str(raised.value)
    assert "c is a study of affwild2; allowed: studies of bp4d, disfa, gft" in str(raised.value)

"""The plans that we give, and those of a user."""

import re
from pathlib import Path

import pytest

from data.errors import InputError
from launch.keys import COMMANDS
from launch.keys.studies import AllKeys
from launch.plan.steps import PlanStep, plan_steps
from launch.plan.whole_study import DATASETS, PLANS, plan_named
from launch.run.command import compose_keys

OTHERS = [name for name in COMMANDS if name != "all"]


def planned(name: str, *given: str) -> dict[str, PlanStep]:
    keys = compose_keys("all", [f"plan={name}", "runs_root=R", "store_root=S", "trees=T", *given])
    assert isinstance(keys, AllKeys)
    return {step.name: step for step in plan_steps(plan_named(name)(keys), keys.extra, OTHERS)}


def test_every_dataset_is_drawn_stored_searched_and_reported_on_together_with_the_others() -> None:
    steps = planned("small", "extra=['cluster=slurm']")
    assert steps["draw-gft"].line == (
        "python launch/synthesize.py layout=gft out=T/gft subjects=12 sequences=2 frames=24 size=72"
    )
    assert steps["store-gft"].needs == ("draw-gft",)
    assert steps["store-gft"].line == (
        "python launch/prepare.py dataset=gft data_root=T/gft dataset.alignment=precropped dataset.size=72 "
        "dataset.crop=64 store_root=S"
    )
    assert [*steps["final-gft-bce"].keys] == ["runs_root=R", "name=gft-bce", "seeds=1", "cluster=slurm"]
    assert steps["final-gft-bce"].needs == ("sweep-gft-bce",)
    studies = [f"{dataset}-{method}" for dataset in DATASETS for method in ("aunce", "bce")]
    assert [*steps["transfer"].keys] == ["runs_root=R", f"studies=[{','.join(studies)}]"]
    assert {*steps["transfer"].needs} == {f"final-{study}" for study in studies}
    assert {*steps["report-gft-bce"].needs} == {"transfer", "stress"}


def test_a_part_of_the_datasets_and_methods() -> None:
    steps = planned("full", "datasets=[disfa]", "methods=[clp]")
    assert {*steps} == {"store-disfa", "stress-disfa", "sweep-disfa-clp", "final-disfa-clp", "report-disfa-clp"}
    assert {*steps["report-disfa-clp"].needs} == {"final-disfa-clp", "stress-disfa"}, "nothing to transfer to"
    assert {"store-gft", "stress", "transfer"} <= {*planned("small", "datasets=[gft,disfa]")}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_every_step_of_our_plans_is_a_command_with_keys_that_exist(name: str) -> None:
    steps = planned(name, "datasets=[bp4d,disfa]")  # one has the keys of all
    for one in steps.values():
        if "disfa" not in one.name:
            compose_keys(one.run, one.keys)


def test_a_plan_of_a_user(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from launch.plan.steps import PlanStep\n"
        "def steps(keys):\n"
        "    yield PlanStep('b', 'sweep', [f'runs_root={keys.runs_root}'], needs=['a'], trains=True)\n"
        "    yield PlanStep('a', 'prepare', ['dataset=bp4d'])\n"
    )
    steps = planned(str(path), "extra=['trials=3']")
    assert [step.line for step in steps.values()] == [
        "python launch/prepare.py dataset=bp4d",
        "python launch/sweep.py runs_root=R trials=3",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "mine.py; allowed: small, full, or a Python file with a function steps(keys)"),
        ("steps = []", "mine.py has no function steps(keys)"),
    ],
)
def test_a_plan_that_is_none(text: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=re.escape(said)):
        planned(str(path))

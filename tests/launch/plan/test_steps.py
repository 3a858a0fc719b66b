"""Plans of commands: what their YAML becomes, in which order, and what a failure stops."""

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from data.errors import InputError
from launch.keys import COMMANDS
from launch.plan.steps import Journal, PlanStep, plan_steps, run_steps
from launch.run.command import compose_keys

FOLDERS = {"runs_root": "R", "store_root": "S", "trees": "T"}
PLAN: dict[str, Any] = {
    "lists": {"dataset": ["bp4d", "gft"], "method": ["aunce", "bce"]},
    "shared": {"runs": ["runs_root={runs_root}"]},
    "steps": {
        "report": {"run": "report", "needs": ["final-{dataset}-{method}"], "keys": ["studies=[{*dataset}-{*method}]"]},
        "final-{dataset}-{method}": {"run": "final", "needs": ["store-{dataset}"], "keys": ["@runs"], "trains": True},
        "store-{dataset}": {"run": "prepare", "keys": ["dataset={dataset}", "data_root={trees}/{dataset}"]},
    },
}


def planned(plan: dict[str, Any], *extra: str) -> dict[str, PlanStep]:
    return {step.name: step for step in plan_steps(plan, FOLDERS, extra, ["report", "final", "prepare"])}


def step(name: str, *needs: str) -> PlanStep:
    return PlanStep(name, "sweep", (), needs)


def test_one_step_for_every_value_each_after_what_it_needs() -> None:
    steps = planned(PLAN, "cluster=slurm")
    assert list(steps)[-1] == "report"
    for place, (name, one) in enumerate(steps.items()):
        assert {*one.needs} <= {*list(steps)[:place]}, name
    assert steps["store-gft"].line == "python launch/prepare.py dataset=gft data_root=T/gft"
    assert steps["final-gft-bce"].needs == ("store-gft",)
    assert steps["final-gft-bce"].keys == ("runs_root=R", "cluster=slurm")
    assert steps["report"].keys == ("studies=[bp4d-aunce,bp4d-bce,gft-aunce,gft-bce]",)
    assert len(steps["report"].needs) == 4


def test_braces_of_the_user_are_no_names() -> None:
    given = ("search={optim:{lr:{log_uniform:[0.001,0.01]}}}", "cluster.extra={mail_user:me}")
    assert planned(PLAN, *given)["final-gft-bce"].keys == ("runs_root=R", *given)


def changed(name: str, **entry: Any) -> dict[str, Any]:
    return PLAN | {"steps": PLAN["steps"] | {name: entry}}


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({}, "it has no steps"),
        (changed("x", run="dance"), "step x: no command 'dance'; allowed: report, final, prepare"),
        (changed("x", run="final", needs=["y"]), "step x needs y, which is no step"),
        (changed("x", run="final", needs=["x"]), "these steps need each other: x"),
        (changed("x", run="final", when="now"), "['when'] not known; allowed: run, keys, needs, trains"),
        (changed("x-{subject}", run="final"), "step x-{subject}: 'subject'"),
        (changed("x", run="final", keys=["@other"]), "step x: 'other'"),
        (changed("x", keys=[]), "step x: 'run'"),
    ],
)
def test_a_wrong_plan_is_refused(plan: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        planned(plan)


@pytest.mark.parametrize("name", ["small", "full"])
def test_every_step_of_our_plans_is_a_command_with_keys_that_exist(name: str) -> None:
    plan = compose_keys("all", [f"plan={name}"]).plan
    plan["lists"]["dataset"] = plan["lists"]["dataset"][:1]  # one has the keys of all
    for one in plan_steps(plan, FOLDERS, [], [name for name in COMMANDS if name != "all"]):
        compose_keys(one.run, one.keys)


def test_a_failure_stops_what_needs_it_and_nothing_else() -> None:
    steps = [step("a"), step("b", "a"), step("c", "b"), step("d"), step("e", "d", "elsewhere")]
    ran = []

    def run(one: PlanStep) -> int:
        ran.append(one.name)
        return int(one.name == "a")

    assert run_steps(steps, run, parallel=1) == {"a": 1, "b": None, "c": None, "d": 0, "e": 0}
    assert ran == ["a", "d", "e"]


def test_independent_steps_run_at_once_and_needs_are_kept() -> None:
    both, order = threading.Barrier(2, timeout=20), []

    def run(one: PlanStep) -> int:
        if one.name in "ab":
            both.wait()
        order.append(one.name)
        return 0

    codes = run_steps([step("a"), step("b"), step("c", "a", "b")], run, parallel=2)
    assert codes == {"a": 0, "b": 0, "c": 0}
    assert order[-1] == "c"


def test_a_step_is_done_only_with_the_same_command(tmp_path: Path) -> None:
    journal, one = Journal(tmp_path / "all"), PlanStep("a", "sweep", ("trials=1",), ())
    assert journal.seconds(one) is None
    journal.note(one, 1.5)
    assert journal.seconds(one) == 1.5
    assert journal.seconds(PlanStep("a", "sweep", ("trials=2",), ())) is None
    journal.forget(one)
    assert journal.seconds(one) is None

"""Plans of commands: in which order, what is wrong with them, and what a failure stops."""

import re
import threading
from pathlib import Path

import pytest

from data.errors import InputError
from launch.plan.steps import Journal, PlanStep, plan_steps, run_steps


def step(name: str, *needs: str, run: str = "sweep", trains: bool = False) -> PlanStep:
    return PlanStep(name, run, ("trials=1",), needs, trains)


def test_each_step_comes_after_what_it_needs_and_what_trains_gets_the_extra_keys() -> None:
    plan = [step("report", "final-a", "final-b"), step("final-b", "store", trains=True), step("final-a"), step("store")]
    given = ("cluster=slurm", "search={optim:{lr:{log_uniform:[0.001,0.01]}}}")
    steps = {one.name: one for one in plan_steps(plan, given, ["sweep"])}
    assert {*steps} == {one.name for one in plan}
    for place, (name, one) in enumerate(steps.items()):
        assert {*one.needs} <= {*list(steps)[:place]}, name
    assert [*steps["final-b"].keys] == ["trials=1", *given]
    assert steps["final-a"].line == "python launch/sweep.py trials=1"


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ([], "it has no steps"),
        ([step("x", run="dance")], "step x: no command 'dance'; allowed: sweep, final"),
        ([step("x", "y")], "step x needs y, which is no step"),
        ([step("x", "x")], "these steps need each other: x"),
        ([step("x", "y"), step("y", "x"), step("z")], "these steps need each other: "),
        ([step("x"), step("x")], "step x is listed 2 times"),
    ],
)
def test_a_wrong_plan_is_refused(plan: list[PlanStep], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        plan_steps(plan, (), ["sweep", "final"])


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

"""Steps of a plan: commands that depend on each other, checked, ordered, and run if not done."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from data.errors import InputError, raise_all
from data.files import write_atomic

RunStep = Callable[["PlanStep"], int]  # runs a step, returns the exit code of its command


@dataclass(frozen=True)
class PlanStep:
    """One command, and the steps that must be done before it."""

    name: str
    run: str  # the command
    keys: Sequence[str]
    needs: Sequence[str] = ()
    trains: bool = False  # whether it gets the `extra` keys

    @property
    def line(self) -> str:
        """The command line."""
        return " ".join(["python", f"launch/{self.run}.py", *self.keys])


def plan_steps(plan: Iterable[PlanStep], extra: Sequence[str], commands: Sequence[str]) -> list[PlanStep]:
    """The steps of `plan`, each after its needs; one `InputError` lists everything that is wrong.

    `extra` are keys for every step that trains.
    """
    steps = [replace(step, keys=[*step.keys, *extra]) if step.trains else step for step in plan]
    problems = [problem for step in steps for problem in _problems(step, steps, commands)]
    raise_all("the plan is not valid:", problems or ([] if steps else ["it has no steps"]))
    return _ordered(steps)


def _problems(step: PlanStep, steps: Sequence[PlanStep], commands: Sequence[str]) -> Iterator[str]:
    names = [one.name for one in steps]
    if names.count(step.name) > 1:
        yield f"step {step.name} is listed {names.count(step.name)} times"
    if step.run not in commands:
        yield f"step {step.name}: no command {step.run!r}; allowed: {', '.join(commands)}"
    yield from (f"step {step.name} needs {need}, which is no step" for need in step.needs if need not in names)


def _ordered(steps: Sequence[PlanStep]) -> list[PlanStep]:
    named = {step.name: step for step in steps}
    try:
        return [named[name] for name in TopologicalSorter({step.name: step.needs for step in steps}).static_order()]
    except CycleError as error:
        raise InputError(f"the plan is not valid: these steps need each other: {', '.join(error.args[1])}") from None


@dataclass(frozen=True)
class Journal:
    """The finished steps and their commands, one small file for each step."""

    folder: Path

    def log_path(self, step: PlanStep) -> Path:
        """The file with the output of the step's command."""
        return self.folder / f"{step.name}.log"

    def seconds(self, step: PlanStep) -> float | None:
        """How long the step took; None if it was not finished with exactly this command."""
        path = self._path(step)
        if not path.exists():
            return None
        kept = json.loads(path.read_bytes())
        # another command line means another result
        return float(kept["seconds"]) if kept["command"] == step.line else None

    def note(self, step: PlanStep, seconds: float) -> None:
        """Record that the step is done."""
        write_atomic(self._path(step), json.dumps({"command": step.line, "seconds": seconds}).encode())

    def forget(self, step: PlanStep) -> None:
        """Remove the record, so that the step runs again."""
        self._path(step).unlink(missing_ok=True)

    def _path(self, step: PlanStep) -> Path:
        return self.folder / f"{step.name}.json"


def run_steps(steps: Sequence[PlanStep], run: RunStep, parallel: int) -> dict[str, int | None]:
    """Run `steps`, at most `parallel` at once, each after all its needs ended with exit code 0.

    Returns the exit codes; None for a step that did not run because a need failed. A need that is not among `steps`
    counts as done.
    """
    named = {step.name: step for step in steps}
    codes: dict[str, int | None] = dict.fromkeys(named)
    order = TopologicalSorter({step.name: [need for need in step.needs if need in named] for step in steps})
    order.prepare()
    running: dict[Future[int], str] = {}
    with ThreadPoolExecutor(parallel) as pool:
        while True:
            running |= {pool.submit(run, named[name]): name for name in order.get_ready()}
            if not running:
                return codes
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                codes[name] = future.result()
                # a failed step is never marked as done, so nothing that needs it becomes ready
                if codes[name] == 0:
                    order.done(name)

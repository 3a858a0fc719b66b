"""Commands that need each other: checked and ordered, which of them are done, and running the others."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from data.errors import InputError, raise_all
from data.files import write_atomic

RunStep = Callable[["PlanStep"], int]  # the exit code of the step's command


@dataclass(frozen=True)
class PlanStep:
    """One command, and the steps that must be done before it."""

    name: str
    run: str  # the command
    keys: Sequence[str]
    needs: Sequence[str] = ()
    trains: bool = False  # it gets the keys that are given for all that trains

    @property
    def line(self) -> str:
        """The command as people type it."""
        return " ".join(["python", f"launch/{self.run}.py", *self.keys])


def plan_steps(plan: Iterable[PlanStep], extra: Sequence[str], commands: Sequence[str]) -> list[PlanStep]:
    """The steps of `plan`, each after those that it needs; one `InputError` for everything that is wrong with it.

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
    """Which steps were done with which command: one small file each."""

    folder: Path

    def log_path(self, step: PlanStep) -> Path:
        """Where the output of the step's command lies."""
        return self.folder / f"{step.name}.log"

    def seconds(self, step: PlanStep) -> float | None:
        """How long the step took, or None if this very command was never finished."""
        path = self._path(step)
        if not path.exists():
            return None
        kept = json.loads(path.read_bytes())
        return float(kept["seconds"]) if kept["command"] == step.line else None

    def note(self, step: PlanStep, seconds: float) -> None:
        """The step is done."""
        write_atomic(self._path(step), json.dumps({"command": step.line, "seconds": seconds}).encode())

    def forget(self, step: PlanStep) -> None:
        """The step is to be done again."""
        self._path(step).unlink(missing_ok=True)

    def _path(self, step: PlanStep) -> Path:
        return self.folder / f"{step.name}.json"


def run_steps(steps: Sequence[PlanStep], run: RunStep, parallel: int) -> dict[str, int | None]:
    """Run `steps`, at most `parallel` at once, none before all that it needs ended with 0.

    The exit code of each; None for one that did not run because another before it failed. A need that is not among
    `steps` counts as done.
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
                if codes[name] == 0:
                    order.done(name)

"""A plan of commands: from its YAML to steps that need each other, and running those that are not done.

A plan has lists, shared keys and steps. `{name}` in the name of a step makes one step of each value of that list; in a
need, a list that the step itself does not go through means all of its values; `[{*name}]` in a key is all values with
commas between; `@name` among the keys of a step stands for the shared keys of that name.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import InputError, raise_all
from data.files import write_atomic

FIELDS = ("run", "keys", "needs", "trains")
Values = Mapping[str, str]
Run = Callable[["PlanStep"], int]  # the exit code of the step's command


@dataclass(frozen=True)
class PlanStep:
    """One command, and the steps that must be done before it."""

    name: str
    run: str
    keys: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def line(self) -> str:
        """The command as people type it."""
        return " ".join(["python", f"launch/{self.run}.py", *self.keys])


def plan_steps(
    plan: Mapping[str, Any], folders: Values, extra: Sequence[str], commands: Sequence[str]
) -> list[PlanStep]:
    """The steps of `plan`, each after those that it needs; one `InputError` for everything that is wrong with it.

    `folders` are names that stand for paths; `extra` are keys for every step that `trains`.
    """
    lists = {name: [str(value) for value in values] for name, values in plan.get("lists", {}).items()}
    problems: list[str] = []
    steps: list[PlanStep] = []
    for pattern, entry in plan.get("steps", {}).items():
        try:
            shared = {"extra": [_literal(word) for word in extra], **plan.get("shared", {})}
            steps += _expanded(pattern, entry, lists, folders, shared)
        except (KeyError, TypeError, AttributeError) as error:
            problems.append(f"step {pattern}: {error}")
    names = {step.name for step in steps}
    problems += [
        f"step {s.name}: no command {s.run!r}; allowed: {', '.join(commands)}" for s in steps if s.run not in commands
    ]
    problems += [
        f"step {step.name} needs {need}, which is no step" for step in steps for need in step.needs if need not in names
    ]
    raise_all("the plan is not valid:", problems or ["it has no steps"] * (not steps))
    return _ordered(steps)


def _expanded(
    pattern: str, entry: Any, lists: Mapping[str, list[str]], folders: Values, shared: Mapping[str, list[str]]
) -> Iterator[PlanStep]:
    unknown = [name for name in entry if name not in FIELDS]
    if unknown:
        raise TypeError(f"{unknown} not known; allowed: {', '.join(FIELDS)}")
    given = [*entry.get("keys", ()), *["@extra"] * bool(entry.get("trains"))]
    keys = [key for word in given for key in (shared[word[1:]] if word.startswith("@") else [word])]
    for values in _combinations(pattern, lists):
        known = {**folders, **values}
        yield PlanStep(
            pattern.format(**values),
            entry["run"],
            tuple(_joined(str(key), lists).format(**known) for key in keys),
            tuple(name for need in entry.get("needs", ()) for name in _named(need, values, lists)),
        )


def _literal(key: str) -> str:
    """The key as `str.format` gives it back: its braces name no list."""
    return key.replace("{", "{{").replace("}", "}}")


def _combinations(pattern: str, lists: Mapping[str, list[str]]) -> Iterator[dict[str, str]]:
    """Every choice of values of the lists that `pattern` names."""
    names = list(dict.fromkeys(re.findall(r"{\*?(\w+)}", pattern)))
    for chosen in itertools.product(*(lists[name] for name in names)):
        yield dict(zip(names, chosen, strict=True))


def _named(need: str, values: Values, lists: Mapping[str, list[str]]) -> list[str]:
    fixed = {name: [values[name]] if name in values else lists[name] for name in lists}
    return [need.format(**combination) for combination in _combinations(need, fixed)]


def _joined(key: str, lists: Mapping[str, list[str]]) -> str:
    """`[{*a}-{*b}]` as the list of all values of `a` and `b`."""

    def every(match: re.Match[str]) -> str:
        plain = match[1].replace("{*", "{")
        return "[" + ",".join(plain.format(**values) for values in _combinations(match[1], lists)) + "]"

    return re.sub(r"\[([^\[\]]*{\*[^\[\]]*)\]", every, key)


def _ordered(steps: Sequence[PlanStep]) -> list[PlanStep]:
    """Each step after those that it needs, else as in the plan."""
    left, ordered = {step.name: step for step in steps}, []
    while left:
        free = [step for step in left.values() if not any(need in left for need in step.needs)]
        if not free:
            raise InputError(f"the plan is not valid: these steps need each other: {', '.join(left)}")
        ordered.append(free[0])
        del left[free[0].name]
    return ordered


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


def run_steps(steps: Sequence[PlanStep], run: Run, parallel: int) -> dict[str, int | None]:
    """Run `steps`, at most `parallel` at once, none before all that it needs ended with 0.

    The exit code of each; None for one that did not run because another before it failed. A need that is not among
    `steps` counts as done.
    """
    codes: dict[str, int | None] = {}
    left, running = {step.name: step for step in steps}, dict[Future[int], str]()
    with ThreadPoolExecutor(parallel) as pool:
        while left or running:
            for name, step in list(left.items()):
                before = [codes[need] for need in step.needs if need in codes]
                if any(code != 0 for code in before):
                    codes[name] = None
                elif any(need in left or need in running.values() for need in step.needs):
                    continue
                else:
                    running[pool.submit(run, step)] = name
                del left[name]
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                codes[running.pop(future)] = future.result()
    return codes

"""Objectives and constraints of a search: numbers of finished trials, on validation subjects."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from data.errors import raise_all
from model.settings import OBJECTIVES
from study.records.outcome import Outcome
from study.records.study_spec import SearchSpec, StudySpec

MAXIMISED, MINIMISED = (*OBJECTIVES, "rare_f1"), ("hours", "gpu_hours")
NUMBERS = (*MAXIMISED, *MINIMISED)
_BOUNDS = {"at_least": -1.0, "at_most": 1.0}  # the sign that makes a violation positive


@dataclass(frozen=True)
class Goals:
    """Objectives (the first decides) and constraints (number, at_least | at_most, bound)."""

    objectives: tuple[str, ...] = ("f1",)
    constraints: tuple[tuple[str, str, float], ...] = ()

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """The direction of each objective."""
        return ["maximize" if name in MAXIMISED else "minimize" for name in self.objectives]

    def values(self, trial: Outcome) -> list[float]:
        """The objectives of a finished trial."""
        assert trial.value is not None
        return [trial.value, *(self._number(trial, name) for name in self.objectives[1:])]

    def violations(self, trial: Outcome) -> dict[str, float]:
        """How far a finished trial misses each bound; zero or less means that the bound holds."""
        return {
            f"{name} {bound} {limit:g}": _BOUNDS[bound] * (self._number(trial, name) - limit)
            for name, bound, limit in self.constraints
        }

    def feasible(self, trial: Outcome) -> bool:
        """Whether a finished trial satisfies every bound."""
        return all(missed <= 0 for missed in self.violations(trial).values())

    def ranked(self, trials: Iterable[Outcome]) -> list[Outcome]:
        """Finished trials that satisfy every bound, best first; of equal ones the earliest first."""
        done = [(one.value, one) for one in trials if one.status == "DONE" and self.feasible(one)]
        # NaN compares false with everything, and would end anywhere in a sorted list
        ranked = [(-value, one.started, one) for value, one in done if value is not None and math.isfinite(value)]
        return [one for *_, one in sorted(ranked, key=lambda entry: entry[:2])]

    def _number(self, trial: Outcome, name: str) -> float:
        hours = trial.seconds / 3600
        return {"hours": hours, "gpu_hours": hours * trial.gpus, **trial.numbers}[name]


def parse_goals(objective: str, others: Sequence[str], bounds: Mapping[str, Mapping[str, float]], gpus: float) -> Goals:
    """Check `objectives=[...]` and `constraints={...}`; one `InputError` lists every mistake."""
    objectives = tuple(others) or (objective,)
    problems = [f"objectives: {name!r}; allowed: {', '.join(NUMBERS)}" for name in objectives if name not in NUMBERS]
    if objectives[0] != objective:
        problems.append(
            f"objectives: the first, {objectives[0]}, must be objective={objective}, used for pruning and selection"
        )
    problems += [f"objectives: {name} is listed twice" for name in {*objectives} if objectives.count(name) > 1]
    constraints, bounded = [], {name for name, limits in bounds.items() if limits}
    for name in bounded:
        wrong = _wrong_bound(name, bounds[name])
        if wrong:
            problems.append(wrong)
        constraints += [] if wrong else [(name, kind, float(limit)) for kind, limit in bounds[name].items()]
    if not gpus and "gpu_hours" in {*objectives, *bounded}:
        problems.append("gpu_hours counts GPUs, but a trial has none: set trial.gpus=, or use hours")
    raise_all("the goals of the search are not valid:", problems)
    return Goals(objectives, tuple(sorted(constraints)))


def _wrong_bound(name: str, limits: Mapping[str, Any]) -> str:
    if name not in NUMBERS:
        return f"constraints: {name!r}; allowed: {', '.join(NUMBERS)}"
    if set(limits) - set(_BOUNDS) or any(not math.isfinite(limit) for limit in limits.values()):
        return f"constraints: {name}: {dict(limits)}; write {{{name}: {{at_least: 0.3}}}}, or at_most"
    return ""


def goals_of(spec: StudySpec) -> Goals:
    """Objectives and constraints of a search; for other kinds of study only the objective."""
    return Goals(spec.objectives, spec.asked.constraints if isinstance(spec.asked, SearchSpec) else ())

"""The best trials of a search, chosen after training; the test part is never used."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from data.errors import InputError
from study.records.config import TrialConfig
from study.records.outcome import Outcome
from study.records.result import TrialResult
from study.records.store import StudyStore
from study.search.objectives import Goals, goals_of


def choose(store: StudyStore, fold: str | None = None) -> TrialResult:
    """The best finished trial of the search (or of one fold) on the validation subjects; of equal ones the earliest.

    Best in the first objective, among the trials that satisfy the constraints.
    """
    ranked, _ = _ranked(store, fold)
    return _result(store, ranked[0])


def best_configurations(store: StudyStore) -> list[TrialConfig]:
    """Configurations of all finished trials: first the best of every fold, then the second best of every fold, ..."""
    ranked, _ = _ranked(store, None)
    place: dict[str, int] = {}
    seen: Counter[str] = Counter()
    for one in ranked:
        place[one.key] = seen[one.fold]
        seen[one.fold] += 1
    return [_result(store, one).config for one in sorted(ranked, key=lambda one: (place[one.key], one.started))]


def pareto_front(store: StudyStore, fold: str | None = None) -> list[TrialResult]:
    """The Pareto front of the feasible finished trials, best first in the first objective."""
    done, goals = _ranked(store, fold)
    signs = [1.0 if way == "maximize" else -1.0 for way in goals.directions]
    points = [tuple(sign * value for sign, value in zip(signs, goals.values(one), strict=True)) for one in done]
    front = [one for one, point in zip(done, points, strict=True) if not any(_beats(other, point) for other in points)]
    return [_result(store, one) for one in front]


def _beats(other: tuple[float, ...], point: tuple[float, ...]) -> bool:
    return other != point and all(theirs >= ours for theirs, ours in zip(other, point, strict=True))


def _ranked(store: StudyStore, fold: str | None) -> tuple[list[Outcome], Goals]:
    """Finished trials that satisfy the constraints, at least one, best first."""
    goals = goals_of(store.spec()) if store.exists() else Goals()
    done = [one for one in store.outcomes("sweep", fold or "") if one.status == "DONE"]
    where = f"{store.root}{f' on fold {fold}' if fold else ''}"
    if not done:
        raise InputError(f"no finished trial in {where} to choose from: run launch/sweep.py name={store.root.name}")
    ranked = goals.ranked(done)
    if not ranked:
        nearest = min(done, key=lambda one: sum(max(missed, 0.0) for missed in goals.violations(one).values()))
        missed = ", ".join(f"{name} by {by:.3g}" for name, by in goals.violations(nearest).items() if by > 0)
        raise InputError(
            f"none of the {len(done)} finished trials in {where} satisfies the constraints; the nearest, {nearest.key},"
            f" misses {missed}. Run more trials, or start another study with looser constraints."
        )
    return ranked, goals


def _result(store: StudyStore, outcome: Outcome) -> TrialResult:
    found = store.result(outcome.key)
    assert found is not None
    return found


def fresh_seeds(searched: TrialConfig, count: int) -> range:
    """The seeds of the final trials of a configuration that a search found: the `count` after that of the search.

    The run that won is never one of them, because the best of many runs was in part lucky.
    """
    return range(searched.seed + 1, searched.seed + 1 + count)


def final_trials(chosen: TrialConfig, fold_names: list[str], seeds: Iterable[int]) -> list[TrialConfig]:
    """The chosen configuration on every fold with each of `seeds`; each scores the test part of its fold once."""
    return [
        replace(chosen, data=replace(chosen.data, fold=fold), seed=seed, score_test=True)
        for seed in seeds
        for fold in fold_names
    ]

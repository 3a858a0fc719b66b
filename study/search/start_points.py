"""Start points: settings that a search tries first, in the sampler's terms."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from data.errors import InputError, raise_all
from study.records.config import TrialConfig
from study.search.space import METHOD, Params, Space


def start_points(space: Space, given: Sequence[Any]) -> list[Params]:
    """The sampler's params for the settings `given`, which are nested or dotted; missing settings are drawn.

    One `InputError` lists unknown names and values outside the space.
    """
    points, problems = [], []
    for number, point in enumerate(given, start=1):
        try:
            points.append(_point(space, point))
        except InputError as error:
            problems.append(f"start point {number}: {error}")
    raise_all("start_points:", problems)
    return points


def points_like(space: Space, configs: Sequence[TrialConfig]) -> list[Params]:
    """The sampler's params for the configurations of another search; those outside this space are left out."""
    points = []
    for config in configs:
        with suppress(InputError, AttributeError):  # outside the space, or its method lacks a searched setting
            point = _point(space, _settings_in(space, config))
            # two trials may differ only in settings that this space does not search
            if point not in points:
                points.append(point)
    return points


def _settings_in(space: Space, config: TrialConfig) -> Params:
    """The searched settings of `config`, by dotted name."""
    if space.methods and config.method_name not in space.methods:
        raise InputError(f"{config.method_name} is not searched")
    branch = space.methods.get(config.method_name)
    own = [name for name in space.settings_names if ":" not in name and name != METHOD]
    values = {name: config.value(name) for name in [*own, *(branch.settings_names if branch else [])]}
    return values | ({METHOD: config.method_name} if branch else {})


def matches(point: Params, params: Params) -> bool:
    """Whether a trial with `params` has all values of `point`."""
    return all(name in params and params[name] == value for name, value in point.items())


def stick_lengths(shares: Sequence[float]) -> list[float]:
    """The inverse of `broken_sticks`: K shares that sum to 1 -> K - 1 numbers in [0, 1]."""
    sticks, left = [], 1.0
    for number, share in enumerate(shares[:-1]):
        part = min(share / left, 1.0) if left > 0 else 0.0
        sticks.append(1 - (1 - part) ** (len(shares) - 1 - number))
        left -= share
    return sticks


def _point(space: Space, given: Any) -> Params:
    if not isinstance(given, Mapping):
        raise InputError(f"{given!r}; write the settings, e.g. {{method: {{temperature: 0.1}}}}")
    values = dict(_flattened(given, ""))
    params: Params = {}
    if space.methods:
        method = values.pop(METHOD, None)
        if method not in space.methods:
            raise InputError(f"{METHOD}={method!r}; say which: {', '.join(space.methods)}")
        params = {METHOD: method, **_taken(space.methods[method], values, f"{method}:")}
    params |= _taken(space, values, "")
    searched = ", ".join(space.settings_names)
    problems = [f"{name} is not searched; searched are {searched}" for name in values]
    drawn = space.distributions_of(params)
    problems += [
        f"{name}={value!r} is not among {_shown(drawn[name])}"
        for name, value in params.items()
        if not _fits(drawn[name], value)
    ]
    if problems:
        raise InputError("; ".join(problems))
    return params


def _taken(part: Space, values: Params, prefix: str) -> Params:
    """The sampler's params for the `values` that `part` searches; these are removed from `values`."""
    params = {f"{prefix}{name}": values.pop(name) for name in part.distributions if name in values and "#" not in name}
    for simplex, parts in part.simplexes.items():
        shares = {one: values.pop(f"{simplex}.{one}") for one in parts if f"{simplex}.{one}" in values}
        if shares:
            sticks = stick_lengths(_checked(simplex, parts, shares))
            params |= {f"{prefix}{simplex}#{number}": stick for number, stick in enumerate(sticks)}
    return params


def _checked(simplex: str, parts: tuple[str, ...], shares: Mapping[str, Any]) -> list[float]:
    numbers = all(type(share) in (int, float) and share >= 0 for share in shares.values())
    if len(shares) < len(parts) or not numbers or not math.isclose(sum(shares.values()), 1.0, abs_tol=1e-6):
        raise InputError(f"{simplex}: give all of {', '.join(parts)}, shares that sum to 1; got {dict(shares)}")
    return [float(shares[part]) for part in parts]


def _fits(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return any(type(value) is type(choice) and value == choice for choice in distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    # `type`, because True is an int for isinstance
    kinds = (int,) if isinstance(distribution, IntDistribution) else (int, float)
    return type(value) in kinds and distribution.low <= value <= distribution.high


def _shown(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(str, distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return f"{distribution.low:g} to {distribution.high:g}"


def _flattened(values: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from _flattened(value, name)
        else:
            yield name, value

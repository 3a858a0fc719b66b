"""The search space: from YAML to Optuna distributions, and from drawn numbers to a trial.

A space is a nested mapping with the structure of `TrialConfig`; each leaf says how one setting is drawn:

    optim:  {lr: {log_uniform: [1e-4, 1e-2]}}
    method: {draw: {choice: [anchor, au]}, ratios: {simplex: [self, max, mean]}}
    head:   {dim: {int: [16, 64]}}

A `simplex` over K shares that sum to 1 is K - 1 independent uniform numbers for the sampler (stick breaking). Their
uniform draws are uniform on the simplex: the Dirichlet distribution with all parameters 1.

With `methods: {aunce: {...}, bce: {...}}` the sampler draws the method first, then only the settings of that method,
named e.g. `aunce:method.temperature`. Settings outside `methods` are drawn for every method.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from data.errors import InputError, raise_all
from model.losses.settings import METHOD_SETTINGS
from study.records.config import TrialConfig, trial_from_dict
from study.records.study_spec import SEVERAL_METHODS

Params = dict[str, Any]

_DISTRIBUTIONS: dict[str, Callable[[Sequence[Any]], BaseDistribution]] = {
    "uniform": lambda bounds: FloatDistribution(*_two(bounds, (int, float))),
    "log_uniform": lambda bounds: FloatDistribution(*_two(bounds, (int, float)), log=True),
    "int": lambda bounds: IntDistribution(*_two(bounds, (int,))),
    "choice": lambda values: CategoricalDistribution(list(values)),
}
_KINDS = (*_DISTRIBUTIONS, "simplex")
METHOD = "method_name"
_FIXED = (
    "data",
    "score_test",
    "seed",
    "method_name",
    "optim.epochs",
    "optim.objective",
    "views.crop",
    "backbone.weights",
)


@dataclass(frozen=True)
class Space:
    """A checked search space: distributions and simplexes by dotted name, and the spaces of single methods."""

    distributions: dict[str, BaseDistribution]
    simplexes: dict[str, tuple[str, ...]]
    methods: dict[str, "Space"] = field(default_factory=dict)  # their names have no `<method>:` in front

    def of(self, method: str) -> dict[str, BaseDistribution]:
        """What is drawn for a trial of `method`, by the names that the sampler uses."""
        own = self.methods[method].distributions if method in self.methods else {}
        return self.distributions | {f"{method}:{name}": distribution for name, distribution in own.items()}

    def distributions_of(self, params: Mapping[str, Any]) -> dict[str, BaseDistribution]:
        """The distributions of the drawn `params`."""
        drawn = self.of(params.get(METHOD, ""))
        return drawn | ({METHOD: self.method_choice} if self.methods else {})

    @property
    def method_choice(self) -> CategoricalDistribution:
        """The distribution of the method."""
        return CategoricalDistribution([*self.methods])

    def settings(self, params: Mapping[str, Any]) -> Params:
        """Drawn numbers -> settings by dotted name; sticks become the shares of their simplex."""
        method = params.get(METHOD, "")
        # with several methods, only the settings of the drawn one are in `params`
        own = {name.partition(":")[2]: value for name, value in params.items() if name.startswith(f"{method}:")}
        common = {name: value for name, value in params.items() if ":" not in name and name != METHOD}
        return self._settings(common) | (self.methods[method]._settings(own) if self.methods else {})

    def _settings(self, params: Mapping[str, Any]) -> Params:
        values = {name: value for name, value in params.items() if not self._is_stick(name)}
        for name, parts in self.simplexes.items():
            sticks = [params[_stick(name, number)] for number in range(len(parts) - 1)]
            values |= {f"{name}.{part}": share for part, share in zip(parts, broken_sticks(sticks), strict=True)}
        return values

    def apply(self, base: TrialConfig, params: Mapping[str, Any]) -> TrialConfig:
        """`base`, or the defaults of the drawn method, with the settings of `params`."""
        config = (method_base(base, params[METHOD]) if self.methods else base).to_dict()
        for name, value in self.settings(params).items():
            *path, last = name.split(".")
            place = config
            for step in path:
                place = place[step]
            place[last] = value
        return trial_from_dict(config)

    @property
    def settings_names(self) -> list[str]:
        """Dotted names of all searched settings; each share of a simplex counts as one."""
        plain = [name for name in self.distributions if not self._is_stick(name)]
        shares = [f"{name}.{part}" for name, parts in self.simplexes.items() for part in parts]
        own = [f"{method}:{name}" for method, space in self.methods.items() for name in space.settings_names]
        return [*([METHOD] if self.methods else []), *plain, *shares, *own]

    def largest(self, name: str, base: TrialConfig) -> Any:
        """The largest value that the setting `name` can have in trials of `base`."""
        own = self.methods[base.method_name].distributions if self.methods else {}
        searched = self.distributions | own
        return max(_extremes(searched[name])) if name in searched else base.value(name)

    def bases(self, base: TrialConfig) -> list[TrialConfig]:
        """The configurations that the trials vary, one for each method."""
        return [method_base(base, method) for method in self.methods] or [base]

    def _is_stick(self, name: str) -> bool:
        return any(name.startswith(f"{simplex}#") for simplex in self.simplexes)


def method_base(base: TrialConfig, method: str) -> TrialConfig:
    """`base`, changed to `method` with its default settings if it has another method."""
    if base.method_name == method:
        return base
    return replace(base, method_name=method, method=METHOD_SETTINGS[method]())


def parse_space(spec: Mapping[str, Any], base: TrialConfig) -> Space:
    """The space that the YAML `spec` describes, checked against `base`; one `InputError` lists every mistake."""
    problems: list[str] = []
    methods = _branches(spec.get(SEVERAL_METHODS, {}), base, problems)
    common = {name: value for name, value in spec.items() if name != SEVERAL_METHODS}
    if methods and "method" in common:
        place = f"{SEVERAL_METHODS}: {{<method>: {{method: ...}}}}"
        problems.append(f"method: settings of a single method belong under {place}")
        common.pop("method")
    one = _flat(common, base, problems)
    raise_all("the search space is not valid:", problems)
    space = replace(one, methods=methods)
    if not space.distributions and not methods:
        raise InputError("the search space is empty; give at least one setting, e.g. optim: {lr: {log_uniform: [...]}}")
    twice = [
        f"{name} is searched for all methods and for {m}"
        for m in methods
        for name in space.distributions
        if name in methods[m].distributions
    ]
    raise_all("the search space is not valid:", twice)
    return space


def _branches(spec: Any, base: TrialConfig, problems: list[str]) -> dict[str, Space]:
    """The spaces of the searched methods; mistakes are added to `problems`."""
    if not isinstance(spec, Mapping) or set(spec) - set(METHOD_SETTINGS) or len(spec) == 1:
        names = ", ".join(METHOD_SETTINGS)
        problems.append(f"{SEVERAL_METHODS}: {spec!r}; two or more of {names}, each with a space of its own")
        return {}
    found = {}
    for method, own in spec.items():
        try:
            found[method] = _flat(own or {}, method_base(base, method), problems, f"{SEVERAL_METHODS}.{method}.")
        except InputError as error:
            problems.append(f"{SEVERAL_METHODS}.{method}: {error}")
    return found


def _flat(spec: Mapping[str, Any], base: TrialConfig, problems: list[str], place: str = "") -> Space:
    """The space of one method; mistakes are added to `problems`."""
    distributions: dict[str, BaseDistribution] = {}
    simplexes: dict[str, tuple[str, ...]] = {}
    for name, leaf in _leaves(spec, ""):
        try:
            one = _leaf_space(name, leaf, base)
            _check_extremes(one, base)
            distributions |= one.distributions
            simplexes |= one.simplexes
        except ValueError as error:
            problems.append(f"{place}{error}")
    return Space(distributions, simplexes)


def broken_sticks(uniforms: Sequence[float]) -> list[float]:
    """Stick breaking: K - 1 numbers in [0, 1] -> K shares that sum to 1; uniform numbers give uniform shares."""
    shares, left = [], 1.0
    for number, uniform in enumerate(uniforms):
        # the first of K uniform shares has the distribution Beta(1, K - 1)
        share = left * (1 - (1 - uniform) ** (1 / (len(uniforms) - number)))
        shares.append(share)
        left -= share
    # rounding may give -1e-17
    return [*shares, max(left, 0.0)]


def _stick(name: str, number: int) -> str:
    return f"{name}#{number}"


def _two(bounds: Sequence[Any], kinds: tuple[type, ...]) -> tuple[Any, Any]:
    if len(bounds) != 2 or any(type(bound) not in kinds or not math.isfinite(bound) for bound in bounds):
        raise ValueError(f"needs [low, high], two of {' or '.join(kind.__name__ for kind in kinds)}")
    return bounds[0], bounds[1]


def _leaves(spec: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Dotted name and distribution of every leaf of the nested space."""
    for key, value in spec.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and not set(value) & set(_KINDS):
            yield from _leaves(value, name)
        else:
            yield name, value


def _leaf_space(name: str, leaf: Any, base: TrialConfig) -> Space:
    """The space of one setting."""
    current = _setting(base, name)
    if not isinstance(leaf, Mapping) or len(leaf) != 1:
        raise ValueError(f"{name}={leaf!r}: a setting needs one of {', '.join(_KINDS)}")
    [(kind, argument)] = leaf.items()
    if not isinstance(argument, Sequence) or isinstance(argument, str):
        raise InputError(f"{name}: {kind} needs a list, got {argument!r}")
    if kind != "simplex":
        return Space({name: _distribution(name, kind, argument, current)}, {})
    sticks = [_stick(name, number) for number in range(len(argument) - 1)]
    return Space(dict.fromkeys(sticks, FloatDistribution(0.0, 1.0)), {name: _parts(name, argument, current)})


def _setting(base: TrialConfig, name: str) -> Any:
    """The value of the setting `name` in `base`."""
    if name.split(".")[0] in _FIXED or name in _FIXED:
        raise ValueError(f"{name}: this setting is fixed and cannot be searched")
    place: Any = base
    for step in name.split("."):
        fields = [f.name for f in dataclasses.fields(place)] if dataclasses.is_dataclass(place) else []
        if step not in fields:
            raise ValueError(f"{name}: no such setting; allowed at this place: {', '.join(fields) or 'nothing'}")
        place = getattr(place, step)
    return place


def _distribution(name: str, kind: str, argument: Any, current: Any) -> BaseDistribution:
    numbers = {"uniform": float, "log_uniform": float, "int": int}
    if kind in numbers and type(current) is not numbers[kind]:
        raise ValueError(f"{name}: {kind} gives {numbers[kind].__name__}, but it is {type(current).__name__}")
    try:
        return _DISTRIBUTIONS[kind](argument)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {kind} {argument!r}: {error}") from error


def _parts(name: str, argument: Any, current: Any) -> tuple[str, ...]:
    fields = dataclasses.fields(current) if dataclasses.is_dataclass(current) else ()
    allowed = {f.name: getattr(current, f.name) for f in fields}
    given, needed = [*map(str, argument)], {part for part, share in allowed.items() if share != 0}
    if len(given) < 2 or len({*given}) < len(given) or not needed <= {*given} <= {*allowed}:
        shown = ", ".join(allowed) or "none here"
        raise ValueError(f"{name}: a simplex needs all of its parts: {shown}; one that is fixed at 0 may be left out")
    return tuple(argument)


def _check_extremes(space: Space, base: TrialConfig) -> None:
    """Build a trial at each end of the range, so that a value that a setting forbids fails before the first trial."""
    extremes = {name: _extremes(distribution) for name, distribution in space.distributions.items()}
    for values in zip(*extremes.values(), strict=True):
        try:
            space.apply(base, dict(zip(extremes, values, strict=True)))
        except InputError as error:
            reason = " ".join(str(error).replace("\n  - ", " ").split())
            raise InputError(f"{' '.join(space.settings_names)}: {reason}") from error


def _extremes(distribution: BaseDistribution) -> tuple[Any, ...]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return distribution.low, distribution.high

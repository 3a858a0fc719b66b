"""StudySpec: what was asked of a study, and the one schema of its study.json. Needs no torch."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import InputError, raise_all
from data.settings import check_choices, check_least, setting
from study.records.versioned import record_of, to_versioned, versioned

SEARCH, ABLATION, ROBUSTNESS, EXTERNAL = "search", "ablation", "robustness", "external"
HYPERPARAMETER_TRANSFER, DOMAIN_GENERALIZATION = "hyperparameter_transfer", "domain_generalization"
PRUNING = ("asha", "hyperband", "median", "none")
SEVERAL_METHODS = "methods"  # `StudySpec.method` of a search over several, and their key in its space

_USER_KEYS = {"space": "search", "size": "dataset.size", "sha256": "predictions"}  # where a field is called otherwise


@dataclass(frozen=True)
class PruningSettings:
    """When trials are stopped early, see `study.search.pruning`."""

    name: str = setting("asha", "asha, hyperband (asynchronous), median or none")
    grace: int = setting(4, "epochs before a trial may be stopped; as many as epochs, and none is", least=1)
    reduction: int = setting(3, "asha, hyperband: one in this many trials goes on from rung to rung", least=2)

    def __post_init__(self) -> None:
        problems = [*check_choices(self, {"name": PRUNING}), *check_least(self)]
        raise_all("early stopping:", [f"pruning.{problem}" for problem in problems])


@dataclass(frozen=True)
class SearchSpec:
    """Of launch/sweep.py: the best configuration is searched for, in each of `StudySpec.folds` by itself."""

    seed: int
    sampler: str
    warm_start: str  # the study whose best trials are tried first; empty for none
    pruning: PruningSettings
    constraints: tuple[tuple[str, str, float], ...]  # number, at_least | at_most, bound
    space: dict[str, Any]  # as it was given
    searched: tuple[str, ...]  # dotted names of the settings in which trials differ


@dataclass(frozen=True)
class AblationSpec:
    """Of launch/compare.py: variants of methods, each with several shares of flipped labels."""

    variants: dict[str, Any]  # what each has beside or instead of `StudySpec.config`
    label_noise: tuple[float, ...]


@dataclass(frozen=True)
class RobustnessSpec:
    """Of launch/stress.py: variants of methods, each at several levels of several kinds of trouble."""

    variants: dict[str, Any]
    levels: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class HyperparameterTransferSpec:
    """Of launch/regret.py: the best configuration of each of these searches on the datasets of all."""

    studies: tuple[str, ...]


@dataclass(frozen=True)
class SplitSpec:
    """The dataset that is tested on, and those that are trained on, joined by `+`."""

    target: str
    sources: str


@dataclass(frozen=True)
class DomainGeneralizationSpec:
    """Of launch/generalize.py: training on several datasets, tests on others."""

    splits: tuple[SplitSpec, ...]
    candidates: dict[str, Any]  # configurations by name
    selection: tuple[str, ...]  # the rules that choose one of them


@dataclass(frozen=True)
class ExternalSpec:
    """Of launch/score.py: the predictions of another detector."""

    fingerprint: str  # of the frame store that they are for
    sha256: str  # of the file that they were read from
    scale: str
    trained_on: str  # empty where that is none of our datasets
    convention: str  # what a positive label means
    frames: int  # of the store
    covered: int  # with predictions
    unknown: int  # with predictions, and not in the store


Asked = (
    SearchSpec | AblationSpec | RobustnessSpec | HyperparameterTransferSpec | DomainGeneralizationSpec | ExternalSpec
)
_ASKED: dict[str, type[Asked]] = {
    SEARCH: SearchSpec,
    ABLATION: AblationSpec,
    ROBUSTNESS: RobustnessSpec,
    HYPERPARAMETER_TRANSFER: HyperparameterTransferSpec,
    DOMAIN_GENERALIZATION: DomainGeneralizationSpec,
    EXTERNAL: ExternalSpec,
}
_READ_BY = {
    ABLATION: "is an ablation study: launch/compare.py writes comparison.md there, launch/report.py its page",
    ROBUSTNESS: "is a robustness study: its curves are in scores/robustness.parquet and on pages of its dataset",
    HYPERPARAMETER_TRANSFER: "is a hyper-parameter transfer: its matrix is in scores/hyperparameter_transfer.parquet",
    DOMAIN_GENERALIZATION: "is a study of domain generalisation: launch/generalize.py writes generalize.csv there",
    EXTERNAL: "holds external predictions: launch/transfer.py reads it",
}


@dataclass(frozen=True)
class StudySpec:
    """What was asked of a study: what all kinds have, empty where one has no such thing, and `asked`, of its kind."""

    name: str
    dataset: str
    asked: Asked
    method: str = ""
    objectives: tuple[str, ...] = ()  # the first decides
    epochs: int = 0
    trials: int = 0  # that the study will hold
    aus: tuple[int, ...] = ()
    folds: tuple[str, ...] = ()  # where variants are trained, those that were named; none for all
    seeds: int = 0
    size: int = 0  # of a frame, in pixels
    store: str = ""  # folder of the frames
    weights_file: str = ""  # that training begins with
    config: dict[str, Any] = field(default_factory=dict)  # settings that the trials have in common

    @property
    def kind(self) -> str:
        """Which kind of study it is."""
        return next(kind for kind, asked in _ASKED.items() if isinstance(self.asked, asked))

    @property
    def stage(self) -> str:
        """The stage of the trials that are asked for."""
        return "sweep" if self.kind == SEARCH else "final"

    @property
    def objective(self) -> str:
        """What trials are stopped early and chosen by, on validation subjects."""
        return self.objectives[0]

    @property
    def searched(self) -> tuple[str, ...]:
        """Dotted names of the settings in which trials differ; none in what is no search."""
        return self.asked.searched if isinstance(self.asked, SearchSpec) else ()

    def to_json(self) -> bytes:
        """The content of study.json."""
        return to_versioned(self, kind=self.kind)


def search_in(root: Path, spec: StudySpec) -> SearchSpec:
    """What was asked of the search in `root`; `InputError` says who reads a study of another kind."""
    if not isinstance(spec.asked, SearchSpec):
        raise InputError(f"{root} {what_it_is(spec)}; give a study of launch/sweep.py")
    return spec.asked


def what_it_is(spec: StudySpec) -> str:
    """What is no search, and who reads it, e.g. `is a robustness study: its curves are in ...`."""
    return _READ_BY[spec.kind]


def spec_from_json(content: bytes, origin: str) -> StudySpec:
    """The spec in the study.json `origin`, of this version or an older one; `InputError` for all others."""
    plain = versioned(content, origin)
    if "version" not in plain:
        plain = _from_version_1(plain)
    kind = plain.pop("kind", None)
    if kind not in _ASKED:
        raise InputError(f"{origin} is damaged: kind={kind!r}; allowed: {', '.join(_ASKED)}")
    spec: StudySpec = record_of(StudySpec, plain, origin, {"asked": _ASKED[kind]})
    return spec


def _from_version_1(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a study.json without a version, whose kind only its keys told, in version 2."""
    marks = {
        "foreign": EXTERNAL,
        "generalize": DOMAIN_GENERALIZATION,
        "levels": ROBUSTNESS,
        "studies": HYPERPARAMETER_TRANSFER,
        "variants": ABLATION,
    }
    kind = next((kind for mark, kind in marks.items() if mark in plain), SEARCH)
    objective = [plain["objective"]] if "objective" in plain else []
    known = {"objectives": objective, **plain, **plain.get("goals", {}), **plain.get("foreign", {})}
    known["splits"] = plain.get("generalize", [])

    def fields_of(spec: type[Any]) -> dict[str, Any]:
        return {f.name: known[f.name] for f in dataclasses.fields(spec) if f.name in known}

    return {"kind": kind, "asked": fields_of(_ASKED[kind]), **fields_of(StudySpec)}


def changed_settings(before: StudySpec, now: StudySpec, free: tuple[str, ...]) -> list[str]:
    """A line for each setting that is not as it was, by the name that users know; but for the fields in `free`."""
    old, new = _side_by_side(before), _side_by_side(now)
    assert {*free} <= {*new}, f"{free}: not all of them are fields of a {now.kind} study"
    names = [name for name in sorted({*old, *new} - {*free}) if old.get(name) != new.get(name)]
    return list(dict.fromkeys(line for name in names for line in _changes(name, old.get(name), new.get(name))))


def _side_by_side(spec: StudySpec) -> dict[str, Any]:
    """All settings as JSON has them: tuples are lists."""
    plain: dict[str, Any] = json.loads(spec.to_json())
    asked = plain.pop("asked")
    return {_USER_KEYS.get(name, name): value for name, value in (plain | asked).items()}


def _changes(name: str, before: Any, now: Any) -> Iterator[str]:
    """One line for each setting that differs, however deep it lies."""
    if isinstance(before, dict) and isinstance(now, dict):
        for inner in sorted({*before, *now}):
            if before.get(inner) != now.get(inner):
                yield from _changes(f"{name}.{inner}", before.get(inner), now.get(inner))
    else:
        yield f"{name.removeprefix('config.')} was {before!r}, now {now!r}"

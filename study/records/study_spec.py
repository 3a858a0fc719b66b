"""StudySpec: the settings of a study, and the one schema of its study.json; needs no torch."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.checked import json_object
from data.errors import InputError, raise_all
from data.settings import check_choices, check_least, setting
from study.records.versioned import record_of, to_versioned, versioned

SEARCH, ABLATION, ROBUSTNESS, EXTERNAL = "search", "ablation", "robustness", "external"
HYPERPARAMETER_TRANSFER, DOMAIN_GENERALIZATION = "hyperparameter_transfer", "domain_generalization"
PRUNING = ("asha", "hyperband", "median", "none")
SPEC_FILE = "study.json"
SEVERAL_METHODS = "methods"  # `StudySpec.method` of a search over several, and their key in its space

_USER_KEYS = {"space": "search", "size": "dataset.size", "sha256": "predictions"}  # field -> key of the command


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
    """A study of launch/sweep.py: a search for the best configuration, separately in each of `StudySpec.folds`."""

    seed: int
    sampler: str
    warm_start: str  # study whose best trials are tried first; empty for none
    pruning: PruningSettings
    constraints: tuple[tuple[str, str, float], ...]  # number, at_least | at_most, bound
    space: dict[str, Any]  # as the user wrote it
    searched: tuple[str, ...]  # dotted names of the settings in which trials differ


@dataclass(frozen=True)
class AblationSpec:
    """A study of launch/compare.py: variants of methods, each with several shares of flipped labels."""

    variants: dict[str, Any]  # name -> settings that differ from `StudySpec.config`
    label_noise: tuple[float, ...]
    noise_kind: str = "symmetric"


@dataclass(frozen=True)
class RobustnessSpec:
    """A study of launch/stress.py: variants of methods, each at several levels of several disturbances."""

    variants: dict[str, Any]
    levels: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class HyperparameterTransferSpec:
    """A study of launch/regret.py: the best configuration of each search, on the datasets of all."""

    studies: tuple[str, ...]


@dataclass(frozen=True)
class SplitSpec:
    """The dataset to test on (target), and those to train on (sources, joined by `+`)."""

    target: str
    sources: str


@dataclass(frozen=True)
class DomainGeneralizationSpec:
    """A study of launch/generalize.py: training on several datasets, tests on others."""

    splits: tuple[SplitSpec, ...]
    candidates: dict[str, Any]  # configurations by name
    selection: tuple[str, ...]  # rules that choose a candidate


@dataclass(frozen=True)
class ExternalSpec:
    """A study of launch/score.py: the predictions of an external detector."""

    fingerprint: str  # of the frame store that they are for
    sha256: str  # of the file that they were read from
    scale: str
    trained_on: str  # empty for a dataset that we do not know
    convention: str  # what a positive label means
    frames: int  # of the store
    covered: int  # frames of the store that have predictions
    unknown: int  # predictions of frames that are not in the store


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
    """Settings of a study: those of all kinds (empty where a kind has none), and `asked`, those of its own kind."""

    name: str
    dataset: str
    asked: Asked
    method: str = ""
    objectives: tuple[str, ...] = ()  # the first decides
    epochs: int = 0
    trials: int = 0  # number wanted
    aus: tuple[int, ...] = ()
    folds: tuple[str, ...] = ()  # for variants: the folds that the user named; empty for all
    seeds: int = 0
    size: int = 0  # of a frame, in pixels
    store: str = ""  # folder of the frames
    weights_file: str = ""  # initial weights
    config: dict[str, Any] = field(default_factory=dict)  # settings that the trials have in common

    @property
    def kind(self) -> str:
        """Which kind of study it is."""
        return next(kind for kind, asked in _ASKED.items() if isinstance(self.asked, asked))

    @property
    def stage(self) -> str:
        """The stage of the trials that this study runs."""
        return "sweep" if self.kind == SEARCH else "final"

    @property
    def objective(self) -> str:
        """The number by which trials are pruned and chosen, on validation subjects."""
        return self.objectives[0]

    @property
    def searched(self) -> tuple[str, ...]:
        """Dotted names of the searched settings; empty for other kinds of study."""
        return self.asked.searched if isinstance(self.asked, SearchSpec) else ()

    def to_json(self) -> bytes:
        """The content of study.json."""
        return to_versioned(self, SPEC_FILE, kind=self.kind)


def fold_shares(trials: int, folds: Sequence[str]) -> dict[str, int]:
    """Trials of each fold: `trials` in total, equal numbers, and one more in the first folds for the rest.

    With more trials no fold has fewer.
    """
    each, rest = divmod(trials, len(folds))
    return {fold: each + (at < rest) for at, fold in enumerate(folds)}


def search_in(root: Path, spec: StudySpec) -> SearchSpec:
    """The settings of the search in `root`; for other kinds of study, `InputError` says which command reads them."""
    if not isinstance(spec.asked, SearchSpec):
        raise InputError(f"{root} {what_it_is(spec)}; give a study of launch/sweep.py")
    return spec.asked


def what_it_is(spec: StudySpec) -> str:
    """The kind of a study that is no search, and where its results are, e.g. `is a robustness study: ...`."""
    return _READ_BY[spec.kind]


def spec_from_json(content: bytes, origin: str) -> StudySpec:
    """The spec in the study.json `origin`, of this or an older version; `InputError` for a newer or damaged one."""
    plain = versioned(content, origin)
    # files before version 2 had no version number
    if "version" not in plain:
        plain = _from_version_1(plain)
    kind = plain.pop("kind", None)
    if kind not in _ASKED:
        raise InputError(f"{origin} is damaged: kind={kind!r}; allowed: {', '.join(_ASKED)}")
    spec: StudySpec = record_of(StudySpec, plain, origin, {"asked": _ASKED[kind]})
    return spec


def _from_version_1(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A study.json of version 1 (which had no version number) as version 2; only its keys tell its kind."""
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
    """One line for each changed setting, by the name that users know; fields in `free` may change."""
    old, new = _side_by_side(before), _side_by_side(now)
    # a misspelt name in `free` would protect nothing
    assert {*free} <= {*new}, f"{free}: not all of them are fields of a {now.kind} study"
    names = [name for name in sorted({*old, *new} - {*free}) if old.get(name) != new.get(name)]
    return list(dict.fromkeys(line for name in names for line in _changes(name, old.get(name), new.get(name))))


def _side_by_side(spec: StudySpec) -> dict[str, Any]:
    """All settings by the names that users know, as JSON values, so that tuples equal lists."""
    plain = json_object(spec.to_json(), SPEC_FILE)
    asked = plain.pop("asked")
    return {_USER_KEYS.get(name, name): value for name, value in (plain | asked).items()}


def _changes(name: str, before: Any, now: Any) -> Iterator[str]:
    """One line for each setting that differs, also inside nested settings."""
    if isinstance(before, dict) and isinstance(now, dict):
        for inner in sorted({*before, *now}):
            if before.get(inner) != now.get(inner):
                yield from _changes(f"{name}.{inner}", before.get(inner), now.get(inner))
    else:
        yield f"{name.removeprefix('config.')} was {before!r}, now {now!r}"

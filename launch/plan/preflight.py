"""Everything that can be wrong with what a command asks for, found before the first trial, all at once."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.clips import clips_of
from data.errors import InputError, raise_all
from data.files import check_writable
from data.folds import Fold, folds
from data.pool import pool
from data.store import FrameStore, open_store
from launch.plan.budget import Budget, parse_budget
from launch.plan.datasets import check_labelled, fold_scheme, unlabelled_stores
from launch.plan.resources import Resources, resources
from model.backbone import build_backbone, fetch_weights
from model.methods import METHODS
from model.settings import BackboneSettings
from study.records.config import Placement, TrialConfig, trial_from_dict
from study.records.folder import study_root
from study.records.store import StudyStore
from study.records.study_spec import search_in
from study.search.best_trial import best_configurations
from study.search.fold_search import Search
from study.search.objectives import parse_goals
from study.search.pruning import PRUNING
from study.search.sampler import sampler_problems
from study.search.space import Params, Space, parse_space
from study.search.start_points import points_like, start_points

Keys = dict[str, Any]


@dataclass(frozen=True)
class SearchPlan:
    """A checked search."""

    store: StudyStore
    search: Search
    folds: tuple[str, ...]  # searched one after the other, each by itself
    placement: Placement
    resources: Resources
    budget: Budget = field(default_factory=Budget)

    @property
    def base(self) -> TrialConfig:
        """What every trial of the first fold is a variation of."""
        return self.search.base

    @property
    def space(self) -> Space:
        """What is searched."""
        return self.search.space


def study_store(runs_root: str, name: str) -> StudyStore:
    """The study `name` in `runs_root`."""
    return StudyStore(study_root(runs_root, name))


def searched_study(runs_root: str, name: str) -> StudyStore:
    """The study `name` in `runs_root`, begun by a search; `InputError` for one of another kind."""
    store = study_store(runs_root, name)
    search_in(store.root, store.spec())
    return store


def check_sweep(keys: Keys) -> None:
    """What can be checked before any data are read."""
    grace, reduction = keys["pruning"]["grace"], keys["pruning"]["reduction"]
    least = [("trials", keys["trials"], 1), ("pruning.grace", grace, 1), ("pruning.reduction", reduction, 2)]
    problems = [f"{key}={value}; at least {low}" for key, value, low in least if value < low]
    problems += complaints(
        lambda: check_labelled(keys),
        lambda: study_store(keys["runs_root"], keys["name"]),
        lambda: check_writable(Path(keys["runs_root"])),
        lambda: resources(keys),
        lambda: parse_budget(keys["time_budget"], keys["gpu_hours"], keys["trial"]["gpus"]),
        lambda: search_of(keys, base_trial(keys, "unknown yet", "unknown yet")),
    )
    crop, size = keys["views"]["crop"], keys["dataset"]["size"]
    problems += [f"dataset.crop={crop} exceeds dataset.size={size}"] * (crop > size)
    raise_all("the sweep cannot start:", problems)


def search_of(keys: Keys, base: TrialConfig) -> Search:
    """How the study is searched; one `InputError` lists every mistake."""
    space = parse_space(keys["search"], base)
    gpus, pruning = float(keys["trial"]["gpus"]), keys["pruning"]
    given = {name: {k: x for k, x in bound.items() if x is not None} for name, bound in keys["constraints"].items()}
    goals = parse_goals(base.optim.objective, keys["objectives"], given, gpus)
    problems = sampler_problems(keys["sampler"], space, goals)
    if pruning["name"] not in PRUNING:
        problems.append(f"pruning.name={pruning['name']!r}; allowed: {', '.join(PRUNING)}")
    elif len(goals.objectives) > 1 and pruning["name"] != "none":
        problems.append("trials cannot be pruned by several objectives; give pruning.name=none")
    raise_all("the search is not valid:", problems)
    points = (*start_points(space, keys["start_points"]), *warm_points(keys, space))
    rule = pruning["name"], pruning["grace"], pruning["reduction"]
    return Search(base, space, goals, keys["sampler"], keys["seed"], points, *rule)


def warm_points(keys: Keys, space: Space) -> list[Params]:
    """Start points from the best trials of the study `warm_start`, those that lie in `space`."""
    if not keys["warm_start"]:
        return []
    raise_all("warm_start:", [f"warm_trials={keys['warm_trials']}; at least 1"] * (keys["warm_trials"] < 1))
    other = searched_study(keys["runs_root"], keys["warm_start"])
    points = points_like(space, best_configurations(other))[: keys["warm_trials"]]
    if not points:
        raise InputError(f"warm_start: no finished trial of {other.root} lies in the space of this search")
    return points


def _check_warm_start(keys: Keys, folds: tuple[str, ...]) -> None:
    """`InputError` for start points that were chosen with people whom one of `folds` tests on."""
    if not keys["warm_start"]:
        return
    other = searched_study(keys["runs_root"], keys["warm_start"]).spec()
    alone = len(folds) == 1 and other.folds == folds
    if other.dataset == keys["dataset"]["name"] and not alone:
        searched = f"searched {', '.join(other.folds)} of the same dataset"
        raise InputError(
            f"warm_start={keys['warm_start']} {searched}, and other folds test on its validation people. "
            "Give a study of another dataset, or one fold= that both search alone"
        )


def plan_sweep(keys: Keys, frames: FrameStore) -> SearchPlan:
    """The search that `keys` ask for, on `frames`."""
    divided = store_folds(keys, frames)
    names = tuple(divided) if keys["fold"] in ("", "all") else (keys["fold"],)
    if names[0] not in divided:
        raise InputError(f"fold={names[0]!r}; allowed: all, {', '.join(divided)}")
    _check_warm_start(keys, names)
    search = search_of(keys, base_trial(keys, frames.fingerprint, names[0]))
    check_weights(search.base.backbone, asked_weights(keys)[1])
    available = resources(keys)
    store = study_store(keys["runs_root"], keys["name"])
    placement = available.placement(frames, store, asked_weights(keys)[1])
    for base in search.space.bases(search.base):
        _check_pretraining(base, search.space, frames, unlabelled_stores(keys), divided)
    budget = parse_budget(keys["time_budget"], keys["gpu_hours"], available.gpus)
    return SearchPlan(store, search, names, placement, available, budget)


def _check_pretraining(
    base: TrialConfig, space: Space, frames: FrameStore, others: list[FrameStore], divided: dict[str, Fold]
) -> None:
    """Unlabelled frames fit, and show nobody whom a fold holds out; the longest clips of the search are there."""
    pooled = [pool(frames, others, fold) for fold in divided.values()]
    clip = METHODS[base.method_name].clip(base.method)
    if clip is not None:
        longest = {name: space.largest(f"method.clip.{name}", base) for name in ("frames", "stride")}
        for together, fold in pooled:
            clips_of(together.table, fold.train, replace(clip, **longest))


def store_folds(keys: Keys, frames: FrameStore) -> dict[str, Fold]:
    """The folds of `frames` by name."""
    return folds(frames.table, fold_scheme(keys), keys["val_share"], keys["seed"])


def base_trial(keys: Keys, fingerprint: str, fold: str) -> TrialConfig:
    """The trial that every trial of the search is a variation of."""
    data = {
        "dataset": keys["dataset"]["name"],
        "fingerprint": fingerprint,
        "fold_scheme": fold_scheme(keys),
        "fold": fold,
        "fold_seed": keys["seed"],
        "val_share": keys["val_share"],
    }
    same = {name: keys[name] for name in ("views", "head", "method", "method_name", "optim", "probe", "seed")}
    backbone = keys["backbone"] | ({"weights": asked_weights(keys)[0]} if keys["weights"] else {})
    fingerprints = [store.fingerprint for store in unlabelled_stores(keys)]
    pretrain = keys.get("pretrain", {}) | ({"stores": fingerprints} if fingerprints else {})
    sources = keys.get("sources", {})
    return trial_from_dict({"data": data, "sources": sources, "backbone": backbone, "pretrain": pretrain, **same})


def complaints(*checks: Callable[[], object]) -> list[str]:
    """What the checks have to say, all of them."""
    problems = []
    for check in checks:
        try:
            check()
        except InputError as error:
            problems.append(str(error))
    return problems


def file_weights(path: Path) -> str:
    """How a trial names the weights in a file: by their content."""
    if not path.is_file():
        raise InputError(f"weights={path}: no such file. Give a state-dict file or a torchvision weight name.")
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def asked_weights(keys: Keys) -> tuple[str, Path | None]:
    """`weights=` as part of a trial's name, and the file if it is one."""
    path = Path(keys["weights"])
    if path.suffix in (".pt", ".pth"):
        return file_weights(path), path.resolve()
    return str(keys["weights"]), None


def check_weights(backbone: BackboneSettings, path: Path | None) -> None:
    """Load or download the weights now, so that no trial has to."""
    if path is not None:
        build_backbone(backbone, seed=0, weights_file=path)
    elif backbone.weights:
        fetch_weights(backbone)


def searched_frames(store: StudyStore) -> FrameStore:
    """The store that the search ran on."""
    path = Path(store.spec().store)
    if not path.is_dir():
        raise InputError(f"the frame store {path} is gone; build it again with launch/prepare.py")
    return open_store(path)


def weights_of(path: str, trial: TrialConfig) -> Path | None:
    """The pretrained weights of the search, if they were a file."""
    if path and file_weights(Path(path)) != trial.backbone.weights:
        raise InputError(f"{path} holds other weights than the search was run with; put those back")
    return Path(path) if path else None

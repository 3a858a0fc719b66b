"""Checks before the first trial: everything that can be wrong with the keys of a search, reported at once."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from data.clips import clips_of
from data.errors import InputError, complaints, raise_all
from data.files import check_writable
from data.folds import Fold, expected_folds, folds
from data.pool import pool
from data.same_people import check_twins, leaks
from data.store import FrameStore
from launch.keys.trials import BoundKeys, SweepKeys, TrainKeys, TrialKeys
from launch.plan.budget import Budget, parse_budget
from launch.plan.datasets import check_labelled, dataset_problems, fold_scheme, unlabelled_stores
from launch.plan.resources import Resources, resources
from model.backbone import build_backbone, fetch_weights
from model.methods import METHODS
from model.settings import BackboneSettings
from study.records.config import DataSettings, Placement, TrialConfig
from study.records.folder import study_root
from study.records.store import StudyStore
from study.records.study_spec import search_in
from study.search.best_trial import best_configurations
from study.search.fold_search import Search
from study.search.objectives import parse_goals
from study.search.sampler import sampler_problems
from study.search.space import Params, Space, parse_space
from study.search.start_points import points_like, start_points


@dataclass(frozen=True)
class SearchPlan:
    """A checked search."""

    store: StudyStore
    search: Search
    folds: tuple[str, ...]  # searched one after the other, separately
    placement: Placement
    resources: Resources
    budget: Budget = field(default_factory=Budget)

    @property
    def base(self) -> TrialConfig:
        """The configuration that the trials of the first fold vary."""
        return self.search.base

    @property
    def space(self) -> Space:
        """The search space."""
        return self.search.space


def study_store(runs_root: str, name: str) -> StudyStore:
    """The study `name` in `runs_root`."""
    return StudyStore(study_root(runs_root, name))


def searched_study(runs_root: str, name: str) -> StudyStore:
    """The search study `name` in `runs_root`; `InputError` for another kind of study."""
    store = study_store(runs_root, name)
    search_in(store.root, store.spec())
    return store


def sweep_problems(keys: SweepKeys) -> list[str]:
    """Problems that can be found before any data are read."""
    problems = complaints(
        partial(check_labelled, keys.dataset.name),
        partial(_check_expected_trials, keys),
        partial(study_store, keys.runs_root, keys.study_name),
        partial(check_writable, Path(keys.runs_root)),
        partial(resources, keys),
        partial(parse_budget, keys.time_budget, keys.gpu_hours, keys.trial.gpus),
        # the search is checked with placeholders, because reading the dataset may take minutes
        lambda: search_of(keys, searched_trial(keys, "unknown yet", "unknown yet")),
    )
    return dataset_problems(keys) + crop_problems(keys) + problems


def crop_problems(keys: TrialKeys) -> list[str]:
    """A problem if the crop is larger than the frames."""
    crop, size = keys.views.crop, keys.dataset.size
    return [f"dataset.crop={crop} exceeds dataset.size={size}"] if crop > size else []


def search_of(keys: SweepKeys, base: TrialConfig) -> Search:
    """The settings of the search; one `InputError` lists every mistake."""
    space = parse_space(keys.search, base)
    bounds = {number: _given(bound) for number, bound in vars(keys.constraints).items()}
    goals = parse_goals(base.optim.objective, keys.objectives, bounds, keys.trial.gpus)
    problems = sampler_problems(keys.sampler, space, goals)
    if len(goals.objectives) > 1 and keys.pruning.name != "none":
        # Optuna and ASHA compare trials by one number
        problems.append("trials cannot be pruned by several objectives; give pruning.name=none")
    raise_all("the search is not valid:", problems)
    points = (*start_points(space, keys.start_points), *warm_points(keys, space))
    return Search(base, space, goals, keys.sampler, keys.seed, points, keys.pruning)


def _given(bound: BoundKeys) -> dict[str, float]:
    return {name: value for name, value in vars(bound).items() if value is not None}


def warm_points(keys: SweepKeys, space: Space) -> list[Params]:
    """Start points: the best trials of the study `warm_start` that are inside `space`."""
    if not keys.warm_start:
        return []
    other = searched_study(keys.runs_root, keys.warm_start)
    points = points_like(space, best_configurations(other))[: keys.warm_trials]
    if not points:
        raise InputError(f"warm_start: no finished trial of {other.root} fits the search space")
    return points


def _check_warm_start(keys: SweepKeys, frames: FrameStore, folds: tuple[str, ...]) -> None:
    """`InputError` if the start points were chosen with test subjects of one of `folds`."""
    problems = []
    for search in _searches(keys.runs_root, keys.warm_start):
        spec = search.spec()
        # two searches of one fold never see its test subjects
        alone = len(folds) == 1 and spec.folds == folds and spec.dataset == keys.dataset.name
        problems += [] if alone else _searched_on(search, frames)
    raise_all(
        f"warm_start={keys.warm_start} was chosen with people whom this study tests on. Give a study of other people, "
        "or one fold= of the same dataset for both studies:",
        problems,
    )


def check_search(runs_root: str, study: str, targets: Iterable[FrameStore]) -> None:
    """`InputError` if the search `study`, or one that it began with, was on people of one of `targets`."""
    both = product(_searches(runs_root, study), targets)
    raise_all(
        f"study={study} was chosen with people of a target, which must not choose what is tested on it. Give a study "
        "of other people:",
        [line for search, target in both for line in _searched_on(search, target)],
    )


def _searched_on(search: StudyStore, frames: FrameStore) -> list[str]:
    return [f"{search.root.name}: {line}" for line in leaks(frames, search.frames())]


def _searches(runs_root: str, name: str) -> list[StudyStore]:
    """The search `name`, the one whose best trials it tried first, and so on; none without a name."""
    found: dict[str, StudyStore] = {}
    while name and name not in found:
        store = found[name] = searched_study(runs_root, name)
        name = search_in(store.root, store.spec()).warm_start
    return [*found.values()]


def _check_expected_trials(keys: SweepKeys) -> None:
    """As `_check_trials`, before the frames are read, which may take hours."""
    if keys.fold in ("", "all") and keys.trials >= 1:
        _check_trials(keys.trials, tuple(expected_folds(keys.dataset.name, fold_scheme(keys.dataset))))


def _check_trials(trials: int, folds: tuple[str, ...]) -> None:
    """`InputError` if a fold would have no trial."""
    if trials < len(folds):
        raise InputError(
            f"trials={trials}: each of the {len(folds)} folds needs one trial or more, so give at least "
            f"trials={len(folds)}, or search one of them: fold={folds[0]}"
        )


def plan_sweep(keys: SweepKeys, frames: FrameStore) -> SearchPlan:
    """The checked search of `keys` on `frames`."""
    divided = store_folds(keys, frames)
    names = tuple(divided) if keys.fold in ("", "all") else (keys.fold,)
    if names[0] not in divided:
        raise InputError(f"fold={names[0]!r}; allowed: all, {', '.join(divided)}")
    _check_trials(keys.trials, names)
    _check_warm_start(keys, frames, names)
    search = search_of(keys, searched_trial(keys, frames.fingerprint, names[0]))
    weights = asked_weights(keys.weights)[1]
    check_weights(search.base.backbone, weights)
    available = resources(keys)
    store = study_store(keys.runs_root, keys.study_name)
    placement = available.placement(frames, store, weights)
    for base in search.space.bases(search.base):
        _check_pretraining(base, search.space, frames, _unlabelled(keys), divided)
    budget = parse_budget(keys.time_budget, keys.gpu_hours, available.gpus)
    return SearchPlan(store, search, names, placement, available, budget)


def _check_pretraining(
    base: TrialConfig, space: Space, frames: FrameStore, others: list[FrameStore], divided: dict[str, Fold]
) -> None:
    """`InputError` if unlabelled frames do not fit or show test subjects, or if sequences are too short for clips."""
    pooled = [pool(frames, others, fold) for fold in divided.values()]
    clip = METHODS[base.method_name].clip(base.method)
    if clip is not None:
        # the longest clip of the space must fit, else trials would fail later
        longest = {name: space.largest(f"method.clip.{name}", base) for name in ("frames", "stride")}
        for together, fold in pooled:
            clips_of(together.table, fold.train, replace(clip, **longest))


def _unlabelled(keys: SweepKeys) -> list[FrameStore]:
    return unlabelled_stores(keys.pretrain.stores, Path(keys.store_root), keys.dataset.size)


def store_folds(keys: TrialKeys, frames: FrameStore) -> dict[str, Fold]:
    """The folds of `frames` by name; `InputError` if one parts a person who has two names."""
    divided = folds(frames.table, fold_scheme(keys.dataset), keys.val_share, keys.seed)
    check_twins(frames, divided.values())
    return divided


def searched_trial(keys: SweepKeys, fingerprint: str, fold: str) -> TrialConfig:
    """The configuration that the trials of the search vary."""
    stores = tuple(store.fingerprint for store in _unlabelled(keys))
    return TrialConfig(
        **common_settings(keys, data_settings(keys, fingerprint, fold)),
        method_name=keys.method_name,
        method=keys.method,
        pretrain=replace(keys.pretrain, stores=stores),
    )


def data_settings(keys: TrialKeys, fingerprint: str, fold: str) -> DataSettings:
    """The frames of a trial, and how they are divided."""
    return DataSettings(
        dataset=keys.dataset.name,
        fingerprint=fingerprint,
        fold_scheme=fold_scheme(keys.dataset),
        fold=fold,
        fold_seed=keys.seed,
        val_share=keys.val_share,
    )


def common_settings(keys: TrainKeys, data: DataSettings) -> dict[str, Any]:
    """Settings that all trials on `data` share, by field of `TrialConfig`."""
    backbone = replace(keys.backbone, weights=asked_weights(keys.weights)[0]) if keys.weights else keys.backbone
    same = {"views": keys.views, "head": keys.head, "optim": keys.optim, "probe": keys.probe, "seed": keys.seed}
    return {"data": data, "backbone": backbone, **same}


def file_weights(path: Path) -> str:
    """The name of a weights file in a trial's configuration: the hash of its content."""
    if not path.is_file():
        raise InputError(f"weights={path}: no such file. Give a state-dict file or a torchvision weight name.")
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def asked_weights(weights: str) -> tuple[str, Path | None]:
    """The key `weights` as a name for the configuration, and as a file if it is one."""
    path = Path(weights)
    if path.suffix in (".pt", ".pth"):
        return file_weights(path), path.resolve()
    return weights, None


def check_weights(backbone: BackboneSettings, path: Path | None) -> None:
    """Load or download the weights now, because a trial may run without a network."""
    if path is not None:
        build_backbone(backbone, seed=0, weights_file=path)
    elif backbone.weights:
        fetch_weights(backbone)


def weights_of(path: str, trial: TrialConfig) -> Path | None:
    """The weights file of a search, or None."""
    if path and file_weights(Path(path)) != trial.backbone.weights:
        raise InputError(f"{path} has changed since the search used it; restore those weights")
    return Path(path) if path else None

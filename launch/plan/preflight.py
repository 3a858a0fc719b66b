"""Everything that can be wrong with what a command asks for, found before the first trial, all at once."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from data.clips import clips_of
from data.errors import InputError, complaints, raise_all
from data.files import check_writable
from data.folds import Fold, folds
from data.pool import pool
from data.store import FrameStore, open_store
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


def sweep_problems(keys: SweepKeys) -> list[str]:
    """What can be checked before any data are read."""
    problems = complaints(
        partial(check_labelled, keys.dataset.name),
        partial(study_store, keys.runs_root, keys.study_name),
        partial(check_writable, Path(keys.runs_root)),
        partial(resources, keys),
        partial(parse_budget, keys.time_budget, keys.gpu_hours, keys.trial.gpus),
        lambda: search_of(keys, searched_trial(keys, "unknown yet", "unknown yet")),
    )
    return dataset_problems(keys) + crop_problems(keys) + problems


def crop_problems(keys: TrialKeys) -> list[str]:
    """Whether the crop exceeds the frames."""
    crop, size = keys.views.crop, keys.dataset.size
    return [f"dataset.crop={crop} exceeds dataset.size={size}"] if crop > size else []


def search_of(keys: SweepKeys, base: TrialConfig) -> Search:
    """How the study is searched; one `InputError` lists every mistake."""
    space = parse_space(keys.search, base)
    bounds = {number: _given(bound) for number, bound in vars(keys.constraints).items()}
    goals = parse_goals(base.optim.objective, keys.objectives, bounds, keys.trial.gpus)
    problems = sampler_problems(keys.sampler, space, goals)
    if len(goals.objectives) > 1 and keys.pruning.name != "none":
        problems.append("trials cannot be pruned by several objectives; give pruning.name=none")
    raise_all("the search is not valid:", problems)
    points = (*start_points(space, keys.start_points), *warm_points(keys, space))
    return Search(base, space, goals, keys.sampler, keys.seed, points, keys.pruning)


def _given(bound: BoundKeys) -> dict[str, float]:
    return {name: value for name, value in vars(bound).items() if value is not None}


def warm_points(keys: SweepKeys, space: Space) -> list[Params]:
    """Start points from the best trials of the study `warm_start`, those that lie in `space`."""
    if not keys.warm_start:
        return []
    other = searched_study(keys.runs_root, keys.warm_start)
    points = points_like(space, best_configurations(other))[: keys.warm_trials]
    if not points:
        raise InputError(f"warm_start: no finished trial of {other.root} fits the search space")
    return points


def _check_warm_start(keys: SweepKeys, folds: tuple[str, ...]) -> None:
    """`InputError` for start points that were chosen with people whom one of `folds` tests on."""
    if not keys.warm_start:
        return
    other = searched_study(keys.runs_root, keys.warm_start).spec()
    alone = len(folds) == 1 and other.folds == folds
    if other.dataset == keys.dataset.name and not alone:
        searched = f"searched {', '.join(other.folds)} of the same dataset"
        raise InputError(
            f"warm_start={keys.warm_start} {searched}, and other folds test on its validation people. "
            "Give a study of another dataset, or one fold= that both search alone"
        )


def plan_sweep(keys: SweepKeys, frames: FrameStore) -> SearchPlan:
    """The search that `keys` ask for, on `frames`."""
    divided = store_folds(keys, frames)
    names = tuple(divided) if keys.fold in ("", "all") else (keys.fold,)
    if names[0] not in divided:
        raise InputError(f"fold={names[0]!r}; allowed: all, {', '.join(divided)}")
    _check_warm_start(keys, names)
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
    """Unlabelled frames fit, and show nobody whom a fold holds out; the longest clips of the search are there."""
    pooled = [pool(frames, others, fold) for fold in divided.values()]
    clip = METHODS[base.method_name].clip(base.method)
    if clip is not None:
        longest = {name: space.largest(f"method.clip.{name}", base) for name in ("frames", "stride")}
        for together, fold in pooled:
            clips_of(together.table, fold.train, replace(clip, **longest))


def _unlabelled(keys: SweepKeys) -> list[FrameStore]:
    return unlabelled_stores(keys.pretrain.stores, Path(keys.store_root), keys.dataset.size)


def store_folds(keys: TrialKeys, frames: FrameStore) -> dict[str, Fold]:
    """The folds of `frames` by name."""
    return folds(frames.table, fold_scheme(keys.dataset), keys.val_share, keys.seed)


def searched_trial(keys: SweepKeys, fingerprint: str, fold: str) -> TrialConfig:
    """The trial that every trial of the search is a variation of."""
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
    """What all trials on `data` have in common, by the fields of `TrialConfig`."""
    backbone = replace(keys.backbone, weights=asked_weights(keys.weights)[0]) if keys.weights else keys.backbone
    same = {"views": keys.views, "head": keys.head, "optim": keys.optim, "probe": keys.probe, "seed": keys.seed}
    return {"data": data, "backbone": backbone, **same}


def file_weights(path: Path) -> str:
    """How a trial names the weights in a file: by their content."""
    if not path.is_file():
        raise InputError(f"weights={path}: no such file. Give a state-dict file or a torchvision weight name.")
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def asked_weights(weights: str) -> tuple[str, Path | None]:
    """`weights=` as part of a trial's name, and the file if it is one."""
    path = Path(weights)
    if path.suffix in (".pt", ".pth"):
        return file_weights(path), path.resolve()
    return weights, None


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
        raise InputError(f"{path} holds other weights than the search was run with; restore those weights")
    return Path(path) if path else None

"""Everything that can be wrong with what a command asks for, found before the first trial, all at once."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from data.clips import clips_of
from data.errors import InputError, raise_all
from data.files import check_writable
from data.folds import Fold, folds
from data.pool import pool
from data.store import FrameStore
from launch.datasets import check_labelled, fold_scheme, unlabelled_stores
from model.backbone import BackboneSettings, build_backbone, fetch_weights
from model.methods import method_named
from study.config import Placement, TrialConfig, trial_from_dict
from study.space import Space, parse_space
from study.store import StudyStore

Keys = dict[str, Any]


@dataclass(frozen=True)
class Resources:
    """How many trials run at once, and what each of them gets."""

    concurrent: int
    cpus: int  # a trial
    gpus: float  # a trial
    device: str


@dataclass(frozen=True)
class Plan:
    """A checked search."""

    store: StudyStore
    base: TrialConfig
    space: Space
    placement: Placement
    resources: Resources


def study_store(keys: Keys) -> StudyStore:
    """The study that `keys` name."""
    name = keys["name"]
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"name={name!r}; a study's name is one folder below runs_root, e.g. name=bp4d-aunce")
    return StudyStore(Path(keys["runs_root"]) / name)


def searched_study(keys: Keys) -> StudyStore:
    """The study that `keys` name, begun by a search; `InputError` for a comparison, which is of many kinds."""
    store = study_store(keys)
    if "variants" in store.study():
        raise InputError(f"{store.root} is a comparison: launch/compare.py writes {store.comparison_path('.md')}")
    return store


def check_sweep(keys: Keys) -> None:
    """What can be checked before any data are read."""
    grace, reduction = keys["pruning"]["grace"], keys["pruning"]["reduction"]
    least = [("trials", keys["trials"], 1), ("pruning.grace", grace, 1), ("pruning.reduction", reduction, 2)]
    problems = [f"{key}={value}; at least {low}" for key, value, low in least if value < low]
    problems += complaints(
        lambda: check_labelled(keys),
        lambda: study_store(keys),
        lambda: check_writable(Path(keys["runs_root"])),
        lambda: resources(keys),
        lambda: parse_space(keys["search"], base_trial(keys, "unknown yet", keys["fold"])),
    )
    crop, size = keys["views"]["crop"], keys["dataset"]["size"]
    problems += [f"dataset.crop={crop} exceeds dataset.size={size}"] * (crop > size)
    raise_all("the sweep cannot start:", problems)


def plan_sweep(keys: Keys, frames: FrameStore) -> Plan:
    """The search that `keys` ask for, on `frames`."""
    divided = store_folds(keys, frames)
    fold = keys["fold"] or next(iter(divided))
    if fold not in divided:
        raise InputError(f"fold={fold!r}; allowed: {', '.join(divided)}")
    base = base_trial(keys, frames.fingerprint, fold)
    check_weights(base.backbone, asked_weights(keys)[1])
    available = resources(keys)
    store = study_store(keys)
    placement = Placement(frames.path, store.root, available.device, available.cpus, asked_weights(keys)[1])
    space = parse_space(keys["search"], base)
    _check_pretraining(base, space, frames, unlabelled_stores(keys), divided)
    return Plan(store, base, space, placement, available)


def _check_pretraining(
    base: TrialConfig, space: Space, frames: FrameStore, others: list[FrameStore], divided: dict[str, Fold]
) -> None:
    """Unlabelled frames fit, and show nobody whom a fold holds out; the longest clips of the search are there."""
    pooled = [pool(frames, others, fold) for fold in divided.values()]
    clip = method_named(base.method_name).clip(base.method)
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
    return trial_from_dict({"data": data, "backbone": backbone, "pretrain": pretrain, **same})


def resources(keys: Keys) -> Resources:
    """Divide this machine among the trials."""
    cluster, cores = keys["cluster"], len(os.sched_getaffinity(0))
    cpus, gpus, wanted = cluster["cpus"] or cores, float(cluster["gpus"]), keys["max_concurrent"]
    found = torch.cuda.device_count()
    raise_all(
        "resources:",
        [f"max_concurrent={wanted}; 0 for automatic, or at least 1"] * (wanted < 0)
        + [f"cluster.cpus={cpus}; this machine has {cores}"] * (not 0 < cpus <= cores)
        + [f"cluster.gpus={gpus:g}; this machine has {found} GPUs"] * (not 0 <= gpus <= found)
        + [f"cluster.gpus={gpus:g}; a share of one GPU, or whole GPUs"] * (gpus > 1 and gpus % 1 != 0),
    )
    fitting = min(cpus, _trials_on(found, gpus)) if gpus else cpus
    concurrent = min(wanted or fitting, fitting)
    return Resources(concurrent, cpus // concurrent, gpus, "cuda" if gpus else "cpu")


def _trials_on(found: int, gpus: float) -> int:
    """How many trials fit on the GPUs; Ray gives a trial its share of one GPU, never parts of two."""
    return found * int(1 / gpus) if gpus < 1 else found // int(gpus)


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

"""From the variants of launch/compare.py and launch/stress.py to their trials, with all checks."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from data.clips import clips_of
from data.errors import InputError, complaints, raise_all
from data.files import check_writable
from data.folds import Fold
from data.frames import aus_of
from data.store import FrameStore
from launch.keys.trials import CompareKeys, TrainKeys, VariantKeys, VariantStudyKeys
from launch.plan.datasets import dataset_problems
from launch.plan.preflight import (
    asked_weights,
    check_weights,
    common_settings,
    crop_problems,
    data_settings,
    store_folds,
    study_store,
)
from launch.plan.resources import Resources, resources
from model.methods import METHODS
from study.experiments.ablation import Condition, noisy_trials
from study.records.config import DataSettings, Placement, TrialConfig, trial_from_dict
from study.records.store import StudyStore
from study.records.study_spec import AblationSpec, RobustnessSpec, StudySpec
from study.trial.label_noise import flipped_shares

Settings = Mapping[str, Any]
AGAINST = "against"
_ENOUGH = 0.8  # of the share: with few events the flipped share differs by chance
# a variant may change these, but not the frames, the seeds or what is scored
GROUPS = tuple(f.name for f in fields(TrialConfig) if f.name not in ("data", "seed", "score_test"))


@dataclass(frozen=True)
class AblationPlan:
    """A checked ablation study: trials of each condition, and the reference of each variant."""

    store: StudyStore
    cells: dict[Condition, list[TrialConfig]]
    against: dict[str, str]
    placement: Placement
    resources: Resources

    @property
    def trials(self) -> list[TrialConfig]:
        """All trials once, in the order of label noise; equal variants share trials."""
        return list({config.key: config for trials in self.cells.values() for config in trials}.values())


@dataclass(frozen=True)
class Variants:
    """Checked variants of methods, not yet on a fold, and where their trials run."""

    store: StudyStore
    configs: dict[str, TrialConfig]
    folds: list[str]
    placement: Placement
    resources: Resources


def comparison_problems(keys: CompareKeys) -> list[str]:
    """Problems that can be found before any data are read."""
    noises, chosen, problems = list(keys.label_noise), selected(keys), []
    if keys.reference and keys.reference not in chosen:
        problems.append(f"reference={keys.reference!r}; allowed: {', '.join(chosen)}")
    if not noises or len({*noises}) < len(noises):
        problems.append(f"label_noise={noises}; each share once, e.g. label_noise=[0,0.2]")
    if keys.noise_kind != CompareKeys.noise_kind and not any(noises):
        problems.append(f"noise_kind={keys.noise_kind} without noise; give its shares, e.g. label_noise=[0,0.2]")
    problems += complaints(*(partial(DataSettings, label_noise=noise, noise_kind=keys.noise_kind) for noise in noises))
    return problems + study_problems(keys)


def study_problems(keys: VariantStudyKeys) -> list[str]:
    """Problems of the variants and of the settings that they share."""
    problems = dataset_problems(keys) + crop_problems(keys)
    problems += complaints(
        partial(study_store, keys.runs_root, keys.study_name),
        partial(check_writable, Path(keys.runs_root)),
        partial(resources, keys),
    )
    try:
        common = common_settings(keys, data_settings(keys, "", ""))
    except InputError as error:
        return [*problems, str(error)]
    return problems + variant_problems(keys, common)


def variant_problems(keys: VariantKeys, common: Settings) -> list[str]:
    """Problems of the variants, which share the `common` settings."""
    names = list(keys.variants)
    problems = [f"only: no variant {name!r}; allowed: {', '.join(names)}" for name in keys.only if name not in names]
    if not names:
        problems.append("no variants; give variants=claims")
    return problems + complaints(*(partial(variant, keys, name, common) for name in selected(keys)))


def plan_comparison(keys: CompareKeys, frames: FrameStore) -> AblationPlan:
    """The checked ablation study of `keys` on `frames`."""
    plan = plan_variants(keys, frames)
    cells = {
        (name, noise): noisy_trials(config, noise, plan.folds, keys.seeds, keys.noise_kind)
        for noise in keys.label_noise
        for name, config in plan.configs.items()
    }
    # an ablation compares scores; hundreds of detectors would fill the disk
    placement = replace(plan.placement, keep_detector=False)
    against = {name: _against(keys, name) for name in plan.configs}
    return AblationPlan(plan.store, cells, against, placement, plan.resources)


def plan_variants(keys: VariantStudyKeys, frames: FrameStore) -> Variants:
    """The checked variants of `keys` on `frames`."""
    divided = store_folds(keys, frames)
    chosen = [fold for fold in divided if fold in keys.folds or not keys.folds]
    common = common_settings(keys, data_settings(keys, frames.fingerprint, ""))
    configs = {name: variant(keys, name, common) for name in selected(keys)}
    problems = [f"folds: no fold {fold!r}; allowed: {', '.join(divided)}" for fold in keys.folds if fold not in divided]
    problems += complaints(
        *(partial(check_frames, f"variant {name}", config, frames, divided) for name, config in configs.items())
    )
    raise_all("the frames do not fit these settings:", problems)
    weights = asked_weights(keys.weights)[1]
    for backbone in {config.backbone for config in configs.values()}:
        check_weights(backbone, weights)
    available, store = resources(keys), study_store(keys.runs_root, keys.study_name)
    placement = available.placement(frames, store, weights)
    return Variants(store, configs, chosen, placement, available)


def noise_notes(frames: FrameStore, data: Iterable[DataSettings]) -> tuple[str, ...]:
    """One line for each kind of label noise that cannot flip its largest share of every AU: which AUs, and how far."""
    largest = {one.noise_kind: one.label_noise for one in sorted(data, key=lambda one: one.label_noise)}
    return tuple(
        f"note: {kind} noise of {100 * share:g} % flips fewer labels of AUs with few events: {', '.join(fewer)}"
        for kind, share in largest.items()
        if (fewer := _less_than(share, frames, kind))
    )


def _less_than(share: float, frames: FrameStore, kind: str) -> list[str]:
    if kind not in ("boundary", "event", "onset"):
        return []
    found = flipped_shares(frames, share, 0, kind)
    return [f"AU{au} {100 * reached:.1f} %" for au, reached in found.items() if reached < _ENOUGH * share]


def variants_spec(
    keys: VariantStudyKeys, asked: AblationSpec | RobustnessSpec, frames: FrameStore, placement: Placement
) -> StudySpec:
    """The settings of a study of variants."""
    return StudySpec(
        name=keys.study_name,
        dataset=keys.dataset.name,
        asked=asked,
        objectives=(keys.optim.objective,),
        epochs=keys.optim.epochs,
        aus=aus_of(frames.table),
        folds=keys.folds,
        seeds=keys.seeds,
        size=frames.size,
        store=str(frames.path.resolve()),
        weights_file=str(placement.weights_file or ""),
        config=given_settings(keys),
    )


def given_settings(keys: TrainKeys) -> dict[str, Any]:
    """The trial settings among the keys."""
    return {name: value for name, value in asdict(keys).items() if name in (*GROUPS, "seed")}


def selected(keys: VariantKeys) -> list[str]:
    """Names of the chosen variants, in the order of their file."""
    return [name for name in keys.variants if not keys.only or name in keys.only]


def selected_variants(keys: VariantKeys) -> dict[str, Any]:
    """The chosen variants with their settings."""
    return {name: keys.variants[name] for name in selected(keys)}


def variant(keys: VariantKeys, name: str, common: Settings) -> TrialConfig:
    """The configuration of the variant `name`: the `common` settings, changed by its own."""
    entry = keys.variants[name] or {}
    unknown = [group for group in entry if group not in (AGAINST, *GROUPS)] if isinstance(entry, dict) else [entry]
    if unknown:
        raise InputError(f"variant {name}: {unknown} not known; allowed: {', '.join((AGAINST, *GROUPS))}")
    if entry.get(AGAINST, name) not in keys.variants:
        raise InputError(f"variant {name}: against={entry[AGAINST]!r}; allowed: {', '.join(keys.variants)}")
    if "stores" in (entry.get("pretrain") or {}):
        raise InputError(f"variant {name}: pretrain.stores is only for launch/sweep.py")
    # the seed is a plain number, all other groups are settings
    below = {group: value if isinstance(value, int) else asdict(value) for group, value in common.items()}
    own = {group: settings for group, settings in entry.items() if group != AGAINST}
    try:
        return trial_from_dict(_merged({**below, "method_name": name, "method": {}}, own))
    except InputError as error:
        raise InputError(f"variant {name}: {error}") from error


def check_frames(what: str, config: TrialConfig, frames: FrameStore, divided: Mapping[str, Fold]) -> None:
    """`InputError` if the frames have too few AUs or too short sequences for `config`, named `what` in the message."""
    aus, neighbours = len(aus_of(frames.table)), config.head.neighbours
    if neighbours > aus:
        raise InputError(
            f"{what}: head.neighbours={neighbours}, but {frames.path.name} has {aus} AUs; give at most {aus}"
        )
    clip = METHODS[config.method_name].clip(config.method)
    if clip is not None:
        for fold in divided.values():
            try:
                clips_of(frames.table, fold.train, clip)
            except InputError as error:
                raise InputError(f"{what}: fold {fold.name}: {error}") from error


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with the values of `above`, also in nested mappings."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _merged(below[key], value) if both else value
    return merged


def _against(keys: CompareKeys, name: str) -> str:
    """The reference of a variant: from the key `reference`, from its YAML, or the first variant."""
    chosen = selected(keys)
    said = keys.reference or (keys.variants[name] or {}).get(AGAINST)
    return said if said in chosen else chosen[0]

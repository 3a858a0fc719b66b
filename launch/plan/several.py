"""From the keys of launch/generalize.py to its trials, with all checks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from data.catalog import CATALOG
from data.clips import clips_of
from data.errors import InputError, complaints, raise_all
from data.files import check_writable
from data.store import FrameStore, find_store, open_store, sizes_of
from data.union import dataset_of, source_fold
from launch.keys.trials import GeneralizeKeys
from launch.plan.preflight import (
    asked_weights,
    check_search,
    check_weights,
    common_settings,
    searched_study,
    study_store,
)
from launch.plan.resources import Resources, resources
from launch.plan.variants import given_settings, selected, variant, variant_problems
from model.methods import METHODS
from study.experiments.domain_generalization import GENERALIZATION_SELECTIONS, Generalization, Split, check_splits
from study.records.config import (
    DataSettings,
    Placement,
    PredictionTarget,
    SourceSettings,
    TrialConfig,
    trial_from_dict,
)
from study.records.store import StudyStore
from study.records.study_spec import DomainGeneralizationSpec, SplitSpec, StudySpec
from study.search.best_trial import best_configurations

UNKNOWN, ANY = "unknown yet", 256  # placeholders for fingerprint and size, before a store is opened


@dataclass(frozen=True)
class MultiSourcePlan:
    """A checked domain generalisation study."""

    store: StudyStore
    asked: Generalization
    own: dict[str, StudyStore]  # studies of the targets themselves, by target
    placement: Placement  # without the targets, which differ between trials
    resources: Resources

    @property
    def jobs(self) -> list[tuple[TrialConfig, Placement]]:
        """Every trial with its placement, which lists the targets to predict."""
        targets: dict[str, dict[PredictionTarget, None]] = {}
        for trial, weights, target in self.asked.asked():
            targets.setdefault(trial.key, {})[weights, target.fingerprint] = None
        return [(trial, replace(self.placement, targets=tuple(targets[trial.key]))) for trial in self.trials]

    @property
    def trials(self) -> list[TrialConfig]:
        """All trials once; splits with the same sources share them."""
        return list({trial.key: trial for trial, *_ in self.asked.asked()}.values())


def generalization_problems(keys: GeneralizeKeys) -> list[str]:
    """Problems that can be found before any store is opened."""
    both = bool(keys.train_on and keys.test_on)
    lists = {name: getattr(keys, name) for name in ("train_on", "test_on", "leave_one_out", "own", "selection")}
    problems = [
        f"{key}: {word} is listed more than once"
        for key, words in lists.items()
        for word in sorted({word for word in words if words.count(word) > 1})
    ]
    problems += [
        f"{word} is in train_on and in test_on; a test dataset must not be trained on"
        for word in keys.train_on
        if word in keys.test_on
    ]
    rules = ", ".join(GENERALIZATION_SELECTIONS)
    wrong = [rule for rule in keys.selection if rule not in GENERALIZATION_SELECTIONS]
    problems += [f"selection: no rule {rule!r}; allowed: {rules}" for rule in wrong]
    checks = {
        "give train_on=[...] and test_on=[...], or leave_one_out=[...]": both == bool(keys.leave_one_out),
        "leave_one_out needs at least two datasets": len(keys.leave_one_out) == 1,
        "selection=[]; give at least one rule": not keys.selection,
        "give one of variants= and study=": bool(keys.variants and keys.study),
        "pretrain.stores is only for launch/sweep.py": bool(keys.pretrain.stores),
    }
    problems += [problem for problem, is_there in checks.items() if is_there]
    problems += complaints(
        partial(study_store, keys.runs_root, keys.study_name),
        partial(check_writable, Path(keys.runs_root)),
        partial(resources, keys),
    )
    return problems + _candidate_problems(keys)


def _candidate_problems(keys: GeneralizeKeys) -> list[str]:
    try:
        common = _common(
            keys, max(keys.dataset.size, keys.dataset.crop, ANY)
        )  # the size of the frames is not known yet
        if not keys.variants:
            _one(keys, common)
    except InputError as error:
        return [str(error)]
    return variant_problems(keys, common) if keys.variants else []


def plan_study(keys: GeneralizeKeys) -> MultiSourcePlan:
    """The checked study of `keys`."""
    folder = Path(keys.store_root)
    words = [*keys.train_on, *keys.test_on, *keys.leave_one_out]
    size = _size(folder, words, keys.dataset.size)
    stores = _stores(folder, words, size)
    candidates = _candidates(keys, _common(keys, size))
    asked = Generalization(_splits(keys, stores), candidates, keys.selection, keys.seeds)
    check_splits(asked)
    if keys.study:
        check_search(keys.runs_root, keys.study, [split.target for split in asked.splits])
    raise_all(
        "training on several datasets cannot start:",
        complaints(*(partial(_check_frames, name, config, asked) for name, config in candidates.items())),
    )
    weights = asked_weights(keys.weights)[1]
    for backbone in {config.backbone for config in candidates.values()}:
        check_weights(backbone, weights)
    store, available = study_store(keys.runs_root, keys.study_name), resources(keys)
    largest = max(stores.values(), key=len)  # a node copies one store to its own disk
    placement = available.placement(largest, store, weights)
    return MultiSourcePlan(store, asked, _own(keys, asked), placement, available)


def _size(folder: Path, words: list[str], given: int) -> int:
    """The frame size: `given`, or the only one that the stores of all datasets have."""
    if given:
        return given
    sizes = {word: sizes_of(folder, word) if word in CATALOG else {_named(folder, word).size} for word in words}
    raise_all(
        f"datasets must have been prepared in {folder}:",
        [f"no store of {word}: launch/prepare.py dataset={word}" for word, found in sizes.items() if not found],
    )
    common = set.intersection(*sizes.values())
    if len(common) == 1:
        return common.pop()
    found = "; ".join(f"{word} {', '.join(map(str, sorted(sizes[word])))} px" for word in sizes)
    said = "several common sizes; give dataset.size=", "no common size; prepare them with the same dataset.size"
    raise InputError(f"the datasets have {said[not common]}. Found: {found}")


def _stores(folder: Path, words: list[str], size: int) -> dict[str, FrameStore]:
    """The store of each named dataset or folder."""
    found, problems = {}, []
    for word in words:
        try:
            store = find_store(folder, word, size) if word in CATALOG else _named(folder, word)
            if store is None:
                raise InputError(
                    f"no store of {word} at {size} px: launch/prepare.py dataset={word} dataset.size={size}"
                )
            found[word] = store
        except InputError as error:
            problems.append(str(error))
    raise_all(f"datasets must have been prepared in {folder}:", problems)
    return found


def _named(folder: Path, word: str) -> FrameStore:
    if Path(word).name != word:
        raise InputError(f"{word!r} is neither a dataset ({', '.join(CATALOG)}) nor the name of a folder in {folder}")
    return open_store(folder / word)


def _splits(keys: GeneralizeKeys, stores: Mapping[str, FrameStore]) -> tuple[Split, ...]:
    words = keys.leave_one_out
    if words:
        return tuple(Split(stores[out], tuple(stores[word] for word in words if word != out)) for out in words)
    return tuple(Split(stores[word], tuple(stores[source] for source in keys.train_on)) for word in keys.test_on)


def _common(keys: GeneralizeKeys, size: int) -> dict[str, Any]:
    """Settings that all trials on frames of `size` pixels share; without sources."""
    data = DataSettings(
        dataset="several", fold_scheme="sources", fold="all", fold_seed=keys.seed, val_share=keys.val_share
    )
    sources = SourceSettings((UNKNOWN,), keys.balanced, keys.norm)
    # about 7/8 of the size, and a multiple of 8 for all backbones
    views = replace(keys.views, crop=keys.dataset.crop or 8 * round(7 * size / 64))
    return {**common_settings(keys, data), "views": views, "sources": sources, "pretrain": keys.pretrain}


def _one(keys: GeneralizeKeys, common: Mapping[str, Any]) -> TrialConfig:
    return TrialConfig(**common, method_name=keys.method_name, method=keys.method)


def _candidates(keys: GeneralizeKeys, common: Mapping[str, Any]) -> dict[str, TrialConfig]:
    """The candidates by name; without sources."""
    if keys.variants:
        return {name: variant(keys, name, common) for name in selected(keys)}
    if keys.study:
        return _best_of(keys, _one(keys, common))
    return {keys.method_name: _one(keys, common)}


def _best_of(keys: GeneralizeKeys, ours: TrialConfig) -> dict[str, TrialConfig]:
    """The best finished trials of a search (of any fold), with the data settings of `ours`."""
    store, found = searched_study(keys.runs_root, keys.study), dict[str, TrialConfig]()
    for best in best_configurations(store):
        # the settings move to other datasets; data and seed do not
        config = replace(best, data=ours.data, sources=ours.sources, seed=0)
        if config not in found.values():
            found[best.key[:8]] = config
        if len(found) == keys.candidates:
            break
    asked, path = asked_weights(keys.weights)
    if any(one.backbone.weights != asked for one in found.values() if path or one.backbone.weights[:7] == "sha256:"):
        used = store.spec().weights_file or "no file"
        raise InputError(f"study={keys.study} used the weights of {used}: give the same file as weights=")
    return found


def _check_frames(name: str, config: TrialConfig, asked: Generalization) -> None:
    """`InputError` if sources have too few AUs, too small frames or too short sequences for a candidate."""
    crop, size = config.views.crop, asked.splits[0].target.size
    if crop > size:
        raise InputError(f"{name}: dataset.crop={crop} exceeds the frames' {size} px")
    clip, neighbours = METHODS[config.method_name].clip(config.method), config.head.neighbours
    for split in asked.splits:
        union = split.union
        if neighbours > len(union.aus):
            raise InputError(f"{name}: head.neighbours={neighbours}, but {union.name} codes {len(union.aus)} AUs")
        if clip is not None:
            train = source_fold(union, config.data.val_share, config.data.fold_seed).train
            clips_of(union.table, train, clip)


def _own(keys: GeneralizeKeys, asked: Generalization) -> dict[str, StudyStore]:
    """The studies of the targets themselves."""
    targets = {dataset_of(split.target): split.target for split in asked.splits}
    found, problems = dict[str, StudyStore](), []
    for name in keys.own:
        store = searched_study(keys.runs_root, name)
        spec = store.spec()
        of = spec.dataset
        if of not in targets:
            problems.append(f"own: {name} is a study of {of}; allowed: studies of {', '.join(targets)}")
        elif of in found:
            problems.append(f"own: {name} and {found[of].root.name} are both studies of {of}; give one of them")
        elif trial_from_dict(spec.config).data.fingerprint != targets[of].fingerprint:
            problems.append(f"own: {name} uses another store of {of} than {targets[of].path.name}")
        else:
            found[of] = store
    raise_all("training on several datasets cannot start:", problems)
    return found


def generalization_spec(keys: GeneralizeKeys, plan: MultiSourcePlan) -> StudySpec:
    """The settings of the study."""
    splits, candidates = plan.asked.splits, plan.asked.candidates
    stores = [store for split in splits for store in (split.target, *split.sources)]
    asked = DomainGeneralizationSpec(
        splits=tuple(SplitSpec(dataset_of(split.target), split.name) for split in splits),
        candidates={name: config.to_dict() for name, config in candidates.items()},
        selection=plan.asked.selections,
    )
    given = given_settings(keys)
    views = given["views"] | {"crop": keys.dataset.crop}
    return StudySpec(
        name=keys.study_name,
        dataset="+".join(sorted({*map(dataset_of, stores)})),
        asked=asked,
        method="+".join(plan.asked.methods),
        objectives=(keys.optim.objective,),
        epochs=max(config.optim.epochs for config in candidates.values()),
        seeds=plan.asked.seeds,
        size=splits[0].target.size,
        store=str(plan.placement.store.resolve()),
        weights_file=str(plan.placement.weights_file or ""),
        config=given | {"method_name": keys.method_name, "views": views},
    )

"""Which study is scored on which dataset, and which comparisons are refused.

A study has a frame store, on which all other studies are scored, and its final detectors. An external study (`foreign`)
has only the predictions of another detector for its store; which subjects that was trained on is unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations

import numpy as np
import polars as pl
import torch

from data.aus import au_column, intensity_column, shared_aus
from data.catalog import CATALOG
from data.errors import InputError, raise_all
from data.files import Progress, no_progress
from data.folds import folds
from data.frames import INTENSITIES, aus_of, intensities_of
from data.loader import Loader
from data.same_people import leaks
from data.store import FrameStore, named_store
from model.evaluate import predict
from model.metrics import ratio
from study.records.folder import train_again_text
from study.records.predictions import predictions_of, write_predictions
from study.records.result import TrialResult
from study.records.store import StudyStore
from study.records.study_spec import ExternalSpec
from study.trial.detectors import kept_detector

FOREIGN = "foreign"  # in file names of external predictions, in place of the key of a trial
ELSEWHERE = "elsewhere"
BATCHES = 32  # between two progress reports


@dataclass(frozen=True, eq=False)
class Study:
    """One method on one dataset; `results` are its final trials, empty for external predictions."""

    store: StudyStore
    method: str
    source: str  # dataset it was trained on
    frames: FrameStore
    results: tuple[TrialResult, ...] = ()

    @property
    def name(self) -> str:
        """The name of the study's folder."""
        return self.store.root.name

    @property
    def target(self) -> str:
        """The dataset of its frames."""
        return str(self.frames.table["dataset"][0])

    @property
    def foreign(self) -> bool:
        """Whether it has external predictions only."""
        return not self.results

    @cached_property
    def aus(self) -> tuple[int, ...]:
        """The AUs that its detectors predict."""
        if self.foreign:
            return self.store.spec().aus
        return self.results[0].scores["test"].aus

    @cached_property
    def training_rates(self) -> dict[str, dict[int, float]]:
        """Base rates in the training frames of each fold, by AU."""
        data, aus = self.results[0].config.data, aus_of(self.frames.table)
        labels, found = self.frames.labels(aus), {}
        for name, fold in folds(self.frames.table, data.fold_scheme, data.val_share, data.fold_seed).items():
            part = labels[fold.train]
            # an AU without coded frames has no base rate
            rates = np.nan_to_num(ratio((part == 1).sum(axis=0), (part >= 0).sum(axis=0)))
            found[name] = dict(zip(aus, rates.tolist(), strict=True))
        return found


def member(store: StudyStore, results: Sequence[TrialResult]) -> Study:
    """The study in `store` with its final trials; `InputError` when its frames are not those of its trials."""
    spec, frames = store.spec(), store.frames()
    if isinstance(spec.asked, ExternalSpec):
        _check_store(store, frames, spec.asked.fingerprint)
        return Study(store, spec.method, spec.asked.trained_on or ELSEWHERE, frames)
    for result in results:
        _check_store(store, frames, result.config.data.fingerprint)
    return Study(store, spec.method, spec.dataset, frames, tuple(results))


def _check_store(store: StudyStore, frames: FrameStore, fingerprint: str) -> None:
    if frames.fingerprint != fingerprint:
        raise InputError(
            f"{store.root.name}: its detectors belong to store {fingerprint[:12]}, but {frames.path} is store "
            f"{frames.fingerprint[:12]}; restore the former store, or start another study"
        )


def check_studies(studies: Sequence[Study]) -> None:
    """`InputError` that lists every reason why these studies cannot share one table."""
    problems = _not_distinct(studies)
    for one, other in combinations(studies, 2):
        if one.target == other.target and one.frames.fingerprint != other.frames.fingerprint:
            problems.append(
                f"{one.name} and {other.name} use two stores of {one.target}, {one.frames.path.name} and "
                f"{other.frames.path.name}; all studies of a dataset must use one store"
            )
    for source, target in permutations(studies, 2):
        if source.target != target.target and not source.foreign:
            problems += _misfits(source, target.frames)
    raise_all("these studies cannot be compared:", list(dict.fromkeys(problems)))


def _not_distinct(studies: Sequence[Study]) -> list[str]:
    seen: dict[tuple[str, str, str], str] = {}
    problems = []
    for study in studies:
        place = study.method, study.source, study.target if study.foreign else ""
        first = seen.setdefault(place, study.name)
        if first != study.name:
            problems.append(f"{first} and {study.name} are both {study.method} on {study.source}; give one of them")
    return problems


def _misfits(source: Study, target: FrameStore) -> list[str]:
    """Reasons against scoring `source` on `target`: another scale of faces, or people seen in training."""
    name = target.table["dataset"][0]
    problems = []
    if source.frames.size != target.size:
        problems.append(
            f"{target.path.name} holds frames of {target.size} px, {source.name} was trained on {source.frames.size} "
            f"px. All faces must have one scale: run launch/prepare.py dataset={name} dataset.size={source.frames.size}"
        )
    seen = (line for store in trained_on(source) for line in leaks(target, store))
    return problems + [f"{source.name} was trained on people of its target: {line}" for line in seen]


def trained_on(study: Study) -> list[FrameStore]:
    """Every store that the detectors of a study were trained on, with labels or without."""
    configs = [result.config for result in study.results]
    fingerprints = sorted({name for config in configs for name in (*config.pretrain.stores, *config.sources.stores)})
    others = [named_store(study.frames.path.parent, fingerprint) for fingerprint in fingerprints]
    return [study.frames, *others]


def pair_aus(source: Study, target: FrameStore) -> tuple[int, ...]:
    """The AUs that the detectors predict and the target codes."""
    return shared_aus(source.aus, aus_of(target.table))


def common_aus(studies: Sequence[Study]) -> tuple[int, ...]:
    """The AUs that all detectors predict and all datasets code."""
    return shared_aus(*(study.aus for study in studies), *(aus_of(study.frames.table) for study in studies))


def label_convention(table: pl.DataFrame) -> str:
    """The meaning of a positive label in a FrameTable, from its dataset and its intensities."""
    name, aus = str(table["dataset"][0]), aus_of(table)
    row = CATALOG.get(name)
    if row and row.aus and row.threshold is None:
        return "occurrence"
    if not aus or intensities_of(table) != aus:
        return "not recorded"
    # several levels fit if an intensity never occurs
    fitting = [level for level in INTENSITIES if level and _is_threshold(table, aus, level)]
    return f"intensity >= {' or '.join(map(str, fitting))}" if fitting else "not recorded"


def _is_threshold(table: pl.DataFrame, aus: tuple[int, ...], level: int) -> bool:
    agree = [((pl.col(intensity_column(au)) >= level) == (pl.col(au_column(au)) == 1)).all() for au in aus]
    return bool(table.select(pl.all_horizontal(agree)).item())


def predict_all(
    study: Study, result: TrialResult, target: FrameStore, device: str, progress: Progress = no_progress
) -> None:
    """Save the predictions of a final detector for all frames of `target`; computed once."""
    path = study.store.predictions_path(result.config.key, target.fingerprint)
    if path.exists():
        return
    detector = kept_detector(study.store, result).to(device)
    views, batch = result.config.views, result.config.optim.batch_size
    loader = Loader(target, (), views, batch, torch.device(device))
    parts, rows = [], np.arange(len(target))
    for part in np.array_split(rows, range(BATCHES * batch, len(rows), BATCHES * batch)):
        parts.append(predict(detector, loader, part))
        progress(int(part[-1]) + 1, len(rows))
    probabilities = np.concatenate(parts)
    if np.isnan(probabilities).any():
        lost = int(np.isnan(probabilities).any(axis=1).sum())
        kept = study.store.detector_path(result.config.key)
        kept.replace(kept.with_suffix(".nan"))  # so that it counts as missing, and can be trained again
        raise InputError(
            f"{study.name}: detector {result.config.key} gives NaN for {lost:,} of {len(rows):,} frames of "
            f"{target.path.name}. {train_again_text(study.store.root)}"
        )
    known = pair_aus(study, target)
    labels = np.full(probabilities.shape, -1, np.int8)
    labels[:, [detector.aus.index(au) for au in known]] = target.labels(known)
    write_predictions(path, predictions_of(target.table, probabilities, labels, detector.aus, "test"))

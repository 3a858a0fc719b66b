"""Studies with a final evaluation, trained in this process in a moment, for tests of what comes after it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.frames import aus_of
from data.store import FrameStore
from study.experiments.cross_dataset.pairs import Study, member
from study.experiments.selection import final_trials_of
from study.records.config import PretrainSettings, trial_from_dict
from study.records.score_table import scores_frame
from study.records.selection_record import SelectionRecord
from study.records.store import StudyStore
from study.trial.run import run_trial
from tests.study.make import placement
from tests.study.specs import search_spec


def final_study(
    folder: Path,
    frames: FrameStore,
    folds: Sequence[str],
    scheme: str = "random2",
    method: str = "bce",
    seeds: int = 1,
    epochs: int = 1,
    pretrained_on: Sequence[FrameStore] = (),
) -> StudyStore:
    """A finished study of `frames`: a detector for every fold and seed, and its predictions."""
    store, name = StudyStore(folder), str(frames.table["dataset"][0])
    facts: dict[str, Any] = {"aus": aus_of(frames.table), "store": str(frames.path), "size": frames.size}
    store.open_study(search_spec(folder.name, dataset=name, method=method, searched=(), **facts), free=())
    keys: dict[str, list[str]] = {}
    for fold in folds:
        for seed in range(1, 1 + seeds):  # the search had 0
            config = trial_from_dict(
                {
                    "data": {
                        "dataset": name,
                        "fingerprint": frames.fingerprint,
                        "fold_scheme": scheme,
                        "fold": fold,
                        "val_share": 0.5,
                    },
                    "views": {"crop": 16},
                    "head": {"dim": 4},
                    "method_name": method,
                    "method": {"clip": {"frames": 4}} if method == "clp" else {},
                    "optim": {"epochs": epochs, "batch_size": 16, "lr": 0.01},
                    "probe": {"epochs": 3},
                    "seed": seed,
                    "score_test": True,
                }
            )
            if pretrained_on:
                stores = tuple(other.fingerprint for other in pretrained_on)
                config = replace(config, pretrain=PretrainSettings(stores=stores))
            result = run_trial(config, placement(frames, folder))
            assert result.status == "DONE", result.error
            keys.setdefault(fold, []).append(config.key)
    store.write_final({"nested": SelectionRecord({fold: tuple(kept) for fold, kept in keys.items()})}, scores_frame([]))
    return store


def opened_final(store: StudyStore) -> Study:
    """The study as launch/transfer.py opens it."""
    return member(store, final_trials_of(store))

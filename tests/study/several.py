"""Short trials on several datasets, for the tests of `study` and `launch`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.store import FrameStore
from study.experiments.domain_generalization import source_trial
from study.records.config import Placement, PredictionTarget, TrialConfig, trial_from_dict


def candidate(method_name: str = "bce", lr: float = 0.01, **sources: Any) -> TrialConfig:
    """Two short epochs of the smallest detector, on no dataset yet."""
    return trial_from_dict(
        {
            "data": {"val_share": 0.34},
            "sources": {"stores": ["unknown yet"], **sources},
            "views": {"crop": 16},
            "head": {"dim": 4},
            "method_name": method_name,
            "method": {"clip": {"frames": 4, "stride": 1}} if method_name == "clp" else {},
            "optim": {"epochs": 2, "batch_size": 9, "lr": lr},
            "probe": {"epochs": 3},
        }
    )


def several_trial(stores: Sequence[FrameStore], method_name: str = "bce", seed: int = 0, **sources: Any) -> TrialConfig:
    """That, trained on `stores`."""
    return source_trial(candidate(method_name, **sources), stores, seed)


def placed(store: FrameStore, study: Path, targets: tuple[PredictionTarget, ...] = ()) -> Placement:
    """The CPU, one thread; `store` lies beside all others."""
    return Placement(store.path, study, targets=targets)

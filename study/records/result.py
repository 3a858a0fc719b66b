"""TrialResult: what one trial came to, as one small file of whole numbers."""

import dataclasses
import json
import platform
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import optuna
import polars
import torch

from model.fit import EpochScore
from model.metrics import Score
from study.records.config import TrialConfig, trial_from_dict
from study.records.json_records import RESULT_FORMAT, naming, read_result, score_from_plain, score_to_plain, stage_name


@dataclass(frozen=True)
class Epoch:
    """One point of the learning curve, on the validation subjects."""

    epoch: int
    loss: float
    value: float
    counts: list[list[int]]  # [A, 4] tp, fp, fn, tn, pooled over subjects
    seconds: float


@dataclass(frozen=True)
class TrialResult:
    """Written once by `StudyStore`, never edited.

    `value` is the objective on the validation subjects after the linear evaluation; for a pruned trial it is the value
    of its last epoch, and None for a failed one. `scores` has "val", and "test" where the trial was asked for it.
    """

    config: TrialConfig
    status: str
    value: float | None
    epochs: list[Epoch]
    scores: dict[str, Score]
    started: float
    seconds: float
    error: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        """`final` for a trial that scored the test part, else `sweep`."""
        return stage_name(self.config.score_test)

    def to_json(self) -> bytes:
        """The file's content."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain |= {"format": RESULT_FORMAT, "key": self.config.key, "config": self.config.to_dict()}
        plain["epochs"] = [dataclasses.asdict(epoch) for epoch in self.epochs]
        plain["scores"] = {split: score_to_plain(score) for split, score in self.scores.items()}
        return json.dumps(plain, indent=1, allow_nan=False).encode()


def result_from_json(content: bytes, origin: str) -> TrialResult:
    """The result in `content`; `InputError` names `origin` when it was written by another version or is damaged."""
    plain = read_result(content, origin)
    with naming(origin):
        key, config = plain.pop("key"), trial_from_dict(plain.pop("config"))
        if key != config.key:
            raise ValueError("its configuration lacks settings of this version")
        del plain["format"]
        plain["epochs"] = [Epoch(**epoch) for epoch in plain["epochs"]]
        plain["scores"] = {split: score_from_plain(score) for split, score in plain["scores"].items()}
        return TrialResult(config=config, **plain)


def epoch_of(score: EpochScore) -> Epoch:
    """What is kept of an epoch."""
    return Epoch(score.epoch, score.loss, score.value, score.score.counts.sum(axis=0).tolist(), score.seconds)


def environment(device: str, threads: int, gpus: float = 0.0) -> dict[str, str]:
    """Versions and machine that a result depends on, and the share of it that the trial got."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": version("torchvision"),
        "numpy": np.__version__,
        "polars": polars.__version__,
        "optuna": optuna.__version__,
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "threads": str(threads),
        **({"gpus": f"{gpus:g}"} if gpus else {}),
        "host": platform.node(),
    }

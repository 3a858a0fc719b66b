"""Train the chosen configuration on every fold with several seeds and score each test part once: see --help."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console

from data.errors import InputError, raise_all
from data.files import check_writable
from data.folds import folds
from data.store import FrameStore, open_store
from launch.cli import Settings, run_command
from launch.display import Display
from launch.local_ray import run_all
from launch.preflight import file_weights, resources, searched_study
from launch.provenance import provenance
from launch.report import write_page
from model.metrics import always_positive_f1, f1, mean_defined
from study.choose import choose, final_trials
from study.config import Placement, TrialConfig
from study.result import TrialResult
from study.store import StudyStore


def main(keys: Settings) -> int:
    """Choose on validation subjects, train, score the test parts, report."""
    console = Console()
    raise_all("the final evaluation cannot start:", [f"seeds={keys['seeds']}; at least 1"] * (keys["seeds"] < 1))
    store = searched_study(keys)
    study, chosen = store.study(), choose(store)
    frames = _frames(study["store"], chosen)
    data = chosen.config.data
    names = list(folds(frames.table, data.fold_scheme, data.val_share, data.fold_seed))
    trials = final_trials(chosen.config, names, keys["seeds"])
    check_writable(store.root)
    available = resources(keys)
    weights = _weights_file(study["weights_file"], chosen)
    placement = Placement(frames.path, store.root, available.device, available.cpus, weights)
    console.print(f"{chosen.config.key} on folds {', '.join(names)} with {keys['seeds']} seeds", highlight=False)
    with store.lock():
        store.write_provenance(provenance(data.fingerprint))
        with Display(store, "final", len(trials), chosen.config.optim.epochs, console):
            run_all(trials, store, placement, available)
    return finish(store, trials, console)


def _frames(path: str, chosen: TrialResult) -> FrameStore:
    """The store that the search ran on."""
    if not Path(path).is_dir():
        raise InputError(f"the frame store {path} is gone; build it again with launch/prepare.py")
    frames = open_store(Path(path))
    if frames.fingerprint != chosen.config.data.fingerprint:
        raise InputError(f"{path} is another store than the one that was searched on; build that one again")
    return frames


def _weights_file(path: str, chosen: TrialResult) -> Path | None:
    """The pretrained weights of the search, if they were a file."""
    if path and file_weights(Path(path)) != chosen.config.backbone.weights:
        raise InputError(f"{path} holds other weights than the search was run with; put those back")
    return Path(path) if path else None


def finish(store: StudyStore, trials: list[TrialConfig], console: Console) -> int:
    """Say what came out; 1 when a trial is missing or has failed."""
    done = finished(store, trials, console)
    if len(done) < len(trials):
        return 1
    console.print(f"test F1, mean over AUs, then over {len(done)} trials: {_mean(done, f1):.1f}", highlight=False)
    console.print(f"always-positive on the same frames: {_mean(done, always_positive_f1):.1f}", highlight=False)
    console.print(f"report: {write_page(store)}", soft_wrap=True)
    return 0


def finished(store: StudyStore, trials: list[TrialConfig], console: Console) -> list[TrialResult]:
    """Those of the trials that are done; says which have failed, and how to go on when some are missing."""
    results = [store.result(config.key) for config in trials]
    done = [result for result in results if result is not None and result.status == "DONE"]
    for result in results:
        if result is not None and result.status == "FAILED":
            last_line = (result.error or "").strip().splitlines()[-1:]
            console.print(f"failed: trial {result.config.key}: {''.join(last_line)}", markup=False)
    if len(done) < len(trials):
        mend = "Mend the cause and remove trials/<key>.json of what failed; then the same command goes on."
        again = mend if any(result and result.status == "FAILED" for result in results) else "The same command goes on."
        console.print(f"{len(done)} of {len(trials)} final trials are done. {again}", soft_wrap=True)
    return done


def _mean(done: list[TrialResult], metric: Callable[[np.ndarray], np.ndarray]) -> float:
    """Mean over trials of the mean over AUs, counts pooled over the subjects of a test part, in percent."""
    return 100 * float(np.mean([mean_defined(metric(r.scores["test"].counts.sum(axis=0))) for r in done]))


if __name__ == "__main__":
    sys.exit(run_command("final", main))

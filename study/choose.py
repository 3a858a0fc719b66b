"""Selection rules: functions over results, applied after training, that never see the test part."""

from dataclasses import replace

from data.errors import InputError
from study.config import TrialConfig
from study.result import TrialResult
from study.store import StudyStore


def choose(store: StudyStore) -> TrialResult:
    """The finished trial of the search that is best on the validation subjects; the earliest among equals."""
    done = [result for result in store.results() if result.status == "DONE" and result.stage == "sweep"]
    if not done:
        raise InputError(
            f"no finished trial in {store.root} to choose from: run launch/sweep.py name={store.root.name}"
        )
    return max(done, key=lambda result: (result.value, -result.started))


def final_trials(chosen: TrialConfig, fold_names: list[str], seeds: int) -> list[TrialConfig]:
    """The chosen configuration on every fold with several seeds, each to score its test part once."""
    return [
        replace(chosen, data=replace(chosen.data, fold=fold), seed=seed, score_test=True)
        for seed in range(seeds)
        for fold in fold_names
    ]

"""Write the predictions of a study in the format that launch/score.py reads: see --help."""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("export"))

from pathlib import Path

import polars as pl

from data.errors import InputError
from data.files import check_writable
from launch.keys.studies import ExportKeys
from launch.plan.preflight import study_store
from study.experiments.cross_dataset.external_predictions import check_suffix, long_form, write_long
from study.experiments.cross_dataset.pairs import FOREIGN
from study.experiments.selection import final_trials_of
from study.records.predictions import Predictions, read_predicted, read_predictions
from study.records.result import TrialResult
from study.records.store import StudyStore
from study.records.study_spec import ExternalSpec

_TEST = "test"


def main(keys: ExportKeys) -> int:
    """Find the predictions and write them."""
    out, store = Path(keys.out), study_store(keys.runs_root, keys.name)
    check_suffix(out)
    check_writable(out.absolute().parent)
    asked = store.spec().asked
    found = _foreign(store, asked) if isinstance(asked, ExternalSpec) else _ours(store, keys)
    rows = pl.concat(long_form(predictions) for predictions in found)
    write_long(rows, out)
    print(f"{rows.height:,} probabilities of {sum(map(len, found)):,} frames: {out}")
    return 0


def _foreign(store: StudyStore, asked: ExternalSpec) -> list[Predictions]:
    return [read_predictions(store.predictions_path(FOREIGN, asked.fingerprint))]


def _ours(store: StudyStore, keys: ExportKeys) -> list[Predictions]:
    """Predictions of the detectors of one seed on their own test parts, or of one detector on another dataset."""
    results = final_trials_of(store, keys.selection)
    seeds = sorted({result.config.seed for result in results})
    seed = seeds[0] if keys.seed is None else keys.seed
    chosen = [result for result in results if result.config.seed == seed]
    if not chosen:
        raise InputError(f"seed={keys.seed}; {store.root.name} has {', '.join(map(str, seeds))}")
    if keys.what == _TEST:
        if keys.fold:
            raise InputError(f"fold={keys.fold!r} is for another dataset; what=test takes the detectors of all folds")
        return [read_predictions(store.predictions_path(result.config.key)).part(_TEST) for result in chosen]
    return [_elsewhere(store, _of_fold(chosen, keys.fold), keys.what)]


def _of_fold(results: list[TrialResult], fold: str) -> TrialResult:
    found = {result.config.data.fold: result for result in results}
    if fold and fold not in found:
        raise InputError(f"fold={fold!r}; allowed: {', '.join(found)}")
    return found[fold or next(iter(found))]


def _elsewhere(store: StudyStore, result: TrialResult, dataset: str) -> Predictions:
    """The predictions of a detector on another dataset, which launch/transfer.py saved."""
    own = store.predictions_path(result.config.key)
    kept: dict[str, list[Path]] = {}
    # the file names contain only a part of the store's fingerprint, so the dataset is read from the file
    for path in sorted(path for path in own.parent.glob("*.parquet") if path.name.startswith(f"{own.stem}-")):
        name = str(read_predicted(path)["dataset"][0])
        kept.setdefault(name, []).append(path)
    if len(kept.get(dataset, ())) != 1:
        names = ", ".join((_TEST, *kept))
        several = f": predictions of {len(kept[dataset])} stores of it" if dataset in kept else f"; allowed: {names}"
        raise InputError(f"what={dataset!r}{several}. launch/transfer.py predicts on other datasets.")
    return read_predictions(kept[dataset][0])

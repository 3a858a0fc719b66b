"""Score the predictions of any other detector on a dataset, and save them as a study: see --help."""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("score"))

import hashlib
import re
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from data.errors import InputError, raise_all
from data.files import check_writable
from data.settings import check_choices
from data.store import FrameStore
from launch.keys.frames import ScoreKeys
from launch.plan.datasets import check_labelled, dataset_problems, prepare_store
from launch.plan.preflight import study_store
from launch.plan.provenance import origin_of, provenance_facts
from launch.show.display import interval_text
from launch.show.matrices import WIDTH
from launch.show.verdicts import print_verdict
from study.experiments.cross_dataset.external_predictions import SCALES, Coverage, check_file, read_foreign
from study.experiments.cross_dataset.pairs import ELSEWHERE, FOREIGN, label_convention
from study.records.predictions import Predictions, write_predictions
from study.records.score_table import FIXED_THRESHOLD
from study.records.study_spec import ExternalSpec, StudySpec
from study.records.verdict import StudyVerdict
from study.scoring.evaluation import Evaluation, score_table
from study.scoring.tally import tally
from study.scoring.thresholds import rule_thresholds
from study.scoring.verdicts import means_by, order_of, standing_of


def main(keys: ScoreKeys) -> int:
    """Read the predictions, match them with the frames, score and save them."""
    console, path, store = Console(), Path(keys.predictions), study_store(keys.runs_root, keys.name)
    check_file(path)
    check_labelled(keys.dataset.name)
    raise_all("wrong values:", check_choices(keys, {"scale": tuple(SCALES)}))
    if keys.dataset.name in re.split(r"\W+", keys.trained_on.casefold()):
        raise InputError(
            f"trained_on={keys.trained_on} is the scored dataset, so its test subjects may have been trained on. "
            "Leave trained_on out if the predictions are for held-out subjects."
        )
    check_writable(store.root)
    frames = prepare_store(keys, console)
    predictions, coverage = read_foreign(path, frames, keys.scale)
    scores = _scores(predictions, keys)
    # another command must not write the same study at once
    with store.lock():
        store.open_study(_describe(keys, frames, predictions, coverage), free=("store",))
        write_predictions(store.predictions_path(FOREIGN, frames.fingerprint), predictions)
        store.write_provenance(provenance_facts(frames.fingerprint, [origin_of(frames)]))
        store.write_final({}, scores)
    for note in coverage.notes():
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    print_verdict(_verdict(frames, keys.name, scores), console)
    console.print(_table(scores))
    console.print(f"study: {store.root}", soft_wrap=True)
    return 0


def _verdict(frames: FrameStore, name: str, scores: pl.DataFrame) -> StudyVerdict:
    """Nothing is trained here, so nothing can be incomplete."""
    order = order_of(means_by(scores, ()))
    return StudyVerdict((), (origin_of(frames),), (standing_of(name, scores),), order)


def _describe(keys: ScoreKeys, frames: FrameStore, predictions: Predictions, coverage: Coverage) -> StudySpec:
    """The settings of the study."""
    external = ExternalSpec(
        fingerprint=frames.fingerprint,
        sha256=hashlib.sha256(Path(keys.predictions).read_bytes()).hexdigest(),
        scale=keys.scale,
        trained_on=keys.trained_on,
        convention=label_convention(frames.table),
        frames=coverage.frames,
        covered=coverage.covered,
        unknown=coverage.unknown,
    )
    return StudySpec(
        name=keys.name,
        dataset=keys.dataset.name,
        asked=external,
        method=_method(keys),
        aus=predictions.aus,
        size=frames.size,
        store=str(frames.path.resolve()),
    )


def _method(keys: ScoreKeys) -> str:
    return f"{FOREIGN}:{keys.detector or keys.name}"


def _scores(predictions: Predictions, keys: ScoreKeys) -> pl.DataFrame:
    """Scores on all covered frames, at 0.5 and at the oracle thresholds; there is no validation part."""
    counted = tally({"all": predictions}, {"all": rule_thresholds(predictions, oracle=True)})
    names = {"method": _method(keys), "source": keys.trained_on or ELSEWHERE, "target": keys.dataset.name}
    return score_table(Evaluation(((counted,),)), names | {"selection": "nested"})


def _table(scores: pl.DataFrame) -> Table:
    """One row for each AU, and one for their mean."""
    heads = {("f1", FIXED_THRESHOLD): "F1", ("f1", "oracle"): "F1, oracle threshold", ("auc", FIXED_THRESHOLD): "AUC"}
    heads |= {("always_positive", FIXED_THRESHOLD): "always-positive"}
    drawn = Table("AU", *(f"{name}, %" for name in heads.values()), box=None, header_style="dim", pad_edge=False)
    pooled = scores.filter(pl.col("aggregate") == "pooled")
    for au in pooled["au"].unique(maintain_order=True):
        rows = {
            (row["metric"], row["rule"]): row
            for row in pooled.filter(pl.col("au").eq_missing(pl.lit(au, pl.Int64))).iter_rows(named=True)
        }
        cells = [interval_text(row["value"], row["low"], row["high"]) for row in (rows[head] for head in heads)]
        drawn.add_row("mean" if au is None else str(au), *cells)
    return drawn


check = dataset_problems

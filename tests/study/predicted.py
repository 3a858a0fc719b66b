"""Predictions made by hand, for the tests of everything that reads them."""

import numpy as np
import polars as pl

from data.seeds import numpy_generator
from study.records.predictions import Predictions, predictions_of

AUS = (1, 4, 12)


def table(subjects: list[str], frames: int) -> pl.DataFrame:
    """The key columns of a FrameTable with `frames` frames of each subject."""
    rows = [("bp4d", subject, "T1", frame) for subject in subjects for frame in range(1, frames + 1)]
    schema = {"dataset": pl.String, "subject": pl.String, "sequence": pl.String, "frame": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def predicted(
    name: str,
    subjects: list[str],
    frames: int = 20,
    aus: tuple[int, ...] = AUS,
    missing: float = 0.2,
    levels: int = 40,
    split: str = "test",
    seed: int = 0,
) -> Predictions:
    """A poor detector on a coarse grid of probabilities, so with ties; `seed` changes what it says, not the labels."""
    truth, said = numpy_generator("labels", name), numpy_generator("predictions", name, seed)
    rows = table(subjects, frames)
    shape = (rows.height, len(aus))
    labels = (truth.random(shape) < truth.uniform(0.2, 0.6, len(aus))).astype(np.int8)
    labels[truth.random(shape) < missing] = -1
    score = 0.8 * (labels == 1) + said.normal(0, 1, shape)
    probabilities = np.round(levels / (1 + np.exp(-score))) / levels
    return predictions_of(rows, probabilities, labels, aus, split)

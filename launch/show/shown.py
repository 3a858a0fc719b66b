"""What a page shows of the frame store, if it is available: label counts, and images if they may be shown.

Frames of real people are shown only on request, because the licences of the datasets forbid sharing them.
"""

from io import BytesIO

import polars as pl

from data.aus import au_column
from data.catalog import CATALOG
from data.doctor.sheet import heading, picture, sample_rows, tiles
from data.errors import InputError
from data.folds import Fold, folds
from data.frames import aus_of
from data.store import FrameStore
from study.records.config import trial_from_dict
from study.records.store import StudyStore

SHEET = 24  # frames
CAPTION = "Random frames as they are stored, with their labels."

TitledPicture = tuple[str, str, bytes]  # title, caption, PNG


def frames_of(store: StudyStore) -> FrameStore:
    """The frame store of the study; `InputError` when it is missing, damaged or another one."""
    frames = store.frames()
    # studies of a former revision have no such entry
    used = store.provenance().get("frame store", frames.fingerprint)
    if used != frames.fingerprint:
        raise InputError(f"{frames.path} is store {frames.fingerprint}, the study is on {used}")
    return frames


def labels_of(frames: FrameStore, store: StudyStore) -> pl.DataFrame | None:
    """One row for each subject and AU: subject, its test fold, au, frames, coded, active."""
    try:
        data = trial_from_dict(store.spec().config).data
        found = folds(frames.table, data.fold_scheme, data.val_share, data.fold_seed)
    except InputError:
        return None
    return pl.concat([_labels(frames.table[fold.test], fold) for fold in found.values()])


def _labels(table: pl.DataFrame, fold: Fold) -> pl.DataFrame:
    columns = {au: pl.col(au_column(au)) for au in aus_of(table)}
    counted = [
        pl.struct(
            frames=pl.len().cast(pl.Int64), coded=column.count().cast(pl.Int64), active=column.sum().cast(pl.Int64)
        ).alias(str(au))
        for au, column in columns.items()
    ]
    wide = table.group_by("subject").agg(counted).sort("subject")
    long = wide.unpivot(index="subject", variable_name="au", value_name="counts").unnest("counts")
    return long.select(
        "subject", pl.lit(fold.name).alias("fold"), pl.col("au").cast(pl.Int64), "frames", "coded", "active"
    )


def sheets_of(frames: FrameStore, asked: bool | None) -> tuple[TitledPicture, ...]:
    """A contact sheet: always if `asked` is true, never if false, else only if the images are free to share."""
    dataset = str(frames.table["dataset"][0])
    free = dataset in CATALOG and CATALOG[dataset].images_are_free
    if not (free if asked is None else asked):
        return ()
    rows = sample_rows(frames.table["subject"].to_list(), SHEET, seed=0)
    content = BytesIO()
    picture(heading(frames, len(rows)), tiles(frames, rows)).save(content, format="PNG")
    return ((f"Frames of {dataset}", CAPTION, content.getvalue()),)

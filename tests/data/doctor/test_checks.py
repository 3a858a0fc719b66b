"""A copy with the published numbers is whole; each fault is seen, by the check that is meant for it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from data.aus import au_column
from data.catalog import CATALOG
from data.dataset import Expected
from data.doctor.checks import Check, Verdict, examine
from data.doctor.expected import expected
from data.frames import Reading, excluded_frames, frame_table
from tests.data.stores import precropped
from tests.data.trees import subject_table

BP4D = expected("bp4d", {}, "landmarks")
assert BP4D


def lengths(part: str, sequences: int) -> list[int]:
    """Frames of the sequences of a part; in all parts, the shortest and the longest have their published length."""
    assert BP4D
    assert BP4D.lengths
    ends = list(BP4D.lengths)
    rest = BP4D.part_frames[part] - sum(ends)
    shared = [rest // (sequences - 2) + (i < rest % (sequences - 2)) for i in range(sequences - 2)]
    return ends + shared


def whole_bp4d() -> pl.DataFrame:
    """A table with the published numbers of BP4D."""
    assert BP4D
    rows: list[pl.DataFrame] = []
    for part, subjects in CATALOG["bp4d"].parts.items():
        names = [(subject, f"T{task}") for subject in subjects for task in range(1, 9)]
        for (subject, task), frames in zip(names, lengths(part, len(names)), strict=True):
            first = 1 if len(rows) < 118 else 500
            frame = pl.int_range(first, first + frames, eager=True).alias("frame")
            rows.append(pl.DataFrame({"frame": frame}).with_columns(subject=pl.lit(subject), sequence=pl.lit(task)))
    table = pl.concat(rows).with_columns(dataset=pl.lit("bp4d"), path=pl.lit("x.jpg"))
    order = np.arange(table.height) * 7919 % 1000  # spreads the active frames over all subjects
    labels = [pl.Series(au_column(au), (order < 10 * rate).astype(np.int8)) for au, rate in BP4D.rates.items()]
    return frame_table(table.with_columns(labels), tuple(BP4D.rates))


WHOLE = whole_bp4d()


def untracked() -> pl.Series:
    """The rows that have no landmarks: the first of each sequence that lacks some."""
    assert BP4D
    name = pl.col("subject") + "/" + pl.col("sequence")
    lost = pl.lit(0)
    for sequence, count in BP4D.left_out_of["no landmarks"].items():
        lost = pl.when(name == sequence).then(count).otherwise(lost)
    position = pl.int_range(pl.len()).over("subject", "sequence")
    return WHOLE.select(position < lost).to_series()


def checks(
    table: pl.DataFrame, lost: pl.Series | None = None, known: Expected | None = BP4D, scheme: str = "parts"
) -> dict[str, Check]:
    """Every check by what it is about, where the rows `lost` of `table` have no landmarks."""
    reading = Reading(table, notes=("images count from 0",))
    faces = precropped(table)
    if lost is not None:
        faces = replace(faces, table=table.filter(~lost), excluded=excluded_frames(table.filter(lost), "no landmarks"))
    return {check.what: check for check in examine(reading, faces, scheme, known)}


def verdicts(found: Mapping[str, Check], verdict: Verdict) -> set[str]:
    return {check.what for check in found.values() if check.verdict == verdict}


def test_the_published_dataset_is_whole() -> None:
    found = checks(WHOLE, untracked())
    assert verdicts(found, "wrong") == set()
    assert verdicts(found, "note") == {"reading"}
    assert found["coded frames"].found == found["coded frames"].expected == "146,847"
    assert found["left out: no landmarks"].found == "271"
    assert found["frames that are used"].found == "146,576 of 146,847"
    assert found["AU 10 active"].expected == "59.4 %"
    assert found["reading"].found == "images count from 0"
    assert "test 50,631 (14)" not in found["fold part2: frames (subjects)"].found
    assert "(14)" in found["fold part2: frames (subjects)"].found


def test_missing_subjects_are_wrong_and_the_rest_follows_from_them() -> None:
    found = checks(WHOLE.filter(~pl.col("subject").is_in(["F002", "M005"])))
    assert verdicts(found, "wrong") == {"subjects"}
    assert found["subjects"].found == "39; missing: F002, M005"
    assert "random3" in found["subjects"].advice
    assert found["coded frames"].verdict == "note"
    assert "a consequence of the subjects" in found["coded frames"].advice


def test_the_set_of_frames_that_others_use_is_known() -> None:
    found = checks(WHOLE.filter(~untracked()))
    assert found["coded frames"].found == "146,576"
    assert found["coded frames"].verdict == "note"
    assert "JAA-Net" in found["coded frames"].advice
    assert verdicts(found, "wrong") == set()


def test_an_unknown_subject_is_named_and_fits_no_part() -> None:
    renamed = WHOLE.with_columns(pl.col("subject").replace({"F001": "F099"})).sort("subject", "sequence", "frame")
    found = checks(renamed)
    assert verdicts(found, "wrong") == {"subjects", "folds: parts"}
    assert found["subjects"].found == "41; missing: F001; unknown: F099"
    assert "F099" in found["folds: parts"].found
    assert verdicts(checks(renamed, scheme="random3"), "wrong") == {"subjects"}


def flipped(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(au_9=1 - pl.col("au_12")).drop("au_12").rename({"au_9": "au_12"}).select(table.columns)


def partly_uncoded(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(au_1=pl.when(pl.col("frame") > 100).then("au_1"))


def never_coded(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(au_1=pl.lit(None, pl.Int8))


def a_gap(table: pl.DataFrame) -> pl.DataFrame:
    hole = (pl.col("subject") == "F001") & (pl.col("sequence") == "T5") & (pl.col("frame").is_in([40, 41]))
    return table.filter(~hole)


def renumbered(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.col("frame") - 1)


FAULTS: list[tuple[Callable[[pl.DataFrame], pl.DataFrame], set[str], str]] = [
    (flipped, {"AU 12 active"}, "43.8 %"),
    (partly_uncoded, {"labels that are not coded"}, "AU 1"),
    (never_coded, {"labels that are not coded", "AU 1 active"}, "never coded"),
    (a_gap, {"gaps in the coded frames", "coded frames", "coded frames of part1"}, "F001/T5 2"),
    (renumbered, {"sequences that start at frame 1"}, "0"),
]


@pytest.mark.parametrize(("fault", "seen", "said"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_fault_of_the_labels_is_seen(
    fault: Callable[[pl.DataFrame], pl.DataFrame], seen: set[str], said: str
) -> None:
    found = checks(fault(WHOLE), untracked() if fault is not a_gap else None)
    wrong = verdicts(found, "wrong") - {"left out: no landmarks"}
    assert wrong == seen
    assert any(said in found[what].found for what in seen)
    assert all(found[what].advice for what in seen)


def test_other_frames_without_landmarks_are_named_by_sequence() -> None:
    lost = untracked() | ((WHOLE["subject"] == "M018") & (WHOLE["sequence"] == "T8") & (WHOLE["frame"] < 510))
    found = checks(WHOLE, lost)
    assert verdicts(found, "wrong") == {"left out: no landmarks"}
    assert found["left out: no landmarks"].found == "281"
    assert "M018/T8 (10, not 0)" in found["left out: no landmarks"].advice


@pytest.mark.parametrize(("share", "verdict"), [(0.05, "note"), (0.2, "wrong")])
def test_many_frames_without_a_face_need_an_explanation(share: float, verdict: str) -> None:
    table = subject_table(dict.fromkeys("abcdef", (0.5, 0.3)))
    lost = pl.Series(np.arange(table.height) < share * table.height)
    found = checks(table, lost, known=None, scheme="random3")
    assert found["left out: no landmarks"].verdict == verdict
    assert found["left out: no landmarks"].found == f"{round(share * 120)} ({100 * share:.1f} %)"


def test_without_expectations_only_the_structure_is_checked() -> None:
    found = checks(subject_table(dict.fromkeys("abcdef", (0.5, 0.3))), known=None, scheme="random3")
    assert verdicts(found, "wrong") == set()
    assert {check.expected for check in found.values()} == {""}
    assert (found["subjects"].found, found["coded frames"].found) == ("6", "120")
    assert found["AU 1 active"].found == "50.0 %"


def test_an_au_without_a_positive_in_a_part_is_noted() -> None:
    table = subject_table({"a": (0.5, 0.5), "b": (0.5, 0.0), "c": (0.5, 0.0), "d": (0.5, 0.0)})
    found = checks(table, known=None, scheme="random2")
    folds = [check for what, check in found.items() if what.startswith("fold ")]
    assert {check.verdict for check in folds} == {"note"}
    assert any("no active AU 2" in check.advice for check in folds)


def test_unconfirmed_numbers_are_only_noted() -> None:
    found = checks(subject_table(dict.fromkeys("abcdef", (0.5, 0.3))), known=expected("gft", {}, ""), scheme="random3")
    assert verdicts(found, "wrong") == {"subjects"}
    assert "not confirmed" in found["coded frames"].advice


def test_hazards_are_noted() -> None:
    found = checks(WHOLE, known=replace(BP4D, hazards={"wrong": "mend it"}) if BP4D else None)
    assert (found["known hazard"].found, found["known hazard"].advice) == ("wrong", "mend it")
    assert found["known hazard"].verdict == "note"


def test_a_frame_that_the_reader_left_out_was_coded() -> None:
    lost = WHOLE["frame"] == 700
    reading = Reading(WHOLE.filter(~lost), excluded_frames(WHOLE.filter(lost), "occluded"))
    faces = replace(precropped(reading.table), excluded=reading.excluded)
    found = {check.what: check for check in examine(reading, faces, "parts", expected("bp4d", {}, "precropped"))}
    assert found["coded frames"].verdict == "ok"
    assert found["left out: occluded"].verdict == "note"
    assert found["left out: occluded"].found.startswith(f"{int(lost.sum()):,} (")
    assert found["frames that are used"].found == f"{146_847 - int(lost.sum()):,} of 146,847"

"""Whether a copy of a dataset is what published results were computed on, and what to do where it is not.

"ok": as expected. "note": worth knowing. "wrong": results will differ from published ones, or are not possible.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

from data.aus import au_column
from data.dataset import Expected
from data.errors import InputError
from data.faces.align import Faces
from data.folds import Fold, folds
from data.frames import Reading, aus_of

Verdict = Literal["ok", "note", "wrong"]

TOLERANCE = 0.3  # percentage points of a base rate: published ones are rounded
LOST = 0.05  # a larger share of frames without a face is a sign of wrong landmarks or images
FACE_REASONS = ("no landmarks", "no face found")
LISTED = "frame by frame in excluded.parquet of the store"
SHOWN = 6  # names in a cell of the table
SEQUENCE = ("subject", "sequence")
PARTIAL = "a consequence of the subjects or the set of frames"
INCOMPLETE = "not comparable with published results: get the missing subjects, or take dataset.fold_scheme=random3"
SAME_SET = "compare only with results on that set of frames"
UNCONFIRMED = "the expected number is not confirmed; compare with the documents of your copy"
OTHER_FRAMES = "not comparable with published results: compare the label files with a fresh download"
OTHER_LABELS = "the labels are not those of published results: check the options of the reader and the label files"


@dataclass(frozen=True)
class Check:
    """One row of the doctor's table."""

    what: str
    expected: str
    found: str
    verdict: Verdict
    advice: str = ""


def examine(reading: Reading, faces: Faces, scheme: str, known: Expected | None) -> list[Check]:
    """Everything about the labels, the frames that are used and the folds of `scheme`, compared with `known`."""
    coded = coded_frames(reading)
    checks = [*_folds(faces.table, scheme), *_notes(reading, faces)]
    if known is None:
        rates, uncoded = _rates(reading.table, Expected(0)), _uncoded(reading.table, False)
        return [*_contents(coded), *rates, *uncoded, *_spans(coded), *_left_out(faces), *checks]
    # one cause is one "wrong": what follows from missing subjects is only noted
    partial = is_partial(coded, known) or coded.height in known.other_frames
    return [
        *_subjects(coded, known),
        *_counts(coded, known, partial),
        *_rates(reading.table, known),
        *_uncoded(reading.table, known.fully_coded),
        *_spans(coded, known, partial),
        *_left_out(faces, known, partial),
        *(Check("known hazard", "", hazard, "note", advice) for hazard, advice in known.hazards.items()),
        *checks,
    ]


def coded_frames(reading: Reading) -> pl.DataFrame:
    """Subject, sequence and frame of every coded frame, used or left out by the reader."""
    key = [*SEQUENCE, "frame"]
    return pl.concat([reading.table.select(key), reading.excluded.select(key)]).unique().sort(key)


def is_partial(coded: pl.DataFrame, known: Expected) -> bool:
    """Whether the subjects are not those of the whole dataset, so that every other number differs as well."""
    found = set(coded["subject"])
    return found != set(known.names) if known.names else len(found) != known.subjects


def _contents(coded: pl.DataFrame) -> Iterator[Check]:
    yield Check("subjects", "", f"{coded['subject'].n_unique():,}", "ok")
    yield Check("sequences", "", f"{coded.select(SEQUENCE).n_unique():,}", "ok")
    yield Check("coded frames", "", f"{coded.height:,}", "ok")


def _subjects(coded: pl.DataFrame, known: Expected) -> Iterator[Check]:
    found = set(coded["subject"])
    missing, unknown = sorted(set(known.names) - found), sorted(found - set(known.names))
    words = [f"{len(found):,}"]
    if missing:
        words.append(f"missing: {_some(missing)}")
    if unknown and known.names:
        words.append(f"unknown: {_some(unknown)}")
    if "subjects" in known.unconfirmed:
        yield _count("subjects", known.subjects, len(found), UNCONFIRMED, note=True)
    else:
        verdict: Verdict = "wrong" if is_partial(coded, known) else "ok"
        advice = "" if verdict == "ok" else INCOMPLETE
        yield Check("subjects", f"{known.subjects:,}", "; ".join(words), verdict, advice)


def _counts(coded: pl.DataFrame, known: Expected, partial: bool) -> Iterator[Check]:
    found = {"sequences": coded.select(SEQUENCE).n_unique(), "frames": coded.height}
    for what, wanted in (("sequences", known.sequences), ("frames", known.frames)):
        name = "coded frames" if what == "frames" else what
        if wanted is None:
            yield Check(name, "", f"{found[what]:,}", "ok")
        elif what == "frames" and coded.height in known.other_frames:
            yield _count(name, wanted, coded.height, f"{known.other_frames[coded.height]}: {SAME_SET}", note=True)
        elif what in known.unconfirmed:
            yield _count(name, wanted, found[what], UNCONFIRMED, note=True)
        else:
            yield _count(name, wanted, found[what], PARTIAL if partial else OTHER_FRAMES, note=partial)
    for part, wanted in known.part_frames.items():
        mine = coded.filter(pl.col("subject").is_in(known.parts.get(part, ()))).height
        yield _count(f"coded frames of {part}", wanted, mine, PARTIAL if partial else OTHER_FRAMES, note=partial)


def _count(what: str, wanted: int, found: int, advice: str, note: bool) -> Check:
    """Two whole numbers; a difference is only a note where it proves nothing."""
    if wanted == found:
        return Check(what, f"{wanted:,}", f"{found:,}", "ok")
    return Check(what, f"{wanted:,}", f"{found:,}", "note" if note else "wrong", advice)


def _rates(table: pl.DataFrame, known: Expected) -> Iterator[Check]:
    """Base rates; a difference proves something only on the frames that the published rates were counted on."""
    same = table.height == known.frames and "frames" not in known.unconfirmed
    for au in aus_of(table):
        labels = table[au_column(au)].drop_nulls()
        rate = 100 * int(labels.sum()) / len(labels) if len(labels) else None
        found = "never coded" if rate is None else f"{rate:.1f} %"
        if au not in known.rates:  # nothing to compare with: never active is suspicious, everything else is fine
            yield Check(f"AU {au} active", "", found, "ok" if rate else "note")
        elif rate is not None and abs(rate - known.rates[au]) <= TOLERANCE:
            yield Check(f"AU {au} active", f"{known.rates[au]} %", found, "ok")
        else:
            advice = OTHER_LABELS if same else "published rates are those of all frames"
            yield Check(f"AU {au} active", f"{known.rates[au]} %", found, "wrong" if same else "note", advice)


def _uncoded(table: pl.DataFrame, fully_coded: bool) -> Iterator[Check]:
    shares = {au: table[au_column(au)].null_count() / table.height for au in aus_of(table)}
    never = [f"AU {au}" for au, share in shares.items() if share == 1]
    most = sorted(shares, key=lambda au: -shares[au])
    found = _some([f"AU {au} {_percent(shares[au])}" for au in most if shares[au]]) or "none"
    wanted = "none" if fully_coded else ""
    if never:
        advice = f"{_some(never)} cannot be learned or scored; check the column in the label files"
        yield Check("labels that are not coded", wanted, found, "wrong", advice)
    elif fully_coded and found != "none":
        yield Check("labels that are not coded", wanted, found, "wrong", OTHER_LABELS)
    else:
        advice = "they count neither as active nor as inactive" if found != "none" else ""
        yield Check("labels that are not coded", wanted, found, "note" if advice else "ok", advice)


def _spans(coded: pl.DataFrame, known: Expected | None = None, partial: bool = True) -> Iterator[Check]:
    """First and last frames of the sequences, and gaps between them."""
    frame = pl.col("frame")
    spans = coded.group_by(SEQUENCE).agg(first=frame.min(), frames=pl.len(), absent=frame.max() - frame.min() + 1)
    spans = spans.with_columns(absent=pl.col("absent") - pl.col("frames")).sort(SEQUENCE)
    gaps = spans.filter(pl.col("absent") > 0)
    named = [f"{row['subject']}/{row['sequence']} {row['absent']}" for row in gaps.iter_rows(named=True)]
    strict = known is not None and known.contiguous  # other datasets may have gaps
    advice = "label rows are missing: compare the label files with a fresh download" if named else ""
    found = f"{gaps.height:,} sequences (frames): {_some(named)}" if named else "none"
    verdict: Verdict = "ok" if not named else "wrong" if strict else "note"
    yield Check("gaps in the coded frames", "none" if strict else "", found, verdict, advice)
    from_one = int((spans["first"] == 1).sum())
    length = f"{_whole(spans['frames'].min()):,} to {_whole(spans['frames'].max()):,}"
    if known is None or known.from_one is None or known.lengths is None:
        yield Check("first frame is number 1", "", f"in {from_one:,} of {spans.height:,} sequences", "ok")
        yield Check("frames of a sequence", "", length, "ok")
        return
    advice = PARTIAL if partial else OTHER_FRAMES
    yield _count("sequences that start at frame 1", known.from_one, from_one, advice, note=partial)
    wanted = f"{known.lengths[0]:,} to {known.lengths[1]:,}"
    fits = wanted == length
    yield Check(
        "frames of a sequence",
        wanted,
        length,
        "ok" if fits else "note" if partial else "wrong",
        "" if fits else advice,
    )


def _left_out(faces: Faces, known: Expected | None = None, partial: bool = True) -> Iterator[Check]:
    """Coded frames that are not used, by reason."""
    left_out = faces.excluded
    total = left_out.height + faces.table.height
    counts = dict(left_out.group_by("reason").len().sort("reason").iter_rows())
    wanted = dict(known.left_out) if known else {}
    yield Check("frames that are used", "", f"{faces.table.height:,} of {total:,}", "ok")
    for reason in sorted({*counts, *wanted}):
        found = counts.get(reason, 0)
        if reason in wanted:
            advice = PARTIAL if partial else _differing(left_out, reason, known)
            yield _count(f"left out: {reason}", wanted[reason], found, advice, note=partial)
        # a few frames without a face are normal, and every aligner loses others
        elif reason in FACE_REASONS and found > LOST * total:
            advice = "many: check that landmarks, offset and images belong together, or take another dataset.alignment"
            yield Check(f"left out: {reason}", "few", _share(found, total), "wrong", advice)
        else:
            yield Check(f"left out: {reason}", "", _share(found, total), "note", LISTED)


def _differing(left_out: pl.DataFrame, reason: str, known: Expected | None) -> str:
    """The sequences that lose more or fewer frames than expected."""
    wanted = known.left_out_of.get(reason, {}) if known else {}
    rows = left_out.filter(pl.col("reason") == reason).group_by(SEQUENCE).len().iter_rows()
    found = {f"{subject}/{sequence}": count for subject, sequence, count in rows}
    if not wanted:
        return OTHER_FRAMES
    names = sorted(name for name in {*wanted, *found} if wanted.get(name, 0) != found.get(name, 0))
    return f"differs in {_some([f'{name} ({found.get(name, 0)}, not {wanted.get(name, 0)})' for name in names])}"


def _folds(table: pl.DataFrame, scheme: str) -> Iterator[Check]:
    try:
        made = folds(table, scheme)
    except InputError as error:
        yield Check(f"folds: {scheme}", "usable", str(error), "wrong", "give another dataset.fold_scheme, e.g. random3")
        return
    for name, fold in made.items():
        parts = {"train": fold.train, "val": fold.val, "test": fold.test}
        sizes = ", ".join(f"{part} {len(rows):,} ({table['subject'][rows].n_unique()})" for part, rows in parts.items())
        lacking = list(_lacking(table, fold))
        advice = f"{'; '.join(lacking)}: scores of these AUs are undefined there" if lacking else ""
        yield Check(f"fold {name}: frames (subjects)", "", sizes, "note" if lacking else "ok", advice)


def _lacking(table: pl.DataFrame, fold: Fold) -> Iterator[str]:
    for part, rows in (("train", fold.train), ("val", fold.val), ("test", fold.test)):
        for label, word in ((1, "active"), (0, "inactive")):
            aus = [au for au in aus_of(table) if label not in table[au_column(au)][rows].unique()]
            if aus:
                yield f"{part} has no {word} AU {', '.join(map(str, aus))}"


def _notes(reading: Reading, faces: Faces) -> Iterator[Check]:
    for note in dict.fromkeys([*reading.notes, *faces.notes]):
        yield Check("reading", "", note, "note")


def _some(names: Iterable[str], limit: int = SHOWN) -> str:
    listed = list(names)
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")


def _share(count: int, total: int) -> str:
    return f"{count:,} ({_percent(count / total)})"


def _percent(share: float) -> str:
    return "under 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value

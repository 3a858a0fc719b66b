"""Who may be the same person in two stores, by pictures and by name: the one rule behind every check for leakage.

- Pictures: equal or nearly equal ones tie two people, whatever they and their datasets are called.
- Names: stores of one dataset call a person alike. In a store with `videos_of=<dataset>` a person has the name that
  occurs in the subject's; a subject without such a name may be anybody of the dataset.
- Datasets that share people (`Dataset.shares_people_with`): nobody knows who is shared, so it may be anybody.
"""

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import product

import polars as pl

from data.catalog import CATALOG
from data.errors import raise_all
from data.folds import Fold
from data.near_frames import Hashed, near_people
from data.shards import BUILD_AGAIN
from data.store import FrameStore

PICTURE, FACE = range(2)  # which of the two hashes of a frame
SAME = 0.5  # subjects of one store who share more of their frames are one person, and no fold may part them
_NAMED = 3  # people who are named in an error

_PAIR = {"subject": pl.String, "other": pl.String, "row": pl.Int64, "other_row": pl.Int64}
_TWINS = {"subject": pl.String, "other": pl.String, "frames": pl.UInt32, "share": pl.Float64, "row": pl.Int64,
          "other_row": pl.Int64}  # fmt: skip
_found: dict[tuple[str, ...], pl.DataFrame] = {}  # a command asks the same of the same stores again and again


def shared_people(one: FrameStore, other: FrameStore) -> pl.DataFrame:
    """Pairs of a subject of `one` and a subject of `other` who may be one person.

    Columns subject and other, and row and other_row: the two most equal pictures, null where only names say it.
    `InputError` where a store has no hashes of its pictures.
    """
    key = *map(str, (one.path, other.path)), one.fingerprint, other.fingerprint, one.people_of, other.people_of
    if key not in _found:
        pairs = pl.concat([*_by_pictures(one, other), _by_name(one, other)])
        _found[key] = pairs.unique(["subject", "other"], keep="first", maintain_order=True)
    return _found[key]


def leaks(one: FrameStore, other: FrameStore, held_out: Collection[str] | None = None, whom: str = "") -> list[str]:
    """One line if `other` shows people of `one`, or those of `held_out` alone: how many, in how many frames, who.

    `whom` describes them, e.g. ", whom fold part1 holds out".
    """
    found = shared_people(one, other)
    if held_out is not None:
        found = found.filter(pl.col("subject").is_in([*held_out]))
    if found.is_empty():
        return []
    people = found["subject"].n_unique()
    frames = other.table["subject"].is_in(found["other"].unique().to_list()).sum()
    return [
        f"{other.path.name} shows {people:,} of the {one.table['subject'].n_unique():,} people of {one.path.name}"
        f"{whom}, in {frames:,} of its {len(other):,} frames: {_some(found)}. {_reason(one, other, found)}"
    ]


def twins(store: FrameStore) -> pl.DataFrame:
    """Pairs of subjects of one store who show the same faces: subject, other, frames, share, row, other_row.

    `frames` of `other` show the face of `subject`, a `share` of all frames of `other`. A store without hashes of its
    pictures has none, and a warning says so.
    """
    key = str(store.path), store.fingerprint
    if key not in _found and not store.has_pictures:
        # it may be the only copy of its frames, so that trials on it alone go on
        logging.getLogger(__name__).warning(
            "%s does not tell whether a person has two names in it. %s", store.path.name, BUILD_AGAIN
        )
        return pl.DataFrame(schema=_TWINS)
    if key not in _found:
        found = _near(store, store, FACE)
        lengths = store.table.group_by(other="subject").len()
        found = found.join(lengths, on="other").with_columns(share=pl.col("frames") / pl.col("len"))
        # each pair was found from both sides: the side with the larger share tells whether one is a copy
        found = found.sort("share", "subject", "other", descending=[True, False, False])
        found = found.with_columns(pair=pl.concat_list("subject", "other").list.sort()).unique("pair", keep="first")
        _found[key] = found.sort("subject", "other").select(*_TWINS)
    return _found[key]


def twin_lines(store: FrameStore) -> list[str]:
    """A line for each two subjects of a store who show the same faces."""
    return [
        f"{row['frames']:,} frames of {row['other']} ({row['share']:.0%}) show the face of {row['subject']}, "
        f"e.g. {_place(store, row['row'])} and {_place(store, row['other_row'])}"
        for row in twins(store).iter_rows(named=True)
    ]


def check_twins(store: FrameStore, divided: Iterable[Fold]) -> None:
    """`InputError` if a fold parts two subjects who share most of their frames."""
    same = twins(store).filter(pl.col("share") >= SAME)["subject", "other"].rows()
    problems = [line for fold in divided for line in _parted(store, fold, same)]
    raise_all(
        f"{store.path.name} shows one person under two names, who would be trained on and tested on. Give both the "
        "same name in the raw tree, or remove one of them, and prepare it again:",
        problems,
    )


def _parted(store: FrameStore, fold: Fold, same: Iterable[tuple[str, str]]) -> Iterator[str]:
    subjects, parts = store.table["subject"], {"train": fold.train, "val": fold.val, "test": fold.test}
    part_of = {name: part for part, rows in parts.items() for name in subjects.gather(rows).unique()}
    for one, other in same:
        places = {part_of[name] for name in (one, other) if name in part_of}
        if len(places) > 1:
            yield f"fold {fold.name}: {one} is in its {part_of[one]} part, {other} in its {part_of[other]} part"


def _by_pictures(one: FrameStore, other: FrameStore) -> Iterator[pl.DataFrame]:
    """Both hashes: the whole picture is the same in every alignment, the face in every size and cut of the picture."""
    for which in (PICTURE, FACE):
        yield _near(one, other, which).select(*_PAIR)


def _near(one: FrameStore, other: FrameStore, which: int) -> pl.DataFrame:
    mine, my_names = _hashed(one, which)
    theirs, their_names = (mine, my_names) if one is other else _hashed(other, which)
    found = near_people(mine, theirs)
    subjects = my_names.gather(found["person"]).alias("subject"), their_names.gather(found["other"]).alias("other")
    return found.with_columns(*subjects)


def _hashed(store: FrameStore, which: int) -> tuple[Hashed, pl.Series]:
    """Hashes with the number of the person in each frame, and the name of every number."""
    subjects = store.table["subject"]
    return Hashed(store.pictures[:, which], subjects.rle_id().to_numpy()), subjects.unique(maintain_order=True)


def _by_name(one: FrameStore, other: FrameStore) -> pl.DataFrame:
    pairs = list(_alike(one, other))
    return pl.DataFrame([(*pair, None, None) for pair in pairs], schema=_PAIR, orient="row")


def _alike(one: FrameStore, other: FrameStore) -> Iterator[tuple[str, str]]:
    if one.people_of != other.people_of:
        if _share_people(one.people_of, other.people_of):
            yield from product(_subjects(one), _subjects(other))
        return
    known = _known(one) | _known(other)
    theirs = [(subject, _called(subject, other, known)) for subject in _subjects(other)]
    for subject in _subjects(one):
        mine = _called(subject, one, known)
        yield from ((subject, name) for name, names in theirs if not mine or not names or mine & names)


def _known(store: FrameStore) -> set[str]:
    """The names that the dataset of a store gives to people, as far as they are known."""
    row, own = CATALOG.get(store.people_of), store.people_of == store.table["dataset"][0]
    published = {name for part in row.parts.values() for name in part} if row else set()
    return published | ({*_subjects(store)} if own else set())


def _called(subject: str, store: FrameStore, known: set[str]) -> set[str]:
    """The names that a subject may have in the dataset whose people the store shows; empty: any."""
    if store.people_of == store.table["dataset"][0]:
        return {subject}
    # SN001 is LeftVideoSN001_comp, and not SN0012
    return {name for name in known if re.search(rf"(?<!\d){re.escape(name)}(?!\d)", subject, re.IGNORECASE)}


def _share_people(one: str, other: str) -> bool:
    shared = [CATALOG[name].shares_people_with if name in CATALOG else () for name in (one, other)]
    return other in shared[0] or one in shared[1]


def _subjects(store: FrameStore) -> list[str]:
    return store.table["subject"].unique(maintain_order=True).to_list()


def _some(found: pl.DataFrame) -> str:
    pairs = found.unique("subject", keep="first", maintain_order=True)["subject", "other"].rows()
    named = [one if one == other else f"{one} as {other}" for one, other in pairs[:_NAMED]]
    more = [f"and {len(pairs) - _NAMED:,} more"] if len(pairs) > _NAMED else []
    return " ".join([", ".join(named), *more])


def _reason(one: FrameStore, other: FrameStore, found: pl.DataFrame) -> str:
    seen = found.filter(pl.col("row").is_not_null())
    if seen.height:
        here, there = _place(one, seen["row"][0]), _place(other, seen["other_row"][0])
        return f"The pictures are the same, e.g. {here} and {there}"
    if one.people_of == other.people_of:
        return f"Both show people of {one.people_of}"
    return f"{one.people_of} and {other.people_of} share people, and names do not tell whom"


def _place(store: FrameStore, row: int) -> str:
    subject, sequence, frame = store.table.row(row)[1:4]
    return f"frame {frame} of {subject}/{sequence}"

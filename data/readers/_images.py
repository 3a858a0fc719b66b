"""Where the frames lie: images by the number that is their name, and how many frames a video has."""

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from data.errors import InputError
from data.media import video_frames
from data.parallel import cores
from data.readers import _common as common

SEQUENCE_KEY = ["subject", "sequence"]
_SCHEMA = {"subject": pl.String, "sequence": pl.String, "number": pl.Int64, "path": pl.String}
_NUMBER = r"^([0-9]{1,9})\.[^.]*$"


@dataclass(frozen=True, eq=False)
class Images:
    """`table` has subject, sequence, number and path (relative to the root) of each image."""

    table: pl.DataFrame
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def numbered_images(root: Path, sequences: Iterable[tuple[str, str, Path]]) -> Images:
    """Images of (subject, sequence, folder) by the whole number that is their name, whatever its padding."""
    images = Images(pl.DataFrame(schema=_SCHEMA))
    tables = [images.table]
    for subject, sequence, folder in sequences:
        below = folder.relative_to(root).as_posix()
        try:
            names = common.names(folder, common.IMAGE_SUFFIXES)
        except InputError as error:
            images.problems.append(str(error))
            continue
        numbered = _numbered(names.found)
        images.problems.extend(f"{below}: {alike} are all image {n}" for n, alike in _ambiguous(numbered))
        images.notes.extend(names.notes(below))
        path = pl.concat_str(pl.lit(f"{below}/"), "name")
        numbered = numbered.with_columns(subject=pl.lit(subject), sequence=pl.lit(sequence), path=path)
        tables.append(numbered.select(list(_SCHEMA)))
    return Images(pl.concat(tables), images.problems, images.notes)


def _numbered(names: list[str]) -> pl.DataFrame:
    table = pl.DataFrame({"name": names}, schema={"name": pl.String})
    # by value: copies pad their numbers to 2, 3, 4 or 5 digits, or not at all
    return table.with_columns(number=pl.col("name").str.extract(_NUMBER).cast(pl.Int64)).drop_nulls()


def _ambiguous(numbered: pl.DataFrame) -> list[tuple[int, list[str]]]:
    if numbered["number"].n_unique() == numbered.height:  # nearly always, and much faster than grouping
        return []
    return numbered.group_by("number").agg("name").filter(pl.col("name").list.len() > 1).sort("number").rows()


def attach_images(coded: pl.DataFrame, images: pl.DataFrame, offset: int = 0) -> pl.DataFrame:
    """`coded` with the `path` of image number frame + `offset`, null where there is none."""
    kinds = [pl.Enum(coded[name].unique()) for name in SEQUENCE_KEY]
    # one whole number as the key: to join 2.6 million rows by two texts takes twice as long and 0.5 GB more
    sequence = pl.lit(0, pl.Int64)
    for name, kind in zip(SEQUENCE_KEY, kinds, strict=True):
        sequence = sequence * len(kind.categories) + pl.col(name).cast(kind, strict=False).to_physical().cast(pl.Int64)
    paths = images.select("path", key=sequence * 2**31 + pl.col("number")).drop_nulls("key")
    keyed = coded.with_columns(key=sequence * 2**31 + pl.col("frame") + offset)
    return keyed.join(paths, on="key", how="left", maintain_order="left").drop("key")


def missing_images(rows: pl.DataFrame, offset: int = 0) -> list[str]:
    """A problem for each sequence of which a frame has no path."""
    lacking = rows.group_by(SEQUENCE_KEY).agg(
        coded=pl.len(),
        missing=pl.col("path").is_null().sum(),
        first=pl.col("frame").filter(pl.col("path").is_null()).min() + offset,
        last=pl.col("frame").filter(pl.col("path").is_null()).max() + offset,
    )
    return [
        f"{row['subject']}/{row['sequence']}: {row['missing']} of {row['coded']} coded frames have no image "
        f"(image {row['first']} to {row['last']})"
        for row in lacking.filter(pl.col("missing") > 0).sort(SEQUENCE_KEY).iter_rows(named=True)
    ]


def video_lengths(paths: Collection[Path]) -> tuple[dict[Path, int], list[str]]:
    """Number of frames of each video that can be read, and a problem for each that cannot."""

    def length(path: Path) -> int | str:
        try:
            return video_frames(path)
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(min(8, 2 * cores())) as pool:  # threads: most of the time goes into reading
        found = dict(zip(paths, pool.map(length, paths), strict=True))
    lengths = {path: frames for path, frames in found.items() if isinstance(frames, int)}
    return lengths, [problem for problem in found.values() if isinstance(problem, str)]

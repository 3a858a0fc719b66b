"""BP4D and DISFA as lists of images and labels: the files that ME-GraphAU, AUNCE and MDHR share, and those of JAA-Net.

    list/BP4D_test_img_path_fold1.txt   lines `F001/T1/2440.jpg` or `SN001/0.png`; likewise train, fold2, fold3
    list/BP4D_test_label_fold1.txt      a line `0 1 0 ...` for each path: the AUs of the dataset, ascending
    list/BP4D_part1_path.txt            JAA-Net: lines `BP4D/F001/T1/2440.jpg`, with BP4D_part1_AUoccur.txt; 9 not coded
    img/F001/T1/2440.jpg                beside the list folder; or img_256x256/, imgs/BP4D/ ...

The three test lists together are the dataset. Fold 1 tests on part 3, fold 2 on part 2, fold 3 on part 1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data.aus import au_column
from data.dataset import FOLD_NUMBERS, Dataset, ListForm
from data.errors import InputError, raise_all
from data.frames import Reading, frame_table
from data.readers import _common as common
from data.readers._images import SEQUENCE_KEY, Images, attach_images, missing_images, numbered_images

LIST_FOLDERS = (r"list_256x256", r"list", r"list_200x200")
_MISSING = "9"  # of the lists of JAA-Net; those of ME-GraphAU have only 0 and 1


@dataclass(frozen=True)
class _Naming:
    """(paths, labels) of the list that tests each part and of the one it is trained with; `{name}` is the dataset."""

    test: dict[str, tuple[str, str]]
    train: dict[str, tuple[str, str]]
    codes: str  # what a label may be


def _fold(kind: str, number: str) -> tuple[str, str]:
    return f"{{name}}_{kind}_img_path_fold{number}.txt", f"{{name}}_{kind}_label_fold{number}.txt"


def _part(name: str) -> tuple[str, str]:
    return f"{{name}}_{name}_path.txt", f"{{name}}_{name}_AUoccur.txt"


_NAMINGS = {
    "ME-GraphAU": _Naming(
        {part: _fold("test", numbers["ME-GraphAU"]) for part, numbers in FOLD_NUMBERS.items()},
        {part: _fold("train", numbers["ME-GraphAU"]) for part, numbers in FOLD_NUMBERS.items()},
        codes="01",
    ),
    "JAA-Net": _Naming(
        {part: _part(part) for part in FOLD_NUMBERS},
        {part: _part(numbers["JAA-Net"]) for part, numbers in FOLD_NUMBERS.items()},
        codes="01" + _MISSING,
    ),
}


@dataclass(frozen=True)
class Lists:
    """The lists of a dataset: their folder, how they are named, and the files in it by their lower case name."""

    folder: Path
    layout: str
    row: Dataset
    files: dict[str, Path]

    @property
    def form(self) -> ListForm:
        """How the files name the images of the dataset."""
        assert self.row.lists
        return self.row.lists

    def pair(self, names: tuple[str, str]) -> tuple[Path | None, Path | None]:
        """Path list and label list."""
        paths, labels = (self.files.get(name.format(name=self.form.prefix).lower()) for name in names)
        return paths, labels


def found(root: Path, row: Dataset) -> list[Lists]:
    """The lists of a dataset at most two folders below `root`, best first, where no raw labels are."""
    if row.lists is None or common.resolve(root, *row.lists.raw_labels):
        return []
    lists = []
    for folder in (f for pattern in LIST_FOLDERS for f in _folders(root) if re.fullmatch(pattern, f.name, re.I)):
        files = {path.name.lower(): path for path in common.files(folder, (".txt",))}
        candidates = [Lists(folder, layout, row, files) for layout in _NAMINGS]
        lists += [c for c in candidates if any(any(c.pair(names)) for names in _NAMINGS[c.layout].test.values())]
    return lists


def read(root: Path, row: Dataset) -> Reading:
    """Frames of the best lists that `found` finds."""
    lists, *others = found(root, row)
    heading = f"{common.printable(lists.folder)} cannot be read as {row.name}:"
    rows, problems = _test_rows(lists)
    raise_all(heading, problems if rows.is_empty() else [])
    start, notes = _numbering(rows, lists)
    images = _images(root, lists, rows)
    located = attach_images(rows.with_columns(frame=pl.col("number") + start), images.table, offset=-start)
    raise_all(heading, [*problems, *images.problems, *missing_images(located, offset=-start)])
    notes += [f"{_name(root, other)} were found too and not read" for other in others]
    table = frame_table(_labelled(located, row.aus).with_columns(dataset=pl.lit(row.name)), row.aus)
    return Reading(table, notes=(f"read from {_name(root, lists)}", *notes, *images.notes))


def _name(root: Path, lists: Lists) -> str:
    return f"the lists of {lists.layout} in {lists.folder.relative_to(root).as_posix()}"


def _test_rows(lists: Lists) -> tuple[pl.DataFrame, list[str]]:
    """The lines of all test lists, and how these and the train lists differ from the published ones."""
    layout = _NAMINGS[lists.layout]
    tests, problems = _read_all(lists, layout.test, needed=True)
    rows = pl.concat(tests.values()) if tests else pl.DataFrame()
    if len(tests) < len(layout.test):
        return rows, problems
    problems += [*_conflicts(rows), *_wrong_parts(lists, tests)]
    # the train lists say nothing new, but a difference shows that somebody changed the lists
    trains, more = _read_all(lists, layout.train, needed=False)
    for part, train in trains.items():
        more += _train_problems(lists, part, train, rows)
    return rows, problems + more


def _folders(root: Path) -> Iterator[Path]:
    for folder in common.folders(root):
        yield folder
        if not re.fullmatch(r"imgs?(_.*)?", folder.name, re.I):
            yield from common.folders(folder)


def _read_all(
    lists: Lists, names: dict[str, tuple[str, str]], needed: bool
) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """The rows of each part whose files are there."""
    tables, problems = {}, []
    for part, pair in names.items():
        paths, labels = lists.pair(pair)
        if paths and labels:
            try:
                tables[part] = _rows(lists, paths, labels).with_columns(part=pl.lit(part))
            except InputError as error:
                problems += str(error).splitlines()
        elif needed:
            named = zip(pair, (paths, labels), strict=True)
            absent = [name.format(name=lists.form.prefix.upper()) for name, path in named if not path]
            problems.append(f"{lists.folder.name}/ has no {' and no '.join(absent)}")
    return tables, problems


def _rows(lists: Lists, path_file: Path, label_file: Path) -> pl.DataFrame:
    """Subject, sequence, number, folder and labels (text, one blank between codes) of each line."""
    paths, labels = _lines(path_file), _lines(label_file).str.replace_all(r"\s+", " ")
    if len(paths) != len(labels):
        raise InputError(f"{path_file.name} has {len(paths)} lines, but {label_file.name} has {len(labels)}")
    if not len(paths):
        raise InputError(f"{path_file.name}: contains no path")
    codes, count = _NAMINGS[lists.layout].codes, len(lists.row.aus)
    _refuse(label_file, labels, rf"^[{codes}]( [{codes}]){{{count - 1}}}$", f"{count} codes of {', '.join(codes)}")
    prefix = f"(?:{lists.form.prefix}/)?"
    pattern = rf"(?i)^(?:\./)?{prefix}(?<folder>{lists.form.sequence})/(?<number>[0-9]{{1,9}})\.(?:jpe?g|png|bmp)$"
    _refuse(path_file, paths, pattern, f"e.g. {lists.form.example}")
    parsed = pl.DataFrame({"labels": labels, "groups": paths.str.extract_groups(pattern)}).unnest("groups")
    subject, sequence = parsed.columns[2:4]
    return parsed.select(
        pl.col(subject).str.to_uppercase().alias("subject"),
        pl.col(sequence).str.to_uppercase().replace("", "list").alias("sequence"),
        pl.col("number").cast(pl.Int64),
        "folder",
        "labels",
    )


def _lines(path: Path) -> pl.Series:
    # not by counting newlines: published path files lack the last one
    lines = pl.Series(common.read_lines(path), dtype=pl.String)
    return lines.filter(lines != "")


def _refuse(path: Path, lines: pl.Series, pattern: str, expected: str) -> None:
    wrong = lines.filter(~lines.str.contains(pattern))
    if len(wrong):
        more = f" and {len(wrong) - 1} more lines" if len(wrong) > 1 else ""
        raise InputError(f"{path.name}: {wrong[0]!r}{more}; expected {expected}")


def _conflicts(rows: pl.DataFrame) -> list[str]:
    """Images that are in the test lists more than once."""
    twice = rows.group_by(*SEQUENCE_KEY, "number").agg(times=pl.len(), differ=pl.n_unique("labels") > 1)
    twice = twice.filter(pl.col("times") > 1).sort(*SEQUENCE_KEY, "number")
    return [
        f"image {row['number']} of {row['subject']}/{row['sequence']} is in the test lists {row['times']} times"
        + (" with different labels" if row["differ"] else "")
        for row in twice.iter_rows(named=True)
    ]


def _wrong_parts(lists: Lists, tests: dict[str, pl.DataFrame]) -> list[str]:
    """Subjects that a list tests on although the published part does not hold them."""
    problems = []
    for part, table in tests.items():
        wrong = sorted(set(table["subject"]) - set(lists.row.parts[part]))
        if wrong:
            name = _NAMINGS[lists.layout].test[part][0].format(name=lists.form.prefix.upper())
            problems.append(f"{name} contains {common.listed(wrong)}, but the published {part} does not")
    return problems


def _train_problems(lists: Lists, part: str, train: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """How the train list of the fold that tests `part` differs from the test lists of the other parts."""
    key = [*SEQUENCE_KEY, "number"]
    others = rows.filter(pl.col("part") != part)
    both = train.join(others, on=key, suffix="_test")
    differing = both.filter(pl.col("labels") != pl.col("labels_test"))
    counts = {
        "images of no other test list": train.join(others, on=key, how="anti").height,
        "images of the other test lists missing": others.join(train, on=key, how="anti").height,
        "images with other labels than in their test list": differing.height,
        "images more than once": int(train.select(key).is_duplicated().sum()),
    }
    name = _NAMINGS[lists.layout].train[part][0].format(name=lists.form.prefix.upper())
    return [f"{name}: {count} {what}" for what, count in counts.items() if count]


def _numbering(rows: pl.DataFrame, lists: Lists) -> tuple[int, list[str]]:
    """Label frame - image number, and notes on that and on missing subjects."""
    missing = sorted({subject for part in lists.row.parts.values() for subject in part} - set(rows["subject"]))
    notes = [f"the lists contain no image of {common.listed(missing)}"] if missing else []
    from_zero = lists.form.from_zero and rows["number"].min() == 0
    rule = "images count from 0: frame = image number + 1" if from_zero else "image number = label frame number"
    # these lists pair label line 1 with image 0, whatever the frame column of the labels says
    return int(from_zero), [*notes, f"{rule}, as these lists take it"]


def _images(root: Path, lists: Lists, coded: pl.DataFrame) -> Images:
    folders = coded.select(*SEQUENCE_KEY, "folder").unique(SEQUENCE_KEY).sort(SEQUENCE_KEY).rows()
    size = lists.folder.name.lower().removeprefix("list")
    prefix = lists.form.prefix
    choices = [f"img{re.escape(size)}", "img", r"img_\w+", f"imgs/{prefix}", f"img/{prefix}", "imgs"]
    bases = [base for choice in choices if (base := common.resolve(lists.folder.parent, choice))]
    base = next((base for base in bases if any((base / folder[2]).is_dir() for folder in folders)), None)
    if base is None:
        raise InputError(
            f"{common.printable(lists.folder.parent)}: the lists name {folders[0][2]}/, but there is no such folder in "
            f"img{size}/, img/, imgs/ or imgs/{prefix.upper()}/ beside {lists.folder.name}/"
        )
    present = [(subject, sequence, base / folder) for subject, sequence, folder in folders if (base / folder).is_dir()]
    images = numbered_images(root, present)
    return Images(images.table, images.problems, [*images.notes, f"images of {base.relative_to(root).as_posix()}"])


def _labelled(rows: pl.DataFrame, aus: tuple[int, ...]) -> pl.DataFrame:
    codes = pl.col("labels").str.split(" ")
    labels = [codes.list.get(i).replace(_MISSING, None).cast(pl.Int8) for i in range(len(aus))]
    return rows.with_columns(label.alias(au_column(au)) for label, au in zip(labels, aus, strict=True))

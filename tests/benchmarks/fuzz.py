"""What readers say of damaged files of `runs/` and `stores/`, as a Markdown table: python -m tests.benchmarks.fuzz

Two small finished studies with a search, a transfer study and their frame stores are made; then one file at a time is
damaged, everything that reads is run in this process, and the file is restored. Each damage is counted as one of

    same        nothing reads the file, or a lost file is made again: all numbers are as before
    named       an error or a line of the page or of the status names the file
    wrong       a number changed, and nobody said why
    unnoticed   the content of a file that matters changed, and nobody said so
    traceback   an error that is no line for the user
"""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import InputError
from data.seeds import numpy_generator
from tests.benchmarks._fuzz_world import UNREAD, World, made, observed

VERDICTS = ("same", "named", "wrong", "unnoticed", "traceback")
DETECTOR_FLIPS = 150
FILES = 2  # damaged of each kind, at most
Damage = Callable[[bytes, np.random.Generator], bytes]


def _flipped(content: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(content)))
    return content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]


def _zeroed(content: bytes, rng: np.random.Generator) -> bytes:
    length = min(int(rng.choice([16, 64, 512])), len(content))
    at = int(rng.integers(len(content) - length + 1))
    return content[:at] + bytes(length) + content[at + length :]


DAMAGES: dict[str, Damage] = {
    **{f"bit flip {number}": _flipped for number in range(2)},
    "cut in half": lambda content, rng: content[: len(content) // 2],
    "last byte lost": lambda content, rng: content[:-1],
    "block of zeros": _zeroed,
    "emptied": lambda content, rng: b"",
    "garbage": lambda content, rng: rng.bytes(max(len(content), 64)),
}
COPIES = ("{stem} (conflicted copy){suffix}", "{stem}.sync-conflict-20260101-120000-ABCDEF{suffix}")


@dataclass(frozen=True)
class Case:
    """One damage of one file."""

    kind: str
    path: Path
    damage: str
    content: bytes | None  # None: the file is removed
    copy: str = ""  # the name of a copy that is laid beside it, instead of a damage


def cases(world: World) -> Iterator[Case]:
    """Every damage of some files of each kind."""
    for kind, paths in world.files().items():
        for path in paths[:FILES]:
            content, rng = path.read_bytes(), numpy_generator("fuzz", kind, path.suffix, paths.index(path))
            for name, damage in DAMAGES.items():
                yield Case(kind, path, name, damage(content, rng))
            yield Case(kind, path, "removed", None)
            for other in world.alike(kind, path):
                yield Case(kind, path, "swapped", other.read_bytes())
            for copy in COPIES:
                yield Case(kind, path, "conflicted copy", content, copy.format(stem=path.stem, suffix=path.suffix))


def detector_flips(world: World, flips: int) -> Iterator[Case]:
    """Single bits of one detector."""
    path, rng = world.files()["detector"][0], numpy_generator("fuzz", "detector flips")
    for number in range(flips):
        yield Case("detector, bit flips", path, f"bit flip {number}", _flipped(path.read_bytes(), rng))


def verdict(case: Case, world: World, before: Mapping[str, object]) -> tuple[str, str]:
    """What the readers make of the damage, and what they say."""
    changed = case.path.with_name(case.copy) if case.copy else case.path
    kept = case.path.read_bytes()
    try:
        changed.unlink() if case.content is None else changed.write_bytes(case.content)
        after, errors, said = observed(world, case.kind)
    finally:
        changed.unlink(missing_ok=True)
        case.path.write_bytes(kept)
    text = " ".join([*said, *map(str, errors)])
    broken = [error for error in errors if not isinstance(error, InputError)]
    if broken:
        return "traceback", f"{type(broken[0]).__name__}: {broken[0]}"
    if world.names(changed, text):
        return "named", text
    if case.content is None and case.kind in UNREAD and not errors:
        return "same", text
    if errors or any(after[name] != before[name] for name in after):
        return "wrong", text or ", ".join(name for name in after if after[name] != before[name])
    same = case.content is not None and not case.copy and case.content == kept
    return ("same" if same or world.is_spare(case.kind, case.content is None, bool(case.copy)) else "unnoticed"), text


def measure(folder: Path, flips: int = DETECTOR_FLIPS, every: int = 1) -> dict[str, Counter[str]]:
    """How many damages of each kind of file got each verdict; prints those that should not be."""
    world = made(folder)
    before, errors, said = observed(world, "")
    assert not errors, errors
    assert not said, said
    found: dict[str, Counter[str]] = {}
    for case in [*cases(world), *detector_flips(world, flips)][::every]:
        word, text = verdict(case, world, before)
        found.setdefault(case.kind, Counter())[word] += 1
        if word not in ("same", "named"):
            print(
                f"{word}: {case.damage} of {case.copy or case.path.relative_to(folder)}: {text[:300]}", file=sys.stderr
            )
    return found


def main() -> None:
    """Print the table."""
    folder = Path(tempfile.mkdtemp())
    try:
        found = measure(folder)
    finally:
        shutil.rmtree(folder)
    print("| kind of file | damages |", " | ".join(VERDICTS), "|\n|---|---|", "---|" * len(VERDICTS), sep="")
    for kind, counts in {**found, "all": sum(found.values(), Counter[str]())}.items():
        print(f"| {kind} | {counts.total()} |", " | ".join(str(counts[word]) for word in VERDICTS), "|")


if __name__ == "__main__":
    main()

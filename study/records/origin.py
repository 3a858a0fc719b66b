"""Whose faces the frames of a study show; a part of its provenance, and of every verdict."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from study.records.said import NOTE, PLAIN, Said

ORIGIN = "frames"  # the entry of a study's provenance with the text of its origins
_ORIGIN = re.compile(r"(?P<dataset>.+): (?P<people>\d+)(?: of (?P<whole>\d+))? people, (?P<kind>drawn|real|unknown)")
_KINDS = {True: "drawn", False: "real", None: "unknown"}


@dataclass(frozen=True)
class Origin:
    """The people in the frames of one dataset; `whole` are those of a complete copy, 0 where nobody knows."""

    dataset: str
    people: int
    whole: int = 0
    drawn: bool | None = None  # None: unknown

    @property
    def text(self) -> str:
        """`disfa: 12 of 27 people, drawn`, which `origins_from` reads."""
        of = f" of {self.whole}" if self.whole else ""
        return f"{self.dataset}: {self.people}{of} people, {_KINDS[self.drawn]}"

    @property
    def said(self) -> Said:
        """What the numbers are of."""
        who = self.who
        if self.drawn:
            return Said(f"Drawn faces in place of {who}: nothing here is a result about people.", NOTE)
        if self.drawn is None:
            advice = f"launch/prepare.py dataset={self.dataset} rebuild=true records it"
            return Said(f"Unknown whether the frames are real or drawn ({advice}): {who}.", NOTE)
        return Said(f"Real data: {who}.", NOTE if self.whole and self.people != self.whole else PLAIN)

    @property
    def who(self) -> str:
        """How many people, of how many."""
        if not self.whole:
            return f"{self.people} people of {self.dataset}"
        if self.people == self.whole:
            return f"all {self.whole} people of {self.dataset}"
        if self.people < self.whole:
            return f"{self.people} of the {self.whole} people of {self.dataset}"
        return f"{self.people} people of {self.dataset}, which has {self.whole}"


def origins_from(provenance: Mapping[str, str]) -> tuple[Origin, ...]:
    """The origins in the provenance of a study; none when an older version wrote it."""
    found = [_ORIGIN.fullmatch(part) for part in provenance.get(ORIGIN, "").split("; ")]
    drawn = {kind: value for value, kind in _KINDS.items()}
    return tuple(
        Origin(one["dataset"], int(one["people"]), int(one["whole"] or 0), drawn[one["kind"]]) for one in found if one
    )

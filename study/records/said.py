"""One sentence of a verdict, and the tone in which it is said."""

from dataclasses import dataclass

PLAIN, NOTE, ALARM = "plain", "note", "alarm"  # tones: a fact, a limit, and a detector that is worth nothing


@dataclass(frozen=True)
class Said:
    """One sentence and its tone."""

    words: str
    tone: str = PLAIN

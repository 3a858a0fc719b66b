"""Verdict: what a reader must know before the first number, as plain data and as sentences.

Needs no torch and no polars. `study.records.progress` and `study.scoring.verdicts` fill it in; pages, exports and the
terminal print its sentences.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from study.records.origin import Origin
from study.records.said import ALARM, NOTE, PLAIN, Said

ALWAYS_POSITIVE = "always-positive"
_SHOWN = 6  # names in one sentence
ON_TEST, ON_VALIDATION = "test", "validation"  # parts of a fold


@dataclass(frozen=True)
class Completeness:
    """How much of what was asked is done: of `asked` trials, `failed` ones are among `ended` in a search alone."""

    what: str
    ended: int
    asked: int
    folds: int
    asked_folds: int
    failed: int = 0
    running: int = 0
    written: float = 0.0  # when the last trial ended, in seconds since 1970; 0 before the first

    @property
    def is_complete(self) -> bool:
        """Whether all trials that were asked for have ended, on all folds."""
        return self.ended >= self.asked and self.folds >= self.asked_folds

    @property
    def said(self) -> Said:
        """Complete or not, and when the last trial ended."""
        more = [f"{count} {state}" for count, state in ((self.failed, "failed"), (self.running, "running")) if count]
        last = f"; written {_time(self.written)}" if self.written else ""
        if self.is_complete:
            counts = [_plural(self.folds, "fold"), _plural(self.ended, "trial"), *more]
            return Said(f"Complete {self.what}: {', '.join(counts)}{last}.")
        counts = [_of(self.folds, self.asked_folds, "fold"), _of(self.ended, self.asked, "trial"), *more]
        return Said(f"Not complete, {self.what}: {', '.join(counts)}{last}.", NOTE)


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _of(count: int, asked: int, noun: str) -> str:
    return f"{count} of {_plural(asked, noun)}"


@dataclass(frozen=True)
class Standing:
    """A detector against always-positive on the same frames: mean F1 over AUs, all fractions; None is undefined.

    `low` and `high` are the ends of the interval of the difference. `silent` names the runs that call no frame active,
    `constant` those that give each AU the same answer in every frame; `runs` is 0 where only scores are known.
    """

    name: str
    f1: float | None
    always_positive: float | None
    low: float | None = None
    high: float | None = None
    runs: int = 0
    silent: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()

    @property
    def gain(self) -> float | None:
        """F1 less that of always-positive."""
        return None if self.f1 is None or self.always_positive is None else self.f1 - self.always_positive

    @property
    def is_idle(self) -> bool:
        """Whether it predicts nothing, or the same for every frame."""
        return 0 < self.runs == len(self.silent) + len(self.constant) or self.f1 == 0

    @property
    def tone(self) -> str:
        """Alarm when it is idle or not above always-positive, a note when that is not certain."""
        if self.is_idle or self.f1 is None or (self.gain is not None and self.gain <= 0):
            return ALARM
        return NOTE if self.gain is None or (self.low is not None and self.low <= 0) else PLAIN

    @property
    def words(self) -> str:
        """What it is worth, without its name."""
        if self.is_idle:
            return f"{_idleness(self)}: F1 {_percent(self.f1)}, {ALWAYS_POSITIVE} {_percent(self.always_positive)}"
        if self.f1 is None:
            return "F1 is undefined for every AU"
        if self.gain is None:
            return f"F1 {_percent(self.f1)}; always-positive is unknown"
        if self.gain <= 0:
            return f"below {ALWAYS_POSITIVE}: {self._numbers}"
        return f"{'not clearly ' if self.tone == NOTE else ''}above {ALWAYS_POSITIVE}: {self._numbers}"

    @property
    def _numbers(self) -> str:
        assert self.gain is not None
        inside = "" if self.low is None or self.high is None else f", {_points(self.low)} to {_points(self.high)}"
        return f"F1 {_percent(self.f1)} against {_percent(self.always_positive)} ({_points(self.gain)} points{inside})"


def _idleness(standing: Standing) -> str:
    if standing.runs == 0 or standing.runs == len(standing.silent):
        return "predicts nothing" if standing.runs else "finds no active frame"
    return "constant, each AU has the same answer in every frame"


@dataclass(frozen=True)
class Reversal:
    """A metric or rule that puts methods in another order than F1 at threshold 0.5."""

    metric: str
    first: str  # the method that it puts first
    second: str
    pairs: int  # that change their order
    of: int

    @property
    def words(self) -> str:
        """`AUC (bce before aunce)`, `AUC (bce first, 2 of 6 pairs change)`."""
        if self.of == 1:
            return f"{self.metric} ({self.first} before {self.second})"
        return f"{self.metric} ({self.first} first, {self.pairs} of {self.of} pairs change)"


@dataclass(frozen=True)
class Order:
    """Which other metrics and rules were compared with F1 at threshold 0.5, and which of them reverse its order."""

    compared: tuple[str, ...] = ()
    reversals: tuple[Reversal, ...] = ()


@dataclass(frozen=True)
class StudyVerdict:
    """The parts of the sentences that stand before every number."""

    progress: tuple[Completeness, ...] = ()
    origins: tuple[Origin, ...] = ()
    standings: tuple[Standing, ...] = ()
    order: Order | None = None  # None: nothing to put in order
    scored_on: str = ON_TEST
    scored: int = 0  # people; 0 where the parts of the table have different ones

    @property
    def said(self) -> list[Said]:
        """All sentences, in the order in which they are printed."""
        unknown = Said("Unknown whether the frames are real or drawn, and how many people they show.", NOTE)
        of = [origin.said for origin in self.origins] or [unknown]
        return [*_completeness(self.progress), *of, *_scored(self), *_worth(self), *_order(self)]

    @property
    def lacks_people(self) -> bool:
        """Whether the test scores are of fewer people than the frames show."""
        return self.scored_on == ON_TEST and 0 < self.scored < sum(origin.people for origin in self.origins)

    @property
    def is_worthless(self) -> bool:
        """Whether a detector predicts nothing, or is not above always-positive."""
        return any(one.tone == ALARM for one in self.standings)

    @property
    def unpublishable(self) -> list[str]:
        """Why its numbers must not stand beside published ones; empty when they may."""
        # the last stage is the one whose scores are shown
        shown = self.progress[-1:] if self.scored_on == ON_TEST else ()
        reasons = [f"the {one.what} is not complete" for one in shown if not one.is_complete]
        kinds = {origin.drawn for origin in self.origins}
        reasons += ["these are drawn faces"] if True in kinds else []
        if not self.origins or None in kinds:
            reasons.append("it is unknown whether these frames are real or drawn")
        reasons += [f"these are {one.who}" for one in self.origins if one.whole and one.people != one.whole]
        return reasons + ([f"the scores are of {self.scored} people alone"] if self.lacks_people else [])


def _completeness(progress: Sequence[Completeness]) -> Iterator[Said]:
    """What is not complete, one by one; more than two complete parts are one sentence."""
    complete = [one for one in progress if one.is_complete]
    yield from (one.said for one in progress if not one.is_complete)
    if len(complete) > 2:
        others = "all" if len(complete) == len(progress) else "the other"
        yield Said(f"Complete: {others} {len(complete)}; written {_time(max(one.written for one in complete))}.")
    else:
        yield from (one.said for one in complete)


def _scored(verdict: StudyVerdict) -> Iterator[Said]:
    if verdict.lacks_people:
        there = sum(origin.people for origin in verdict.origins)
        yield Said(f"The scores are of {verdict.scored} of these {there} people.", NOTE)


def _worth(verdict: StudyVerdict) -> Iterator[Said]:
    """The detectors against always-positive: one sentence for one, one for each tone for several."""
    where = "" if verdict.scored_on == ON_TEST else f", on {verdict.scored or ''} {verdict.scored_on} people"
    if len(verdict.standings) == 1:
        (only,) = verdict.standings
        yield Said(f"{only.words[0].upper()}{only.words[1:]}{where}.", only.tone)
        yield from _idle_runs(only)
        return
    for tone in (ALARM, NOTE, PLAIN):
        found = [f"{one.name}: {one.words}" for one in verdict.standings if one.tone == tone]
        if tone == ALARM and found:
            yield Said(f"{_listed(found)}{where}.", ALARM)
        elif found and len({one.tone for one in verdict.standings}) == 1:
            yield Said(f"{_CLEARLY[tone]} {ALWAYS_POSITIVE}{where}: all {len(found)}.", tone)
        elif found:
            names = _listed([one.name for one in verdict.standings if one.tone == tone])
            yield Said(f"{_CLEARLY[tone]} {ALWAYS_POSITIVE}{where}: {names}.", tone)


_CLEARLY = {NOTE: "Not clearly above", PLAIN: "Above"}


def _idle_runs(standing: Standing) -> Iterator[Said]:
    """Single runs that are worth nothing, which a mean over runs hides."""
    if standing.is_idle:
        return
    for runs, what in ((standing.silent, "predicting nothing"), (standing.constant, "constant")):
        if runs:
            yield Said(f"Of its {standing.runs} detectors, {what}: {_listed(list(runs))}.", ALARM)


def _order(verdict: StudyVerdict) -> Iterator[Said]:
    if verdict.order is None:
        return
    if not verdict.order.compared:
        yield Said("Only F1 at threshold 0.5 is known, so no other metric could reverse the order.")
    elif verdict.order.reversals:
        found = "; ".join(one.words for one in verdict.order.reversals)
        what = "the order by F1" if len(verdict.standings) != 1 else "that verdict by F1"
        yield Said(f"Another metric or rule reverses {what} at threshold 0.5: {found}.", NOTE)
    else:
        what = "reverses the order" if len(verdict.standings) != 1 else "says otherwise"
        yield Said(f"No other metric or rule {what} ({', '.join(verdict.order.compared)}).")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{'; '.join(names[:_SHOWN])}{more}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")

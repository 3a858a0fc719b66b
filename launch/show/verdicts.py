"""The verdict of a command: the first lines that it prints, before any number."""

from collections.abc import Sequence

from rich.console import Console

from launch.show.display import said_text
from study.records.said import ALARM
from study.records.score_table import SELECTIONS, scores_frame
from study.records.store import StudyStore
from study.records.verdict import StudyVerdict
from study.scoring.verdicts import study_verdict
from study.search.best_trial import choose


def print_verdict(verdict: StudyVerdict, console: Console) -> None:
    """Print its sentences, one a line; a detector that is worth nothing in red."""
    for one in verdict.said:
        console.print(said_text(one), soft_wrap=True)


def verdict_markdown(verdict: StudyVerdict) -> str:
    """Its sentences as paragraphs; a detector that is worth nothing in bold."""
    return "\n\n".join(f"**{one.words}**" if one.tone == ALARM else one.words for one in verdict.said)


def search_verdict(store: StudyStore, folds: Sequence[str]) -> StudyVerdict:
    """The verdict on the best trial of each of `folds`, on its validation people."""
    bests = [choose(store, fold).config.key for fold in folds]
    return study_verdict(store, store.root.name, scores_frame([]), (), bests)


def final_verdict(store: StudyStore) -> StudyVerdict:
    """The verdict on the final evaluation that was just recorded."""
    chosen, scores = store.selections(), store.final_scores()
    # the first that may be reported
    selection = next(name for name in (*SELECTIONS, *chosen) if name in chosen)
    return study_verdict(store, store.root.name, scores.filter(selection=selection), chosen[selection].keys, ())

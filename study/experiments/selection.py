"""Selection rules: which configuration of the search is tested on each outer fold.

    nested   chosen by the fold's own search, on validation subjects from its training part: the test subjects have no
             influence on the choice
    shared   one configuration for all folds, chosen in the first searched fold: test subjects of the other folds took
             part in the choice
    oracle   of the fold's best by validation, the best on its test subjects: common in the literature, but never
             report it as a result

The score of oracle minus that of nested is the selection bias.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from data.errors import InputError
from model.metrics import f1, mean_defined
from study.records.config import TrialConfig
from study.records.predictions import read_predictions
from study.records.result import TrialResult
from study.records.score_table import SELECTIONS
from study.records.selection_record import SelectionRecord
from study.records.store import StudyStore
from study.scoring.evaluation import Evaluation, bias_table, score_table
from study.scoring.tally import tally
from study.scoring.thresholds import rule_thresholds
from study.search.best_trial import choose, final_trials, fresh_seeds
from study.search.objectives import goals_of

Chosen = dict[str, list[TrialResult]]  # fold -> its final trials, one for each seed


@dataclass(frozen=True)
class SelectionPlan:
    """The trials that a rule needs: for each fold, the seeds of one configuration, or of several (oracle)."""

    selection: str
    candidates: dict[str, list[list[TrialConfig]]]

    @property
    def trials(self) -> list[TrialConfig]:
        """All trials of the plan."""
        return [trial for candidates in self.candidates.values() for seeds in candidates for trial in seeds]


def asked_selections(asked: str | Sequence[str]) -> list[str]:
    """The selection rules in a command line, one or several."""
    names = [asked] if isinstance(asked, str) else [*asked]
    wrong = [name for name in names if name not in SELECTIONS]
    if wrong or not names or len({*names}) < len(names):
        raise InputError(f"selection={asked}; allowed: {', '.join(SELECTIONS)}, or several, e.g. [nested,oracle]")
    return names


def plan(store: StudyStore, selection: str, fold_names: Sequence[str], seeds: int, candidates: int) -> SelectionPlan:
    """The final trials of a rule; `InputError` names the folds without a finished trial."""
    searched = [fold for fold in fold_names if store.count("sweep", fold) and _done(store, fold)]
    if selection == "shared" and searched:
        chosen = {fold: [choose(store, searched[0])] for fold in fold_names}
    else:
        _check_searched(store, selection, [fold for fold in fold_names if fold not in searched])
        # only the oracle trains several configurations, because it looks at the test part
        count = candidates if selection == "oracle" else 1
        chosen = {fold: _best(store, fold, count) for fold in fold_names}
    return SelectionPlan(
        selection,
        {
            fold: [final_trials(one.config, [fold], fresh_seeds(one.config, seeds)) for one in results]
            for fold, results in chosen.items()
        },
    )


def _check_searched(store: StudyStore, selection: str, missing: Sequence[str]) -> None:
    if missing:
        instead = "" if selection == "shared" else ", or give selection=shared"
        raise InputError(
            f"selection={selection}: the search of {store.root.name} has no finished trial on fold "
            f"{', '.join(missing)}: run launch/sweep.py ... name={store.root.name} fold=all{instead}"
        )


def _done(store: StudyStore, fold: str) -> list[str]:
    """Keys of a fold's finished trials that satisfy the constraints, best on validation first."""
    return [one.key for one in goals_of(store.spec()).ranked(store.outcomes("sweep", fold))]


def _best(store: StudyStore, fold: str, count: int) -> list[TrialResult]:
    """The `count` best trials of a fold on validation."""
    found = [store.result(key) for key in _done(store, fold)[:count]]
    return [result for result in found if result is not None]


def decided_trials(store: StudyStore, asked: SelectionPlan) -> Chosen:
    """The chosen trials of each fold, after all trials of the plan; of several candidates the best on test."""
    chosen = {}
    for fold, candidates in asked.candidates.items():
        finished = [[_finished(store, trial.key) for trial in seeds] for seeds in candidates]
        chosen[fold] = max(finished, key=_test_f1)  # of equal ones the first, the best by validation
    return chosen


def _finished(store: StudyStore, key: str) -> TrialResult:
    result = store.result(key)
    if result is None or result.status != "DONE":
        raise InputError(f"the final trial {key} of {store.root.name} is not done: run launch/final.py again")
    return result


def _test_f1(results: Sequence[TrialResult]) -> float:
    """F1 on the fold's test subjects, mean over AUs and seeds."""
    return float(np.mean([mean_defined(f1(result.scores["test"].counts.sum(axis=0))) for result in results]))


def final_trials_of(store: StudyStore, selection: str = "nested") -> list[TrialResult]:
    """The final trials of a selection rule, by fold and seed; `InputError` before launch/final.py."""
    recorded = store.selections()
    if selection not in recorded:
        known = f"; there is {', '.join(recorded)}" if recorded else ""
        raise InputError(
            f"no final evaluation of {store.root.name} with selection={selection}{known}: "
            f"run launch/final.py name={store.root.name} selection={selection}"
        )
    return [_finished(store, key) for key in recorded[selection].keys]


def record(plans: Sequence[SelectionPlan], chosen: Mapping[str, Chosen]) -> dict[str, SelectionRecord]:
    """The record of which trials each rule chose."""
    return {
        one.selection: SelectionRecord(
            {fold: _keys(result.config for result in results) for fold, results in chosen[one.selection].items()},
            {fold: tuple(map(_keys, candidates)) for fold, candidates in one.candidates.items()},
        )
        for one in plans
    }


def _keys(trials: Iterable[TrialConfig]) -> tuple[str, ...]:
    return tuple(trial.key for trial in trials)


def score_selections(store: StudyStore, chosen: Mapping[str, Chosen]) -> pl.DataFrame:
    """Scores of every rule, and the selection bias if both nested and oracle were run."""
    evaluations = {selection: evaluation_of(store, trials) for selection, trials in chosen.items()}
    tables = [
        score_table(evaluation, names_of(chosen[selection]) | {"selection": selection})
        for selection, evaluation in evaluations.items()
    ]
    if {"nested", "oracle"} <= {*evaluations}:
        tables.append(bias_table(evaluations["oracle"], evaluations["nested"], names_of(chosen["oracle"])))
    return pl.concat(tables)


def names_of(chosen: Chosen) -> dict[str, str]:
    """The columns method, source and target of a score table for these final trials."""
    configs = [result.config for results in chosen.values() for result in results]
    dataset = configs[0].data.dataset
    return {
        "method": "+".join(dict.fromkeys(config.method_name for config in configs)),
        "source": dataset,
        "target": dataset,
    }


def evaluation_of(store: StudyStore, chosen: Chosen, aus: tuple[int, ...] = ()) -> Evaluation:
    """The saved predictions of the trials, at threshold 0.5 and at the best thresholds on validation frames.

    `aus` limits them to these AUs.
    """
    tallies = []
    # one tally for each seed: its detectors of all folds
    for trials in zip(*chosen.values(), strict=True):
        parts, thresholds = {}, {}
        for fold, trial in zip(chosen, trials, strict=True):
            predictions = read_predictions(store.predictions_path(trial.config.key))
            predictions = predictions.on(aus or predictions.aus)
            parts[fold] = predictions.part("test")
            thresholds[fold] = rule_thresholds(parts[fold], predictions.part("val"))
        tallies.append(tally(parts, thresholds))
    return Evaluation((tuple(tallies),))

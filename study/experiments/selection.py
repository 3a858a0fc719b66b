"""Selection rules, made explicit: which configuration of the search each outer fold is finally tested with.

    nested   chosen on validation subjects of the fold's own training part, from the fold's own search: nobody whom the
             fold tests on has been looked at
    shared   one for all folds, chosen in the first one that was searched: the other folds test on subjects that took
             part in the choice
    oracle   the best on the fold's test subjects, among its best by validation: what much of the literature does, and
             never report this as a result

The score of oracle less that of nested is the selection bias.
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
from study.search.best_trial import choose, final_trials
from study.search.objectives import goals_of

Chosen = dict[str, list[TrialResult]]  # fold -> its final trials, a seed each


@dataclass(frozen=True)
class SelectionPlan:
    """What a rule asks for: in each fold the seeds of a configuration, or of several that the test part decides on."""

    selection: str
    candidates: dict[str, list[list[TrialConfig]]]

    @property
    def trials(self) -> list[TrialConfig]:
        """All of its trials."""
        return [trial for candidates in self.candidates.values() for seeds in candidates for trial in seeds]


def asked_selections(asked: str | Sequence[str]) -> list[str]:
    """The rules that a command line names, one or several."""
    names = [asked] if isinstance(asked, str) else [*asked]
    wrong = [name for name in names if name not in SELECTIONS]
    if wrong or not names or len({*names}) < len(names):
        raise InputError(f"selection={asked}; allowed: {', '.join(SELECTIONS)}, or several, e.g. [nested,oracle]")
    return names


def plan(store: StudyStore, selection: str, fold_names: Sequence[str], seeds: int, candidates: int) -> SelectionPlan:
    """The final trials of a rule; `InputError` names the folds whose search has no finished trial."""
    searched = [fold for fold in fold_names if store.count("sweep", fold) and _done(store, fold)]
    if selection == "shared" and searched:
        chosen = {fold: [choose(store, searched[0])] for fold in fold_names}
    else:
        _check_searched(store, selection, [fold for fold in fold_names if fold not in searched])
        count = candidates if selection == "oracle" else 1
        chosen = {fold: _best(store, fold, count) for fold in fold_names}
    return SelectionPlan(
        selection,
        {fold: [final_trials(one.config, [fold], seeds) for one in results] for fold, results in chosen.items()},
    )


def _check_searched(store: StudyStore, selection: str, missing: Sequence[str]) -> None:
    if missing:
        instead = "" if selection == "shared" else ", or give selection=shared"
        raise InputError(
            f"selection={selection}: the search of {store.root.name} has no finished trial on fold "
            f"{', '.join(missing)}: run launch/sweep.py ... name={store.root.name} fold=all{instead}"
        )


def _done(store: StudyStore, fold: str) -> list[str]:
    """Keys of a fold's finished trials that keep the constraints, best on validation first."""
    return [one.key for one in goals_of(store.spec()).ranked(store.outcomes("sweep", fold))]


def _best(store: StudyStore, fold: str, count: int) -> list[TrialResult]:
    """The best on validation."""
    found = [store.result(key) for key in _done(store, fold)[:count]]
    return [result for result in found if result is not None]


def decided_trials(store: StudyStore, asked: SelectionPlan) -> Chosen:
    """The trials of each fold that a rule stands for, when all of its plan are done: of several the best on test."""
    chosen = {}
    for fold, candidates in asked.candidates.items():
        finished = [[_finished(store, trial.key) for trial in seeds] for seeds in candidates]
        chosen[fold] = max(finished, key=_test_f1)  # the first among equals
    return chosen


def _finished(store: StudyStore, key: str) -> TrialResult:
    result = store.result(key)
    if result is None or result.status != "DONE":
        raise InputError(f"the final trial {key} of {store.root.name} is not done: run launch/final.py again")
    return result


def _test_f1(results: Sequence[TrialResult]) -> float:
    """Mean over seeds and AUs of the F1 on the fold's test subjects together."""
    return float(np.mean([mean_defined(f1(result.scores["test"].counts.sum(axis=0))) for result in results]))


def final_trials_of(store: StudyStore, selection: str = "nested") -> list[TrialResult]:
    """The final trials that a selection rule stands for, by fold and seed; `InputError` before launch/final.py."""
    recorded = store.selections()
    if selection not in recorded:
        known = f"; there is {', '.join(recorded)}" if recorded else ""
        raise InputError(
            f"no final evaluation of {store.root.name} with selection={selection}{known}: "
            f"run launch/final.py name={store.root.name} selection={selection}"
        )
    return [_finished(store, key) for key in recorded[selection].keys]


def record(plans: Sequence[SelectionPlan], chosen: Mapping[str, Chosen]) -> dict[str, SelectionRecord]:
    """Which trials belong to which rule, as the store keeps it."""
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
    """Scores of every rule, and the selection bias where nested and oracle are there."""
    evaluations = {selection: evaluation_of(store, trials) for selection, trials in chosen.items()}
    tables = [
        score_table(evaluation, names_of(chosen[selection]) | {"selection": selection})
        for selection, evaluation in evaluations.items()
    ]
    if {"nested", "oracle"} <= {*evaluations}:
        tables.append(bias_table(evaluations["oracle"], evaluations["nested"], names_of(chosen["oracle"])))
    return pl.concat(tables)


def names_of(chosen: Chosen) -> dict[str, str]:
    """Method, and the dataset that is source and target, of final trials, as a score table names them."""
    configs = [result.config for results in chosen.values() for result in results]
    dataset = configs[0].data.dataset
    return {
        "method": "+".join(dict.fromkeys(config.method_name for config in configs)),
        "source": dataset,
        "target": dataset,
    }


def evaluation_of(store: StudyStore, chosen: Chosen, aus: tuple[int, ...] = ()) -> Evaluation:
    """The kept predictions of the trials, at 0.5 and at the thresholds that are best on each one's validation part.

    Of some of the AUs where `aus` are given.
    """
    tallies = []
    for trials in zip(*chosen.values(), strict=True):
        parts, thresholds = {}, {}
        for fold, trial in zip(chosen, trials, strict=True):
            predictions = read_predictions(store.predictions_path(trial.config.key))
            predictions = predictions.on(aus or predictions.aus)
            parts[fold] = predictions.part("test")
            thresholds[fold] = rule_thresholds(parts[fold], predictions.part("val"))
        tallies.append(tally(parts, thresholds))
    return Evaluation((tuple(tallies),))

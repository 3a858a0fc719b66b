"""Domain generalisation: detectors trained on several datasets and tested on an unseen one.

A trial has source datasets but no target, so that several targets share the trials of the same sources. These rules
choose among the candidates of one method (Gulrajani & Lopez-Paz, DomainBed, ICLR 2021):

- pooled: the objective on the validation subjects of all sources, pooled;
- leave_one_source_out: the mean objective when each source in turn is left out of training and used for the score;
- oracle: the objective on the target itself, with the weights of the last epoch, so that the target chooses no epoch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from data.aus import shared_aus
from data.errors import raise_all
from data.frames import aus_of
from data.store import FrameStore
from data.union import UnionStore, dataset_of
from model.metrics import objective_value, ratio, score_predictions
from study.experiments.selection import Chosen, evaluation_of, final_trials_of, names_of
from study.records.config import DataSettings, TrialConfig
from study.records.predictions import Predictions, read_predictions
from study.records.result import TrialResult
from study.records.score_table import INTERVAL_ENDS, scores_frame
from study.records.store import StudyStore
from study.scoring.bootstrap import Floats
from study.scoring.evaluation import Evaluation, score_table
from study.scoring.tally import tally
from study.scoring.thresholds import rule_thresholds
from study.trial.detectors import weights_key
from study.trial.multi_source import check_target

POOLED, LEFT_OUT, _ORACLE = "pooled", "leave_one_source_out", "oracle"
GENERALIZATION_SELECTIONS = (POOLED, LEFT_OUT, _ORACLE)
ONLY = "none"  # the rule for a single candidate
OWN = "own"  # the rule for a study of the target itself
_METRICS = (("f1", "0.5"), ("f1", "validation"), ("f1", "base_rate"), ("auc", "0.5"), ("always_positive", "0.5"))
_OF = " of "  # `condition` of a score table is "<chosen candidate> of <how many>"


@dataclass(frozen=True, eq=False)
class Split:
    """The datasets to train on, and the dataset to test on."""

    target: FrameStore
    sources: tuple[FrameStore, ...]

    @property
    def name(self) -> str:
        """The names of the sources."""
        return self.union.name

    @property
    def aus(self) -> tuple[int, ...]:
        """The AUs of the test."""
        return shared_aus(aus_of(self.target.table), self.union.aus)

    @cached_property
    def union(self) -> UnionStore:
        """All sources as one store."""
        return UnionStore(self.sources)


@dataclass(frozen=True)
class Generalization:
    """A domain generalisation study: every split, every candidate, every seed."""

    splits: tuple[Split, ...]
    candidates: Mapping[str, TrialConfig]
    selections: tuple[str, ...]
    seeds: int

    @property
    def methods(self) -> dict[str, list[str]]:
        """Names of the candidates of each method; a rule chooses one of them."""
        found: dict[str, list[str]] = {}
        for name, config in self.candidates.items():
            found.setdefault(config.method_name, []).append(name)
        return found

    def rules(self, method: str) -> tuple[str, ...]:
        """The rules that choose among the candidates of `method`; `ONLY` for a single candidate."""
        return self.selections if len(self.methods[method]) > 1 else (ONLY,)

    def trials(self, split: Split, name: str) -> list[TrialConfig]:
        """A candidate trained on the sources of `split`, with every seed."""
        return [source_trial(self.candidates[name], split.sources, seed) for seed in range(self.seeds)]

    def asked(self) -> Iterator[tuple[TrialConfig, str, FrameStore]]:
        """Every trial, with the weights and the dataset to score."""
        for split in self.splits:
            for name, config in self.candidates.items():
                for rule in self.rules(config.method_name):
                    for one in left_out(split) if rule == LEFT_OUT else [split]:
                        weights = "last" if rule == _ORACLE else "best"
                        yield from ((trial, weights, one.target) for trial in self.trials(one, name))
                yield from ((trial, "best", split.target) for trial in self.trials(split, name))


def source_trial(config: TrialConfig, sources: Sequence[FrameStore], seed: int) -> TrialConfig:
    """The candidate `config` trained on `sources`; their order does not matter."""
    # the same sources in another order are the same trial
    ordered = sorted(sources, key=lambda store: (dataset_of(store), store.fingerprint))
    data = DataSettings(
        dataset="+".join(map(dataset_of, ordered)),
        fold_scheme="sources",
        fold="all",
        fold_seed=config.data.fold_seed,
        val_share=config.data.val_share,
    )
    stores = tuple(store.fingerprint for store in ordered)
    return replace(config, data=data, sources=replace(config.sources, stores=stores), seed=seed, score_test=True)


def left_out(split: Split) -> list[Split]:
    """Each source as the target of the other sources; the real target is not used."""
    return [Split(source, tuple(other for other in split.sources if other is not source)) for source in split.sources]


def check_splits(asked: Generalization) -> None:
    """Raise one `InputError` that lists every reason why a split is impossible."""
    problems = []
    for split in asked.splits:
        several = any(LEFT_OUT in asked.rules(method) for method in asked.methods)
        if several and len(split.sources) < 2:
            problems.append(f"{LEFT_OUT} needs at least two datasets to train on; there is only {split.name}")
        else:
            for one in [split, *(left_out(split) if several else [])]:
                problems += _problems(one)
    raise_all("training and testing on these datasets is not possible:", list(dict.fromkeys(problems)))


def _problems(split: Split) -> list[str]:
    try:
        check_target(split.target, split.union)
    except ValueError as error:
        return [str(error)]
    return []


def chosen_by(rule: str, asked: Generalization, split: Split, method: str, store: StudyStore) -> str:
    """The name of the candidate of `method` that `rule` chooses for `split`; of equal ones the first."""
    names = asked.methods[method]
    return max(names, key=lambda name: (candidate_value(rule, asked, split, name, store), -names.index(name)))


def candidate_value(rule: str, asked: Generalization, split: Split, name: str, store: StudyStore) -> float:
    """The number that `rule` maximises, mean over seeds."""
    if rule == LEFT_OUT:
        return float(np.mean([_on_target("best", asked, one, name, store) for one in left_out(split)]))
    if rule == _ORACLE:
        return _on_target("last", asked, split, name, store)
    values = [store.result(trial.key) for trial in asked.trials(split, name)]
    return float(np.mean([result.value for result in values if result is not None and result.value is not None]))


def _on_target(weights: str, asked: Generalization, split: Split, name: str, store: StudyStore) -> float:
    values = []
    for trial in asked.trials(split, name):
        found = _predicted(trial, weights, split.target, store)
        score = score_predictions(found.probabilities, found.labels, found.subjects, found.aus)
        values.append(objective_value(score, trial.optim.objective))
    return float(np.mean(values))


def _predicted(trial: TrialConfig, weights: str, target: FrameStore, store: StudyStore) -> Predictions:
    return read_predictions(store.predictions_path(weights_key(trial, weights), target.fingerprint))


def generalization_table(
    asked: Generalization, store: StudyStore, done: Mapping[str, TrialResult], own: Mapping[str, StudyStore]
) -> pl.DataFrame:
    """Scores of all methods, splits and rules whose trials are `done`, and of `own`, the target's own studies."""
    tables = [scores_frame([])]
    for split in asked.splits:
        tables += _own_scores(split, own)
        for method in asked.methods:
            for rule in asked.rules(method):
                if all(trial.key in done for trial in _needed(rule, asked, split, method)):
                    tables.append(_scores(rule, asked, split, method, store))
    return pl.concat(tables)


def generalization_export(scores: pl.DataFrame) -> pl.DataFrame:
    """The table of generalize.csv: `chosen` is the name of the chosen candidate, `candidates` their number."""
    condition = pl.col("condition").str
    names = {"sources": "source", **{name: name for name in ("selection", "rule", "metric", "au", *INTERVAL_ENDS)}}
    return scores.select(
        "method",
        "target",
        **{name: pl.col(column) for name, column in names.items()},
        candidates=condition.extract(f"{_OF}(\\d+)$").cast(pl.Int64),
        chosen=condition.replace(f"{_OF}\\d+$", ""),
    )


def _needed(rule: str, asked: Generalization, split: Split, method: str) -> Iterator[TrialConfig]:
    for name in asked.methods[method]:
        yield from asked.trials(split, name)
        if rule == LEFT_OUT:
            yield from (trial for one in left_out(split) for trial in asked.trials(one, name))


def _scores(rule: str, asked: Generalization, split: Split, method: str, store: StudyStore) -> pl.DataFrame:
    name = chosen_by(rule, asked, split, method, store)
    found = _evaluation(split, asked.trials(split, name), "last" if rule == _ORACLE else "best", store)
    names = {"method": method, "source": split.name, "target": dataset_of(split.target), "selection": rule}
    return _shown(found, names | {"condition": f"{name}{_OF}{len(asked.methods[method])}"})


def _own_scores(split: Split, own: Mapping[str, StudyStore]) -> Iterator[pl.DataFrame]:
    """Scores of the final detectors of a study of the target, each on the test subjects of its fold."""
    store = own.get(dataset_of(split.target))
    if store is not None:
        chosen: Chosen = {}
        for result in final_trials_of(store):
            chosen.setdefault(result.config.data.fold, []).append(result)
        names = names_of(chosen) | {"selection": OWN, "condition": f"{store.root.name}{_OF}1"}
        yield _shown(evaluation_of(store, chosen, split.aus), names)


def _shown(found: Evaluation, names: Mapping[str, str]) -> pl.DataFrame:
    columns = [(metric, rule) for metric, rule in _METRICS if found.has(metric, rule)]
    return score_table(found, names, columns, ["folds"])


def _evaluation(split: Split, trials: Sequence[TrialConfig], weights: str, store: StudyStore) -> Evaluation:
    """The detectors of `trials`, one for each seed, on all frames of the target."""
    rates, target = source_rates(split), dataset_of(split.target)
    tallies = []
    for trial in trials:
        found = _predicted(trial, weights, split.target, store).on(split.aus)
        known = read_predictions(store.predictions_path(weights_key(trial, weights))).part("val")
        tallies.append(tally({target: found}, {target: rule_thresholds(found, known, rates.tolist())}))
    return Evaluation((tuple(tallies),))


def source_rates(split: Split) -> Floats:
    """Base rates [A], mean over the sources that code the AU."""
    by_source = np.full((len(split.sources), len(split.aus)), np.nan)
    for number, store in enumerate(split.sources):
        coded = [au for au in split.aus if au in aus_of(store.table)]
        labels = store.labels(coded)
        by_source[number, [split.aus.index(au) for au in coded]] = ratio(
            (labels == 1).sum(axis=0), (labels >= 0).sum(axis=0)
        )
    return np.asarray(np.nanmean(by_source, axis=0))

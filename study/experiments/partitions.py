"""One configuration on several random partitions of the people into folds: how far the division itself moves a score.

People of the test parts took part in the choice of the configuration, in the search of the study's own folds. So these
numbers show variance and never replace the result; a search on every partition would be the honest and expensive way.
All studies of a dataset with as many folds have the same partitions, so that two methods can be compared on each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from data.errors import InputError
from data.folds import fold_names, folds
from data.schemes import partition_scheme
from study.experiments.variance import Spread, partition_spread, people_spread, seed_spread
from study.records.config import DataSettings, TrialConfig, trial_from_dict
from study.records.result import TrialResult
from study.records.score_table import FIXED_THRESHOLD, scores_frame
from study.records.store import StudyStore
from study.scoring.bootstrap import Floats
from study.scoring.evaluation import Evaluation, evaluation_of_scores, score_table
from study.scoring.sampled import Sampled
from study.search.best_trial import choose, final_trials, fresh_seeds
from study.search.objectives import goals_of

_METRICS = ("f1", "always_positive", "lift")  # of each partition; all have the counts at threshold 0.5 and no more
COMPONENTS = {"sd_people": "people", "sd_seed": "training seed", "sd_partition": "partition into folds"}
TOGETHER = "partition and seed together"  # with one seed
_RULE = "shared"  # how the configuration is chosen

PartitionPlan = dict[str, list[TrialConfig]]  # fold scheme of the partition -> its trials


def partition_plan(store: StudyStore, table: pl.DataFrame, partitions: int, seeds: int) -> PartitionPlan:
    """The trials of each partition; `InputError` for a study that no partition can repeat."""
    names = fold_names(table, trial_from_dict(store.spec().config).data.fold_scheme)
    if len(names) < 2:
        raise InputError(
            f"partitions={partitions}: {store.root.name} has one fold ({names[0]}), and a random partition needs two; "
            "search with dataset.fold_scheme=random<k>, e.g. random3"
        )
    chosen = _chosen(store, names)
    return {
        scheme: _trials(chosen, table, scheme, seeds)
        for scheme in (partition_scheme(len(names), number) for number in range(1, partitions + 1))
    }


def _chosen(store: StudyStore, names: Sequence[str]) -> TrialConfig:
    """The configuration that selection=shared tests: the choice of the first searched fold."""
    searched = {one.fold for one in goals_of(store.spec()).ranked(store.outcomes("sweep"))}
    # without any, `choose` says what is missing
    return choose(store, next((name for name in names if name in searched), None)).config


def _trials(chosen: TrialConfig, table: pl.DataFrame, scheme: str, seeds: int) -> list[TrialConfig]:
    # the seed of the study's own folds would give each study other partitions
    data = replace(chosen.data, fold_scheme=scheme, fold_seed=DataSettings.fold_seed)
    # all folds are made here, so that one that cannot be used fails before the first trial
    divided = folds(table, scheme, data.val_share, data.fold_seed)
    return final_trials(replace(chosen, data=data), [*divided], fresh_seeds(chosen, seeds))


def partition_table(results: Mapping[str, Sequence[TrialResult]]) -> pl.DataFrame:
    """The score table of finished partitions: `_METRICS` of each, then the components of the variance of mean F1."""
    evaluations = {scheme: _evaluation(trials) for scheme, trials in results.items()}
    config = next(iter(results.values()))[0].config
    data, columns = config.data.dataset, [(metric, FIXED_THRESHOLD) for metric in _METRICS]
    names = {"method": config.method_name, "source": data, "target": data, "selection": _RULE}
    tables = [
        score_table(evaluation, names | {"condition": scheme}, columns, ["folds"])
        for scheme, evaluation in evaluations.items()
    ]
    rows = tables[0].filter(pl.col("au").is_null(), metric="f1").drop("condition", "seed_sd")
    spreads = _components([evaluation.number("f1") for evaluation in evaluations.values()])
    components = [{**rows.row(0, named=True), "metric": name, **vars(one)} for name, one in spreads.items()]
    return pl.concat([*tables, scores_frame(components)])


def _evaluation(trials: Sequence[TrialResult]) -> Evaluation:
    return evaluation_of_scores((one.config.data.fold, one.config.seed, one.scores["test"]) for one in trials)


def _components(numbers: Sequence[Sampled]) -> dict[str, Spread]:
    people, freedom = numbers[0].people, numbers[0].people - numbers[0].parts
    variances = np.array([number.replicates[:, -1].var(ddof=1) for number in numbers])
    # the bootstrap divides by n, not by n - 1
    unbiased = variances * people / freedom if freedom else variances
    scores = np.stack([_by_run(number) for number in numbers])
    found = (people_spread(unbiased, freedom), seed_spread(scores), partition_spread(scores))
    return dict(zip(COMPONENTS, found, strict=True))


def _by_run(number: Sampled) -> Floats:
    """What each run adds to the mean over AUs, [F, S]; 0 for a fold in which no AU occurs."""
    added = number.trained[0].observed[..., -1]
    return added if np.isnan(number.values[-1]) else np.nan_to_num(added)


def components_of(scores: pl.DataFrame) -> pl.DataFrame:
    """The components in such a table: component, sd, low, high, n_seeds; with one seed, seed and partition are one."""
    rows = scores.filter(pl.col("metric").is_in([*COMPONENTS]), pl.col("value").is_not_null())
    together = pl.when(metric="sd_partition", n_seeds=1).then(pl.lit(TOGETHER))
    component = together.otherwise(pl.col("metric").replace(COMPONENTS)).alias("component")
    return rows.select(component, pl.col("value").alias("sd"), "low", "high", "n_seeds")


def partitions_of(scores: pl.DataFrame) -> pl.DataFrame:
    """Mean F1 of each partition in such a table: condition, aus, value, low, high, seed_sd, n_people, n_seeds."""
    rows = scores.filter(pl.col("au").is_null(), pl.col("condition").is_not_null(), metric="f1")
    return rows.select("condition", "aus", "value", "low", "high", "seed_sd", "n_people", "n_seeds")


def paired(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """Mean F1 of two methods, `a` and `b`, on the partitions that both have (condition), over the same AUs."""
    ours, theirs = (partitions_of(scores).select("condition", "aus", "value") for scores in (a, b))
    both = ours.join(theirs, on=["condition", "aus"], suffix="_b", maintain_order="left")
    return both.select("condition", a="value", b="value_b").drop_nulls()

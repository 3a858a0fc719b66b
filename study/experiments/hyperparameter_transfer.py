"""Hyper-parameter transfer: the score of the best configuration of one search on other datasets.

Every configuration is trained again on the target, also the target's own best one, because the best of many trials was
in part lucky. Regret is the test F1 of the target's own configuration minus that of the other, on the same subjects.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from study.records.config import TrialConfig
from study.records.result import TrialResult
from study.records.score_table import FIXED_THRESHOLD, INTERVAL_ENDS, scores_frame
from study.scoring.evaluation import evaluation_of_scores
from study.scoring.sampled import ScoreRow, difference_row, mean_row, with_holm

_COLUMNS = {  # of the matrix, by metric, and the columns of the score table
    "f1": dict(zip(("f1", "low", "high", "seeds"), (*INTERVAL_ENDS, "n_seeds"), strict=True)),
    "regret": dict(zip(("regret", "regret_low", "regret_high", "regret_p"), (*INTERVAL_ENDS, "p_holm"), strict=True)),
}


def configuration_on(chosen: TrialConfig, target: TrialConfig) -> TrialConfig:
    """The settings of `chosen` with the frames, epochs and objective of the study of `target`."""
    return replace(
        chosen,
        data=target.data,
        # size and weights belong to the target's frames, not to the searched settings
        views=replace(chosen.views, crop=target.views.crop),
        backbone=replace(chosen.backbone, weights=target.backbone.weights),
        optim=replace(chosen.optim, epochs=target.optim.epochs, objective=target.optim.objective),
        pretrain=replace(chosen.pretrain, stores=target.pretrain.stores),
    )


def regret_table(results: Mapping[str, Mapping[str, Sequence[TrialResult]]]) -> pl.DataFrame:
    """F1 and regret by target and source: `results[target][source]` are the final trials of a source's configuration.

    Sources and targets are named after their studies; each target is one of its sources. Holm's correction is over all
    regrets of the table.
    """
    return scores_frame(with_holm([row for target, found in results.items() for row in _rows(target, found)]))


def _rows(target: str, results: Mapping[str, Sequence[TrialResult]]) -> Iterator[ScoreRow]:
    f1 = {
        source: evaluation_of_scores((r.config.data.fold, r.config.seed, r.scores["test"]) for r in found).number("f1")
        for source, found in results.items()
    }
    own = {result.config.key for result in results[target]}
    for source, found in results.items():
        names = {"method": found[0].config.method_name, "source": source, "target": target}
        names |= {"rule": FIXED_THRESHOLD, "aggregate": "folds"}
        yield mean_row(f1[source], names | {"metric": "f1"})
        regret = difference_row(f1[target], f1[source], names | {"metric": "regret", "against": target})
        # the same trials: exactly 0, no test
        none = dict.fromkeys(INTERVAL_ENDS, 0.0) | {"p": None}
        yield regret | (none if {result.config.key for result in found} == own else {})


def regret_matrix(scores: pl.DataFrame) -> pl.DataFrame:
    """One row for each source and target: f1, low, high, seeds, regret, regret_low, regret_high, regret_p (Holm)."""
    parts = [
        scores.filter(metric=metric).select("source", "target", **{name: pl.col(of) for name, of in columns.items()})
        for metric, columns in _COLUMNS.items()
    ]
    return parts[0].join(parts[1], on=["source", "target"], how="left", maintain_order="left")

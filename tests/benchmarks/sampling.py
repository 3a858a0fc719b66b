"""How soon a search gets good: random, TPE, and TPE with ASHA on the synthetic task.

    python -m tests.benchmarks.sampling --out <folder> [--trials 20] [--epochs 16] [--seeds 3] [--workers <cores>]

Every strategy gets the epochs of `trials` whole trials with each seed of the sampler; one that prunes starts more of
them. Writes <folder>/sampling.parquet (strategy, seed, epochs spent, best mean F1 of a finished trial on the validation
subjects) and <folder>/sampling.html, its plot, and prints how much sooner TPE with ASHA reaches the final score of
random, and what an early look at a trial is worth: the rank correlation over random's trials of the score after an
epoch with the last one. One core per search; killed, the same command goes on.
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import polars as pl
from rich.console import Console
from scipy.stats import spearmanr

from launch.plan.datasets import prepare_store
from launch.plan.preflight import search_of, searched_trial
from launch.run.command import compose_keys
from study.records.config import Placement, TrialConfig
from study.records.outcome import Outcome
from study.records.store import StudyStore
from study.search.fold_search import Proposals, Search, begin_rule, begin_search
from study.search.pruning import Rule
from study.trial.run import run_trial
from tests.study.specs import search_spec

FOLD = "part1"
STRATEGIES = {"random": ("random", "none"), "TPE": ("tpe", "none"), "TPE + ASHA": ("tpe", "asha")}
COLOURS = ("#777777", "#0072b2", "#d55e00")
SCHEMA = {"strategy": pl.String, "seed": pl.Int64, "epochs": pl.Int64, "best": pl.Float64}


def search_with(strategy: str, seed: int, frames: Path, fingerprint: str, epochs: int) -> Search:
    """The default job's search with the strategy; only the sampler has another seed."""
    sampler, pruning = STRATEGIES[strategy]
    given = [f"store_root={frames.parent}", f"epochs={epochs}", f"sampler={sampler}", f"pruning.name={pruning}"]
    keys = compose_keys("sweep", given)
    return search_of(replace(keys, seed=seed), searched_trial(keys, fingerprint, FOLD))


def spent(store: StudyStore) -> int:
    """Epochs that finished trials took."""
    return sum(len(one.curve) for one in store.outcomes("sweep"))


def run_search(root: Path, search: Search, frames: Path, epochs: int) -> None:
    """Trials one after the other until so many epochs are spent, from where the store is."""
    store = StudyStore(root)
    store.open_study(search_spec(root.name, searched=tuple(search.space.settings_names)), free=())
    proposals = begin_search(search, store, (FOLD,))[FOLD]
    rule, placement = begin_rule(search, store, FOLD), Placement(frames, root)
    while spent(store) < epochs:
        config = proposals.ask(str(spent(store)))
        assert config is not None
        _run(config, proposals, rule, placement, store)


def _run(config: TrialConfig, proposals: Proposals, rule: Rule, placement: Placement, store: StudyStore) -> None:
    [name] = proposals.open

    def report(epoch: int, value: float) -> None:
        proposals.report(name, epoch, value)
        if epoch < config.optim.epochs and rule.stops(config.key, epoch, value):
            raise SystemExit

    try:
        run_trial(config, placement, report)
    except SystemExit:
        store.prune(config.key)
    proposals.tell(name)


def progress(strategy: str, seed: int, outcomes: list[Outcome], budget: int) -> list[dict[str, object]]:
    """The best so far after each trial, up to the budget; null before the first that finished."""
    rows: list[dict[str, object]] = []
    epochs, best = 0, None
    for one in outcomes:
        epochs += len(one.curve)
        if one.status == "DONE" and one.value is not None:
            best = max(best or 0.0, one.value)
        rows.append({"strategy": strategy, "seed": seed, "epochs": min(epochs, budget), "best": best})
    return rows


def mean_progress(table: pl.DataFrame, strategy: str, at: np.ndarray) -> np.ndarray:
    """Mean over seeds of the best score after `at` epochs; 0 before the first trial has finished."""
    means = []
    for _, one in table.filter(strategy=strategy).group_by("seed"):
        known = one.drop_nulls().sort("epochs")
        place = np.searchsorted(known["epochs"].to_numpy(), at, side="right")
        means.append(np.concatenate([[0.0], known["best"].to_numpy()])[place])
    return np.asarray(np.mean(means, axis=0))


def times_sooner(table: pl.DataFrame, strategy: str, budget: int) -> float | None:
    """How many times fewer epochs `strategy` needs for what random has at the end, None if it never gets there."""
    at = np.arange(1, budget + 1)
    goal = mean_progress(table, "random", at)[-1]
    there = at[mean_progress(table, strategy, at) >= goal]
    reached = at[mean_progress(table, "random", at) >= goal][0]
    return float(reached / there[0]) if len(there) else None


def early_looks(outcomes: Sequence[Outcome]) -> dict[int, float]:
    """By epoch, Spearman's correlation of the score after it with the last one, over trials that were not pruned."""
    curves = np.array([[*one.curve[:-1], one.value] for one in outcomes if one.status == "DONE"])
    return {epoch: float(spearmanr(curves[:, epoch - 1], curves[:, -1])[0]) for epoch in range(1, curves.shape[1])}


def figure(table: pl.DataFrame, budget: int) -> go.Figure:
    """Best score against epochs spent: the mean over seeds, and each seed."""
    drawn, at = go.Figure(), np.arange(1, budget + 1)
    for strategy, colour in zip(STRATEGIES, COLOURS, strict=True):
        for seed in table["seed"].unique().sort():
            one = 100 * mean_progress(table.filter(seed=seed), strategy, at)
            thin = {"color": colour, "width": 1}
            drawn.add_scatter(x=at, y=_known(one), mode="lines", line=thin, opacity=0.4, showlegend=False)
        mean = 100 * mean_progress(table, strategy, at)
        drawn.add_scatter(x=at, y=_known(mean), mode="lines", line={"color": colour, "width": 3}, name=strategy)
    return drawn.update_layout(
        template="plotly_white",
        xaxis_title="epochs spent",
        yaxis_title="best mean F1 on the validation subjects, %",
    )


def _known(scores: np.ndarray) -> np.ndarray:
    """Nothing is drawn before the first finished trial."""
    return np.where(scores > 0, scores, np.nan)


def _outcomes(root: Path) -> list[Outcome]:
    return StudyStore(root).outcomes("sweep")


def main(out: Path, trials: int, epochs: int, seeds: int, workers: int) -> None:
    """Search, write, print."""
    keys = compose_keys("sweep", [f"store_root={out / 'stores'}"])
    frames = prepare_store(keys, Console())
    budget = trials * epochs
    todo = {
        (strategy, seed): search_with(strategy, seed, frames.path, frames.fingerprint, epochs)
        for seed in range(seeds)
        for strategy in STRATEGIES
    }
    roots = {(s, n): out / f"{s.replace(' + ', '-').lower()}-{n}" for s, n in todo}
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        jobs = [pool.submit(run_search, roots[one], search, frames.path, budget) for one, search in todo.items()]
        for job in jobs:
            job.result()
    rows = [row for one, root in roots.items() for row in progress(*one, _outcomes(root), budget)]
    table = pl.DataFrame(rows, schema=SCHEMA)
    table.write_parquet(out / "sampling.parquet")
    figure(table, budget).write_html(out / "sampling.html")
    print(
        f"| {seeds} seeds, {budget} epochs each | mean best F1 | trials | times sooner than random |\n|---|---|---|---|"
    )
    for strategy in STRATEGIES:
        final = mean_progress(table, strategy, np.array([budget]))[0]
        sooner = times_sooner(table, strategy, budget)
        count = table.filter(strategy=strategy).height / seeds
        print(f"| {strategy} | {100 * final:.1f} | {count:.0f} | {f'{sooner:.2f}' if sooner else 'never'} |")
    looks = early_looks([one for (s, _), root in roots.items() if s == "random" for one in _outcomes(root)])
    print("after epoch: " + ", ".join(f"{epoch}: {value:.2f}" for epoch, value in looks.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    main(**vars(parser.parse_args()))

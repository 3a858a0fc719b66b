"""Train the best configuration of each study on the dataset of every other study: see --help.

Killed at any moment, the same command continues.
"""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("regret"))

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from data.errors import InputError, complaints, raise_all
from data.folds import folds
from launch.keys.trials import RegretKeys
from launch.plan.preflight import check_weights, searched_study, study_store, weights_of
from launch.plan.resources import Resources, resources
from launch.plan.variants import check_frames
from launch.run.recipe import complete, finished, given_work, run_work
from launch.run.trials import GivenTrial
from launch.show.display import interval_text, p_text
from launch.show.verdicts import print_verdict
from study.experiments.hyperparameter_transfer import configuration_on, regret_matrix, regret_table
from study.records.config import Placement, TrialConfig
from study.records.score_files import write_scores
from study.records.score_table import fewest_runs, interval_note
from study.records.store import StudyStore
from study.records.study_spec import HyperparameterTransferSpec, StudySpec
from study.scoring.verdicts import trials_verdict
from study.search.best_trial import choose, final_trials, fresh_seeds


@dataclass(frozen=True)
class RegretTarget:
    """A study on whose dataset all configurations are trained."""

    name: str
    study: StudyStore
    placement: Placement
    trials: dict[str, list[TrialConfig]]  # by the study of the configuration


@dataclass(frozen=True)
class RegretPlan:
    """A checked hyper-parameter transfer study."""

    store: StudyStore
    targets: list[RegretTarget]
    resources: Resources

    @property
    def jobs(self) -> list[GivenTrial]:
        """Every trial once."""
        jobs = [
            (trial, target.placement)
            for target in self.targets
            for trials in target.trials.values()
            for trial in trials
        ]
        return list({trial.key: (trial, placement) for trial, placement in jobs}.values())


def main(keys: RegretKeys) -> int:
    """Plan, train, print the matrix."""
    console = Console()
    plan = plan_regret(keys)
    work = given_work(
        "regret",
        keys,
        plan.store,
        plan.resources,
        plan.jobs,
        lambda: _finish(plan, console),
        partial(_adopt, plan),
        about=f"{len(plan.targets)} datasets, {len(plan.jobs)} trials",
        spec=_describe(keys, plan),
        free=("trials", "seeds"),
    )
    return run_work(work, console)


def regret_problems(keys: RegretKeys) -> list[str]:
    """Problems that can be found without the studies."""
    problems = complaints(partial(study_store, keys.runs_root, keys.name), partial(resources, keys))
    if len({*keys.studies}) < max(len(keys.studies), 2):
        problems.append(f"studies=[{','.join(keys.studies)}]; at least two names, each once")
    return problems


def plan_regret(keys: RegretKeys) -> RegretPlan:
    """The trials of `keys`; `InputError` for studies that cannot be compared."""
    studies = {name: searched_study(keys.runs_root, name) for name in keys.studies}
    chosen = {name: _chosen(study) for name, study in studies.items()}
    store, available = study_store(keys.runs_root, keys.name), resources(keys)
    targets = [_target(name, study, chosen, store, available, keys.seeds) for name, study in studies.items()]
    return RegretPlan(store, targets, available)


def _chosen(study: StudyStore) -> TrialConfig:
    """The best configuration of a study, from the first fold that it searched."""
    # one configuration for each study, as a user would carry it to a new dataset
    fold = next((fold for fold in study.spec().folds if study.count("sweep", fold)), None)
    return choose(study, fold).config


def _target(
    name: str,
    study: StudyStore,
    chosen: Mapping[str, TrialConfig],
    store: StudyStore,
    available: Resources,
    seeds: int,
) -> RegretTarget:
    frames, own = study.frames(), chosen[name]
    if frames.fingerprint != own.data.fingerprint:
        raise InputError(f"{frames.path} is not the store that the search of {name} used; build that one again")
    weights = weights_of(study.spec().weights_file, own)
    configs = {source: configuration_on(config, own) for source, config in chosen.items()}
    divided = folds(frames.table, own.data.fold_scheme, own.data.val_share, own.data.fold_seed)
    raise_all(
        f"on the dataset of {name}:",
        complaints(
            *(
                partial(check_frames, f"best of {source}", config, frames, divided)
                for source, config in configs.items()
            ),
            *(partial(check_weights, backbone, weights) for backbone in {one.backbone for one in configs.values()}),
        ),
    )
    trials = {
        source: final_trials(config, [*divided], fresh_seeds(config, seeds)) for source, config in configs.items()
    }
    # only scores are compared, and detectors of every pair would fill the disk
    placement = replace(available.placement(frames, store, weights), keep_detector=False)
    return RegretTarget(name, study, placement, trials)


def _describe(keys: RegretKeys, plan: RegretPlan) -> StudySpec:
    """The settings of the study."""
    specs = [target.study.spec() for target in plan.targets]
    return StudySpec(
        name=keys.name,
        dataset=", ".join(dict.fromkeys(spec.dataset for spec in specs)),
        asked=HyperparameterTransferSpec(tuple(target.name for target in plan.targets)),
        objectives=(specs[0].objective,),
        epochs=max(spec.epochs for spec in specs),
        aus=tuple(sorted({au for spec in specs for au in spec.aus})),
        seeds=keys.seeds,
        store=specs[0].store,
    )


def _adopt(plan: RegretPlan) -> None:
    """Copy final trials that a study already ran itself."""
    for target in plan.targets:
        for trial in target.trials[target.name]:
            there = target.study.result(trial.key)
            if there is not None and there.status == "DONE":
                # same key, same result: training it again would give the same numbers
                plan.store.write(there)


def _finish(plan: RegretPlan, console: Console) -> int:
    """Print and save the matrix of the finished targets; 1 when a trial is missing."""
    trials = [trial for trial, _ in plan.jobs]
    done = finished(plan.store, trials, console)
    found = {target.name: (complete(target.trials, done), len(target.trials)) for target in plan.targets}
    whole = {target: results for target, (results, wanted) in found.items() if len(results) == wanted}
    if whole:
        scores = regret_table(whole)
        path, frame = write_scores(plan.store.root, "hyperparameter_transfer", scores), regret_matrix(scores)
        print_verdict(trials_verdict(plan.store, _by_cell(plan)), console)
        console.print("Test F1 of the configuration of each study (rows) on the dataset of each study (columns);")
        console.print("in brackets the regret, F1 of the column's own configuration minus this one, with its interval")
        console.print("and the p-value of no regret (Holm's correction over the table).")
        console.print(interval_note(fewest_runs(scores)), soft_wrap=True)
        console.print(matrix(frame))
        console.print(f"table: {path}", soft_wrap=True)
    return int(len(done) < len(trials))


def _by_cell(plan: RegretPlan) -> dict[str, list[str]]:
    """Keys of the trials of each cell of the matrix."""
    cells = [(target, source, trials) for target in plan.targets for source, trials in target.trials.items()]
    return {f"{source} on {target.name}": [trial.key for trial in trials] for target, source, trials in cells}


def matrix(frame: pl.DataFrame) -> Table:
    """One row for each source, one column for each target, in percent."""
    targets = frame["target"].unique(maintain_order=True).to_list()
    table = Table("configuration of", *targets, box=None)
    for source in frame["source"].unique(maintain_order=True):
        rows = {row["target"]: row for row in frame.filter(source=source).iter_rows(named=True)}
        table.add_row(source, *(_cell(rows[target], source) for target in targets))
    return table


def _cell(row: Mapping[str, Any], source: str) -> str:
    if row["target"] == source:
        return interval_text(row["f1"], None, None)
    values = (row[name] for name in ("regret", "regret_low", "regret_high"))
    less, low, high = ("-" if value is None else f"{100 * value:+.1f}" for value in values)
    # no interval with one seed, or one subject in each fold
    within = "" if row["regret_low"] is None else f"; {low} to {high}; p {p_text(row['regret_p'])}"
    return f"{interval_text(row['f1'], None, None)} ({less}{within})"


check = regret_problems

"""Train and test variants of methods at growing levels of a disturbance: see --help.

Killed at any moment, the same command continues; more variants, kinds, levels, folds or seeds add trials.
"""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("stress"))

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from data.errors import InputError, complaints
from data.store import FrameStore
from launch.keys.trials import StressKeys
from launch.plan.datasets import prepare_store, progress_bar
from launch.plan.resources import device_here
from launch.plan.variants import Variants, noise_notes, plan_variants, selected_variants, study_problems, variants_spec
from launch.run.recipe import complete, finished, given_work, run_work
from launch.show.display import interval_text
from launch.show.verdicts import print_verdict
from study.experiments.robustness import (
    DISTURBANCES,
    TRAINING,
    Point,
    curves_of,
    robustness_table,
    stressed,
    undisturbed,
)
from study.records.config import Placement, TrialConfig
from study.records.result import TrialResult
from study.records.score_files import write_scores
from study.records.score_table import covers, fewest_runs
from study.records.study_spec import RobustnessSpec
from study.scoring.verdicts import trials_verdict
from study.search.best_trial import final_trials
from study.trial.degraded import DetectorScore, degraded, detector_score

# may change when the study continues: more of them only adds trials
_FREE = ("trials", "store", "weights_file", "variants", "levels", "folds", "seeds")


@dataclass(frozen=True)
class RobustnessPlan:
    """A checked robustness study: the trials of each point."""

    variants: Variants
    trials: dict[Point, list[TrialConfig]]

    @property
    def jobs(self) -> list[tuple[TrialConfig, Placement]]:
        """Every trial once; those on unchanged data come first and save their detectors, for degraded test images."""
        good = self._trials([point for point in self.trials if trained_on_good(point)])
        # the detectors of worse training data are scored once and never used again
        worse = [config for config in self._trials(self.trials) if config not in good]
        keeping, other = self.variants.placement, replace(self.variants.placement, keep_detector=False)
        placed = [(config, replace(keeping, worse=self._pictures(config))) for config in good]
        return placed + [(config, other) for config in worse]

    def _pictures(self, config: TrialConfig) -> tuple[tuple[str, float], ...]:
        """Kinds and levels of degraded test images for the detector of `config`."""
        points = [point for point, configs in self.trials.items() if config in configs and on_worse_pictures(point)]
        return tuple(dict.fromkeys((point.kind, point.level) for point in points))

    def _trials(self, points: Iterable[Point]) -> list[TrialConfig]:
        return list(dict.fromkeys(config for point in points for config in self.trials[point]))


def trained_on_good(point: Point) -> bool:
    """Whether the trials of a point train on unchanged data."""
    return point.kind not in TRAINING or point.level == undisturbed(point.kind)


def on_worse_pictures(point: Point) -> bool:
    """Whether a point needs degraded test images."""
    return point.kind not in TRAINING and point.level != undisturbed(point.kind)


def main(keys: StressKeys) -> int:
    """Check, prepare, train, test on degraded images, print the curves."""
    console = Console()
    frames = prepare_store(keys, console)
    plan = plan_stress(keys, frames)
    variants, jobs = plan.variants, plan.jobs
    levels = {kind: tuple(keys.levels[kind]) for kind in chosen_kinds(keys)}
    work = given_work(
        "stress",
        keys,
        variants.store,
        variants.resources,
        jobs,
        lambda: _finish(plan, frames, console),
        about=f"{len(plan.trials)} points, {len(jobs)} trials",
        notes=noise_notes(frames, (trial.data for trial, _ in jobs)),
        spec=variants_spec(keys, RobustnessSpec(selected_variants(keys), levels), frames, variants.placement),
        free=_FREE,
    )
    return run_work(work, console)


def stress_problems(keys: StressKeys) -> list[str]:
    """Problems that can be found before any data are read."""
    problems = [
        f"kinds: no kind {kind!r}; allowed: {', '.join(DISTURBANCES)}"
        for kind in chosen_kinds(keys)
        if kind not in DISTURBANCES
    ]
    problems += study_problems(keys)
    for kind in chosen_kinds(keys):
        levels = keys.levels.get(kind, [])
        if not isinstance(levels, list) or not levels:
            problems.append(f"levels.{kind}={levels!r}; a list of numbers, e.g. levels.{kind}=[10,20]")
        elif kind in DISTURBANCES:
            problems += complaints(*(partial(_check_level, kind, level) for level in levels))
    return problems


def _check_level(kind: str, level: Any) -> None:
    if not isinstance(level, int | float) or not 0 <= level < (1e6 if kind == "subjects" else 100 + (kind in TRAINING)):
        raise InputError(f"levels.{kind}: {level!r}; from 0, in percent{', or people' if kind == 'subjects' else ''}")
    stressed(TrialConfig(), kind, float(level))


def chosen_kinds(keys: StressKeys) -> list[str]:
    """The chosen kinds of disturbance, in the order of the YAML."""
    return [*keys.kinds] or [*keys.levels]


def plan_stress(keys: StressKeys, frames: FrameStore) -> RobustnessPlan:
    """The trials of `keys` on `frames`."""
    variants = plan_variants(keys, frames)
    trials = {}
    for name, config in variants.configs.items():
        for kind in chosen_kinds(keys):
            # every curve starts at the undisturbed level, which all kinds share
            for level in sorted({undisturbed(kind), *map(float, keys.levels[kind])}):
                point = Point(name, kind, level)
                trials[point] = final_trials(stressed(config, kind, level), variants.folds, range(keys.seeds))
    return RobustnessPlan(variants, trials)


def _finish(plan: RobustnessPlan, frames: FrameStore, console: Console) -> int:
    """Score degraded images, print and save the curves of all finished points; 1 when a trial is missing."""
    store, trials = plan.variants.store, [config for config, _ in plan.jobs]
    done = finished(store, trials, console)
    whole = complete(plan.trials, done)
    if whole:
        dataset = str(frames.table["dataset"][0])
        scores = robustness_table(_scores(whole, plan, frames, console), dataset)
        path, frame = write_scores(store.root, "robustness", scores), curves_of(scores)
        clean = {point.method: [one.config.key for one in whole[point]] for point in whole if _is_undisturbed(point)}
        print_verdict(trials_verdict(store, clean), console)
        for kind in dict.fromkeys(point.kind for point in whole):
            console.print(curve_table(frame, kind))
        console.print(f"Test F1; in brackets 95 % intervals over {covers(fewest_runs(scores))}.")
        console.print(f"curves: {path}", soft_wrap=True)
    return int(len(done) < len(trials))


def _is_undisturbed(point: Point) -> bool:
    return point.level == undisturbed(point.kind)


def _scores(
    whole: Mapping[Point, Sequence[TrialResult]], plan: RobustnessPlan, frames: FrameStore, console: Console
) -> dict[Point, list[DetectorScore]]:
    """The scores of each point; scores on degraded images that no trial computed are computed now."""
    total = sum(len(results) for results in whole.values())
    found: dict[Point, list[DetectorScore]] = {}
    with progress_bar(console, "testing") as report:
        for point, results in whole.items():
            found[point] = []
            for result in results:
                found[point].append(_score(point, result, plan, frames))
                report(sum(map(len, found.values())), total)
    return found


def _score(point: Point, result: TrialResult, plan: RobustnessPlan, frames: FrameStore) -> DetectorScore:
    if not on_worse_pictures(point):
        return detector_score(result)
    device = device_here(plan.variants.placement.device)
    return degraded(plan.variants.store, result, frames, point.kind, point.level, device)


def curve_table(frame: pl.DataFrame, kind: str) -> Table:
    """Mean F1 of each method at each level of `kind`, in percent, with 95 % intervals."""
    rows = frame.filter(pl.col("kind") == kind, pl.col("metric") == "f1", pl.col("au").is_null())
    table = Table(kind.replace("_", " "), *rows["method"].unique(maintain_order=True), box=None, title_justify="left")
    for (level,), part in rows.group_by("level", maintain_order=True):
        table.add_row(
            _level(kind, level), *(interval_text(*row) for row in part.select("value", "low", "high").iter_rows())
        )
    return table


def _level(kind: str, level: Any) -> str:
    if kind == "subjects":
        return f"{level:g} people" if level else "all"
    return f"{level:g} %"


check = stress_problems

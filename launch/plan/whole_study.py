"""The plans of launch/all.py: the commands of a whole study and their order.

Your own plan is a Python file with a function `steps`, written like `small_plan` and `full_plan`: plan=<file>.py.
"""

import itertools
import runpy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from data.errors import InputError
from launch.keys.studies import AllKeys
from launch.plan.steps import PlanStep

StepsOf = Callable[[AllKeys], Iterable[PlanStep]]
DATASETS = ("bp4d", "disfa", "gft", "affwild2")


def small_plan(keys: AllKeys) -> Iterator[PlanStep]:
    """Small synthetic datasets; takes minutes on two cores."""
    stored = ("dataset.alignment=precropped", "dataset.size=72", "dataset.crop=64", f"store_root={keys.store_root}")
    trees = {dataset: f"{keys.trees}/{dataset}" for dataset in keys.datasets or DATASETS}
    frames = {dataset: (f"dataset={dataset}", f"data_root={tree}", *stored) for dataset, tree in trees.items()}
    for dataset, tree in trees.items():
        drawn = ("subjects=12", "sequences=2", "frames=24", "size=72")
        yield PlanStep(f"draw-{dataset}", "synthesize", (f"layout={dataset}", f"out={tree}", *drawn))
        yield PlanStep(f"store-{dataset}", "prepare", frames[dataset], needs=(f"draw-{dataset}",))
    first, training = next(iter(frames)), (f"runs_root={keys.runs_root}", "epochs=6")
    levels = ("kinds=[label_noise,blur]", "levels.label_noise=[20,40]", "levels.blur=[2,4]")
    asked = (*frames[first], *training, "only=[aunce,bce]", *levels)
    yield PlanStep("stress", "stress", asked, needs=(f"store-{first}",), trains=True)
    given = {dataset: (*place, *training) for dataset, place in frames.items()}
    yield from _studies(keys, given, keys.methods or ("aunce", "bce"), 6, 1, stress=dict.fromkeys(frames, "stress"))


def full_plan(keys: AllKeys) -> Iterator[PlanStep]:
    """The real datasets, with raw trees in $AU_DATA.

    With "extra=['cluster=slurm','cluster.partition=<name>','trial.gpus=1']" all training runs on the cluster.
    """
    stored = ("dataset.size=256", "dataset.crop=224", f"store_root={keys.store_root}")
    frames = {dataset: (f"dataset={dataset}", *stored) for dataset in keys.datasets or DATASETS}
    training = (f"runs_root={keys.runs_root}", "backbone=resnet50", "epochs=20")
    given = {dataset: (*place, *training) for dataset, place in frames.items()}
    stress = {dataset: f"stress-{dataset}" for dataset in frames}
    for dataset, name in stress.items():
        asked = (*given[dataset], f"name={dataset}-stress")
        yield PlanStep(f"store-{dataset}", "prepare", frames[dataset])
        yield PlanStep(name, "stress", asked, needs=(f"store-{dataset}",), trains=True)
    methods = keys.methods or ("aunce", "clp", "bce", "supcon", "graph_supervised")
    yield from _studies(keys, given, methods, 200, 3, stress)


def _studies(
    keys: AllKeys,
    given: Mapping[str, Sequence[str]],
    methods: Sequence[str],
    trials: int,
    seeds: int,
    stress: Mapping[str, str],
) -> Iterator[PlanStep]:
    """Search, final training and page of every method on every dataset (with the keys `given`), then the transfer."""
    runs, studies = f"runs_root={keys.runs_root}", [f"{a}-{b}" for a, b in itertools.product(given, methods)]
    for (dataset, method), study in zip(itertools.product(given, methods), studies, strict=True):
        asked = (*given[dataset], f"method={method}", f"name={study}", f"trials={trials}")
        yield PlanStep(f"sweep-{study}", "sweep", asked, needs=(f"store-{dataset}",), trains=True)
        final = (runs, f"name={study}", f"seeds={seeds}")
        yield PlanStep(f"final-{study}", "final", final, needs=(f"sweep-{study}",), trains=True)
        # the page shows transfer and robustness, so it is written after them
        before = "transfer" if len(given) > 1 else f"final-{study}"
        yield PlanStep(f"report-{study}", "report", (runs, f"name={study}"), needs=(before, stress[dataset]))
    if len(given) > 1:
        finals = [f"final-{study}" for study in studies]
        yield PlanStep("transfer", "transfer", (runs, f"studies=[{','.join(studies)}]"), needs=finals)


PLANS: dict[str, StepsOf] = {"small": small_plan, "full": full_plan}


def plan_named(name: str) -> StepsOf:
    """The plan `small` or `full`, or the function `steps` of a Python file."""
    if name in PLANS:
        return PLANS[name]
    if not name.endswith(".py") or not Path(name).is_file():
        raise InputError(f"plan={name}; allowed: {', '.join(PLANS)}, or a Python file with a function steps(keys)")
    steps = runpy.run_path(name).get("steps")
    if not callable(steps):
        raise InputError(f"plan={name} has no function steps(keys); launch/plan/whole_study.py has two examples")
    plan: StepsOf = steps
    return plan

"""A search that is killed, at any moment and any number of times, proposes the trials of a search that never was.

One trial runs at a time, on a made-up objective and without Ray.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.seeds import numpy_generator
from study.records.config import TrialConfig
from study.records.result import TrialResult
from study.records.store import StudyStore
from study.records.study_spec import PruningSettings
from study.search.fold_search import Proposals, Search, begin_rule, begin_search
from study.search.objectives import Goals
from study.search.pruning import Rule
from study.search.sampler import SAMPLERS
from study.search.space import Params, parse_space
from tests.study.make import epochs, opened, result, trial

LR = {"optim": {"lr": {"log_uniform": [1e-4, 1.0]}}}
NUMBERS = LR | {"head": {"dim": {"int": [4, 64]}}}
SMALL = {"head": {"dim": {"int": [4, 8]}}, "optim": {"batch_size": {"int": [4, 8]}}}  # proposals repeat
CHOICES = LR | {"method": {"draw": {"choice": ["anchor", "au"]}}}
METHODS = LR | {"methods": {"bce": {"method": {"balance": {"uniform": [0.0, 1.0]}}}, "byol": {}}}
ASHA = PruningSettings("asha", grace=1, reduction=2)
TWO = Goals(("f1", "hours"), (("f1", "at_least", 0.4),))
FOLD, EPOCHS, TRIALS = "part1", 4, 13


def ended(config: TrialConfig) -> TrialResult:
    """How a trial would end if it were never stopped; one in four fails."""
    rng = numpy_generator("made-up", config.key)
    best = 0.9 - abs(config.optim.lr - 0.1) - 0.005 * abs(config.head.dim - 20) + 0.02 * float(rng.normal())
    curve = [best - 0.3 / epoch for epoch in range(1, EPOCHS + 1)]
    failed = rng.random() < 1 / 4
    done = result(config, None if failed else best, status="FAILED" if failed else "DONE", curve=curve)
    return replace(done, started=1.0, seconds=3600 * float(rng.random()))


def train(config: TrialConfig, name: str, proposals: Proposals, rule: Rule) -> Iterator[None]:
    """Train and tell a trial as Tune does; it may be killed at each `yield`."""
    store, last = proposals.store, ended(config)
    progress = store.progress(config.key)
    for epoch in range(len(progress.epochs) if progress else 1, EPOCHS + 1):
        value = last.epochs[epoch - 1].value
        store.write_progress(replace(last, epochs=epochs(*(one.value for one in last.epochs[:epoch]))))
        yield
        if last.status == "DONE" and epoch < EPOCHS and rule.stops(config.key, epoch, value):
            store.prune(config.key)  # Tune tells the searcher nothing of this epoch
            break
        if last.status == "DONE":
            proposals.report(name, epoch, last.value if epoch == EPOCHS and last.value else value)
    else:
        store.write(last)
    yield
    proposals.tell(name)
    yield


def work(store: StudyStore, asked: Search) -> Iterator[None]:
    """One command: the search until it has its trials."""
    proposals, rule = begin_search(asked, store, (FOLD,))[FOLD], begin_rule(asked, store, FOLD)
    while store.count() < TRIALS:
        name = f"tune {store.count()}"
        config = proposals.ask(name)
        if config is None:
            return
        yield
        yield from train(config, name, proposals, rule)


def proposed(folder: Path, asked: Search, every: int = 0) -> list[Params]:
    """What was proposed, in order; the command is killed and started again after `every` steps (0: never)."""
    store, going = opened(folder), True
    while going:
        # a new command knows nothing but the files
        command, going = work(StudyStore(store.root), asked), False
        for step, _ in enumerate(command, start=1):
            if step == every:
                going = True
                break
    return [one["params"] for one in sorted(store.begun().values(), key=lambda one: int(one["facts"]["number"]))]


def search(spec: dict[str, Any], sampler: str, **given: Any) -> Search:
    base = replace(trial(), optim=replace(trial().optim, epochs=EPOCHS))
    settings = {"goals": Goals(), "seed": 3, "pruning": PruningSettings("none"), **given}
    return Search(base=base, space=parse_space(spec, base), sampler=sampler, **settings)


CASES = [
    *[(name, NUMBERS, {"pruning": ASHA}) for name in SAMPLERS],
    *[(name, SMALL, {}) for name in SAMPLERS if name != "gp"],
    *[(name, CHOICES, {"pruning": ASHA}) for name in ("tpe", "random")],
    *[(name, METHODS, {"pruning": ASHA}) for name in ("tpe", "random")],
    *[(name, NUMBERS, {"goals": TWO}) for name in ("tpe", "qmc")],
    pytest.param("gp", NUMBERS, {"goals": TWO}, marks=pytest.mark.slow),
    ("tpe", METHODS, {"goals": TWO}),
    ("tpe", NUMBERS, {"points": ({"head.dim": 8}, {"head.dim": 8}, {"head.dim": 9}), "pruning": ASHA}),
]


@pytest.mark.parametrize(("sampler", "spec", "given"), CASES, ids=str)
def test_a_killed_search_proposes_what_an_unkilled_one_does(
    sampler: str, spec: dict[str, Any], given: dict[str, Any], tmp_path: Path
) -> None:
    asked = search(spec, sampler, **given)
    unkilled = proposed(tmp_path / "unkilled", asked)
    assert len(unkilled) == TRIALS
    assert len({str(params) for params in unkilled}) == TRIALS
    # 3 steps: the trial is proposed, its last epoch is done again, and one more; so each trial has several commands
    for every in (11,) if sampler == "gp" else (3, 10):
        assert proposed(tmp_path / f"every {every}", asked, every) == unkilled


def test_the_cases_have_every_ending(tmp_path: Path) -> None:
    asked = search(NUMBERS, "tpe", pruning=ASHA)
    proposed(tmp_path / "mine", asked)
    assert {one.status for one in StudyStore(tmp_path / "mine").outcomes()} == {"DONE", "PRUNED", "FAILED"}


def test_a_repeated_proposal_is_counted_by_a_new_command(tmp_path: Path) -> None:
    asked = search(SMALL, "random")
    proposed(tmp_path / "mine", asked, every=7)
    numbers = sorted(one["facts"]["number"] for one in opened(tmp_path / "mine").begun().values())
    assert numbers[-1] >= TRIALS, "at least one proposal was a repeated one"


def test_the_seed_decides_what_is_proposed(tmp_path: Path) -> None:
    one, other = (proposed(tmp_path / str(seed), search(NUMBERS, "random", seed=seed)) for seed in (0, 1))
    assert not any(params in other for params in one)

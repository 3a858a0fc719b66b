"""What the driver of a search costs, apart from the trials.

    python -m tests.benchmarks.search [trials=200] [past=10000]

First: from trial to trial of a search whose trials do nothing, one at a time: Ray Tune with our store, beside Optuna
alone and with our store. Then: how long a command takes to go on from `past` results, with and without the index,
how long launch/status.py takes, what one more suggestion costs, and the memory of the driver. Results are simulated.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune

import launch.run.tune
from data.catalog import CATALOG
from data.seeds import numpy_generator
from launch.cluster.session import ray_session
from launch.plan.preflight import SearchPlan
from launch.plan.resources import Resources
from launch.run.ending import Watch
from launch.run.searcher import CONFIG, EPOCH, METRIC
from model.metrics import BINS, Score
from study.records.config import Placement, TrialConfig, trial_from_dict
from study.records.result import Epoch, TrialResult
from study.records.store import StudyStore
from study.search.fold_search import Search, begin_rule, begin_search
from study.search.objectives import Goals
from study.search.optuna_journal import new_journal
from study.search.sampler import new_memory
from study.search.space import parse_space
from study.trial.run import environment
from tests.study.specs import search_spec

FOLD, EPOCHS, SUBJECTS = "part1", 16, 7
AUS = CATALOG["bp4d"].aus
SPACE = {
    "method": {"temperature": {"log_uniform": [0.05, 1.0]}, "ratios": {"simplex": ["self", "max", "mean"]}},
    "optim": {"lr": {"log_uniform": [5e-4, 1e-2]}, "weight_decay": {"log_uniform": [1e-5, 1e-1]}},
}


def search() -> Search:
    """The default job's search, nearly."""
    base = replace(TrialConfig(), data=replace(TrialConfig().data, fold=FOLD))
    return Search(base, parse_space(SPACE, base), Goals(), "tpe", 0)


def opened(folder: Path) -> StudyStore:
    """An empty study."""
    store = StudyStore(folder)
    store.open_study(search_spec(folder.name, searched=tuple(search().space.settings_names), epochs=EPOCHS), free=())
    return store


def simulated(config: TrialConfig, started: float) -> TrialResult:
    """A result of the size of a real one; one in three is finished, the others were pruned."""
    draws = numpy_generator("simulated", config.key)
    done = draws.random() < 1 / 3
    counts = draws.integers(0, 9999, (EPOCHS, len(AUS), 4)).tolist()
    values = draws.random(EPOCHS).tolist()
    epochs = [Epoch(e + 1, 1.0, values[e], counts[e], 1.5) for e in range(EPOCHS if done else 4)]
    subjects = tuple(f"F{number:03}" for number in range(SUBJECTS))
    histogram = draws.integers(0, 999, (len(AUS), 2, BINS))
    score = Score(subjects, AUS, draws.integers(0, 9999, (SUBJECTS, len(AUS), 4)), histogram)
    status, scores = ("DONE", {"val": score}) if done else ("PRUNED", {})
    return TrialResult(config, status, epochs[-1].value, epochs, scores, started, 60.0, None, environment("cpu", 1))


def do_nothing(params: dict[str, Any], placement: Placement) -> None:
    """A trial without training."""
    config = trial_from_dict(params[CONFIG])
    result = StudyStore(placement.study).write(simulated(config, time.time()))
    tune.report({EPOCH: EPOCHS, METRIC: result.value})


def with_tune(folder: Path, trials: int) -> list[float]:
    """When each trial of a search by Ray Tune ended; one at a time."""
    store = opened(folder)
    plan = SearchPlan(store, search(), (FOLD,), Placement(folder, folder), Resources(1, 1, 0.0, "cpu"))
    launch.run.tune.train = do_nothing
    launch.run.tune._search_fold(plan, FOLD, trials, Watch(store, plan.budget))
    return [one.started for one in store.outcomes()]


def with_store(folder: Path, trials: int) -> list[float]:
    """The same proposals, written and told, without Ray."""
    store = opened(folder)
    proposals = begin_search(search(), store, (FOLD,))[FOLD]
    for number in range(trials):
        config = proposals.ask(str(number))
        assert config is not None
        store.write(simulated(config, time.time()))
        proposals.tell(str(number))
    return [one.started for one in store.outcomes()]


def alone(folder: Path, trials: int) -> list[float]:
    """Optuna's ask and tell."""
    storage, _ = new_journal(folder)
    memory = new_memory(storage, "alone", "tpe", 0, search().space, Goals())
    ended = []
    for number in range(trials):
        trial = memory.ask()
        simulated(search().space.apply(search().base, trial.params), number)
        memory.study.tell(trial, 0.5)
        ended.append(time.time())
    return ended


def fill(store: StudyStore, past: int) -> None:
    """As many simulated results, their settings drawn at random."""
    asked = search()
    storage, _ = new_journal(store.root / "scratch")
    memory = new_memory(storage, "fill", "random", 0, asked.space, Goals())
    for number in range(past):
        params = dict(memory.ask().params)
        config = asked.space.apply(asked.base, params)
        store.begin(config, params)
        store.write(simulated(config, number))


def resident() -> float:
    """MiB of memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def timed(what: str, step: Callable[[], Any]) -> Any:
    """Do it, and print a row of the table."""
    before, began = resident(), time.perf_counter()
    found = step()
    print(f"| {what} | {time.perf_counter() - began:.2f} | {resident() - before:+.0f} |", flush=True)
    return found


def main(trials: int, past: int) -> None:
    """Measure and print."""
    print(f"| {trials} trials that do nothing | ms a trial |\n|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        ray_session(Resources(1, 1, 0.0, "cpu"), StudyStore(Path(folder))),
    ):
        for name, run in {"Optuna alone": alone, "and our store": with_store, "and Ray Tune": with_tune}.items():
            ended = run(Path(folder, run.__name__), trials)
            print(f"| {name} | {1000 * (ended[-1] - ended[0]) / (trials - 1):.0f} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(f"\n| {past} past trials | s | MiB |\n|---|---|---|")
        store = opened(Path(folder, "past"))
        timed("writing the results", lambda: fill(store, past))
        timed("reading all results", StudyStore(store.root).count)
        timed("writing the index", store.write_index)
        again = StudyStore(store.root)
        timed("reading the index", again.count)
        command = [sys.executable, "launch/status.py", f"runs_root={store.root.parent}", f"name={store.root.name}"]
        timed("launch/status.py, the whole command", lambda: subprocess.run(command, check=True, capture_output=True))
        proposals = timed("telling the sampler, writing the journal", lambda: begin_search(search(), again, (FOLD,)))
        timed("telling the pruning rule", lambda: begin_rule(search(), again, FOLD))
        timed("10 suggestions", lambda: [proposals[FOLD].ask(str(number)) for number in range(10)])
        timed("the table of trials", again.trials)
        size = np.mean([path.stat().st_size for path in store.root.glob("trials/*.json")])
        print(f"\n{size / 1024:.1f} KiB a result; {resident():.0f} MiB in all", flush=True)


if __name__ == "__main__":
    given = {name: int(value) for name, _, value in (word.partition("=") for word in sys.argv[1:])}
    main(given.get("trials", 200), given.get("past", 10_000))

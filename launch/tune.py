"""The Ray Tune driver: our searcher proposes, our rule prunes, the StudyStore is the only record.

Nothing of Ray's own state is ever restored. A killed search is continued by telling a new sampler and a new rule all
that is in the store, and by enqueueing what was sampled and not finished; those trials go on from their checkpoints.
"""

import faulthandler
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from ray import tune

from data.files import disk_fails
from launch.cluster.session import ray_session
from launch.cluster.staging import placed
from launch.ending import DISK, Ending, Watch
from launch.preflight import Plan
from launch.searcher import CONFIG, EPOCH, METRIC, RETRIES, StorePruning, StoreSearcher
from study.config import Placement, TrialConfig, trial_from_dict
from study.pretrain import finetuned
from study.proposals import begin_rule, begin_search
from study.store import StudyStore
from study.trial import run_trial


def train(params: dict[str, Any], placement: Placement, timeout: float) -> None:
    """What Ray runs for one trial; `timeout` in minutes, 0 for never."""
    config = trial_from_dict(params[CONFIG])
    try:
        _train(config, placement, timeout)
    except OSError as error:
        if not disk_fails(error):
            raise
        tune.report({DISK: str(error)})


def _train(config: TrialConfig, placement: Placement, timeout: float) -> None:
    with _stack_file(StudyStore(placement.study), config.key, timeout) as stack:

        def report(epoch: int, value: float) -> None:
            faulthandler.cancel_dump_traceback_later()  # the driver may take its time
            tune.report({EPOCH: epoch, METRIC: value})
            _arm(stack, timeout)

        if not finetuned(config):  # pre-training has no reports
            _arm(stack, timeout)
        run_trial(config, placed(placement), report)


@contextmanager
def _stack_file(store: StudyStore, key: str, timeout: float) -> Iterator[IO[str] | None]:
    """Where the stack of this trial goes when it hangs."""
    if not timeout:
        yield None
        return
    path = store.hung_path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            yield file
        finally:
            faulthandler.cancel_dump_traceback_later()
            path.unlink(missing_ok=True)


def _arm(stack: IO[str] | None, timeout: float) -> None:
    """End this process, with its stack written down, unless it reports within `timeout` minutes."""
    if stack is not None:
        faulthandler.dump_traceback_later(60 * timeout, exit=True, file=stack)


def search(plan: Plan, trials: int) -> Ending | None:
    """Search fold after fold until each has its share of `trials`; returns why it ended early, if it did."""
    store = plan.store
    watch = Watch(store, plan.budget, plan.resources.gpus)
    store.tidy()
    store.write_index()
    if watch.stop_all() or all(store.count("sweep", fold) >= share(plan, trials) for fold in plan.folds):
        return watch.ending
    try:
        with ray_session(plan.resources, store):
            for fold in plan.folds:
                _search_fold(plan, fold, share(plan, trials), watch)
        store.write_index()
        store.tidy()
    except OSError as error:
        if not disk_fails(error):
            raise
        watch.end(1, f"the disk fails: {error}. Mend it or make room; then the same command goes on.")
    return watch.ending


def share(plan: Plan, trials: int) -> int:
    """Trials of each fold: an equal part of all, rounded up."""
    return -(-trials // len(plan.folds))


def _search_fold(plan: Plan, fold: str, wanted: int, watch: Watch) -> None:
    """Run trials until the fold has `wanted` of them; a round that adds none is the last."""
    before = -1
    while before < (finished := plan.store.count("sweep", fold)) < wanted and watch.ending is None:
        before = finished
        _tune(plan, fold, wanted - finished, watch)


def _tune(plan: Plan, fold: str, missing: int, watch: Watch) -> None:
    proposals = begin_search(plan.search, plan.store, plan.folds)[fold]
    searcher = StoreSearcher(proposals, plan.store, watch)
    rule = begin_rule(plan.search, plan.store, fold)
    trainable = tune.with_parameters(train, placement=plan.placement, timeout=plan.timeout)
    needs = {"cpu": plan.resources.cpus, "gpu": plan.resources.gpus}
    local = plan.resources.cluster.name == "local"  # elsewhere one trial waits for the next place, wherever it appears
    tuner = tune.Tuner(
        tune.with_resources(trainable, needs),
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            search_alg=searcher,
            scheduler=StorePruning(rule, searcher, plan.search.base.optim.epochs),
            num_samples=missing,
            max_concurrent_trials=plan.resources.concurrent if local else None,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(plan.store.ray_folder.resolve()),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            stop=watch,
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(plan.store.ray_folder, ignore_errors=True)

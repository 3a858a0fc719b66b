"""The Ray Tune driver: our searcher proposes trials, our rule prunes them, and the StudyStore keeps all results.

Ray's own state is never restored. To continue a killed search, a new sampler and a new pruning rule are told everything
in the store, and unfinished trials are enqueued; these continue from their checkpoints.
"""

import shutil
from typing import Any

from ray import tune

from data.errors import DamagedError
from data.files import disk_fails
from launch.cluster.session import ray_session
from launch.cluster.staging import placed
from launch.plan.budget import Ending
from launch.plan.preflight import SearchPlan
from launch.run.ending import DISK, Watch, disk_text
from launch.run.searcher import CONFIG, EPOCH, METRIC, RETRIES, StorePruning, StoreSearcher
from launch.run.watchdog import Watchdog
from study.records.config import Placement, TrialConfig, trial_from_dict
from study.records.study_spec import fold_shares
from study.search.fold_search import begin_rule, begin_search
from study.trial.run import run_trial


def train(params: dict[str, Any], placement: Placement) -> None:
    """The function that Ray runs for one trial."""
    try:
        _train(trial_from_dict(params[CONFIG]), placement)
    except (OSError, DamagedError) as error:
        if not disk_fails(error):
            raise
        tune.report({DISK: str(error)})


def _train(config: TrialConfig, placement: Placement) -> None:
    with Watchdog(config, placement) as watchdog:

        def report(epoch: int, value: float) -> None:
            watchdog.rest()  # the driver may answer late, which is no fault of the trial
            tune.report({EPOCH: epoch, METRIC: value})
            watchdog.report()

        run_trial(config, placed(placement), report)


def search(plan: SearchPlan, trials: int) -> Ending | None:
    """Search fold after fold until each has its share of `trials`; returns the reason for an early end, or None."""
    store = plan.store
    watch = Watch(store, plan.budget)
    store.tidy()
    store.write_index()
    shares = fold_shares(trials, plan.folds)
    if watch.stop_all() or all(store.count("sweep", fold) >= share for fold, share in shares.items()):
        return watch.ending
    try:
        with ray_session(plan.resources, store):
            for fold, share in shares.items():
                _search_fold(plan, fold, share, watch)
        store.write_index()
        store.tidy()
    except (OSError, DamagedError) as error:
        if not disk_fails(error):
            raise
        watch.end(1, disk_text(error))
    return watch.ending


def _search_fold(plan: SearchPlan, fold: str, wanted: int, watch: Watch) -> None:
    """Run rounds of trials until the fold has `wanted` of them, or until a round adds none."""
    before = -1
    while before < (finished := plan.store.count("sweep", fold)) < wanted and watch.ending is None:
        before = finished
        _tune(plan, fold, wanted - finished, watch)


def _tune(plan: SearchPlan, fold: str, missing: int, watch: Watch) -> None:
    proposals = begin_search(plan.search, plan.store, plan.folds)[fold]
    searcher = StoreSearcher(proposals, plan.store, watch)
    rule = begin_rule(plan.search, plan.store, fold)
    trainable = tune.with_parameters(train, placement=plan.placement)
    needs = {"cpu": plan.resources.cpus, "gpu": plan.resources.gpus}
    tuner = tune.Tuner(
        tune.with_resources(trainable, needs),
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            search_alg=searcher,
            scheduler=StorePruning(rule, searcher, plan.search.base.optim.epochs),
            num_samples=missing,
            # on a cluster one trial waits for the next free place
            max_concurrent_trials=None if plan.resources.cluster.uses_jobs else plan.resources.concurrent,
            # a new process for each trial would import torch again, for seconds
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
        # thousands of small files that are never read again
        shutil.rmtree(plan.store.ray_folder, ignore_errors=True)

"""The Ray Tune driver: OptunaSearch proposes, ASHA prunes, the StudyStore is the only record.

Nothing of Ray's own state is ever restored. A killed search is continued by telling a new sampler every result in the
store, and by enqueueing what had been sampled but not finished; those trials go on from their checkpoints.
"""

import shutil
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from launch.local_ray import local_ray
from launch.preflight import Plan
from study.config import Placement, TrialConfig
from study.sampler import make_sampler, past_trial, tell
from study.space import Space
from study.store import StudyStore
from study.trial import lost_trial, run_trial

Pruning = dict[str, int]
METRIC, EPOCH = "value", "epoch"
INFRASTRUCTURE_RETRIES = 3  # a trial whose process died is started again this often


class StoreSearch(OptunaSearch):  # type: ignore[misc]
    """OptunaSearch that knows trials by their key, and tells Optuna what the store says became of them."""

    def __init__(self, base: TrialConfig, space: Space, store: StudyStore, seed: int) -> None:
        past = [result for result in store.results() if result.stage == "sweep"]
        drawn = store.sampled()
        super().__init__(
            space.distributions,
            metric=METRIC,
            mode="max",
            sampler=make_sampler(seed, len(past)),
            points_to_evaluate=[params for _, params in store.unfinished()],
        )
        self.base, self.space, self.store = base, space, store
        self.configs: dict[str, TrialConfig] = {}
        for result in past:
            if result.config.key in drawn:
                self._ot_study.add_trial(past_trial(space, drawn[result.config.key], result))

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Parameters of a new trial, noted in the store before it starts."""
        params: dict[str, Any] | None = super().suggest(trial_id)
        if params is not None:
            config = self.space.apply(self.base, params)
            self.store.begin(config, params)
            self.configs[trial_id] = config
        return params

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Make sure that the trial has a result, and tell Optuna."""
        config = self.configs[trial_id]
        if self.store.result(config.key) is None:
            if error:
                lost_trial(config, self.store, f"its process died {INFRASTRUCTURE_RETRIES + 1} times")
            else:
                self.store.prune(config.key)
        tell(self._ot_study, self._ot_trials[trial_id], self.store.result(config.key))
        self._completed_trials.add(trial_id)


def train(params: dict[str, Any], base: TrialConfig, space: Space, placement: Placement) -> None:
    """What Ray runs for one trial."""

    def report(epoch: int, value: float) -> None:
        tune.report({EPOCH: epoch, METRIC: value})

    run_trial(space.apply(base, params), placement, report)


def search(plan: Plan, trials: int, seed: int, pruning: Pruning) -> None:
    """Run trials until the store has `trials` of them; a round that adds none is the last."""
    with local_ray(plan.resources):
        before = -1
        while before < (finished := plan.store.count()) < trials:
            before = finished
            _tune(plan, trials - finished, seed, pruning)


def _tune(plan: Plan, missing: int, seed: int, pruning: Pruning) -> None:
    trainable = tune.with_parameters(train, base=plan.base, space=plan.space, placement=plan.placement)
    needs = {"cpu": plan.resources.cpus, "gpu": plan.resources.gpus}
    epochs = plan.base.optim.epochs
    asha = ASHAScheduler(
        time_attr=EPOCH,
        max_t=epochs,
        grace_period=min(pruning["grace"], epochs),
        reduction_factor=pruning["reduction"],
    )
    tuner = tune.Tuner(
        tune.with_resources(trainable, needs),
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            search_alg=StoreSearch(plan.base, plan.space, plan.store, seed),
            scheduler=asha,
            num_samples=missing,
            max_concurrent_trials=plan.resources.concurrent,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(plan.store.ray_folder.resolve()),
            failure_config=tune.FailureConfig(max_failures=INFRASTRUCTURE_RETRIES),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(plan.store.ray_folder, ignore_errors=True)

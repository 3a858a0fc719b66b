"""The parts of Tune that we replace: a searcher that proposes trials of a fold, and a scheduler that prunes them."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from data.errors import DamagedError
from data.files import disk_fails
from launch.cluster.private_names import limit_pending, placeless
from launch.run.ending import Watch, disk_text
from launch.run.watchdog import death
from study.records.config import TrialConfig
from study.records.outcome import Outcome
from study.records.store import StudyStore
from study.search.fold_search import Proposals
from study.search.pruning import Rule
from study.trial.run import lost_trial

METRIC, EPOCH, CONFIG = "value", "epoch", "config"
RETRIES = 3  # restarts of a trial whose process died


class StoreSearcher(Searcher):  # type: ignore[misc]
    """Proposes trials, and makes sure that every ended trial has a result in the store and is told to Optuna."""

    def __init__(self, proposals: Proposals, store: StudyStore, watch: Watch) -> None:
        super().__init__(metric=METRIC, mode="max")
        self.proposals, self.store, self.watch = proposals, store, watch
        self.configs: dict[str, TrialConfig] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """A new trial, unless the search is over."""
        # Tune may ask for one more trial while the search ends
        if self.watch.stop_all():
            return None
        config = self.proposals.ask(trial_id)
        if config is None:
            self.watch.end(0, "every configuration of the search space has been tried")
            return str(Searcher.FINISHED)
        self.configs[trial_id] = config
        return {CONFIG: config.to_dict()}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record a point of the learning curve."""
        if METRIC in result and not result.get("done"):
            self.proposals.report(trial_id, result[EPOCH], result[METRIC])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Make sure that the trial has a result, and tell Optuna and the watch about it."""
        if self.watch.ending is not None and self.store.result(self.configs[trial_id].key) is None:
            return  # stopped, or no space to write: the trial continues with the next command
        try:
            outcome = self._closed(self.configs[trial_id], error)
            self.proposals.tell(trial_id)
        except (OSError, DamagedError) as problem:
            if not disk_fails(problem):
                raise
            self.watch.end(1, disk_text(problem))
        else:
            self.watch.finished(outcome)

    def _closed(self, config: TrialConfig, error: bool) -> Outcome:
        if self.store.result(config.key) is None:
            if error or self.store.progress(config.key) is None:
                lost_trial(config, self.store, death(self.store, config.key, RETRIES + 1))
            else:
                self.store.prune(config.key)  # Tune ended it without an error
        outcome = self.store.outcome(config.key)
        assert outcome is not None
        return outcome

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves a copy that is never read


class StorePruning(FIFOScheduler):  # type: ignore[misc]
    """Stops trials by the pruning rule, which knows them by their keys."""

    def __init__(self, rule: Rule, searcher: StoreSearcher, epochs: int) -> None:
        super().__init__()
        self.rule, self.searcher, self.epochs = rule, searcher, epochs

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Stop the trial or let it continue; after the last epoch it always continues."""
        if METRIC not in result or result[EPOCH] >= self.epochs:
            return str(TrialScheduler.CONTINUE)
        key = self.searcher.configs[trial.trial_id].key
        stops = self.rule.stops(key, result[EPOCH], result[METRIC])
        return str(TrialScheduler.STOP if stops else TrialScheduler.CONTINUE)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The oldest trial without a place to run; one more trial is always proposed.

        Tune itself would move a trial that is starting on a new worker to the process of a just finished trial, and
        cancel the start: a worker that starts slower than trials finish would never get one.
        """
        pending = [trial for trial in tune_controller.get_trials() if trial.status == Trial.PENDING]
        waiting = placeless(tune_controller, pending)
        limit_pending(tune_controller, len(pending) - len(waiting) + 1)
        return min(waiting, key=lambda trial: str(trial.trial_id), default=None)

    def __getstate__(self) -> dict[str, Any]:
        return {}

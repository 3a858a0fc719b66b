"""Which of the trials that wait is given a place that has become free, asked of Tune's own controller without Ray."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.air.execution import ResourceManager, ResourceRequest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.search import Searcher, SearchGenerator

from launch.run.searcher import EPOCH, METRIC, StorePruning
from study.search.pruning import Never
from tests.study import make


class NoResources(ResourceManager):  # type: ignore[misc]
    """Every process waits for a place."""

    def request_resources(self, resource_request: ResourceRequest) -> None:
        """Nothing comes of it."""

    def cancel_resource_request(self, resource_request: ResourceRequest) -> None:
        """It never was granted."""

    def has_resources_ready(self, resource_request: ResourceRequest) -> bool:
        return False

    def acquire_resources(self, resource_request: ResourceRequest) -> None:
        return None

    def free_resources(self, acquired_resource: Any) -> None:
        """None were given."""


def chosen(pending: list[str], begins: list[str], waits: list[str]) -> tuple[Any, int]:
    """What is chosen of the trials `pending`, and how many Tune may propose: some begin on a worker, some wait."""
    controller = TuneController(
        search_alg=SearchGenerator(Searcher("value", "max")), resource_manager_factory=NoResources
    )
    for name in pending:
        trial = Trial("train", trial_id=name, stub=True)
        controller.add_trial(trial)
        if name in (*begins, *waits):
            controller._trial_to_actor[trial] = controller._actor_manager.add_actor(
                object, {}, ResourceRequest([{"CPU": 1}])
            )
        if name in begins:
            controller._actor_manager._pending_actors_to_attrs.pop(controller._trial_to_actor[trial])
    found = StorePruning(Never(), cast(Any, None), 5).choose_trial_to_run(controller._wrapped())
    return found and found.trial_id, controller._max_pending_trials


def test_a_trial_that_begins_on_a_new_worker_keeps_its_place() -> None:
    assert chosen(["1", "2"], begins=["1"], waits=["2"]) == ("2", 2)
    assert chosen(["1"], begins=["1"], waits=[]) == (None, 2), "and another one is proposed for the free place"


def test_the_oldest_that_waits_is_next_and_one_is_enough() -> None:
    assert chosen(["3", "2"], begins=[], waits=["3", "2"]) == ("2", 1)
    assert chosen(["4"], begins=[], waits=[]) == ("4", 1)
    assert chosen([], begins=[], waits=[]) == (None, 1)


class Always(Never):
    """Stops every trial that it is asked about."""

    def stops(self, key: str, epoch: int, value: float) -> bool:
        """Yes."""
        return True


@pytest.mark.parametrize(("epoch", "decision"), [(1, "STOP"), (4, "STOP"), (5, "CONTINUE")])
def test_nothing_is_decided_after_the_last_epoch(epoch: int, decision: str) -> None:
    searcher: Any = SimpleNamespace(configs={"1": make.trial()})
    pruning = StorePruning(Always(), searcher, epochs=5)
    found = pruning.on_trial_result(None, Trial("train", trial_id="1", stub=True), {EPOCH: epoch, METRIC: 0.5})
    assert found == decision

"""Which of the trials that wait is given a place that has become free."""

from types import SimpleNamespace
from typing import Any, cast

from launch.run.searcher import StorePruning
from study.search.pruning import Never


def chosen(pending: list[str], begins: list[str], waits: list[str]) -> tuple[Any, int]:
    """What is chosen of the trials `pending`, and how many Tune may propose: some begin on a worker, some wait."""
    trials = [SimpleNamespace(trial_id=name) for name in pending]
    limits: list[int] = []
    controller = SimpleNamespace(
        _pending_trials=trials,
        _trial_to_actor=cast(Any, Places({name: f"actor of {name}" for name in (*begins, *waits)})),
        _actor_manager=SimpleNamespace(pending_actors=[f"actor of {name}" for name in waits]),
        update_max_pending_trials=limits.append,
    )
    pruning = StorePruning(Never(), cast(Any, None), 5)
    found = pruning.choose_trial_to_run(SimpleNamespace(_tune_controller=controller))
    return found and found.trial_id, limits[0]


class Places(dict[str, str]):
    """Actors by the name of their trial."""

    def get(self, trial: Any, default: Any = None) -> Any:
        """As Tune's, which knows trials by themselves."""
        return super().get(trial.trial_id, default)


def test_a_trial_that_begins_on_a_new_worker_keeps_its_place() -> None:
    assert chosen(["1", "2"], begins=["1"], waits=["2"]) == ("2", 2)
    assert chosen(["1"], begins=["1"], waits=[]) == (None, 2), "and another one is proposed for the free place"


def test_the_oldest_that_waits_is_next_and_one_is_enough() -> None:
    assert chosen(["3", "2"], begins=[], waits=["3", "2"]) == ("2", 1)
    assert chosen(["4"], begins=[], waits=[]) == ("4", 1)
    assert chosen([], begins=[], waits=[]) == (None, 1)

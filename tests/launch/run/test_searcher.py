"""What Tune asks for trials and tells of them, and which trial gets a free place by its own controller, without Ray."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.air.execution import ResourceManager, ResourceRequest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.search import Searcher, SearchGenerator

from launch.plan.budget import Budget
from launch.run.ending import DISK, Watch
from launch.run.searcher import EPOCH, METRIC, StorePruning, StoreSearcher
from study.records.config import TrialConfig
from study.records.store import StudyStore
from study.search.fold_search import Search, begin_search
from study.search.objectives import Goals
from study.search.pruning import Never, Rungs
from study.search.space import parse_space
from tests.study.make import opened, result, trial


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "mine")


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


def stub(name: str) -> Trial:
    """A trial of Tune's."""
    return Trial("train", trial_id=name, stub=True)


def chosen(pending: list[str], begins: list[str], waits: list[str]) -> tuple[Any, int]:
    """What is chosen of the trials `pending`, and how many Tune may propose: some begin on a worker, some wait."""
    controller = TuneController(
        search_alg=SearchGenerator(Searcher("value", "max")), resource_manager_factory=NoResources
    )
    for name in pending:
        one = stub(name)
        controller.add_trial(one)
        if name in (*begins, *waits):
            controller._trial_to_actor[one] = controller._actor_manager.add_actor(
                object, {}, ResourceRequest([{"CPU": 1}])
            )
        if name in begins:
            controller._actor_manager._pending_actors_to_attrs.pop(controller._trial_to_actor[one])
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
    searcher: Any = SimpleNamespace(configs={"1": trial()})
    pruning = StorePruning(Always(), searcher, epochs=5)
    found = pruning.on_trial_result(None, stub("1"), {EPOCH: epoch, METRIC: 0.5})
    assert found == decision


def searcher_of(store: StudyStore, budget: Budget | None = None) -> tuple[StoreSearcher, Watch]:
    space = parse_space({"optim": {"lr": {"log_uniform": [1e-4, 1.0]}}}, TrialConfig())
    watch = Watch(store, budget or Budget())
    proposals = begin_search(Search(trial(), space, Goals(), "tpe", 0), store, ("part1",))["part1"]
    return StoreSearcher(proposals, store, watch), watch


def suggested(searcher: StoreSearcher, name: str) -> TrialConfig:
    assert isinstance(searcher.suggest(name), dict)
    return searcher.configs[name]


def test_a_trial_that_was_stopped_early_is_pruned(store: StudyStore) -> None:
    searcher, _ = searcher_of(store)
    config = suggested(searcher, "a")
    store.write_progress(result(config, 0.375))
    searcher.on_trial_complete("a", {METRIC: 0.375})
    assert [one.status for one in store.outcomes()] == ["PRUNED"]


def test_a_trial_whose_process_died_has_failed_and_says_why(store: StudyStore) -> None:
    searcher, _ = searcher_of(store)
    dead, hung, unseen = (suggested(searcher, name) for name in "abc")
    store.hung_path(hung.key).parent.mkdir()
    store.hung_path(hung.key).write_text("Timeout (0:01:00)!\n  File fit.py, line 3\n")
    searcher.on_trial_complete("a", error=True)
    searcher.on_trial_complete("b", error=True)
    searcher.on_trial_complete("c")
    errors = {one.key: one.error or "" for one in store.outcomes()}
    assert "its process died 4 times" in errors[dead.key]
    assert "the trial hung" in errors[hung.key]
    assert "fit.py, line 3" in errors[hung.key]
    assert "its process died" in errors[unseen.key]
    assert not store.hung_path(hung.key).exists()


def test_a_trial_whose_process_died_after_an_epoch_has_failed_and_is_not_pruned(store: StudyStore) -> None:
    searcher, _ = searcher_of(store)
    store.write_progress(result(suggested(searcher, "a"), 0.375))
    searcher.on_trial_complete("a", error=True)
    (found,) = store.outcomes()
    assert (found.status, found.value, found.curve) == ("FAILED", None, [0.25, 0.375])


def test_a_finished_trial_has_made_its_last_report(store: StudyStore) -> None:
    searcher, _ = searcher_of(store)
    suggested(searcher, "a")
    for metrics in ({EPOCH: 1, METRIC: 0.25}, {EPOCH: 2, METRIC: 0.5, "done": True}, {DISK: "full"}):
        searcher.on_trial_result("a", metrics)
    (told,) = searcher.proposals.memory.study.trials
    assert told.intermediate_values == {1: 0.25}


def test_a_search_that_is_over_leaves_running_trials_without_a_result(store: StudyStore) -> None:
    searcher, watch = searcher_of(store)
    config = suggested(searcher, "a")
    store.write_progress(result(config, 0.375))
    watch.end(0, "the time budget is used up")
    searcher.on_trial_complete("a", {METRIC: 0.375})
    assert store.outcomes() == []
    assert searcher.suggest("b") is None
    assert [again for again, _ in store.unfinished()] == [config]


def test_a_full_disk_ends_the_search_and_no_trial(store: StudyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    searcher, watch = searcher_of(store)
    config = suggested(searcher, "a")
    store.write_progress(result(config, 0.375))

    def full(*arguments: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(StudyStore, "prune", full)
    searcher.on_trial_complete("a", {METRIC: 0.375})
    assert watch.ending is not None
    assert (watch.ending.code, "Disk quota exceeded" in watch.ending.said) == (1, True)
    assert store.outcomes() == []


def test_another_error_of_the_system_is_raised(store: StudyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    searcher, watch = searcher_of(store)
    store.write_progress(result(suggested(searcher, "a"), 0.375))
    monkeypatch.setattr(StudyStore, "prune", refused)
    with pytest.raises(PermissionError):
        searcher.on_trial_complete("a", {METRIC: 0.375})
    assert watch.ending is None


def test_nothing_left_to_try_ends_the_search(store: StudyStore) -> None:
    space = parse_space({"method": {"draw": {"choice": ["anchor", "au"]}}}, TrialConfig())
    watch = Watch(store, Budget())
    proposals = begin_search(Search(trial(), space, Goals(), "tpe", 0), store, ("part1",))["part1"]
    searcher = StoreSearcher(proposals, store, watch)
    for name in "ab":
        store.write(result(suggested(searcher, name)))
        searcher.on_trial_complete(name)
    assert searcher.suggest("c") == "FINISHED"
    assert watch.ending is not None
    assert watch.ending.code == 0


def test_pruning_knows_trials_by_their_keys(store: StudyStore) -> None:
    searcher, _ = searcher_of(store)
    keys = [suggested(searcher, name).key for name in "abcd"]
    pruning = StorePruning(rule := Rungs(8, 1, 3), searcher, 8)
    values = dict(zip("abcd", (0.5, 0.75, 0.25, 0.125), strict=True))
    said = [pruning.on_trial_result(None, stub(n), {"epoch": 1, METRIC: v}) for n, v in values.items()]
    assert said == ["CONTINUE", "CONTINUE", "STOP", "STOP"]
    assert [*rule.brackets[0][1]] == keys
    assert pruning.on_trial_result(None, stub("a"), {"epoch": 8, METRIC: 0.0}) == "CONTINUE"
    assert pruning.on_trial_result(None, stub("a"), {DISK: "full"}) == "CONTINUE"

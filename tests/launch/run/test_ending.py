"""Why a search ends early."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import InputError
from launch.plan.budget import Budget, in_words, parse_budget, seconds_of
from launch.run.ending import DISK, Ending, Watch, failure_signature, used_gpu_hours
from launch.run.searcher import EPOCH, METRIC, StorePruning, StoreSearcher
from study.records.config import TrialConfig
from study.records.outcome import Outcome
from study.records.store import StudyStore
from study.search.fold_search import Search, begin_search
from study.search.objectives import Goals
from study.search.pruning import Rungs
from study.search.space import parse_space
from tests.study.make import opened, result, trial

ERROR = """Traceback (most recent call last):
  File "/home/me/au/study/trial.py", line 53, in run_trial
    result = _train(begun)
  File "/home/me/au/model/fit.py", line {line}, in fit
    torch.zeros(1) + None
  File "/env/site-packages/torch/x.py", line 9, in add
TypeError: unsupported operand
"""


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "mine")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("text", "seconds"), [("8h", 28800), ("30m", 1800), ("90s", 90), ("1.5h", 5400), ("", 0)])
def test_budgets_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["8", "h", "-1h", "8 hours", "0m", "nanh", "infh"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InputError, match="time_budget="):
        seconds_of(text)


def test_a_budget_of_gpu_hours_needs_gpus() -> None:
    assert parse_budget("90s", 5.0, 0.5) == Budget(90.0, 5.0)
    with pytest.raises(InputError, match=r"trial\.gpus"):
        parse_budget("", 5.0, 0.0)
    with pytest.raises(InputError, match="gpu_hours=-1"):
        parse_budget("", -1.0, 1.0)


def test_seconds_in_words() -> None:
    assert [in_words(seconds) for seconds in (0.5, 90, 28800, 172800)] == ["0.5 s", "1.5 m", "8 h", "2 d"]


def test_time_runs_out(store: StudyStore) -> None:
    clock = Clock()
    watch = Watch(store, Budget(seconds=90.0), clock)
    clock.now += 89
    assert not watch.stop_all()
    clock.now += 1
    assert watch.stop_all()
    assert watch.ending is not None
    assert (watch.ending.code, watch.ending.said) == (0, "the time budget of 1.5 m is used up")


def test_gpu_hours_run_out_with_what_runs(store: StudyStore) -> None:
    clock = Clock()
    watch = Watch(store, Budget(gpu_hours=2.0), clock)
    store.write(replace(result(trial(1), gpus=0.5), seconds=2 * 3600.0))
    store.write(replace(result(trial(2, score_test=True), gpus=0.5), seconds=100 * 3600.0))  # not of the search
    assert not watch.stop_all()
    store.write_progress(replace(result(trial(3), gpus=0.25), seconds=4 * 3600.0))
    assert used_gpu_hours(store) == 2.0
    clock.now += 60
    assert watch.stop_all()
    assert watch.ending is not None
    assert watch.ending.code == 0


def test_the_first_ending_stays(store: StudyStore) -> None:
    watch = Watch(store, Budget())
    watch.end(1, "the disk fails")
    watch.end(0, "the time budget is used up")
    assert watch.ending == Ending(1, "the disk fails")


def outcomes(store: StudyStore, *errors: str) -> list[Outcome]:
    made = []
    for seed, error in enumerate(errors):
        failed = replace(result(trial(seed), None, status="FAILED", curve=()), error=error)
        store.write(failed if error else result(trial(seed)))
        found = store.outcome(trial(seed).key)
        assert found is not None
        made.append(found)
    return made


ALIKE = ERROR.format(line=7)
RUNAWAY = "Traceback\nFloatingPointError: the loss became nan in epoch 1; lower the learning rate"


@pytest.mark.parametrize(
    ("errors", "ends"),
    [
        ([ALIKE] * 3, True),
        ([ALIKE] * 2, False),
        ([ALIKE, ALIKE, "", ALIKE], False),
        ([ALIKE, ALIKE, ERROR.format(line=8), ALIKE], False),
        ([ERROR.format(line=8), ALIKE, ALIKE, ALIKE], True),
        ([RUNAWAY] * 5, False),
        ([ALIKE, RUNAWAY, ALIKE, ALIKE], False),
    ],
)
def test_the_same_failure_three_times_in_a_row(errors: list[str], ends: bool, store: StudyStore) -> None:
    watch = Watch(store, Budget())
    for outcome in outcomes(store, *errors):
        watch.finished(outcome)
    assert (watch.ending is not None) == ends
    if watch.ending is not None:
        assert watch.ending.code == 1
        assert "TypeError: unsupported operand" in watch.ending.said
        assert "retry_failed=true" in watch.ending.said


def test_what_failures_have_in_common_is_their_place_in_our_code() -> None:
    assert failure_signature(ALIKE).splitlines() == [
        'File "/home/me/au/model/fit.py", line 7, in fit',
        "TypeError: unsupported operand",
    ]
    assert failure_signature("") == ""


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
    assert "it hung" in errors[hung.key]
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
    (trial,) = searcher.proposals.memory.study.trials
    assert trial.intermediate_values == {1: 0.25}


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


def test_a_trial_reports_a_full_disk(store: StudyStore) -> None:
    watch = Watch(store, Budget())
    assert not watch("a", {METRIC: 0.5})
    assert not watch("a", {DISK: "[Errno 28] No space left on device"}), "a trial is never stopped by itself"
    assert watch.stop_all()


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
    class Trial:
        def __init__(self, name: str) -> None:
            self.trial_id = name

    searcher, _ = searcher_of(store)
    keys = [suggested(searcher, name).key for name in "abcd"]
    pruning = StorePruning(rule := Rungs(8, 1, 3), searcher, 8)
    values = dict(zip("abcd", (0.5, 0.75, 0.25, 0.125), strict=True))
    said = [pruning.on_trial_result(None, Trial(n), {"epoch": 1, METRIC: v}) for n, v in values.items()]
    assert said == ["CONTINUE", "CONTINUE", "STOP", "STOP"]
    assert [*rule.brackets[0][1]] == keys
    assert pruning.on_trial_result(None, Trial("a"), {"epoch": 8, METRIC: 0.0}) == "CONTINUE"
    assert pruning.on_trial_result(None, Trial("a"), {DISK: "full"}) == "CONTINUE"

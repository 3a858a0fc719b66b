"""How many workers there should be: decided from what is seen, without any SLURM."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from launch.cluster.files import Heartbeat
from launch.cluster.scaler import (
    BURST,
    REFUSALS,
    SILENT_S,
    UNSEEN_S,
    Actions,
    News,
    ScalerMemory,
    accepted,
    fleet_news,
    hopeless,
    of_generation,
    rejected,
    scaling_decision,
    worker_minutes,
)
from launch.cluster.slurm import QueuedJob
from tests.launch.cluster.make import heartbeat, job, settings

Round = tuple[float, Sequence[QueuedJob], Sequence[Heartbeat]]


def after(rounds: Sequence[Round], memory: ScalerMemory | None = None) -> tuple[list[News], ScalerMemory]:
    """The news of the last round, and the memory after it."""
    memory = memory or ScalerMemory()
    news: list[News] = []
    for now, jobs, heartbeats in rounds:
        news, memory = fleet_news(now, jobs, {one.job: one for one in heartbeats}, memory)
    return news, memory


def act(
    now: float, left: int, jobs: Sequence[QueuedJob], heartbeats: Sequence[Heartbeat] = (), **given: Any
) -> Actions:
    """What is decided at `now` after a first look at time 0; two trials fit on a worker."""
    memory = after([(0.0, jobs, heartbeats)], given.pop("memory", None))[1]
    return scaling_decision(now, left, 2, jobs, {one.job: one for one in heartbeats}, settings(**given), memory)


# --- how many


@pytest.mark.parametrize(("left", "workers"), [(0, 1), (1, 1), (2, 1), (3, 2), (8, 4), (9, 4), (1000, 4)])
def test_as_many_workers_as_trials_need_and_no_more_than_allowed(left: int, workers: int) -> None:
    assert len(act(0, left, []).submit) == workers


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED"])
def test_jobs_that_are_there_are_counted_whatever_they_do(state: str) -> None:
    assert len(act(0, 8, [job("1", state)]).submit) == 3


@pytest.mark.parametrize("state", ["CANCELLED", "FAILED", "NODE_FAIL", "TIMEOUT", "COMPLETED", "OUT_OF_MEMORY"])
def test_workers_that_died_are_replaced(state: str) -> None:
    assert len(act(0, 8, [job("1", state)]).submit) == 4


def test_only_a_few_are_submitted_at_once() -> None:
    assert len(act(0, 1000, [], max_workers=100).submit) == BURST


def test_a_job_that_the_queue_does_not_show_yet_is_not_submitted_twice() -> None:
    memory = accepted("1", 0.0, ScalerMemory())
    assert len(act(1, 8, [], memory=memory).submit) == 3
    assert len(act(1, 8, [job("1", "PENDING")], memory=memory).submit) == 3
    _, forgotten = after([(UNSEEN_S + 1, [], [])], memory)
    assert len(scaling_decision(UNSEEN_S + 1, 8, 2, [], {}, settings(), forgotten).submit) == 4


def test_where_jobs_may_not_submit_jobs_none_are_but_idle_ones_still_go() -> None:
    asleep = [heartbeat("1", "idle"), heartbeat("2", "idle")]
    actions = act(11, 1, [job("1"), job("2")], asleep, head="first_worker")
    assert actions == Actions(drain=("1",))
    assert act(0, 100, [], head="first_worker") == Actions()


def test_no_state_of_affairs_gives_too_many_workers_or_touches_a_busy_one() -> None:
    kinds = [("PENDING", ""), ("RUNNING", "idle"), ("RUNNING", "busy"), ("RUNNING", "starting"), ("COMPLETING", "gone")]
    for chosen in itertools.product(kinds, repeat=4):
        jobs = [job(str(n), state) for n, (state, _) in enumerate(chosen)]
        speaking = [heartbeat(str(n), said) for n, (_, said) in enumerate(chosen) if said]
        busy = {str(n) for n, (_, said) in enumerate(chosen) if said == "busy"}
        for left in range(12):
            actions = act(100, left, jobs, speaking)
            target = min(4, max(-(-left // 2), 1))
            leaving = {*actions.cancel, *actions.drain}
            assert not leaving & busy
            assert not (actions.submit and leaving)
            staying = 4 - len(leaving) + len(actions.submit)
            movable = sum(said == "idle" or state == "PENDING" for state, said in chosen)
            assert staying == max(target, 4 - movable)
            assert all(chosen[int(id)][0] == "PENDING" for id in actions.cancel)
            assert all(chosen[int(id)][1] == "idle" for id in actions.drain)


# --- the tail


def test_pending_jobs_go_first_the_youngest_before_the_others() -> None:
    jobs = [job("9", "PENDING"), job("10", "PENDING"), job("8")]
    assert act(11, 4, jobs, [heartbeat("8", "idle")]) == Actions(cancel=("10",))
    assert act(11, 1, jobs, [heartbeat("8", "idle")]) == Actions(cancel=("10", "9"))


def test_idle_workers_are_kept_for_a_while_and_the_longest_idle_goes_first() -> None:
    jobs, first = [job("1"), job("2")], [heartbeat("1"), heartbeat("2", "idle")]
    later = [heartbeat("1", "idle", time=2.0), heartbeat("2", "idle", time=2.0)]
    _, memory = after([(0.0, jobs, first), (5.0, jobs, later)])
    for now, drained in [(9.0, ()), (10.0, ("2",)), (15.0, ("2",))]:
        assert scaling_decision(now, 2, 2, jobs, {one.job: one for one in later}, settings(), memory).drain == drained


def test_one_worker_stays_until_the_session_is_over() -> None:
    asleep = [heartbeat(id, "idle") for id in "12"]
    assert act(100, 0, [job("1"), job("2")], asleep).drain == ("1",)
    assert len(act(0, 0, []).submit) == 1


def test_a_worker_of_an_earlier_head_is_not_idle() -> None:
    beats = {"1": heartbeat("1", "idle"), "2": heartbeat("2", "idle", generation=2), "3": heartbeat("3", "gone")}
    assert [beat.state for beat in of_generation(beats, 2).values()] == ["starting", "idle", "gone"]


def test_a_worker_that_works_again_is_no_longer_idle() -> None:
    jobs = [job("1"), job("2")]
    rounds = [(now, jobs, [heartbeat("1"), heartbeat("2", state)]) for now, state in [(0.0, "idle"), (8.0, "busy")]]
    _, memory = after([*rounds, (9.0, jobs, [heartbeat("1"), heartbeat("2", "idle")])])
    assert (
        scaling_decision(12.0, 1, 2, jobs, {"1": heartbeat("1"), "2": heartbeat("2", "idle")}, settings(), memory).drain
        == ()
    )


def test_idle_workers_stay_while_there_is_work_for_them() -> None:
    assert act(1000, 4, [job("1"), job("2")], [heartbeat("1", "idle", time=1000), heartbeat("2", "idle")]).drain == ()


def test_those_that_were_asked_to_leave_are_neither_counted_nor_asked_again() -> None:
    jobs = [job("1"), job("2")]
    memory = replace(after([(0.0, jobs, [])])[1], leaving=frozenset({"1"}))
    asleep = {"1": heartbeat("1", "idle"), "2": heartbeat("2", "idle")}
    assert scaling_decision(50, 2, 2, jobs, asleep, settings(), memory) == Actions()
    assert len(scaling_decision(50, 4, 2, jobs, asleep, settings(), memory).submit) == 1


# --- what goes wrong


def test_a_worker_that_shows_nothing_is_given_up_and_replaced() -> None:
    jobs, said = [job("1")], [heartbeat("1")]
    assert act(SILENT_S, 2, jobs, said) == Actions()
    actions = act(SILENT_S + 1, 2, jobs, said)
    assert actions.cancel == ("1",)
    assert len(actions.submit) == 1


def test_a_worker_whose_clock_is_wrong_is_not_given_up() -> None:
    rounds = [(now, [job("1")], [heartbeat("1", time=now - 10**6)]) for now in (0.0, 200.0, 400.0)]
    _, memory = after(rounds)
    assert scaling_decision(500, 2, 2, [job("1")], {"1": rounds[-1][2][0]}, settings(), memory) == Actions()


def test_a_requeued_worker_gets_its_time_again() -> None:
    said = [heartbeat("1", "gone")]
    rounds = [(0.0, [job("1")], said), (200.0, [job("1", "PENDING")], said), (900.0, [job("1", restarts=1)], said)]
    news, memory = after(rounds)
    assert [kind for kind, _, _ in news] == ["running"]
    assert scaling_decision(1000, 2, 2, [job("1", restarts=1)], {"1": said[0]}, settings(), memory) == Actions()


def test_a_job_that_slurm_itself_has_spoilt_is_replaced_but_one_that_somebody_holds_is_not() -> None:
    actions = act(0, 2, [job("1", "PENDING", "launch failed requeued held")])
    assert (actions.cancel, len(actions.submit)) == (("1",), 1)
    assert act(0, 2, [job("1", "PENDING", "JobHeldUser")]) == Actions()


def test_refused_submissions_wait_twice_as_long_each_time_up_to_half_an_hour() -> None:
    memory, pauses = ScalerMemory(), []
    for _ in range(9):
        memory = rejected(100.0, memory)
        pauses.append(memory.retry_at - 100)
    assert pauses[:4] == [30, 60, 120, 240]
    assert pauses[-1] == 1800
    assert act(memory.retry_at - 1, 8, [], memory=memory) == Actions()
    assert len(act(memory.retry_at, 8, [], memory=memory).submit) == 4
    assert rejected(0.0, accepted("1", 0.0, memory)).retry_at == 30


def test_nodes_that_cannot_work_are_excluded_once_and_named() -> None:
    broken = heartbeat("1", "gone", node="node7", text="no space", fault="staging")
    news, memory = after([(0, [job("1")], [heartbeat("1", "staging")]), (1, [], [broken])])
    assert ("excluded", "1", "node7: no space") in news
    assert ("gone", "1", "node7: no space") in news
    assert memory.excluded == ("node7",)
    again = replace(broken, job="2")
    news, memory = after([(2, [job("2")], []), (3, [], [again])], memory)
    assert memory.excluded == ("node7",)
    assert "excluded" not in {kind for kind, _, _ in news}


def test_a_refusal_counts_once_also_of_a_job_that_the_queue_never_showed_and_never_of_an_earlier_life() -> None:
    old, new = (heartbeat(id, "gone", node=f"node{id}", text="no", fault="start") for id in "12")
    _, memory = after(
        [(0, [], [old]), (1, [], [old, new]), (2, [job("2", "COMPLETING")], [old, new]), (3, [], [old, new])]
    )
    assert memory.excluded == ("node2",)
    assert memory.refusals == ("node2: no",)


def test_a_cluster_on_which_no_worker_can_work_is_given_up() -> None:
    _, memory = after([(0, [], [])])
    for number in range(REFUSALS):
        assert hopeless(memory) == ""
        id = str(number)
        broken = heartbeat(id, "gone", node=f"node{number}", text="torch is 1 here, 2 on the head", fault="version")
        _, memory = after([(number, [job(id)], []), (number, [], [broken])], memory)
    assert "torch is 1 here" in hopeless(memory)
    _, memory = after([(9, [job("9")], [heartbeat("9", "idle")])], memory)
    assert hopeless(memory) == "", "one that works makes the others bad nodes, not a bad cluster"


# --- what people are told


def test_news_of_a_life() -> None:
    lives: list[tuple[Sequence[QueuedJob], Sequence[Heartbeat]]] = [
        ([job("1", "PENDING", "Resources")], []),
        ([job("1", "PENDING", "Resources")], []),
        ([job("1")], []),
        ([job("1")], [heartbeat("1", "starting")]),
        ([job("1")], [heartbeat("1", "idle")]),
        ([job("1")], [heartbeat("1", "busy")]),
        ([job("1")], [heartbeat("1", "draining", text="warned")]),
        ([job("1", "PENDING", "BeginTime")], [heartbeat("1", "gone")]),
        ([job("1")], [heartbeat("1", "gone")]),
        ([job("1")], [heartbeat("1", "busy")]),
        ([], [heartbeat("1", "busy")]),
    ]
    memory, kinds = ScalerMemory(), []
    for now, (jobs, heartbeats) in enumerate(lives):
        news, memory = after([(now, jobs, heartbeats)], memory)
        kinds.append([kind for kind, _, _ in news])
    asked, back = ["pending", "waiting"], ["pending", "waiting"]
    assert kinds == [
        asked,
        [],
        ["running"],
        ["starting"],
        ["joined"],
        [],
        ["draining"],
        back,
        ["running"],
        ["joined"],
        ["lost"],
    ]


def test_a_reason_is_told_again_when_it_changes() -> None:
    def waits(reason: str) -> list[QueuedJob]:
        return [job("1", "PENDING", reason), job("2", "PENDING", "Priority")]

    rounds: list[Round] = [
        (0.0, waits("Resources"), []),
        (1.0, waits("Resources"), []),
        (2.0, waits("QOSMaxJobsPerUserLimit"), []),
    ]
    assert after(rounds[:1])[0][-1] == ("waiting", "", "Priority, Resources")
    assert after(rounds[:2])[0] == []
    assert after(rounds)[0] == [("waiting", "", "Priority, QOSMaxJobsPerUserLimit")]


def test_an_end_that_was_asked_for_is_no_loss() -> None:
    memory = replace(after([(0.0, [job("1"), job("2")], [])])[1], leaving=frozenset({"1"}))
    news, memory = after([(1.0, [], [])], memory)
    assert sorted(kind for kind, _, _ in news) == ["gone", "lost"]
    assert memory.leaving == frozenset()


# --- time limits


def test_time_limits_are_spread_and_leave_room_for_the_warning() -> None:
    limits = [worker_minutes(settings(time=240, stagger=0.25), number) for number in range(40)]
    assert max(limits) == 240
    assert min(limits) >= 180
    first = sorted(limits[:8])
    assert min(b - a for a, b in itertools.pairwise(first)) >= 3, "the first ones are far from each other"
    assert worker_minutes(settings(time=240, stagger=0.0), 3) == 240
    assert worker_minutes(settings(time=10, signal_s=540, stagger=0.5), 1) == 10
    assert worker_minutes(settings(time=1, signal_s=20, stagger=0.5), 1) == 1

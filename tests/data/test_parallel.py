import os
import signal
from concurrent.futures.process import BrokenProcessPool

import pytest

from data.parallel import cores, run_tasks


def double(number: int) -> tuple[int, int]:
    return 2 * number, os.getpid()


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def vanish(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_one_process_works_here_and_in_order() -> None:
    assert list(run_tasks(double, [5, 6, 7], 1)) == [(i, (2 * n, os.getpid())) for i, n in enumerate([5, 6, 7])]


def test_several_processes_do_every_task_once() -> None:
    results = dict(run_tasks(double, range(20), 2))
    assert {position: value for position, (value, _) in results.items()} == {n: 2 * n for n in range(20)}
    assert os.getpid() not in {process for _, process in results.values()}


def test_a_task_alone_needs_no_process() -> None:
    assert list(run_tasks(double, [4], 8)) == [(0, (8, os.getpid()))]
    assert list(run_tasks(double, [], 8)) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_the_first_exception_ends_the_rest(processes: int) -> None:
    with pytest.raises(ValueError, match="three"):
        list(run_tasks(fail_at_three, range(1000), processes))


def test_a_process_that_is_killed_is_an_error() -> None:
    with pytest.raises(BrokenProcessPool):
        list(run_tasks(vanish, range(4), 2))


def test_there_is_a_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)

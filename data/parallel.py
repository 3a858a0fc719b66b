"""One function over many tasks in several processes, which end when their parent process ends."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TypeVar

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def cores() -> int:
    """CPU cores that this process may use."""
    # a job of SLURM or a container may use fewer than os.cpu_count() says
    return len(os.sched_getaffinity(0))


def run_tasks(
    function: Callable[[_Task], _Result], tasks: Sequence[_Task], processes: int = 1
) -> Iterator[tuple[int, _Result]]:
    """(position, result) of every task as it is done; with one process, here and in order.

    `function` and the tasks must be picklable. The first exception ends the rest; tasks under way are waited for.
    """
    if min(processes, len(tasks)) <= 1:
        yield from ((position, function(task)) for position, task in enumerate(tasks))
        return
    # spawn: a forked child could inherit a lock that a thread of polars, torch or the progress bar holds
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(tasks)), context, initializer=_die_with_parent) as pool:
        try:
            yield from _as_done(pool, function, tasks, ahead=2 * processes)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _as_done(
    pool: ProcessPoolExecutor, function: Callable[[_Task], _Result], tasks: Sequence[_Task], ahead: int
) -> Iterator[tuple[int, _Result]]:
    """Only a few tasks wait in the queue of the pool, so that an error or Ctrl-C stops the work soon."""
    left = iter(enumerate(tasks))
    waiting: dict[Future[_Result], int] = {}
    while True:
        while len(waiting) < ahead and (following := next(left, None)):
            position, task = following
            waiting[pool.submit(function, task)] = position
        if not waiting:
            return
        for done in wait(waiting, return_when=FIRST_COMPLETED).done:
            yield waiting.pop(done), done.result()


def _die_with_parent() -> None:
    """End this process when its parent dies: a killed parent cannot end its children."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        assert parent
        parent.join()
        os._exit(1)  # sys.exit would end this thread alone

    threading.Thread(target=watch, daemon=True).start()

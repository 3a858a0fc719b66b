"""The live table, from results made by hand."""

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

import launch.show.display
from launch.plan.budget import clock
from launch.show.display import Display, best_lines, describe, interval_text, percent_text, setting_text
from study.records.store import StudyStore
from tests.study.make import opened, result, trial


def page(terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=200, force_terminal=terminal, color_system=None, legacy_windows=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def rendered(display: Display) -> list[str]:
    console = page()
    console.print(display.render())
    return [line.strip() for line in shown(console).splitlines()]


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "study", ("optim.lr", "method.ratios.max"))


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`now(seconds)` is the time from then on."""
    times = [1000.0]
    monkeypatch.setattr(time, "time", lambda: times[0])
    return lambda seconds: times.__setitem__(0, 1000.0 + seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (9.4, "0:09"),
        (59.6, "1:00"),
        (61, "1:01"),
        (3599.4, "59:59"),
        (3600, "1:00:00"),
        (93784, "26:03:04"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00123456, "0.00123"), (1e-5, "1e-05"), (2.0, "2"), (12, "12"), (12345, "12345"), ("au", "au"), (True, "True")],
)
def test_plain(value: object, text: str) -> None:
    assert setting_text(value) == text


def test_percent_and_describe() -> None:
    assert (percent_text(0.5), percent_text(0.61249), percent_text(1.0)) == ("50.0", "61.2", "100.0")
    assert describe({"optim.lr": 0.0012345, "method.draw": "au", "seed": 3}) == "lr=0.00123 draw=au seed=3"
    assert describe({}) == ""


def test_before_the_first_trial(store: StudyStore, now: Callable[[float], None]) -> None:
    display = Display(store, "sweep", 12, 16, page())
    now(75)
    text = display.headline().plain
    assert text == "0/12 trials (0 done, 0 pruned, 0 failed), 0 running  1:15 elapsed"


def test_the_headline_counts_states_and_names_the_best(store: StudyStore, now: Callable[[float], None]) -> None:
    display = Display(store, "sweep", 12, 16, page())
    store.write(result(trial(lr=0.004), 0.4))
    store.write(result(trial(lr=0.006), 0.61))
    store.write(result(trial(lr=0.009), 0.9, status="PRUNED"))
    store.write(result(trial(lr=0.008), None, status="FAILED"))
    store.write(result(trial(lr=0.005, score_test=True), 0.99))
    store.write_progress(result(trial(lr=0.001)))
    now(60)
    text = display.headline().plain
    assert text.startswith("4/12 trials (2 done, 1 pruned, 1 failed), 1 running  ")
    assert [*map(str, best_lines(display.look()))] == ["best 61.0: lr=0.006 max=0.2"]
    store.write(result(trial(lr=0.003, fold="part2"), 0.7))
    store.write(result(trial(lr=0.002, fold="part2"), 0.72))
    again = Display(store, "sweep", 12, 16, page())
    of_each = ["best of part1 61.0: lr=0.006 max=0.2", "best of part2 72.0: lr=0.002 max=0.2"]
    assert [*map(str, best_lines(again.look()))] == of_each
    assert text.endswith("  1:00 elapsed, about 2:00 left")


def test_the_rest_is_estimated_from_this_commands_own_trials(store: StudyStore, now: Callable[[float], None]) -> None:
    for lr in (0.001, 0.002, 0.003):
        store.write(result(trial(lr=lr)))
    display = Display(store, "sweep", 6, 16, page())
    now(30)
    assert display.headline().plain.endswith("  0:30 elapsed")
    store.write(result(trial(lr=0.004)))
    assert display.headline().plain.endswith("  0:30 elapsed, about 1:00 left")
    store.write(result(trial(lr=0.005)))
    store.write(result(trial(lr=0.006)))
    assert display.headline().plain.endswith("  0:30 elapsed")


def test_the_final_evaluation_has_its_own_count_and_no_best(store: StudyStore) -> None:
    store.write(result(trial(lr=0.004), 0.4))
    store.write(result(trial(fold="part2", seed=1, score_test=True), 0.7))
    display = Display(store, "final", 9, 16, page())
    text = display.headline().plain
    assert text == "1/9 trials (1 done, 0 pruned, 0 failed), 0 running"
    assert not [*best_lines(display.look())]


def test_running_trials_show_their_epoch_value_and_settings(store: StudyStore) -> None:
    config = trial(lr=0.00125)
    store.write_progress(result(config, curve=(0.25, 0.375, 0.5)))
    headline, titles, row = rendered(Display(store, "sweep", 4, 16, page()))
    assert headline.startswith("0/4 trials")
    assert titles.split() == ["running", "epoch", "now", "settings"]
    assert row.split() == [config.key[:8], "3/16", "50.0", "lr=0.00125", "max=0.2"]
    store.write(result(config))
    assert len(rendered(Display(store, "sweep", 4, 16, page()))) == 2


def test_running_final_trials_show_fold_and_seed(store: StudyStore) -> None:
    config = trial(fold="part3", seed=2, score_test=True)
    store.write_progress(result(config, curve=(0.25,)))
    *_, row = rendered(Display(store, "final", 9, 16, page()))
    assert row.split() == [config.key[:8], "1/16", "25.0", "fold=part3", "seed=2"]


def test_only_so_many_running_trials_are_shown(store: StudyStore) -> None:
    for seed in range(launch.show.display.SHOWN_TRIALS + 3):
        store.write_progress(result(trial(seed=seed), started=float(seed)))
    lines = rendered(Display(store, "sweep", 99, 16, page()))
    assert len(lines) == 2 + launch.show.display.SHOWN_TRIALS
    assert f"{launch.show.display.SHOWN_TRIALS + 3} running" in lines[0]
    assert lines[2].startswith(trial(seed=0).key[:8])


def test_outside_a_terminal_every_change_is_one_line(store: StudyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.show.display, "POLL_S", 0.005)
    store.write(result(trial(lr=0.001)))
    console = page()
    with Display(store, "sweep", 3, 16, console) as display:
        for number, lr in enumerate((0.002, 0.003), start=1):
            store.write(result(trial(lr=lr)))
            wait_for(lambda number=number: len(shown(console).splitlines()) == number)  # type: ignore[misc]
        time.sleep(0.03)
    assert not display.announcer.is_alive()
    assert [line.partition(" trials")[0] for line in shown(console).splitlines()] == ["2/3", "3/3"]
    assert "\x1b" not in shown(console)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.005)


def test_the_last_change_is_announced_even_when_the_command_ends_at_once(store: StudyStore) -> None:
    console = page()
    with Display(store, "sweep", 1, 16, console):
        store.write(result(trial(lr=0.001)))
    assert [line.partition(" trials")[0] for line in shown(console).splitlines()] == ["1/1"]


def test_nothing_happened_and_nothing_is_said(store: StudyStore) -> None:
    console = page()
    with Display(store, "sweep", 1, 16, console):
        pass
    assert shown(console) == ""


@pytest.mark.parametrize("terminal", [False, True])
def test_the_display_ends_when_the_command_breaks(store: StudyStore, terminal: bool) -> None:
    before = {*threading.enumerate()}
    with pytest.raises(RuntimeError, match="broke"), Display(store, "sweep", 1, 16, page(terminal)):
        raise RuntimeError("broke")
    for thread in {*threading.enumerate()} - before:
        thread.join(20 if terminal else 0)  # rich only tells its thread to end
        assert not thread.is_alive()


def test_in_a_terminal_the_table_is_drawn_in_place(store: StudyStore) -> None:
    console = page(terminal=True)
    store.write_progress(result(trial(lr=0.00125)))
    with Display(store, "sweep", 4, 16, console) as display:
        display.live.refresh()
        store.write(result(trial(lr=0.00125)))
    assert not display.announcer.is_alive()
    assert "settings" in shown(console)
    assert "1/4 trials" in shown(console)


@pytest.mark.parametrize(
    ("numbers", "sign", "said"),
    [
        ((0.661, 0.602, 0.713), "", "66.1 (60.2 to 71.3)"),
        ((-0.01, -0.02, 0.005), "+", "-1.0 (-2.0 to +0.5)"),
        ((0.5, None, None), "", "50.0"),
        ((0.5, float("nan"), float("nan")), "", "50.0"),
        ((None, None, None), "", "-"),
        ((float("nan"), float("nan"), float("nan")), "", "-"),
    ],
)
def test_a_score_with_its_interval(numbers: tuple[float | None, ...], sign: str, said: str) -> None:
    value, low, high = numbers
    assert interval_text(value, low, high, sign) == said

"""Run a whole study, as a graph of commands that continue where they stopped: see --help.

It is not called `study`, because a script of that name in this folder would hide the package `study`.
"""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("all"))

import subprocess
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data.errors import raise_all
from data.files import check_writable
from launch.keys import COMMANDS
from launch.keys.studies import AllKeys
from launch.plan.budget import clock
from launch.plan.steps import Journal, PlanStep, plan_steps, run_steps
from launch.plan.whole_study import plan_named

HERE = Path(__file__).parent


def main(keys: AllKeys) -> int:
    """Plan the steps, run those that are not done, and report failures."""
    console = Console()
    steps = plan_steps(plan_named(keys.plan)(keys), keys.extra, [name for name in COMMANDS if name != "all"])
    check_all(keys, steps)
    journal = Journal(Path(keys.runs_root) / "all")
    chosen = [step for step in steps if not keys.only or step.name in keys.only]
    if keys.dry_run:
        console.print(_table(steps, journal))
        return 0
    check_writable(Path(keys.runs_root))
    for step in chosen:
        if step.name in keys.again:
            journal.forget(step)
    todo = [step for step in chosen if journal.seconds(step) is None]
    console.print(f"{len(steps)} steps, {len(todo)} to do; logs in {journal.folder}", soft_wrap=True)
    codes = run_steps(todo, lambda step: _run(step, journal, console), keys.parallel)
    return _finish(codes, console)


def check_all(keys: AllKeys, steps: list[PlanStep]) -> None:
    """`InputError` for names of steps that do not exist."""
    names = [step.name for step in steps]
    raise_all(
        "the study cannot start:",
        [
            f"{key}: no step {name!r}; allowed: {', '.join(names)}"
            for key, asked in (("only", keys.only), ("again", keys.again))
            for name in asked
            if name not in names
        ],
    )


def _run(step: PlanStep, journal: Journal, console: Console) -> int:
    """Run the command of a step in its own process, with its output in a log; record the step when it succeeds."""
    log, begun = journal.log_path(step), time.time()
    log.parent.mkdir(parents=True, exist_ok=True)
    console.print(f"{step.name}: {step.line}", markup=False, highlight=False, soft_wrap=True)
    # appended, so that the log also shows earlier tries
    with log.open("ab") as output:
        # a separate process: a crash of one step must not end the others
        command = [sys.executable, str(HERE / f"{step.run}.py"), *step.keys]
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).returncode
    seconds = time.time() - begun
    if code == 0:
        journal.note(step, seconds)
        console.print(f"{step.name}: done in {clock(seconds)}", highlight=False)
    else:
        console.print(f"{step.name}: exit code {code}; its last lines ({log}):", highlight=False, soft_wrap=True)
        console.print(_tail(log), markup=False, highlight=False, soft_wrap=True)
    return code


def _tail(log: Path, lines: int = 8) -> str:
    text = log.read_text(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in text[-lines:])


def _finish(codes: dict[str, int | None], console: Console) -> int:
    failed = [name for name, code in codes.items() if code]
    waiting = [name for name, code in codes.items() if code is None]
    if failed:
        console.print(f"failed: {', '.join(failed)}", soft_wrap=True)
        console.print(
            f"not run because of that: {', '.join(waiting) or 'none'}. The same command continues.", soft_wrap=True
        )
    else:
        console.print("every step is done")
    return int(bool(failed))


def _table(steps: list[PlanStep], journal: Journal) -> Table:
    table = Table("step", "state", "needs", "command", box=None)
    for step in steps:
        seconds = journal.seconds(step)
        state = "to do" if seconds is None else f"done in {clock(seconds)}"
        table.add_row(step.name, state, " ".join(step.needs), step.line)
    return table

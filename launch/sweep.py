"""Search for the best configuration of a method on a dataset: see --help.

Killed at any moment, the same command goes on: what is finished is not run again, what was running continues.
"""

import sys
from typing import Any

from rich.console import Console

from data.files import check_writable
from data.frames import aus_of
from data.store import FrameStore
from launch.cli import Settings, run_command
from launch.datasets import prepare_store
from launch.display import Display, plain
from launch.preflight import Plan, check_sweep, plan_sweep
from launch.provenance import provenance
from launch.report import write_page
from launch.tune import search
from study.choose import choose
from study.store import StudyStore

FAILED_SHARE = 0.2  # more failed trials than this, and the sweep has failed


def main(keys: Settings) -> int:
    """Prepare, search, report."""
    keys["name"] = keys["name"] or f"{keys['dataset']['name']}-{keys['method_name']}"
    console = Console()
    check_sweep(keys)
    frames = prepare_store(keys, console)
    plan = plan_sweep(keys, frames)
    check_writable(plan.store.root)
    with plan.store.lock():
        plan.store.open_study(describe_study(keys, plan, frames), free=("trials", "store", "weights_file"))
        plan.store.write_provenance(provenance(plan.base.data.fingerprint))
        _say_plan(plan, keys["trials"], console)
        with Display(plan.store, "sweep", keys["trials"], plan.base.optim.epochs, console):
            search(plan, keys["trials"], keys["seed"], keys["pruning"])
    return finish(plan.store, keys["trials"], console)


def describe_study(keys: Settings, plan: Plan, frames: FrameStore) -> dict[str, Any]:
    """What is asked of the study, as it is kept in its folder."""
    return {
        "name": keys["name"],
        "dataset": keys["dataset"]["name"],
        "method": keys["method_name"],
        "objective": plan.base.optim.objective,
        "fold": plan.base.data.fold,
        "epochs": plan.base.optim.epochs,
        "trials": keys["trials"],
        "seed": keys["seed"],
        "pruning": keys["pruning"],
        "aus": list(aus_of(frames.table)),
        "space": keys["search"],
        "searched": plan.space.settings_names,
        "config": plan.base.to_dict(),
        "size": frames.size,
        "store": str(frames.path.resolve()),
        "weights_file": str(plan.placement.weights_file or ""),
    }


def finish(store: StudyStore, wanted: int, console: Console) -> int:
    """Say what came out; 1 when trials are missing, or too many have failed."""
    trials = store.trials().filter(store.trials()["stage"] == "sweep")
    failed = trials.filter(trials["status"] == "FAILED")
    for row in failed.iter_rows(named=True):
        last_line = (row["error"] or "").strip().splitlines()[-1:]
        console.print(f"failed: trial {row['key']}: {''.join(last_line)}", markup=False)
    if trials.height < wanted:
        console.print(f"{trials.height} of {wanted} trials were finished. The same command goes on.")
        return 1
    if failed.height > FAILED_SHARE * wanted:
        console.print(f"{failed.height} of {wanted} trials failed. Mend the cause and begin another study: name=...")
        return 1
    best = choose(store)
    assert best.value is not None
    study = store.study()
    console.print(f"best trial {best.config.key}: {study['objective']} {100 * best.value:.1f} on validation subjects")
    for name in study["searched"]:
        console.print(f"  {name} = {plain(best.config.value(name))}", highlight=False)
    console.print(f"report: {write_page(store)}", soft_wrap=True)
    console.print(f"next: python launch/final.py name={study['name']}", soft_wrap=True)
    return 0


def _say_plan(plan: Plan, wanted: int, console: Console) -> None:
    finished, unfinished = plan.store.count(), len(plan.store.unfinished())
    todo = max(wanted - finished, 0)
    console.print(
        f"study {plan.store.root}: {finished} trials finished, {unfinished} to go on with, {todo} to do, "
        f"{plan.resources.concurrent} at a time on {plan.resources.cpus} cores each ({plan.resources.device})",
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(run_command("sweep", main))

"""Score the final detectors of each study on the datasets of all others, and compare the methods: see --help.

Killed at any moment, the same command continues with the predictions that are missing.
"""

import sys

from launch.run.command import run_command

if __name__ == "__main__":  # above the imports that take seconds
    sys.exit(run_command("transfer"))

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from data.errors import InputError, complaints, raise_all
from data.files import check_writable
from data.frames import aus_of
from data.settings import check_choices
from launch.keys.studies import TransferKeys
from launch.plan.datasets import progress_bar
from launch.plan.preflight import searched_study, study_store
from launch.plan.provenance import origin_of
from launch.plan.resources import device_here
from launch.show.matrices import WIDTH, print_matrices
from launch.show.verdicts import print_verdict
from study.experiments.cross_dataset.cells import PairScores, TargetDataset, cells_of, targets_of
from study.experiments.cross_dataset.pairs import (
    Study,
    check_studies,
    common_aus,
    label_convention,
    member,
    pair_aus,
    predict_all,
    trained_on,
)
from study.experiments.cross_dataset.transfer import AU_SETS, Transfer, transfer_table, write_transfer
from study.experiments.selection import final_trials_of
from study.records.score_table import RULES, SELECTIONS
from study.records.study_spec import EXTERNAL
from study.records.transfer_spec import TransferMember, TransferSpec
from study.scoring.base_rates import Rates, read_rates
from study.scoring.bootstrap import REPLICATES
from study.scoring.verdicts import transfer_verdict

DEVICES = ("auto", "cpu", "cuda")


def main(keys: TransferKeys) -> int:
    """Check everything, make missing predictions, score, print."""
    console = Console()
    folder = _folder(keys)
    studies = _studies(keys)
    check_studies(studies)
    pairs, notes = _pairs(studies)
    targets = {study.target: aus_of(study.frames.table) for study in studies}
    rates = read_rates(Path(keys.base_rates), targets) if keys.base_rates else {}
    device = device_here("cuda") if keys.device == "auto" else keys.device
    # predictions are saved one by one, so that a killed command continues here
    for source, target in pairs:
        _predict(source, target, device, console)
    reached = targets_of(studies)
    cells = list(_cells(reached, rates, console))
    notes += [note for target in reached for note in target.notes]
    spec = _spec(keys, studies, rates, notes)
    found = Transfer(spec, transfer_table(cells, spec.common_aus))
    write_transfer(folder, found)
    if not console.is_terminal:
        console.width = WIDTH
    origins = tuple(dict.fromkeys(origin_of(study.frames) for study in studies))
    print_verdict(transfer_verdict(found.scores, origins, keys.aus), console)
    for part in print_matrices(found, keys.aus, keys.rule):
        console.print(part, soft_wrap=isinstance(part, Text))
    console.print(f"tables: {folder}", soft_wrap=True)
    return 0


def _folder(keys: TransferKeys) -> Path:
    """Where the tables go, after all checks that need no study."""
    problems = complaints(lambda: study_store(keys.runs_root, keys.name), lambda: check_writable(Path(keys.runs_root)))
    if len(keys.studies) < 2:
        named = ",".join(keys.studies)
        problems.append(f"studies=[{named}]; at least two names, e.g. studies=[bp4d-aunce,disfa-aunce]")
    twice = sorted({name for name in keys.studies if keys.studies.count(name) > 1})
    problems += [f"studies: {name} is listed twice" for name in twice]
    problems += check_choices(keys, {"selection": SELECTIONS, "aus": AU_SETS, "rule": RULES, "device": DEVICES})
    if keys.device == "cuda" and not torch.cuda.is_available():
        problems.append("device=cuda; this machine has no GPU")
    raise_all("the studies cannot be compared:", problems)
    store = study_store(keys.runs_root, keys.name)
    if store.exists():
        # tables beside trials would make a folder with two meanings
        raise InputError(f"{store.root} is a study; give another name=<folder for the tables>")
    return store.root


def _studies(keys: TransferKeys) -> list[Study]:
    """All studies; one `InputError` lists everything that is wrong with them."""
    found: list[Study] = []

    def opened(name: str) -> None:
        store = study_store(keys.runs_root, name)
        if store.spec().kind == EXTERNAL:
            found.append(member(store, ()))
        else:
            store = searched_study(keys.runs_root, name)
            found.append(member(store, final_trials_of(store, keys.selection)))

    problems = complaints(*(partial(opened, name) for name in keys.studies))
    raise_all("the studies cannot be compared:", problems)
    return found


def _pairs(studies: list[Study]) -> tuple[list[tuple[Study, Study]], list[str]]:
    """Pairs (source, target) to predict, each target dataset once, and notes on pairs without a shared AU."""
    targets = list({study.target: study for study in studies}.values())
    ours = [study for study in studies if not study.foreign]
    wanted = [(source, target) for source in ours for target in targets if source.target != target.target]
    pairs = [(source, target) for source, target in wanted if pair_aus(source, target.frames)]
    notes = [
        f"{source.name} on {target.target}: no AU is shared, {list(source.aus)} and {list(aus_of(target.frames.table))}"
        for source, target in wanted
        if (source, target) not in pairs
    ]
    if not pairs and len(ours) == len(studies):
        problems = notes or [f"all studies use {targets[0].target}; give studies of several datasets"]
        raise_all("no detector can be scored on another dataset:", problems)
    return pairs, notes


def _predict(source: Study, target: Study, device: str, console: Console) -> None:
    for number, result in enumerate(source.results, start=1):
        title = f"{source.name} on {target.target}, detector {number} of {len(source.results)}"
        with progress_bar(console, title) as report:
            predict_all(source, result, target.frames, device, report)


def _cells(targets: list[TargetDataset], rates: Rates, console: Console) -> Iterator[PairScores]:
    number = sum(len(target.own) + len(target.visitors) for target in targets)
    with progress_bar(console, "scoring") as report:
        done = 0
        for target in targets:
            for cell in cells_of(target, rates):
                done += 1
                report(done, number)
                yield cell


def _spec(keys: TransferKeys, studies: list[Study], rates: Rates, notes: list[str]) -> TransferSpec:
    """The settings of the transfer study."""
    return TransferSpec(
        name=keys.name,
        selection=keys.selection,
        studies=tuple(map(_member, studies)),
        conventions={study.target: label_convention(study.frames.table) for study in studies},
        stores={study.target: study.frames.fingerprint for study in studies},
        common_aus=common_aus(studies),
        base_rates={name: dict(given) for name, given in rates.items()},
        replicates=REPLICATES,
        notes=tuple(notes),
    )


def _member(study: Study) -> TransferMember:
    return TransferMember(
        name=study.name,
        method=study.method,
        source=study.source,
        target=study.target,
        aus=study.aus,
        detectors=len(study.results) or 1,
        trained_on=tuple(store.fingerprint for store in trained_on(study)) if study.results else (),
    )

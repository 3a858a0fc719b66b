"""Keys of the commands that read studies or run other commands; they import fast."""

from dataclasses import dataclass

from omegaconf import MISSING

from data.settings import setting
from launch.keys.fields import RunsKeys, StoresKeys, study_name


@dataclass(frozen=True)
class AllKeys(RunsKeys, StoresKeys):
    """Run the whole study: a graph of commands that go on where they stopped."""

    plan: str = setting("small", "small, full, or a Python file of your own with a function steps(keys)")
    datasets: tuple[str, ...] = setting((), "datasets of the plan, e.g. [bp4d,disfa]; [] for its own")
    methods: tuple[str, ...] = setting((), "methods of the plan, e.g. [aunce,bce]; [] for its own")
    trees: str = setting("trees", "plan=small: folder of the raw trees that are drawn")
    extra: tuple[str, ...] = setting(
        (), "keys for every step that trains, e.g. \"extra=['cluster=slurm','trial.gpus=1']\""
    )
    only: tuple[str, ...] = setting((), "names of steps; [] for all")
    again: tuple[str, ...] = setting((), "names of steps to run once more")
    parallel: int = setting(1, "steps at once; more only where a cluster does the work", least=1)
    dry_run: bool = setting(False, "print the steps, and start nothing")


@dataclass(frozen=True)
class ReportKeys(RunsKeys):
    """Write the HTML page of a study, or of several side by side; with export=[...] the tables of a paper instead."""

    name: str = setting("", "name of the study")
    studies: tuple[str, ...] = setting((), "names or folders of studies; several give one page that compares them")
    out: str = setting("", "page or, with export, folder to write; empty for <study>/report.html and <study>/export")
    export: tuple[str, ...] = setting((), "any of latex, markdown, csv, parquet, model_card, e.g. [latex,csv]")
    published: bool = setting(False, "export: published rows in the table of F1, beside real data of all people alone")
    pictures: bool | None = setting(None, "a contact sheet of the frames on the page; empty: of drawn faces alone")
    watch: bool = setting(False, "write the page again while trials run, and serve it on this machine alone")
    every: float = setting(30.0, "watch=true: seconds from page to page")
    port: int = setting(0, "watch=true: port to serve on; 0 for any free one")


@dataclass(frozen=True)
class StatusKeys(RunsKeys):
    """Show how far a study is, from its files alone."""

    name: str = study_name(MISSING, "name of the study")
    watch: bool = setting(False, "update it every few seconds until Ctrl-C")
    json: bool = setting(False, "print it as JSON, for other programs")


@dataclass(frozen=True)
class StopKeys(RunsKeys):
    """End the command that runs trials of a study, and its jobs on the cluster; only those, and nothing is lost."""

    name: str = study_name(MISSING, "name of the study")


@dataclass(frozen=True)
class TransferKeys(RunsKeys):
    """Score the final detectors of each study on the datasets of all others, and put the methods side by side."""

    studies: tuple[str, ...] = study_name(
        (), "names of studies, e.g. [bp4d-aunce,disfa-aunce]; several of a dataset are several methods"
    )
    name: str = setting("transfer", "folder in runs_root for the tables")
    selection: str = setting("nested", "whose detectors: nested, shared or oracle, as given to launch/final.py")
    base_rates: str = setting("", "CSV of dataset, au, rate for the rule base_rate; empty for those trained on")
    aus: str = setting(
        "common",
        "AUs of the printed tables: those that all datasets share, or pair: those of each pair, all its own on itself",
    )
    rule: str = setting("validation", "threshold of the printed tests: 0.5, validation, base_rate or oracle")
    device: str = setting("auto", "auto (a GPU where there is one), cpu or cuda")


@dataclass(frozen=True)
class ExportKeys(RunsKeys):
    """Write the predictions of a study in the format that launch/score.py reads."""

    name: str = study_name(MISSING, "name of the study")
    out: str = setting(MISSING, "file to write: .parquet or .csv")
    what: str = setting("test", "test: each frame by the detector of the fold that tests on it; or another dataset")
    fold: str = setting("", "fold whose detector is taken on another dataset; empty for the first")
    seed: int | None = setting(None, "seed of the detectors; empty for the first of the final trials")
    selection: str = setting("nested", "whose detectors: nested, shared or oracle, as given to launch/final.py")

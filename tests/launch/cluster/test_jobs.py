"""The text that sbatch gets, and what its refusals mean."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from data.errors import InputError
from launch.cluster.files import ClusterFolder
from launch.cluster.job_names import job_name, our_jobs
from launch.cluster.jobs import QueueFull, _clean_environment, _refusal, sbatch_text
from launch.cluster.slurm import SlurmError
from launch.keys.cluster import ClusterSettings
from tests.launch.cluster.fake_slurm import answers


@pytest.fixture
def folder(tmp_path: Path) -> ClusterFolder:
    return ClusterFolder(tmp_path / "my study, 1" / "cluster")


def flags(text: str) -> dict[str, str]:
    """What the #SBATCH lines say."""
    lines = [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH --")]
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def test_a_worker(folder: ClusterFolder) -> None:
    given: dict[str, Any] = {
        "partition": "gpu",
        "account": "lab",
        "qos": "long",
        "constraint": "a100",
        "exclude": "node[7-9]",
    }
    asked = ClusterSettings(
        name="slurm", **given, time=90, signal_s=240, worker_cpus=8, worker_gpus=2, worker_mem_gb=1.5,
        setup=("module load cuda",), extra={"reservation": "au", "gres": "nvme:1"},
    )  # fmt: skip
    text = sbatch_text(asked, folder, "worker")
    found = flags(text)
    assert given.items() <= found.items()
    assert (found["time"], found["cpus-per-task"], found["gpus-per-node"], found["mem"]) == ("90", "8", "2", "1536MB")
    assert (found["signal"], found["requeue"], found["open-mode"]) == ("B:USR2@240", "", "append")
    assert (found["reservation"], found["gres"], found["nodes"]) == ("au", "nvme:1", "1")
    assert "dependency" not in found
    *_, setup, _, _, _, command = text.rstrip().splitlines()
    assert setup == "module load cuda"
    assert command == f"exec {sys.executable} -u -m submitit.core._submit '{folder.jobs}'"
    assert "srun" not in text


def test_nothing_is_asked_that_was_not_given(folder: ClusterFolder) -> None:
    found = flags(sbatch_text(ClusterSettings(name="slurm"), folder, "worker"))
    assert not {"partition", "account", "qos", "constraint", "exclude", "mem", "gpus-per-node"} & found.keys()


def test_the_head_is_small_and_alone(folder: ClusterFolder) -> None:
    gpus = {"gres": "gpu:a100:1", "gpus-per-task": 1, "reservation": "au"}
    asked = ClusterSettings(
        name="slurm", partition="gpu", head_partition="cpu", worker_gpus=4, head_time=600, extra=gpus
    )
    found = flags(sbatch_text(asked, folder, "head"))
    assert (found["partition"], found["time"], found["cpus-per-task"], found["mem"]) == ("cpu", "600", "2", "4GB")
    assert (found["dependency"], found["signal"], found["reservation"]) == ("singleton", "B:USR2@120", "au")
    assert not [name for name in found if "gpu" in name or name == "gres"]
    assert flags(sbatch_text(ClusterSettings(name="slurm", partition="gpu"), folder, "head"))["partition"] == "gpu"


def test_the_shortest_head_still_gets_its_signal_while_it_runs(folder: ClusterFolder) -> None:
    assert flags(sbatch_text(ClusterSettings(name="slurm", head_time=3), folder, "head"))["signal"] == "B:USR2@90"


def test_a_head_that_is_a_worker_too_is_as_large(folder: ClusterFolder) -> None:
    asked = ClusterSettings(name="slurm", head="first_worker", partition="gpu", worker_gpus=4, time=60)
    found = flags(sbatch_text(asked, folder, "head"))
    assert (found["partition"], found["gpus-per-node"], found["time"]) == ("gpu", "4", "60")
    assert found["dependency"] == "singleton"


def test_a_probe_asks_for_no_gpu_and_never_comes_back(folder: ClusterFolder) -> None:
    found = flags(sbatch_text(ClusterSettings(name="slurm", worker_gpus=4), folder, "probe"))
    assert (found["time"], found["cpus-per-task"]) == ("5", "4")
    assert not {"gpus-per-node", "requeue", "dependency"} & found.keys()


def test_another_interpreter(folder: ClusterFolder) -> None:
    text = sbatch_text(ClusterSettings(name="slurm", python="apptainer exec au.sif python"), folder, "worker")
    assert "\nexec apptainer exec au.sif python -u -m submitit.core._submit " in text


def test_names_belong_to_one_folder(tmp_path: Path, folder: ClusterFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    other = ClusterFolder(tmp_path / "b" / "my study, 1" / "cluster")
    assert job_name(folder, "head").startswith("my_study_1-")
    assert len({job_name(one, kind) for one in (folder, other) for kind in ("head", "worker")}) == 4
    monkeypatch.chdir(tmp_path)
    assert job_name(ClusterFolder(Path("my study, 1/cluster")), "head") == job_name(folder, "head")


def test_our_jobs(tmp_path: Path, folder: ClusterFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("1", job_name(folder, "worker")), ("2", job_name(folder, "head")), ("3", "my_study_1-00000000-worker")]
    lines = [f"{id}|{name}|PENDING|Priority|gpu||1:00|0|" for id, name in rows]
    answers(monkeypatch, tmp_path / "bin", squeue="\n".join(lines))
    assert [job.id for job in our_jobs(folder)] == ["1", "2"]
    assert [job.id for job in our_jobs(folder, "worker")] == ["1"]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed", QueueFull),
        ("sbatch: error: AssocMaxSubmitJobLimit", QueueFull),
        (
            "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)",
            QueueFull,
        ),
        ("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying.", QueueFull),
        (
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
            SlurmError,
        ),
        ("sbatch: error: Socket timed out on send/recv operation", SlurmError),
        ("sbatch: error: invalid partition specified: nope", InputError),
        ("sbatch: error: Requested time limit is invalid (missing or exceeds some limit)", InputError),
        ("sbatch: error: Invalid account or account/partition combination specified", InputError),
    ],
)
def test_what_a_refusal_means(said: str, kind: type[Exception]) -> None:
    found = _refusal(said)
    assert type(found) is kind
    assert said.splitlines()[0] in str(found)


def test_a_job_submitted_from_a_job_inherits_nothing_but_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_CONF", "SLURM_JOB_ID", "SBATCH_PARTITION", "SUBMITIT_EXECUTOR"):
        monkeypatch.setenv(name, "outer")
    with _clean_environment():
        left = {name for name in os.environ if name.startswith(("SLURM", "SBATCH", "SUBMITIT"))}
        assert left == {"SLURM_CONF"}
    assert os.environ["SLURM_JOB_ID"] == "outer"

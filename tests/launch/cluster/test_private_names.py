"""The real Ray and the real submitit still have what `launch.cluster.private_names` takes from them.

Tune's part is in `tests/launch/run/test_searcher.py`, and all of it together in the tests with a real Ray.
"""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import ray
from packaging.requirements import Requirement
from ray._common.utils import get_ray_address_file
from ray._private import ray_constants
from ray.scripts.scripts import start
from submitit.core.utils import JobPaths

from launch.cluster import private_names
from launch.cluster.files import ClusterFolder
from launch.cluster.jobs import sbatch_text, submit
from launch.keys.cluster import ClusterSettings
from tests.launch.cluster.fake_slurm import answers

ROOT = Path(__file__).parents[3]
EFFECTS = """
import launch, ray
from ray._private.ray_logging import stdout_deduplicator
from ray._raylet import AuthenticationMode, get_authentication_mode
assert get_authentication_mode() == AuthenticationMode.TOKEN
assert stdout_deduplicator.skip_re.search("anything")
"""


@pytest.mark.parametrize("name", ["ray", "submitit"])
def test_both_are_bounded_from_above(name: str) -> None:
    asked = map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    [ours] = [one for one in asked if one.name == name]
    assert any(part.operator == "<" for part in ours.specifier), "private names were looked at in one version"


def test_the_text_of_a_job_is_what_submitit_gives_to_sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, tmp_path / "bin", sbatch="Submitted batch job 7", srun="")
    folder = ClusterFolder(tmp_path / "my study, 1" / "cluster").open()
    settings = ClusterSettings(name="slurm", worker_gpus=1, worker_mem_gb=1.5, setup=("module load cuda",))
    assert submit(print, settings, folder, "worker") == "7"
    assert JobPaths(folder.jobs, "7").submission_file.read_text() == sbatch_text(settings, folder, "worker")


def test_what_ray_reads_when_it_is_imported() -> None:
    subprocess.run([sys.executable, "-c", EFFECTS], check=True, cwd=ROOT)


def test_the_folder_of_a_session_has_its_own_argument(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as refused:  # before anything starts
        private_names.connect(tmp_path, address="local", _not_known=1)
    assert "_not_known" in str(refused.value)
    assert "_temp_dir" not in str(refused.value)
    assert not ray.is_initialized()


def test_the_command_that_starts_a_node() -> None:
    [command] = importlib.metadata.entry_points(group="console_scripts", name="ray")
    assert ("-m", command.module, start.name) == private_names.RAY_START
    known = {option for parameter in start.params for option in parameter.opts}
    used = {word for name in ("node", "head", "worker") for word in options(name)}
    assert {"--temp-dir", "--node-ip-address"} <= used <= known


def options(module: str) -> list[str]:
    """The options of `ray start` that one of our modules gives."""
    return re.findall(r"--[a-z][a-z-]+", (ROOT / f"launch/cluster/{module}.py").read_text())


def test_the_file_with_the_address_of_the_head(tmp_path: Path) -> None:
    assert private_names.cluster_address(tmp_path) is None
    Path(get_ray_address_file(str(tmp_path))).write_text("10.0.0.1:6379\n")
    assert private_names.cluster_address(tmp_path) == "10.0.0.1:6379"


def test_titles_of_processes() -> None:
    waiting = [ray_constants.WORKER_PROCESS_TYPE_IDLE_WORKER, ray_constants.WORKER_PROCESS_TYPE_SPILL_WORKER_IDLE]
    waiting += [ray_constants.AGENT_PROCESS_TYPE_DASHBOARD_AGENT, ray_constants.AGENT_PROCESS_TYPE_RUNTIME_ENV_AGENT]
    assert not any(private_names.runs_task(title) for title in [*waiting, "raylet", "python -m ray.x"])
    assert private_names.runs_task("ray::ImplicitFunc.train")


def test_the_time_of_a_node_that_leaves() -> None:
    assert hasattr(ray_constants, private_names.DRAIN_SECONDS)

"""SLURM's commands as scripts that print what a test wants to hear."""

import os
from pathlib import Path

import pytest

PARTITION = "PartitionName={} Default={} MaxTime={} State={} TRES=cpu=16"


def answers(monkeypatch: pytest.MonkeyPatch, folder: Path, **texts: str) -> None:
    """From now on only these commands exist; each prints its text, or fails with it when it begins with `error:`."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        redirect, code = (">&2", 1) if text.startswith("error:") else ("", 0)
        script = folder / name
        script.write_text(f"#!/bin/sh\n/bin/cat {redirect} <<'END'\n{text}\nEND\nexit {code}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def site(monkeypatch: pytest.MonkeyPatch, folder: Path, **texts: str) -> None:
    """A site with the partitions gpu (4 nodes with 2 GPUs, 16 cores; the default), short and closed."""
    rows = [
        ("gpu", "YES", "1-00:00:00", "UP"),
        ("short", "NO", "01:00:00", "UP"),
        ("closed", "NO", "UNLIMITED", "DOWN"),
    ]
    plain = dict.fromkeys(("sbatch", "squeue", "scancel"), "")
    plain["scontrol"] = "\n".join(PARTITION.format(*row) for row in rows)
    plain["sinfo"] = "16|64000|gpu:a100:2(S:0-1)|idle|\n32|128000|(null)|mix|\n64|1000000|gpu:8|down*|"
    plain["sacctmgr"] = "lab|normal,long\nother|normal"
    answers(monkeypatch, folder, **{**plain, **texts})
    assert os.environ["PATH"] == str(folder)

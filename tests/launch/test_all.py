"""`launch/all.py`: steps run once, a failure is shown with its last lines, and what is wrong is said first."""

from pathlib import Path

import pytest

from tests.launch.commands import run

Capture = pytest.CaptureFixture[str]


def study(folder: Path, *given: str) -> int:
    places = [f"{name}={folder / name}" for name in ("runs_root", "store_root", "trees")]
    return run("all", "plan=small", *places, *given)


def test_a_dry_run_shows_the_steps_and_starts_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert study(tmp_path, "dry_run=true", "extra=['trial.cpus=1']") == 0
    said = " ".join(capsys.readouterr().out.split())
    for word in ("draw-bp4d", "final-affwild2-bce", "transfer", "trial.cpus=1"):
        assert word in said
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("only=[dance]", "only: no step 'dance'; allowed: draw-bp4d, "),
        ("again=[dance]", "again: no step 'dance'"),
        ("parallel=0", "parallel=0; at least 1"),
        ("plan=dance", "plan=dance; allowed: small, full, or a Python file"),
    ],
)
def test_what_is_wrong_is_said_first(given: str, said: str, tmp_path: Path, capsys: Capture) -> None:
    assert study(tmp_path, given) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_step_runs_once_and_what_fails_is_shown(tmp_path: Path, capsys: Capture) -> None:
    assert study(tmp_path, "only=[store-gft]") == 1, "there is no tree yet"
    said = capsys.readouterr().out
    assert "store-gft: exit code 2; its last lines" in said
    assert "data_root=" in said
    assert study(tmp_path, "only=[draw-gft,store-gft]") == 0
    assert "every step is done" in capsys.readouterr().out
    assert "0 to do" in (study(tmp_path, "only=[draw-gft,store-gft]"), capsys.readouterr().out)[1]
    assert "1 to do" in (study(tmp_path, "only=[draw-gft,store-gft]", "again=[store-gft]"), capsys.readouterr().out)[1]
    assert "1 to do" in (study(tmp_path, "only=[store-bp4d,draw-gft]"), capsys.readouterr().out)[1]

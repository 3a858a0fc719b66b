"""What is answered at once, without whatever takes long to import; how long it takes is in `tests.benchmarks.start`."""

import json
import subprocess
import sys
from pathlib import Path

from launch.keys import COMMANDS
from tests.study.make import fill, opened

ROOT = Path(__file__).parents[3]
LOOKING = ("torch", "ray", "optuna", "polars", "scipy", "submitit", "plotly", "jinja2")
AT_ONCE = (*LOOKING, "numpy", "rich")

RUN = """
import io, json, runpy, sys
from contextlib import redirect_stderr, redirect_stdout
blocked, commands = json.loads(sys.argv[1])
for name in blocked:
    sys.modules[name] = None
answers = []
for command, *words in commands:
    sys.argv, said = [f"launch/{command}.py", *words], io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as ended:
            answers.append([ended.code, said.getvalue()])
print(json.dumps(answers))
"""


def answers(commands: list[list[str]], blocked: tuple[str, ...] = AT_ONCE) -> list[tuple[int, str]]:
    """Exit code and words of each command, run as a script where `blocked` cannot be imported."""
    words = [sys.executable, "-c", RUN, json.dumps([blocked, commands])]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [(code, text) for code, text in json.loads(done.stdout)]


def test_every_command_lists_its_keys() -> None:
    said = answers([[command, "--help"] for command in COMMANDS])
    for command, (code, text) in zip(COMMANDS, said, strict=True):
        assert code == 0, text
        assert f"python launch/{command}.py [key=value ...]" in text


def test_every_command_finds_a_misspelt_key() -> None:
    said = answers([[command, "nonesuch=3"] for command in COMMANDS])
    assert len(said) == len(COMMANDS)
    for code, text in said:
        assert code == 2, text
        assert "Could not override 'nonesuch'" in text
        assert "Allowed here: " in text


def test_studies_that_are_not_there_are_named(tmp_path: Path) -> None:
    named = [[command, "name=nothing"] for command in ("final", "status", "stop")]
    others = [["export", "name=nothing", "out=a.csv"], ["transfer", "studies=[nothing,more]"]]
    others += [["regret", "studies=[nothing,more]"], ["sweep", "warm_start=nothing"], ["generalize", "study=nothing"]]
    for code, text in answers([[*words, f"runs_root={tmp_path}"] for words in [*named, *others]]):
        assert code == 2, text
        assert f"no study in {tmp_path / 'nothing'}: run launch/sweep.py name=nothing" in text


def test_a_study_is_looked_at_and_stopped(tmp_path: Path) -> None:
    fill(opened(tmp_path / "mine"))
    given = ["name=mine", f"runs_root={tmp_path}"]
    said = answers([["status", *given], ["status", *given, "json=true"], ["stop", *given]], LOOKING)
    assert [code for code, _ in said] == [0, 0, 0]
    assert '"finished": 3' in said[1][1]
    assert "no command of this study runs on this machine" in said[2][1]

"""From words on a command line to plain settings, or to one clear message."""

import dataclasses
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from data.errors import InputError
from launch.keys import COMMANDS, keys_of
from launch.keys.fields import public_fields
from launch.plan.preflight import searched_trial
from launch.run.command import compose_keys, help_text, key_problems, run_command, with_keys
from model.losses.settings import METHOD_SETTINGS
from study.search.space import parse_space
from tests.study.make import opened

ROOT = Path(__file__).parents[3]


def field_names(settings: Any, prefix: str = "") -> Iterator[str]:
    for f in public_fields(settings):
        yield prefix + f.name
        if dataclasses.is_dataclass(f.type):
            yield from field_names(f.type, f"{prefix}{f.name}.")


def listed(text: str) -> list[tuple[str, str]]:
    """(key, help) of every line of a help text that is about a key."""
    lines = re.findall(r"^  ([a-z_][\w.]*)=(?:.*?)(?:  +)(.*)$", text, flags=re.MULTILINE)
    return [(key, help.strip()) for key, help in lines]


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_key_once_with_a_line(command: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(command, ["trials=0", flag]) == 0
    text = capsys.readouterr().out
    lines = listed(text)
    assert len(lines) == len(text.splitlines()) - 4
    expected = [*field_names(keys_of(command))]
    if "method" in expected:
        expected += [name for settings in METHOD_SETTINGS.values() for name in field_names(settings, "method.")]
    assert {key for key, _ in lines} == {*expected}
    assert len({*lines}) == len(lines)
    shared = [key for key, _ in lines if key.startswith("method.")]
    assert len({*lines}) - len(shared) == len([key for key in expected if not key.startswith("method.")])
    assert all(len(help) > 5 for _, help in lines)
    assert text.startswith(str(keys_of(command).__doc__))
    assert f"python launch/{command}.py" in text


def test_help_says_to_which_method_a_setting_belongs() -> None:
    lines = listed(help_text("sweep"))
    owners = {(key, help.rpartition("(method=")[2].rstrip(")")) for key, help in lines}
    assert {("method.ratios.max", "aunce"), ("method.label_smoothing", "bce")} < owners
    assert {("method.temperature", "aunce|hard_negative|simclr"), ("method.temperature", "moco")} < owners
    assert re.search(r"method\.temperature=0\.2 .*\(method=moco\)", help_text("sweep"))


def test_help_shows_defaults() -> None:
    text = help_text("sweep")
    assert "  trials=12 " in text
    assert "  method.ratios.mean=0.6 " in text
    assert "???" not in text + help_text("final")


Main = Callable[[Callable[[Any], int]], None]


@pytest.fixture
def main_is(monkeypatch: pytest.MonkeyPatch) -> Main:
    """What launch/report.py does."""
    return lambda main: monkeypatch.setattr("launch.report.main", main)


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_is_what_the_command_returns(main_is: Main, code: int) -> None:
    main_is(lambda keys: code)
    assert run_command("report", ["name=x"]) == code


def test_the_arguments_of_the_process_are_the_default(main_is: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["launch/report.py", "name=from-argv"])
    main_is(lambda keys: 0 if keys.name == "from-argv" else 1)
    assert run_command("report") == 0


def test_wrong_input_inside_a_command_is_exit_code_2(main_is: Main, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(keys: Any) -> int:
        raise InputError("the tree is broken")

    main_is(fail)
    assert run_command("report", ["name=x"]) == 2
    assert capsys.readouterr().err == "error: the tree is broken\n"


def test_any_other_error_is_not_taken_for_wrong_input(main_is: Main) -> None:
    def fail(keys: Any) -> int:
        raise KeyError("ours")

    main_is(fail)
    with pytest.raises(KeyError):
        run_command("report", ["name=x"])


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["runs/a"], ['studies=["runs/a"]']),
        (["runs/a", "watch=true", "b c"], ["watch=true", 'studies=["runs/a","b c"]']),
        (["name=a", "every=3"], ["name=a", "every=3"]),
        (["--help"], ["--help"]),
        ([], []),
    ],
)
def test_words_without_a_sign_are_folders(words: list[str], arguments: list[str]) -> None:
    assert with_keys("report", words) == arguments
    assert with_keys("sweep", words) == words


def test_studies_that_are_not_there_are_all_named_before_anything_else(tmp_path: Path) -> None:
    opened(tmp_path / "here")
    given = [f"runs_root={tmp_path}", "studies=[gone,here,../up]"]
    with pytest.raises(InputError) as caught:
        compose_keys("transfer", given, partial(key_problems, "transfer"))
    _, *lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"  - no study in {tmp_path / 'gone'}",
        "  - name='../up'; a study's name is one folder below runs_root, e.g. name=bp4d-aunce",
    ]


def sweep_space(*overrides: str) -> tuple[dict[str, Any], set[str]]:
    keys = compose_keys("sweep", overrides)
    return keys.search, {*parse_space(keys.search, searched_trial(keys, "", "")).settings_names}


def test_a_bound_of_the_search_space_can_be_changed() -> None:
    space, _ = sweep_space("search.optim.lr.log_uniform=[1e-5,1e-4]")
    assert space["optim"]["lr"] == {"log_uniform": [1e-5, 1e-4]}
    assert space["method"]["beta_active"] == {"uniform": [1.0, 2.0]}


def test_a_setting_can_be_taken_out_of_the_search_space_and_put_in() -> None:
    _, before = sweep_space()
    space, after = sweep_space("~search.method.ratios", "+search.head.dim.int=[8,16]")
    assert before - after == {"method.ratios.self", "method.ratios.max", "method.ratios.mean"}
    assert after - before == {"head.dim"}
    assert space["head"] == {"dim": {"int": [8, 16]}}


@pytest.mark.parametrize("folder", ["/a b/c", "/a=b", "it's", "ü,{x}", "/a:b", "[x]"])
def test_a_quoted_value_arrives_as_it_is(folder: str) -> None:
    assert compose_keys("prepare", [f'data_root="{folder}"']).data_root == folder


@pytest.mark.parametrize("folder", ["/a b/c", "a-b_c.d", "$HOME/x", "../up", "/a:b"])
def test_a_plain_value_needs_no_quotes(folder: str) -> None:
    assert compose_keys("prepare", [f"data_root={folder}"]).data_root == folder


def test_a_number_as_text_stays_text() -> None:
    assert compose_keys("report", ["name=007"]).name in ("007", "7")
    assert type(compose_keys("report", ["name=7"]).name) is str


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_settings_are_plain_values(command: str) -> None:
    needed = {
        "synthesize": ["layout=bp4d", "out=x"],
        "final": ["name=x"],
        "report": ["name=x"],
        "status": ["name=x"],
        "stop": ["name=x"],
        "score": ["name=x", "predictions=x.csv"],
        "export": ["name=x", "out=x.csv"],
    }.get(command, [])
    keys = compose_keys(command, needed)
    assert type(keys) is keys_of(command)
    assert_plain(dataclasses.asdict(keys))


def assert_plain(value: object) -> None:
    assert type(value) in (dict, list, tuple, str, int, float, bool, type(None)), type(value)
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else []:
        assert_plain(part)


def test_the_tree_of_the_synthetic_dataset_is_as_large_as_its_frames() -> None:
    assert compose_keys("prepare", ["dataset.size=40"]).dataset.tree["size"] == 40


def test_composing_twice_gives_the_same_and_shares_nothing() -> None:
    one = compose_keys("sweep", [])
    one.search.clear()
    other = compose_keys("sweep", ["method=bce"])
    assert other.search
    assert other.method_name == "bce"
    assert compose_keys("sweep", ["method=bce"]) == other


MISTAKES = [
    (["+trialz=3"], "no such key: trialz"),
    (["++trialz=3", "+optim.momentum=0.9"], "optim.momentum, trialz"),
    (["+cluster.gpu=1"], "no such key: cluster.gpu"),
    (["method=null"], "must be a string"),
    (["trials=null"], "trials"),
    (["~dataset"], "dataset.name=..."),
    (["name=${nothing}"], "nothing"),
    (["--trials", "3"], "quote"),
    (["optim.lrr=1"], "Did you mean lr?"),
    (["method=bce", "method.temperature=1"], "Allowed here: label_smoothing"),
    (["seed=1.5"], "1.5"),
    (["cluster=slrum"], "slurm"),
]


@pytest.mark.parametrize(("overrides", "said"), MISTAKES, ids=lambda value: str(value[0]))
def test_a_mistake_is_named(overrides: list[str], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        compose_keys("sweep", overrides)
    for internal in ("hydra.", "Config search path", "To append", "https://", "Traceback"):
        assert internal not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "override", "said"),
    [
        ("generalize", "size=72", "size= is now dataset.size="),
        ("generalize", "views.crop=64", "views.crop= is now dataset.crop="),
        ("compare", "search.optim.lr=1", "no such key: search.optim.lr"),
        ("compare", "+search.x=1", "no such key: search.x"),
        ("sweep", "+in_head_job=true", "no such key: in_head_job"),
    ],
)
def test_keys_that_are_none_of_this_command_are_refused(command: str, override: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        compose_keys(command, [override])


def test_keys_cross_the_border_of_a_process(tmp_path: Path) -> None:
    keys = compose_keys("sweep", ["method=clp", "method.clip.frames=4", "cluster.setup=[module load cuda]"])
    (tmp_path / "keys").write_bytes(pickle.dumps(keys))
    read = f"import pickle; print(repr(pickle.load(open({str(tmp_path / 'keys')!r}, 'rb'))))"
    said = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said == f"{keys!r}\n"


def test_an_unknown_key_gets_the_keys_beside_it_of_the_chosen_group() -> None:
    with pytest.raises(InputError) as caught:
        compose_keys("sweep", ["dataset.optionz=1", "backbone=swin_t"])
    assert "Did you mean options?" in str(caught.value)
    assert "Allowed here: name, fold_scheme, size, crop, alignment, " in str(caught.value)
    assert "python launch/sweep.py --help" in str(caught.value)

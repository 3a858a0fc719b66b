"""A key that a command does not read is not among its keys."""

import dataclasses
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

import launch.conf
from data.settings import ViewSettings
from launch.keys import COMMANDS, keys_of
from launch.keys.fields import public_fields
from launch.keys.runs import TrialNeeds
from tests.launch.keys.reads import ALL, Read, reads_in, reads_of

# a dataset is described to all commands by the same words, with `dataset=` and by hand
SAME_WORDS = {"prepare": {"dataset.crop"}, "score": {"dataset.crop"}}
CONF = Path(launch.conf.__file__).parent


def unread(kind: type[Any], reads: set[Read], prefix: str = "") -> list[str]:
    """The fields of `kind` that nothing reads, those of the classes of `launch.keys` inside of it with their own."""
    names = {name for owner, name in reads if issubclass(kind, owner)}
    found = []
    for f in public_fields(kind):
        found += [prefix + f.name] if not {f.name, ALL} & names else []
        if dataclasses.is_dataclass(f.type) and f.type.__module__.startswith("launch.keys") and ALL not in names:
            assert isinstance(f.type, type)
            found += unread(f.type, reads, f"{prefix}{f.name}.")
    return found


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_reads_each_of_its_keys(command: str) -> None:
    short = re.findall(r"\$\{([\w.]+)", (CONF / f"{command}.yaml").read_text())  # they set other keys
    assert {*unread(keys_of(command), reads_of(command))} <= {*short} | SAME_WORDS.get(command, set())


@dataclass(frozen=True)
class Example:
    trial: TrialNeeds = field(default_factory=TrialNeeds)
    views: ViewSettings = field(default_factory=ViewSettings)
    name: str = ""
    left_out: str = ""

    @property
    def title(self) -> str:
        return self.name


def reader(keys: Example) -> tuple[object, ...]:
    wanted = keys.trial
    return keys.views, keys.title, wanted.gpus, [keys.trial.timeout for _ in range(2)]


def test_a_chain_is_followed_by_types_and_what_nothing_reads_is_found() -> None:
    reads = reads_in(reader)
    assert {(Example, "trial"), (TrialNeeds, "gpus"), (TrialNeeds, "timeout"), (Example, "title")} <= reads
    assert unread(Example, reads) == ["trial.cpus", "name", "left_out"]


def test_what_is_read_field_by_field_is_read_whole() -> None:
    def whole(keys: Example) -> dict[str, Any]:
        return asdict(keys)

    def part(keys: Example) -> str:
        return str(getattr(keys, "name")) + str(vars(keys.trial))  # noqa: B009

    assert unread(Example, reads_in(whole)) == []
    assert unread(Example, reads_in(part)) == ["views", "name", "left_out"]

"""One way into every command: Hydra's override syntax, checked keys, exit codes 0 done, 1 failed, 2 wrong input."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from hydra import compose, initialize_config_module
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from data.errors import InputError
from launch.keys import COMMANDS, register
from model.methods import METHODS

Settings = dict[str, Any]


def run_command(command: str, run: Callable[[Settings], int], arguments: Sequence[str] | None = None) -> int:
    """Compose the keys of `command` from `arguments` and run it; the exit code is 2 when the input is wrong."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & {*given}:
        print(help_text(command))
        return 0
    try:
        return run(compose_keys(command, given))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def compose_keys(command: str, overrides: Sequence[str]) -> Settings:
    """The settings of `command` as nested plain values; `InputError` for a wrong key, value or choice."""
    register()
    try:
        with initialize_config_module("launch.conf", version_base="1.3"):
            config = compose(command, overrides=list(overrides), return_hydra_config=True)
        choices = dict(config.hydra.runtime.choices)
        with_choice = {"method_name": choices["method"]} if "method" in choices else {}
        return {**_plain(config), **with_choice}
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_explain(command, error)) from error


def _plain(config: DictConfig) -> Settings:
    ours = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    missing = sorted(OmegaConf.missing_keys(ours))
    if missing:
        raise InputError(f"missing: {', '.join(f'{key}=...' for key in missing)}")
    plain = OmegaConf.to_container(ours, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _explain(command: str, error: Exception) -> str:
    """Hydra's message, the nearest keys, and where all keys are listed."""
    text = str(error).strip()
    cause = str(error.__cause__ or "").strip().splitlines()
    if cause and cause[0] not in text:
        text += f"\n{cause[0]}"
    words = [word.strip("'\".,=") for word in text.replace("=", " ").split()]
    keys = [key for key, _, _ in _key_lines(command)]
    near = sorted({match for word in words if word not in keys for match in get_close_matches(word, keys, 1, 0.75)})
    hint = f"\nDid you mean {' or '.join(near)}?" if near else ""
    return f"{text}{hint}\nAll keys: python launch/{command}.py --help"


def help_text(command: str) -> str:
    """What the command does and each of its keys: name, default, one line."""
    lines = [(f"{key}={default}", text) for key, default, text in _key_lines(command)]
    width = min(max(len(name) for name, _ in lines), 40)
    doc = (COMMANDS[command].__doc__ or "").strip()
    usage = f"python launch/{command}.py [key=value ...]"
    return "\n".join([doc, "", usage, "", *(f"  {name:<{width}}  {text}" for name, text in lines)])


def _key_lines(command: str) -> Iterator[tuple[str, str, str]]:
    yield from _field_lines(COMMANDS[command], "")
    if "method" in {f.name for f in dataclasses.fields(COMMANDS[command])}:
        for name, method in METHODS.items():
            for key, default, text in _field_lines(method.settings, "method."):
                yield key, default, f"{text} (method={name})"


def _field_lines(settings: Any, prefix: str) -> Iterator[tuple[str, str, str]]:
    for f in dataclasses.fields(settings):
        default = "" if f.default is dataclasses.MISSING or f.default == "???" else str(f.default)
        yield prefix + f.name, default, f.metadata["help"]
        if isinstance(f.type, type) and dataclasses.is_dataclass(f.type):
            yield from _field_lines(f.type, f"{prefix}{f.name}.")

"""The keys of every command line: typed, with a default and one line of help each.

Settings that describe a trial are defined next to what they configure and are frozen; Hydra needs classes that it can
fill in, so `mutable` copies them. Nothing here is read by the trials themselves. Nothing here imports torch, either:
wrong keys and `--help` are answered at once.
"""

import dataclasses
from importlib import import_module
from typing import Any

from hydra.core.config_store import ConfigStore

from launch.keys.fields import mutable
from model.losses.settings import METHOD_SETTINGS

COMMANDS = {  # and the module here that has its keys
    "synthesize": "frames",
    "prepare": "frames",
    "sweep": "trials",
    "final": "trials",
    "compare": "trials",
    "generalize": "trials",
    "stress": "trials",
    "regret": "trials",
    "all": "studies",
    "report": "studies",
    "status": "studies",
    "stop": "studies",
    "transfer": "studies",
    "score": "frames",
    "export": "studies",
}


def keys_of(command: str) -> type[Any]:
    """The keys of a command."""
    keys: type[Any] = getattr(import_module(f"launch.keys.{COMMANDS[command]}"), f"{command.capitalize()}Keys")
    return keys


def method_keys(command: str) -> dict[str, type[Any]]:
    """The settings of every method by its name, for a command that trains one; else nothing."""
    if "method" not in {f.name for f in dataclasses.fields(keys_of(command))}:
        return {}
    return dict(METHOD_SETTINGS)


def register(command: str) -> None:
    """Make the typed keys of a command known to Hydra."""
    store = ConfigStore.instance()
    store.store(name=f"{command}_keys", node=mutable(keys_of(command)))
    for name, settings in method_keys(command).items():
        store.store(group="method", name=name, node=mutable(settings))

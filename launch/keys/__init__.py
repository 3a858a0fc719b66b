"""The keys of every command line: typed, with a default and one line of help each.

Settings that describe a trial are defined next to what they configure and are frozen; Hydra needs classes that it can
fill in, so `mutable` copies them. Nothing here is read by the trials themselves. Nothing here imports torch, either:
wrong keys and `--help` are answered at once.
"""

import dataclasses
from importlib import import_module
from typing import Any

from hydra.core.config_store import ConfigStore

from launch.keys.fields import empty, mutable, public_fields
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


FREE_WORDS = {"report": "studies"}  # the key of the words of a command line that have no =
MOVED_KEYS = {"generalize": {"size": "dataset.size", "crop": "dataset.crop", "views.crop": "dataset.crop"}}


def keys_of(command: str) -> type[Any]:
    """The keys of a command."""
    keys: type[Any] = getattr(import_module(f"launch.keys.{COMMANDS[command]}"), f"{command.capitalize()}Keys")
    return keys


def key_names(command: str) -> list[str]:
    """The keys of a command by their names, without those inside of others."""
    return [f.name for f in public_fields(keys_of(command))]


def method_keys(command: str) -> dict[str, type[Any]]:
    """The settings of every method by its name, for a command that trains one; else nothing."""
    return dict(METHOD_SETTINGS) if "method" in key_names(command) else {}


def _schema(command: str) -> type[Any]:
    """What Hydra fills in: the keys, and room for what the YAML of a backbone says of a search."""
    keys, room = mutable(keys_of(command)), ("search", dict[str, Any], empty("read by launch/sweep.py alone"))
    searches = "search" in key_names(command)
    return keys if searches else dataclasses.make_dataclass(keys.__name__, [room], bases=(keys,))


def register(command: str) -> None:
    """Make the typed keys of a command known to Hydra."""
    store = ConfigStore.instance()
    store.store(name=f"{command}_keys", node=_schema(command))
    for name, settings in method_keys(command).items():
        store.store(group="method", name=name, node=mutable(settings))

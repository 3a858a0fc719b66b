"""The keys of every command: typed, each with a default and one line of help.

The settings of a trial are defined beside the code that they configure, as frozen classes; Hydra needs classes that it
can change, so `mutable` copies them. Nothing here imports torch, so that `--help` and wrong keys are answered fast.
"""

import dataclasses
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from launch.keys.fields import empty, mutable, public_fields
from model.losses.settings import METHOD_SETTINGS

COMMANDS = {  # command -> the module in this folder with its keys
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


FREE_WORDS = {"report": "studies"}  # the key that words without = belong to
CONF = Path(__file__).parents[1] / "conf"
CONFIG_GROUPS = ("method", *(folder.name for folder in CONF.iterdir()))  # keys whose value is one name
MOVED_KEYS = {"generalize": {"size": "dataset.size", "crop": "dataset.crop", "views.crop": "dataset.crop"}}


def keys_of(command: str) -> type[Any]:
    """The keys of a command."""
    keys: type[Any] = getattr(import_module(f"launch.keys.{COMMANDS[command]}"), f"{command.capitalize()}Keys")
    return keys


def key_names(command: str) -> list[str]:
    """Names of the keys of a command at the top level."""
    return [f.name for f in public_fields(keys_of(command))]


def method_keys(command: str) -> dict[str, type[Any]]:
    """The settings of every method by name, for a command with a `method` key; else empty."""
    return dict(METHOD_SETTINGS) if "method" in key_names(command) else {}


def _schema(command: str) -> type[Any]:
    """The class that Hydra fills in. It always has `search`, because the YAML of a backbone may contain one."""
    # without this room, Hydra would refuse backbone=<name> for commands that search nothing
    keys, room = mutable(keys_of(command)), ("search", dict[str, Any], empty("read by launch/sweep.py alone"))
    searches = "search" in key_names(command)
    return keys if searches else dataclasses.make_dataclass(keys.__name__, [room], bases=(keys,))


@cache
def register(command: str) -> None:
    """Register the typed keys of a command with Hydra."""
    store = ConfigStore.instance()
    store.store(name=f"{command}_keys", node=_schema(command))
    for name, settings in method_keys(command).items():
        store.store(group="method", name=name, node=mutable(settings))

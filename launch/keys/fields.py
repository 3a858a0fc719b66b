"""Fields of the key classes, and the copies of these classes that Hydra fills in."""

import dataclasses
from dataclasses import dataclass, field
from types import UnionType
from typing import Any

from data.settings import setting

# metadata of a field: it is not a key; its value names a study that must exist
_INTERNAL, _STUDY = "internal", "study"


@dataclass(frozen=True)
class RunsKeys:
    """Where the studies are."""

    runs_root: str = setting("runs", "folder of the studies")


@dataclass(frozen=True)
class StoresKeys:
    """Where the frame stores are."""

    store_root: str = setting("stores", "folder of the frame stores, which launch/prepare.py builds")


def mutable(settings: type[Any]) -> type[Any]:
    """An unfrozen copy of a settings class, nested ones included, with the same fields, defaults and help."""
    fields: list[tuple[str, Any, Any]] = []
    for f in public_fields(settings):
        if isinstance(f.type, type) and dataclasses.is_dataclass(f.type):
            inner = mutable(f.type)
            fields.append((f.name, inner, field(default_factory=inner, metadata=f.metadata)))
        elif f.default_factory is not dataclasses.MISSING:
            fields.append((f.name, f.type, field(default_factory=f.default_factory, metadata=f.metadata)))
        else:
            fields.append((f.name, _hydra_type(f.type), field(default=f.default, metadata=f.metadata)))
    # without repr and eq, which are never used, this takes half the time
    return dataclasses.make_dataclass(settings.__name__, fields, repr=False, eq=False)  # twice as fast to make


def _hydra_type(kind: Any) -> Any:
    """The type of a field; Any for a union of settings classes, which Hydra does not support."""
    choice = isinstance(kind, UnionType) and all(map(dataclasses.is_dataclass, kind.__args__))
    return Any if choice else kind


def nested(settings: type[Any], help: str) -> Any:
    """A field with nested settings."""
    return field(default_factory=settings, metadata={"help": help})


def empty(help: str) -> Any:
    """A field with free content: a mapping with any keys."""
    return field(default_factory=dict, metadata={"help": help})


def internal(default: Any) -> Any:
    """A field that is not a key of the command line."""
    return field(default=default, metadata={_INTERNAL: True})


def study_name(default: Any, help: str) -> Any:
    """A field with the name of a study that must exist, or names of several."""
    return field(default=default, metadata={"help": help, _STUDY: True})


def named_studies(keys: Any) -> list[str]:
    """The names of all studies that must exist."""
    given = [getattr(keys, f.name) for f in dataclasses.fields(keys) if _STUDY in f.metadata]
    return [name for names in given for name in ([names] if isinstance(names, str) else names) if name]


def public_fields(settings: Any) -> list[dataclasses.Field[Any]]:
    """The fields that are keys of the command line."""
    return [f for f in dataclasses.fields(settings) if _INTERNAL not in f.metadata]

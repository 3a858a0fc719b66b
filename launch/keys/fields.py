"""Fields of the classes that Hydra fills in."""

import dataclasses
from dataclasses import field
from typing import Any

DRY_RUN = "print the plan, what it costs and the jobs as they would be submitted; start nothing"


def mutable(settings: type[Any]) -> type[Any]:
    """An unfrozen copy of a settings class, nested ones included, with the same fields, defaults and help."""
    fields: list[tuple[str, Any, Any]] = []
    for f in dataclasses.fields(settings):
        if isinstance(f.type, type) and dataclasses.is_dataclass(f.type):
            inner = mutable(f.type)
            fields.append((f.name, inner, field(default_factory=inner, metadata=f.metadata)))
        elif f.default_factory is not dataclasses.MISSING:
            fields.append((f.name, f.type, field(default_factory=f.default_factory, metadata=f.metadata)))
        else:
            fields.append((f.name, f.type, field(default=f.default, metadata=f.metadata)))
    return dataclasses.make_dataclass(settings.__name__, fields)


def nested(settings: type[Any], help: str) -> Any:
    """A field that holds settings of its own."""
    return field(default_factory=settings, metadata={"help": help})


def empty(help: str) -> Any:
    """A field that holds whatever is given, by name."""
    return field(default_factory=dict, metadata={"help": help})

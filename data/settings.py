"""Settings are frozen dataclasses whose fields carry their own one-line help."""

import dataclasses
from collections.abc import Mapping
from typing import Any


def setting(default: Any, help: str) -> Any:
    """A dataclass field with a default and the line that `--help` prints for it."""
    return dataclasses.field(default=default, metadata={"help": help})


def check_ranges(settings: Any, ranges: Mapping[str, tuple[float, float]]) -> list[str]:
    """One problem for each field of `settings` that lies outside its closed range."""
    return [
        f"{name}={getattr(settings, name)!r} lies outside [{low:g}, {high:g}]"
        for name, (low, high) in ranges.items()
        if not low <= getattr(settings, name) <= high
    ]


def check_choices(settings: Any, choices: Mapping[str, tuple[str, ...]]) -> list[str]:
    """One problem for each field of `settings` whose value is none of its choices."""
    return [
        f"{name}={getattr(settings, name)!r}; allowed: {', '.join(allowed)}"
        for name, allowed in choices.items()
        if getattr(settings, name) not in allowed
    ]

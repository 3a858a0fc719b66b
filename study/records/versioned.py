"""Records as versioned JSON: a dataclass and the version of its schema. Files of version 1 name none."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from data.checked import json_bytes, json_object
from data.errors import DamagedError, InputError
from data.settings import settings_from_dict

VERSION = 2


def to_versioned(record: Any, name: str, **more: str) -> bytes:
    """The record as the JSON file `name`, with its version and the fields of `more`."""
    return json_bytes({"version": VERSION, **more} | dataclasses.asdict(record), name)


def versioned(content: bytes, origin: str, name: str = "") -> dict[str, Any]:
    """The content of the file `origin`; `InputError` when it is damaged, or newer than this software.

    `name` is what its seal says, by default the name of the file.
    """
    try:
        plain = json_object(content, name or Path(origin).name)
    except DamagedError as error:
        raise DamagedError(_damaged(origin, error)) from error
    # a newer format may have another meaning, so it is never guessed
    version = plain.get("version", 1)
    if version not in (1, VERSION):
        raise InputError(
            f"{origin} has format {version}, and this version of the software reads up to {VERSION}: use a newer one"
        )
    return plain


def record_of(
    kind: type[Any], plain: Mapping[str, Any], origin: str, types: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """The record in the result of `versioned`; `types` as in `data.settings.settings_from_dict`."""
    if not isinstance(plain, Mapping):
        raise DamagedError(_damaged(origin, f"expected an object, found {plain!r}"))
    try:
        return settings_from_dict(kind, {k: v for k, v in plain.items() if k != "version"}, types=types)
    except InputError as error:
        raise DamagedError(_damaged(origin, error)) from error


def _damaged(origin: str, problem: object) -> str:
    return f"{origin} is damaged; restore it, or begin again under another name. {problem}"

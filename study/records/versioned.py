"""Records as versioned JSON: a dataclass and the version of its schema. Files of version 1 name none."""

import dataclasses
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from data.errors import InputError
from data.settings import settings_from_dict

VERSION = 2


def to_versioned(record: Any, **more: str) -> bytes:
    """The record as JSON, with its version and what else is said of it."""
    return json.dumps({"version": VERSION, **more} | dataclasses.asdict(record), indent=1, allow_nan=False).encode()


def versioned(content: bytes, origin: str) -> dict[str, Any]:
    """What the file `origin` holds; `InputError` when it is damaged, or newer than this software."""
    try:
        plain: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise InputError(_damaged(origin, error)) from error
    version = plain.get("version", 1)
    if version not in (1, VERSION):
        raise InputError(
            f"{origin} has format {version}, and this version of the software reads up to {VERSION}: use a newer one"
        )
    return plain


def record_of(
    kind: type[Any], plain: Mapping[str, Any], origin: str, types: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """The record in what `versioned` gave; `types` as for `data.settings.settings_from_dict`."""
    try:
        return settings_from_dict(kind, {k: v for k, v in plain.items() if k != "version"}, types=types)
    except InputError as error:
        raise InputError(_damaged(origin, error)) from error


def _damaged(origin: str, error: ValueError) -> str:
    return f"{origin} is damaged; restore it, or begin again under another name. {error}"

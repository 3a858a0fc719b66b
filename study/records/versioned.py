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
    """The record as JSON, with its version and the fields of `more`."""
    return json.dumps({"version": VERSION, **more} | dataclasses.asdict(record), indent=1, allow_nan=False).encode()


def versioned(content: bytes, origin: str) -> dict[str, Any]:
    """The content of the file `origin`; `InputError` when it is damaged, or newer than this software."""
    try:
        plain = json.loads(content)
    except ValueError as error:
        raise InputError(_damaged(origin, error)) from error
    if not isinstance(plain, dict):
        raise InputError(_damaged(origin, f"expected an object, found {type(plain).__name__}"))
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
        raise InputError(_damaged(origin, f"expected an object, found {plain!r}"))
    try:
        return settings_from_dict(kind, {k: v for k, v in plain.items() if k != "version"}, types=types)
    except InputError as error:
        raise InputError(_damaged(origin, error)) from error


def _damaged(origin: str, problem: object) -> str:
    return f"{origin} is damaged; restore it, or begin again under another name. {problem}"

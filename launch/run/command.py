"""The start of every command: Hydra's syntax, checked keys, exit codes 0 (done), 1 (failed), 2 (wrong input)."""

import dataclasses
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any

from hydra import compose, initialize_config_module
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from data.errors import InputError, complaints, raise_all
from data.settings import check_least, typed_value
from launch.keys import CONFIG_GROUPS, FREE_WORDS, MOVED_KEYS, key_names, keys_of, method_keys, register
from launch.keys.fields import named_studies, public_fields
from launch.keys.runs import RunKeys
from model.losses.settings import METHOD_SETTINGS
from study.records.folder import StudyFolder, study_root

_Plain = dict[str, Any]
KeyCheck = Callable[[Any], list[str]]


def run_command(command: str, arguments: Sequence[str] | None = None) -> int:
    """Compose the keys of `command` from `arguments` and run it; the exit code is 2 when the input is wrong.

    The module `launch.<command>` has a `main`, and sometimes a `check` that returns further problems of the keys. It
    imports torch and Ray, which takes seconds, so it is imported last.
    """
    given = with_keys(command, sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & {*given}:
        print(help_text(command))
        return 0
    try:
        keys = compose_keys(command, given, partial(key_problems, command))
        # before the import of the command, which takes seconds
        if isinstance(keys, RunKeys) and keys.cluster.uses_jobs and not keys.dry_run:
            import_module("launch.cluster.preflight").check_cluster(keys)
        code: int = _module(command).main(keys)
        return code
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        return 1


def with_keys(command: str, words: Sequence[str]) -> list[str]:
    """The arguments, with words that have no `=` as a list of the key that they belong to."""
    free = [word for word in words if "=" not in word and not word.startswith("-")]
    if not free or command not in FREE_WORDS:
        return list(words)
    # Hydra would read spaces and commas in a path as syntax
    quoted = ",".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in free)
    return [*(word for word in words if word not in free), f"{FREE_WORDS[command]}=[{quoted}]"]


def _module(command: str) -> Any:
    return import_module(f"launch.{command}")


def key_problems(command: str, keys: Any) -> list[str]:
    """Problems of keys that have the right types; if a named study does not exist, only that problem."""
    missing = complaints(*(partial(_check_study, keys.runs_root, name) for name in named_studies(keys)))
    if missing:
        return missing
    check: KeyCheck | None = getattr(_module(command), "check", None)
    return check(keys) if check else []


def _check_study(runs_root: str, name: str) -> None:
    StudyFolder(study_root(runs_root, name)).spec()


def compose_keys(command: str, overrides: Sequence[str], check: KeyCheck | None = None) -> Any:
    """The keys of `command`, an instance of its class; `check` returns further problems.

    One `InputError` lists every wrong key, value and choice.
    """
    try:
        plain, method = _compose(command, overrides)
    except InputError:
        raise
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # ValueError: Hydra's for method=null
        raise InputError(_explain(command, overrides, error)) from error
    keys, problems = _typed(keys_of(command), plain, method)
    problems += check(keys) if check else []
    raise_all(f"launch/{command}.py cannot start:", problems)
    return keys


def _typed(kind: type[Any], plain: _Plain, method: str) -> tuple[Any, list[str]]:
    """The keys, and the problems of single keys; settings with a problem get their defaults."""
    made: dict[str, Any] = {}
    problems = []
    for f in public_fields(kind):
        inner: Any = METHOD_SETTINGS[method] if f.name == "method" else f.type
        try:
            made[f.name] = typed_value(inner, plain[f.name], f.name)
        except InputError as error:
            problems.append(str(error))
            made[f.name] = inner()
    keys = kind(**made)
    return keys, [*check_least(keys), *problems]


def _composed(command: str, overrides: Sequence[str]) -> DictConfig:
    register(command)
    with initialize_config_module("launch.conf", version_base="1.3"):
        return compose(command, overrides=list(overrides), return_hydra_config=True)


def _compose(command: str, overrides: Sequence[str]) -> tuple[_Plain, str]:
    """The plain values of all keys, and the name of the method (empty if the command has none)."""
    _refuse(command, overrides)
    config = _composed(command, overrides)
    plain = _plain(config)
    # the room that `launch.keys` adds for the YAML of a backbone
    if "search" not in key_names(command):
        del plain["search"]
    unread = ", ".join(_unread(plain, keys_of(command)))
    if unread:
        raise InputError(f"no such key: {unread}\nAll keys: python launch/{command}.py --help")
    return plain, config.hydra.runtime.choices.get("method", "")


def _refuse(command: str, overrides: Sequence[str]) -> None:
    """`InputError` for renamed keys, and for dataset=[bp4d,disfa], for which Hydra would merge both files."""
    words = [word.partition("=")[0].lstrip("+~") for word in overrides]
    searched = [word for word in words if word.split(".")[0] == "search"]
    if searched and "search" not in key_names(command):
        raise InputError(f"no such key: {', '.join(searched)}\nAll keys: python launch/{command}.py --help")
    moved = MOVED_KEYS.get(command, {})
    raise_all("these keys were renamed:", [f"{word}= is now {moved[word]}=" for word in words if word in moved])
    listed = [word for word in overrides if re.match(r"\w+=\s*\[", word) and word.split("=")[0] in CONFIG_GROUPS]
    raise_all("these keys take one value:", [f"{word}; run the command once for each value" for word in listed])


def _plain(config: DictConfig) -> _Plain:
    ours = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    missing = sorted(OmegaConf.missing_keys(ours))
    if missing:
        raise InputError(f"missing: {', '.join(f'{key}=...' for key in missing)}")
    plain = OmegaConf.to_container(ours, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _unread(values: _Plain, keys: Any, prefix: str = "") -> Iterator[str]:
    """Keys added by `+key=value` that no code reads; Hydra allows them."""
    kinds = {f.name: f.type for f in public_fields(keys)}
    for name, value in values.items():
        if name not in kinds:
            yield prefix + name
        elif dataclasses.is_dataclass(kinds[name]):
            yield from _unread(value, kinds[name], f"{prefix}{name}.")


def _explain(command: str, overrides: Sequence[str], error: Exception) -> str:
    """Hydra's message without internals, with the allowed keys and the way to list all keys."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    lines = lines[: next((i for i, line in enumerate(lines) if line.startswith("Config search path")), None)]
    lines += [line for line in str(error.__cause__ or "").splitlines()[:1] if line and line not in lines]
    lines = [line for line in lines if not line.startswith(("To append", "See https"))]
    if isinstance(error.__cause__, ConfigAttributeError | ConfigKeyError):
        lines += _allowed_beside(command, error.__cause__)
    elif isinstance(error, OverrideParseException):
        lines.append(
            "Write key=value. Put a value with spaces, other letters than a-z or marks such as = , # [ ] { } into two "
            "pairs of quotes: 'data_root=\"/a b\"'."
        )
    return "\n".join([*lines, f"All keys: python launch/{command}.py --help"])


def _allowed_beside(command: str, cause: OmegaConfBaseException) -> list[str]:
    """The allowed keys at the place of an unknown key, and the nearest one."""
    if cause.parent_node is None:
        return []
    given, allowed = str(cause.key), [str(name) for name in cause.parent_node]
    if "hydra" in allowed:  # the top level, where Hydra has keys as well
        allowed = key_names(command)
    near = get_close_matches(given, allowed, 1)
    return [f"{f'Did you mean {near[0]}? ' if near else ''}Allowed here: {', '.join(allowed)}"]


def help_text(command: str) -> str:
    """The help of a command: what it does, and each key with its default and one line."""
    lines = [(f"{key}={default}", text) for key, default, text in _key_lines(command)]
    width = min(max(len(name) for name, _ in lines), 40)
    doc = (keys_of(command).__doc__ or "").strip()
    usage = f"python launch/{command}.py [key=value ...]"
    return "\n".join([doc, "", usage, "", *(f"  {name:<{width}}  {text}" for name, text in lines)])


def _defaults(command: str) -> dict[str, Any]:
    """The default of each key, after all YAML files."""
    plain = OmegaConf.to_container(_composed(command, ()), resolve=False)
    found: dict[str, Any] = {}
    places: list[tuple[str, Any]] = [("", plain)]
    while places:
        path, place = places.pop()
        for name, value in place.items():
            if isinstance(value, dict):
                places.append((f"{path}{name}.", value))
            elif value not in ("???", None) and "${" not in str(value):
                found[f"{path}{name}"] = value
    return found


def _key_lines(command: str) -> Iterator[tuple[str, str, str]]:
    defaults = _defaults(command)
    for key, default, text in _field_lines(keys_of(command), ""):
        yield key, str(defaults.get(key, default)), text
    yield from _method_lines(method_keys(command))


def _method_lines(methods: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The settings of all methods; a line that several methods share appears once."""
    owners: dict[tuple[str, str, str], list[str]] = {}
    for name, settings in methods.items():
        for line in _field_lines(settings, "method."):
            owners.setdefault(line, []).append(name)
    for (key, default, text), names in owners.items():
        yield key, default, f"{text} (method={'|'.join(names)})"


def _field_lines(settings: Any, prefix: str) -> Iterator[tuple[str, str, str]]:
    for f in public_fields(settings):
        default = "" if f.default in (dataclasses.MISSING, "???", None) else str(f.default)
        yield prefix + f.name, default, f.metadata["help"]
        if isinstance(f.type, type) and dataclasses.is_dataclass(f.type):
            yield from _field_lines(f.type, f"{prefix}{f.name}.")

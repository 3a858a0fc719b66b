"""Which fields of its keys a command reads: every function that its `main` and its `check` can reach is looked at.

Functions say what they are given, so a chain like `keys.dataset.size` is followed by the types of fields. What is
passed on as a whole is read as a whole: only the classes of `launch.keys` are looked into.
"""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import launch.conf

LAUNCH = Path(launch.conf.__file__).parents[1]
ALL = "*"  # every field of the class
WHOLE = ("asdict", "vars", "getattr", "fields")  # functions that read what they are given field by field
Read = tuple[Any, str]
Function = Any  # what `def` makes


def reads_of(command: str) -> set[Read]:
    """Class and field of everything that is read of keys."""
    module = import_module(f"launch.{command}")
    todo = [function for name in ("main", "check") if (function := getattr(module, name, None))]
    seen: set[Function] = set()
    found: set[Read] = set()
    while todo:
        function = todo.pop()
        ours = Path(function.__code__.co_filename).is_relative_to(LAUNCH)  # not what `dataclass` makes
        if function in seen or not ours:
            continue
        seen.add(function)
        reads = reads_in(function)
        found |= reads
        todo += [*_named(_tree_of(function), function), *_properties(reads)]
    return found


def _types_of(function: Function) -> dict[str, Any]:
    """The classes of the arguments of a function; `self` is of the class that the function is of."""
    owner = import_module(function.__module__)
    for name in function.__qualname__.split(".")[:-1]:
        owner = getattr(owner, name, owner)
    return {"self": owner, **function.__annotations__}


def reads_in(function: Function) -> set[Read]:
    """Class and field of everything that a function itself reads of what it is given."""
    return set(_reads(_tree_of(function), _types_of(function)))


def _tree_of(function: Function) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def _reads(tree: ast.AST, types: dict[str, Any]) -> Iterator[Read]:
    for node in ast.walk(tree):  # outer statements first: a name is known where it is used
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            types.setdefault(node.targets[0].id, _type(node.value, types))
        if isinstance(node, ast.Attribute) and dataclasses.is_dataclass(kind := _type(node.value, types)):
            yield kind, node.attr
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WHOLE and node.args:
            kind = _type(node.args[0], types)
            literal = len(node.args) == 1 or not isinstance(node.args[1], ast.Constant)
            if dataclasses.is_dataclass(kind) and literal:
                yield kind, ALL


def _type(node: ast.AST, types: dict[str, Any]) -> Any:
    """The class of a name or of a chain of attributes, where it is known."""
    if isinstance(node, ast.Name):
        return types.get(node.id)
    if isinstance(node, ast.Attribute) and dataclasses.is_dataclass(kind := _type(node.value, types)):
        return {f.name: f.type for f in dataclasses.fields(kind)}.get(node.attr)
    return None


def _named(tree: ast.AST, function: Function) -> Iterator[Function]:
    """The functions, and the methods of the classes, that are named in a function."""
    for node in ast.walk(tree):
        found = function.__globals__.get(node.id) if isinstance(node, ast.Name) else None
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = function.__globals__.get(node.value.id)
            found = getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
        if inspect.isfunction(found):
            yield inspect.unwrap(found)
        elif isinstance(found, dict):
            yield from (one for one in found.values() if inspect.isfunction(one))
        elif isinstance(found, type):
            yield from (method for method in vars(found).values() if inspect.isfunction(method))
            yield from (method.fget for method in vars(found).values() if isinstance(method, property) and method.fget)


def _properties(reads: set[Read]) -> Iterator[Function]:
    for kind, name in reads:
        found = inspect.getattr_static(kind, name, None)
        if isinstance(found, property) and inspect.isfunction(found.fget):
            yield found.fget

"""One name, one meaning: no two modules define a public name of the same spelling."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.test_layers import files, module_of

CONTRACTS = {  # names that several modules must share, and who calls them by that name
    "main": "every command, called by `launch.run.command` and by the head job of a cluster",
    "check": "every command that can say more of its keys, asked by `launch.run.command`",
    "read": "every reader of `data.readers`, called by `data.catalog`",
    "recordings": "every layout of `data.synthetic.layouts`, called by `data.synthetic.trees`",
    "subjects": "every layout",
    "shapes": "every layout",
    "write": "every layout",
}


def public_names(path: Path) -> Iterator[str]:
    """What the module itself defines at its top level, without a leading underscore."""
    for node in ast.parse(path.read_text()).body:
        found: list[str] = []
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        yield from (name for name in found if not name.startswith("_"))


def test_a_public_name_has_one_meaning() -> None:
    where: dict[str, set[str]] = defaultdict(set)
    for path in files():
        for name in public_names(path):
            where[name].add(module_of(path))
    twice = {name: sorted(modules) for name, modules in where.items() if len(modules) > 1 and name not in CONTRACTS}
    assert not twice


def test_every_exception_is_needed() -> None:
    several = [name for path in files() for name in public_names(path) if name in CONTRACTS]
    assert {name for name in several if several.count(name) > 1} == {*CONTRACTS}


def test_the_check_sees_every_form_of_definition(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("A, (B, _C) = 1, (2, 3)\nd: int = 4\ndef e(): F = 5\nclass G: h = 6\n_i = 7\n")
    assert [*public_names(module)] == ["A", "B", "d", "e", "G"]

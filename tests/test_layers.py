"""Who may import what: packages, and the rooms inside them, checked on every import statement."""

import ast
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {
    "data": {"data"},
    "model": {"data", "model"},
    "study": {"data", "model", "study"},
    "launch": {"data", "model", "study", "launch"},
    "reports": {"data", "model", "study", "reports"},  # of the model its metrics alone
}
DOORS = {"launch/show/page.py": {"reports"}, "launch/report.py": {"reports"}}  # the files that may reach further
ROOMS = {  # a room -> the rooms of its package that it may import; "" is what lies directly in the package
    "data": {
        "readers": set(),
        "faces": {"readers"},
        "": {"readers", "faces"},
        "doctor": {"faces"},
        "synthetic": set(),
    },
    "study": {
        "records": set(),
        "search": {"records"},
        "trial": {"records"},
        "scoring": {"records"},
        "experiments": {"records", "search", "trial", "scoring"},
    },
    "launch": {
        "conf": set(),
        "keys": set(),
        "plan": {"keys"},
        "cluster": {"keys", "plan"},
        "show": {"plan", "cluster"},
        "run": {"keys", "plan", "cluster", "show"},
        "": {"keys", "plan", "cluster", "show", "run"},
    },
    "reports": {
        "frames": set(),
        "figures": {"frames"},
        "html": {"frames", "figures"},
        "sections": {"frames", "figures", "html"},
        "export": {"frames", "sections"},
        "": {"frames", "figures", "html", "sections"},
    },
}
PATTERNS = {"kind", "pattern"}  # variables with a pattern of ours, never of a user
OWNERS = {  # the packages that may import a library; all of them, where it is not listed
    "PIL": {"data"},
    "av": {"data"},
    "cv2": {"data"},
    "filelock": {"data"},
    "scipy": {"data", "study"},  # MATLAB files; Student's t
    "optuna": {"study"},
    "ray": {"launch"},
    "hydra": {"launch"},
    "omegaconf": {"launch"},
    "submitit": {"launch"},
    "rich": {"launch"},
    "plotly": {"reports"},
    "jinja2": {"reports"},
}


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that the file imports, wherever in the file: `a.b` and `a.b.c` of `from a.b import c`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path: Path) -> Iterator[str]:
    """Top-level name of everything that the file imports."""
    yield from dict.fromkeys(module.split(".")[0] for module in imported_modules(path))


def room_of(module: str) -> tuple[str, str]:
    """Package and room of a module; the room is "" for what lies directly in the package."""
    package, *inside = module.split(".")
    return package, inside[0] if inside and inside[0] in ROOMS.get(package, {}) else ""


def files() -> list[Path]:
    return [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_layers(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    layer = name.split("/")[0]
    allowed = LAYERS[layer] | DOORS.get(name, set())
    for imported in imports(path):
        assert imported not in LAYERS or imported in allowed, f"{layer} must not import {imported}"
        assert layer in OWNERS.get(imported, {layer}), f"only {OWNERS[imported]} imports {imported}"


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_downwards(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        room = room_of(module_of(path))[1]
        for imported in imported_modules(path):
            other_package, other = room_of(imported)
            if other_package == package and other != room and other:
                assert other in ROOMS[package][room], f"{module_of(path)} must not import {imported}"


@pytest.mark.parametrize("package", ROOMS)
def test_every_file_has_a_room(package: str) -> None:
    rooms = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    assert rooms | {""} == {*ROOMS[package], ""}


def test_commands_are_what_lies_directly_in_launch() -> None:
    from launch.keys import COMMANDS

    assert {path.stem for path in (ROOT / "launch").glob("[!_]*.py")} == {*COMMANDS}
    for path in (ROOT / "launch").glob("[!_]*.py"):
        others = {f"launch.{name}" for name in COMMANDS}
        assert not others & {*imported_modules(path)}, f"{path.name} imports another command"


def test_reports_read_only_the_metrics_of_the_model() -> None:
    modules = {
        node.module
        for path in (ROOT / "reports").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("model")
    }
    assert modules == {"model.metrics"}


def test_the_check_sees_a_forbidden_import(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from launch.run import tune\n    import optuna.trial\n")
    assert [*imports(wrong)] == ["launch", "optuna"]
    assert [*imported_modules(wrong)] == ["launch.run", "launch.run.tune", "optuna.trial"]
    assert room_of("launch.run.tune") == ("launch", "run")
    assert room_of("launch.sweep") == ("launch", "")


@pytest.mark.slow
def test_data_and_model_need_no_launcher() -> None:
    modules = [
        module_of(path)
        for path in files()
        if path.relative_to(ROOT).parts[0] in ("data", "model") and path.name != "__init__.py"
    ]
    blocked = ("ray", "hydra", "omegaconf", "optuna", "submitit", "rich", "plotly", "jinja2", "cv2", "scipy")
    code = f"import sys\nfor name in {blocked}: sys.modules[name] = None\nimport {', '.join(modules)}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_settings_import_with_nothing_but_the_standard_library() -> None:
    """So that `--help` and a misspelt key are answered at once."""
    modules = [module_of(path) for path in files() if path.name == "settings.py"]
    assert {"data.settings", "model.settings", "model.losses.settings"} <= {*modules}
    subprocess.run([sys.executable, "-S", "-c", f"import {', '.join(modules)}"], check=True, cwd=ROOT)


def test_no_command_shadows_a_package() -> None:
    """`python launch/x.py` puts launch/ first on the path, where launch/ray.py would hide Ray."""
    ours = {path.stem for path in (ROOT / "launch").iterdir() if path.suffix == ".py" or path.is_dir()}
    others = {*sys.stdlib_module_names, *importlib.metadata.packages_distributions()}
    assert not (ours - {"__init__", "__pycache__"}) & others


def calls(path: Path, *names: str) -> Iterator[ast.Call]:
    """Every call of a function or method with one of these names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
            yield node


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_read_as_a_path_and_never_as_a_pattern(path: Path) -> None:
    """A folder whose name has [, * or ? would be taken for a pattern, and another file be read."""
    for call in calls(path, "read_parquet", "scan_parquet", "read_csv", "scan_csv"):
        given = {word.arg: word.value for word in call.keywords}
        assert isinstance(given.get("glob"), ast.Constant), f"{path}:{call.lineno} needs glob=False"
        assert given["glob"].value is False  # type: ignore[attr-defined]
    for call in calls(path, "glob", "rglob"):
        names = {node.id for node in ast.walk(call.args[0]) if isinstance(node, ast.Name)}
        assert all(name.isupper() or name in PATTERNS for name in names), (
            f"{path}:{call.lineno} has a name in a pattern"
        )


def test_top_level_layout() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    allowed = {*LAYERS, "tests", "pyproject.toml", "README.md", "constraints.txt", "LICENSE"}
    assert {name for name in top if not name.startswith(".")} == allowed

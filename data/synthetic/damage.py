"""The door to the faults, which are part of the tests (`tests/data/faults`) and are loaded when one is asked for."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from data.errors import InputError
from data.synthetic.recordings import TreePlan

CHECKOUT = Path(__file__).parents[2]


def damage_problems(plan: TreePlan) -> Iterator[str]:
    """What is wrong with the fault that `plan` asks for."""
    if plan.fault:
        yield from _injectors().fault_problems(plan)


def damage(root: Path, plan: TreePlan) -> None:
    """Do to the finished tree at `root` what the fault of `plan` says, if it names one."""
    if plan.fault:
        _injectors().FAULTS[plan.fault].apply(root, plan.layout)


def _injectors() -> ModuleType:
    if not (CHECKOUT / "tests" / "data" / "faults").is_dir():
        raise InputError(f"fault= needs the tests of this software, and {CHECKOUT} has none. Run it from a checkout.")
    # the tests are not installed, and another project's `tests` may be
    sys.path.insert(0, str(CHECKOUT))
    try:
        return import_module("tests.data.faults")
    finally:
        sys.path.remove(str(CHECKOUT))

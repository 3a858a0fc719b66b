"""The one exception for what a user can fix; command lines turn it into exit code 2."""

from collections.abc import Callable, Sequence


class InputError(ValueError):
    """Wrong input: the message names the value, what is allowed and what to do next."""


class DamagedError(InputError):
    """A file is not what was written to it."""


def first_line(error: BaseException) -> str:
    """What a library's error says, without the query plan or the stack that it may add below."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def raise_all(heading: str, problems: Sequence[str], limit: int = 20) -> None:
    """Raise one `InputError` that lists the problems (at most `limit` lines), if there are any."""
    if not problems:
        return
    shown = [f"  - {problem}" for problem in problems[:limit]]
    if len(problems) > limit:
        shown.append(f"  ... and {len(problems) - limit} more")
    raise InputError("\n".join([heading, *shown]))


def complaints(*checks: Callable[[], object]) -> list[str]:
    """What the checks have to say, all of them."""
    problems = []
    for check in checks:
        try:
            check()
        except InputError as error:
            problems.append(str(error))
    return problems

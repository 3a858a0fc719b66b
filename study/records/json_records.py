"""Configurations and results as JSON holds them: for those who only look, and need not build what is described.

Nothing here, and nothing that it imports, needs torch.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from typing import Any

import numpy as np

from data.errors import InputError
from model.metrics import Score

RESULT_FORMAT = 1
STATUSES = ("DONE", "PRUNED", "FAILED")


def key_of(config: Mapping[str, Any]) -> str:
    """Name of the trial with this configuration: sha1 of all of it."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return hashlib.sha1(text.encode()).hexdigest()[:16]


def value_at(config: Any, method: str, name: str, step: Callable[[Any, str], Any]) -> Any:
    """Value of the setting with the dotted name `name`, e.g. `method.ratios.max`, one `step` for each of its words.

    `bce:method.balance` is None for a trial of any other `method` than bce.
    """
    owner, _, path = name.rpartition(":")
    return reduce(step, path.split("."), config) if owner in ("", method) else None


def read_result(content: bytes, origin: str) -> dict[str, Any]:
    """What stands in the file of a result; `InputError` names `origin` where that is none, or none of this version."""
    with naming(origin):
        plain: dict[str, Any] = json.loads(content)
        if plain["format"] != RESULT_FORMAT:
            raise ValueError(f"not of format {RESULT_FORMAT}")
        found = key_of(plain["config"])
        if plain["key"] != found:
            raise ValueError(f"it says it is trial {plain['key']}, but its configuration is trial {found}")
        if plain["status"] not in STATUSES:
            raise ValueError(f"status {plain['status']!r}; allowed: {', '.join(STATUSES)}")
    return plain


@contextmanager
def naming(origin: str) -> Iterator[None]:
    """Whatever is wrong with the content of a result becomes an `InputError` that names the file."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{origin} is not a trial result: {error}. Move it away to go on without it.") from error


def stage_name(score_test: bool) -> str:
    """`final` for a trial that scored the test part, else `sweep`."""
    return "final" if score_test else "sweep"


def score_to_plain(score: Score) -> dict[str, Any]:
    """A score as JSON holds it."""
    return {
        "subjects": list(score.subjects),
        "aus": list(score.aus),
        "counts": score.counts.tolist(),
        "histogram": score.histogram.tolist(),
    }


def score_from_plain(plain: Mapping[str, Any]) -> Score:
    """The score that `score_to_plain` wrote."""
    counts, histogram = (np.array(plain[name], dtype=np.int64) for name in ("counts", "histogram"))
    return Score(tuple(plain["subjects"]), tuple(plain["aus"]), counts, histogram)

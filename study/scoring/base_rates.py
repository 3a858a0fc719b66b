"""Base rates, and the thresholds that match them without the labels of the target."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from data.errors import InputError, raise_all
from study.records.predictions import Predictions
from study.scoring.bootstrap import Floats

Rates = Mapping[str, Mapping[int, float]]  # dataset -> AU -> share of active frames


def matched_thresholds(found: Predictions, rates: Sequence[float]) -> Floats:
    """Thresholds [A] at which the share of positive frames is as near to `rates` [A] as ties allow."""
    probabilities = found.probabilities
    return np.array([matched_threshold(probabilities[:, at], rate) for at, rate in enumerate(rates)])


def matched_threshold(probabilities: np.ndarray, rate: float) -> float:
    """The threshold that makes nearest to `rate * n` of the frames [n] positive; of two equally near the higher.

    It is one of the probabilities, whose frames are then positive, or a number above all of them.
    """
    # equal probabilities cannot be separated by a threshold
    values, frames = np.unique(probabilities, return_counts=True)
    above = np.nextafter(values[-1], values.dtype.type(np.inf))  # in the same precision, else it is rounded down
    candidates, passed = np.append(values, above), np.append(np.cumsum(frames[::-1])[::-1], 0)
    far = np.abs(passed - rate * len(probabilities))
    return float(candidates[far == far.min()].max())


def read_rates(path: Path, targets: Mapping[str, tuple[int, ...]]) -> dict[str, dict[int, float]]:
    """Base rates from a CSV with the columns dataset, au, rate; a dataset in it needs rates for all of its AUs."""
    if not path.is_file():
        raise InputError(f"base_rates={path}: no such file; give a CSV with the columns dataset, au, rate")
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    found: dict[str, dict[int, float]] = {}
    problems = []
    for number, line in enumerate(lines, start=2):
        try:
            name, au, rate = str(line["dataset"]), int(line["au"]), float(line["rate"])
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"line {number}: {error!r}; expected dataset, au, rate, e.g. disfa,12,0.13")
            continue
        problems += [f"line {number}: {line}" for line in _wrong(name, au, rate, found, targets)]
        found.setdefault(name, {})[au] = rate
    problems += [line for name, aus in targets.items() if name in found for line in _lacking(name, aus, found[name])]
    raise_all(f"base_rates={path}:", problems)
    return found


def _wrong(name: str, au: int, rate: float, found: Rates, targets: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    if not 0 <= rate <= 1:
        yield f"rate {rate:g}; allowed: 0 to 1"
    if name not in targets:
        yield f"dataset {name!r}; allowed: {', '.join(targets)}"
    if au in found.get(name, {}):
        yield f"AU {au} of {name} is listed twice"


def _lacking(name: str, aus: Sequence[int], rates: Mapping[int, float]) -> Iterator[str]:
    missing = [au for au in aus if au not in rates]
    if missing:
        yield f"{name}: no rate of AU {', '.join(map(str, missing))}"

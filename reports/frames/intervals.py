"""What the 95 % intervals of numbers cover, in words that follow the numbers."""

import polars as pl

from study.records.score_table import covers


def interval_words(numbers: pl.DataFrame, value: str = "value", compares: bool = False) -> str:
    """A sentence for captions, from the columns `value`, high and n_seeds; `compares`: the values compare methods."""
    known = numbers.filter(pl.col(value).is_not_null())
    having = known.filter(pl.col("high").is_not_null())
    if having.is_empty():
        return f"There is no 95 % interval{why_none(numbers['n_seeds']) if compares else ''}."
    seeds = having["n_seeds"].fill_null(1).unique().sort().to_list()
    covered = " or, with several training seeds, ".join(dict.fromkeys(map(covers, seeds)))
    lacking = known.height - having.height
    rest = f" {lacking} of {known.height} numbers have none." if lacking else ""
    return f"The 95 % interval covers {covered}.{rest}"


def difference_words(numbers: pl.DataFrame, value: str) -> str:
    """The same for differences, with what a 0 in an interval means."""
    chance = " If it contains 0, the difference may be due to chance." if numbers["high"].count() else ""
    return interval_words(numbers, value, compares=True) + chance


def why_none(seeds: pl.Series) -> str:
    """Why comparisons with these numbers of training seeds have no interval; empty if they could have one."""
    most = max((count or 1 for count in seeds.to_list()), default=0)
    return ": one training run does not show how much training varies" if most < 2 else ""

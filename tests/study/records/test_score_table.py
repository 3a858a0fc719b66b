"""The schema of score tables."""

import polars as pl
import pytest

from data.errors import InputError
from study.records.score_table import SCORES, check_scores, scores_frame

ROW = {"selection": "nested", "rule": "0.5", "metric": "f1", "aggregate": "folds", "au": None, "value": 0.5}


def test_nan_is_null_and_what_is_not_known_is_null() -> None:
    frame = scores_frame([ROW | {"low": float("nan"), "high": 0.9}])
    assert dict(frame.schema) == SCORES
    known = {name: value for name, value in frame.row(0, named=True).items() if value is not None}
    assert known == {name: value for name, value in ROW.items() if name != "au"} | {"high": 0.9}


def test_no_rows_have_the_schema() -> None:
    assert scores_frame([]).equals(pl.DataFrame(schema=SCORES))


def test_wrong_words_are_named_together() -> None:
    with pytest.raises(InputError, match=r"(?s)selection='best'; allowed: nested.*metric='kappa'; allowed: f1"):
        scores_frame([ROW, ROW | {"selection": "best"}, ROW | {"metric": "kappa"}])


def test_another_schema_is_refused() -> None:
    with pytest.raises(InputError, match="expected"):
        check_scores(scores_frame([ROW]).drop("au"))

"""Tables as former revisions wrote them give the same columns and numbers as before."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data.errors import InputError
from study.experiments.ablation import baseline_in, comparison_frame
from study.experiments.cross_dataset.transfer import Transfer
from study.experiments.domain_generalization import generalization_export
from study.experiments.hyperparameter_transfer import regret_matrix
from study.experiments.robustness import curves_of
from study.records.score_files import read_scores, scores_path
from tests.study.specs import transfer_member, transfer_spec

ENDS = {"value": 0.5, "low": 0.4, "high": 0.6}


def written(path: Path, rows: list[dict[str, Any]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)
    return frame


def test_final_scores(tmp_path: Path) -> None:
    names = {"rule": "0.5", "metric": "f1", "aggregate": "folds", "au": None}
    rows = [{"selection": selection, **names, **ENDS, "seed_sd": 0.1} for selection in ("nested", "oracle", "bias")]
    kept = written(scores_path(tmp_path, "final"), rows).cast({"au": pl.Int64})
    found = read_scores(tmp_path, "final")
    # the former interval of a difference did not count the chance of training
    alone = pl.when(pl.col("selection") != "bias")
    assert found.select(kept.columns).equals(
        kept.with_columns(alone.then(pl.col(end)).alias(end) for end in ("low", "high"))
    )
    assert found["against"].to_list() == [None, None, "nested"]
    assert found["n_people"].null_count() == 3


def test_transfer_tables(tmp_path: Path) -> None:
    names = {"method": "bce", "source": "gft", "target": "bp4d", "study": "mine"}
    sets = [{"aus_kind": kind, "aus": aus} for kind, aus in (("pair", "1 12"), ("common", "12"))]
    rows = [names | one | {"rule": "0.5", "metric": "f1", "au": au} | ENDS for one in sets for au in (12, None)]
    table = written(tmp_path / "transfer.parquet", rows)
    of = {"source": "gft", "target": "bp4d", "rule": "0.5", "metric": "f1", "method_a": "bce", "method_b": "clp"}
    numbers = {"aus": "1 12", "difference": 0.1, "low": -0.1, "high": 0.3, "p": 0.2, "p_holm": 0.4}
    tests = written(tmp_path / "tests.parquet", [of | numbers])
    found = Transfer(transfer_spec(transfer_member("mine", "bce", "gft")), read_scores(tmp_path, "transfer"))
    assert found.table.equals(table)
    unknown = [pl.lit(None, pl.Float64).alias(name) for name in ("low", "high", "p", "p_holm")]
    assert found.tests.equals(tests.with_columns(unknown))


def test_stress_curves(tmp_path: Path) -> None:
    rows = [
        {"method": "bce", "kind": kind, "level": level, "metric": metric, "au": au} | ENDS
        for kind, level in (("blur", 2.5), ("label_noise", 20.0), ("subjects", 1234567.0))
        for metric, au in (("f1", 12), ("f1", None), ("auc", None))
    ]
    kept = written(tmp_path / "stress.parquet", rows)
    assert curves_of(read_scores(tmp_path, "robustness")).equals(kept)


def test_generalize(tmp_path: Path) -> None:
    names = {"method": "bce", "target": "gft", "sources": "bp4d+disfa", "selection": "leave_one_source_out"}
    chosen = {"candidates": 3, "chosen": "best of 9"}
    rows = [names | {"rule": "0.5", "metric": "f1", "au": au} | ENDS | chosen for au in (1, None)]
    kept = written(tmp_path / "generalize.parquet", rows)
    assert generalization_export(read_scores(tmp_path, "domain_generalization")).equals(kept)


def test_regret(tmp_path: Path) -> None:
    names = ("f1", "low", "high", "regret", "regret_low", "regret_high")
    rows = [
        {"source": source, "target": "a"} | dict(zip(names, numbers, strict=True))
        for source, numbers in (("a", (0.5, 0.4, 0.6, 0.0, 0.0, 0.0)), ("b", (0.4, 0.3, 0.5, 0.1, -0.1, 0.3)))
    ]
    kept = written(tmp_path / "regret.parquet", rows)
    found = regret_matrix(read_scores(tmp_path, "hyperparameter_transfer"))
    same = [name for name in kept.columns if name not in ("regret_low", "regret_high")]
    assert found.select(same).equals(kept.select(same))
    assert found.select("regret_low", "regret_high", "regret_p", "seeds").null_count().row(0) == (2, 2, 2, 2)


def test_comparison(tmp_path: Path) -> None:
    def estimate(name: str, value: float | None) -> dict[str, float | None]:
        ends = [None if value is None else value + off for off in (0.0, -0.1, 0.1)]
        return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))

    rows = []
    for variant, noise, against in (("clp", 0.0, ""), ("clp", 0.2, ""), ("clp-x", 0.0, "clp")):
        gain = 0.01 if against else None
        row = {"variant": variant, "label_noise": noise, **estimate("f1", 0.5), **estimate("rare", 0.25)}
        row |= {"against": against, **estimate("f1_gain", gain), **estimate("rare_gain", gain)}
        rows.append(row | {"f1_au_1": 0.3, "f1_au_12": None if noise else 0.7, "trials": 6, "seconds": 1.5})
    frame = pl.DataFrame(rows, infer_schema_length=None)
    (tmp_path / "comparison.csv").write_text(frame.write_csv())
    scores = read_scores(tmp_path, "ablation")
    found = comparison_frame(scores)
    ends = [f"{name}_gain_{end}" for name in ("f1", "rare") for end in ("low", "high")]
    same = [name for name in frame.columns if name not in ends]
    assert found.select(same).equals(frame.select(same))
    assert {*found.select(*ends, "f1_gain_p_holm", "seeds").null_count().row(0)} == {3}
    assert found["noise_kind"].to_list() == ["", "symmetric", ""]
    assert baseline_in(scores) is None


def test_half_a_comparison_is_named(tmp_path: Path) -> None:
    (tmp_path / "comparison.csv").write_text("variant,label_noise\na,0\n")
    with pytest.raises(InputError, match=r"run launch/compare\.py"):
        read_scores(tmp_path, "ablation")

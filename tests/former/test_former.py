"""Studies, tables and pages of the revision 7e2128f are read with equal numbers, and its commands go on with them.

`former.tar.xz` holds the folders as that revision wrote them (frame stores black, detectors left out) and `expected/`,
what it read in them; `expected/make.sh` has its commands.
"""

import base64
import gzip
import json
import re
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import launch.run.recipe
from data.once import file_crc32
from data.shards import SHARDS
from launch.plan.resources import Resources
from launch.run.trials import GivenTrial
from launch.show.page import page_of
from launch.show.snapshot import take_snapshot
from study.experiments.cross_dataset.transfer import read_transfer
from study.experiments.selection import final_trials_of, score_selections
from study.records.result import TrialResult
from study.records.score_files import WRITERS, read_scores, scores_path
from study.records.store import StudyStore
from study.records.study_spec import EXTERNAL, SEARCH
from study.search.best_trial import best_configurations, choose, pareto_front
from study.trial.run import run_trial
from tests.launch.commands import run

ARCHIVE = Path(__file__).with_name("former.tar.xz")
KINDS = {  # what that revision called them
    "search": "search",
    "comparison": "ablation",
    "stress": "robustness",
    "regret": "hyperparameter_transfer",
    "generalize": "domain_generalization",
    "foreign": "external",
}
STUDIES = (
    *("synthetic-aunce", "disfa-bce", "disfa-warm", "synthetic-bce"),
    *("other-disfa", "disfa-comparison", "disfa-stress", "generalize-variants", "regret"),
)
PAGES = {
    "synthetic-aunce": ["synthetic-aunce"],
    "disfa-bce": ["disfa-bce"],
    "disfa-warm": ["disfa-warm"],
    "disfa-comparison": ["disfa-comparison"],
    "side-by-side": ["synthetic-aunce", "disfa-bce"],
}
EXPORTS = {  # no model card of synthetic-aunce: the revision could not write one of two selections
    "disfa-bce": ["name=disfa-bce", "export=[latex,markdown,model_card]"],
    "side-by-side": ["studies=[synthetic-aunce,disfa-bce]", "export=[csv]"],
    "disfa-comparison": ["name=disfa-comparison", "export=[csv,latex]"],
}
NUMBERS = ("value", "low", "high", "seed_sd", "p", "p_holm")
OF_OCCURRING = (
    "f1",
    "lift",
    "precision",
    "always_positive",
)  # of an AU that does not occur in a fold, undefined by now
# Columns of tables whose numbers have another meaning by now, or are left out.
CHANGED = {
    # of an AU that does not occur in a fold
    "test-aus": ("lift", "undefined_runs"),
    "val-aus": ("high", "lift", "always_positive"),
    "folds": ("test_f1", "always_positive"),
    "fold-seeds": ("test_f1", "lift", "always_positive"),
    "thresholds": ("f1", "precision"),
    "summary": ("sweep", "final"),
    # differences whose former intervals and p-values did not count the chance of training
    "regret-1": ("regret_low", "regret_high"),
    "selections": ("low", "high"),
    "scores": ("low", "high"),
    "gains": ("low", "high"),
    "variants": ("f1_gain_low", "f1_gain_high", "rare_gain_low", "rare_gain_high"),
    "transfer-1-tests": ("low", "high", "p", "p_holm"),
    "transfer-tests": ("low", "high", "p", "p_holm"),
    # each fold has its own chosen settings, and its own scale
    "settings": ("study 1", "study 2"),
    "ratios": ("value",),
}
REWORDED = {"trial time, summed": "total trial time"}  # on the page, since then
TOLERANCE = 1e-8  # Student's t is scipy's by now

SHARED = ("optim.batch_size=16", "probe.epochs=2", "head.dim=4", "max_concurrent=1", "trial.cpus=1")
DISFA = ("dataset=disfa", "dataset.alignment=precropped", "dataset.size=40", "dataset.crop=32")
GIVEN = (*SHARED, "optim.lr=0.01", "epochs=8", "seeds=1")
COMMANDS = {  # by the studies that they write to
    "disfa-bce": [
        *("sweep", "name=disfa-bce", "method=bce", *DISFA, *SHARED, "trials=9", "epochs=8", "pruning.name=none"),
        *("objectives=[f1,rare_f1]", "constraints={hours:{at_most:1}}", "start_points=[{optim.lr:0.005}]"),
    ],
    "other-disfa": ["score", "predictions=less.csv", "detector=openface", "name=other-disfa", *DISFA],
    "disfa-comparison": ["compare", *DISFA, *GIVEN, "only=[aunce,bce-weighted,asymmetric]", "label_noise=[0,0.2]"],
    "disfa-stress": [
        *("stress", *DISFA, *GIVEN, "only=[bce-weighted]", "folds=[part1,part2]", "kinds=[label_noise,subjects,blur]"),
        *("levels.label_noise=[20]", "levels.subjects=[2]", "levels.blur=[8]"),
    ],
}
NOT_COMPARED = {
    "transfer": ["transfer", "studies=[synthetic-aunce,disfa-bce,other-disfa]"],
    "generalize-variants": [
        *("generalize", *GIVEN, "train_on=[synthetic,gft]", "test_on=[disfa]", "own=[disfa-bce]", "method=bce"),
        *("variants=claims", "only=[bce,bce-weighted,aunce]"),
    ],
}
# These trained the seed of the search as well, and now train one more in its place.
RESEEDED = {
    "synthetic-aunce": [
        *("final", "name=synthetic-aunce", "selection=[nested,oracle]", "seeds=2", "candidates=2"),
        *("max_concurrent=1", "trial.cpus=1"),
    ],
    "regret": [
        *("regret", "studies=[synthetic-aunce,disfa-bce,disfa-warm]", "seeds=1", "max_concurrent=1", "trial.cpus=1"),
    ],
}


def assert_same(now: pl.DataFrame, before: pl.DataFrame) -> None:
    """Equal columns and rows; numbers within TOLERANCE, by NumPy: polars changed how its own check is asked."""
    assert now.schema == before.schema
    for name, dtype in before.schema.items():
        if dtype.is_float():
            assert now[name].is_null().to_list() == before[name].is_null().to_list(), name
            np.testing.assert_allclose(now[name].to_numpy(), before[name].to_numpy(), 0, TOLERANCE, err_msg=name)
        else:
            assert now[name].to_list() == before[name].to_list(), name


def assert_same_table(name: str, now: pl.DataFrame, before: pl.DataFrame) -> None:
    """The columns of the former table, but those whose meaning changed."""
    kept = [column for column in before.columns if column not in CHANGED.get(name, ())]
    assert now.height == before.height
    assert_same(now.select(kept), before.select(kept))


def extracted(folder: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extracted(tmp_path_factory.mktemp("former"))


@pytest.fixture
def former(unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the fixture, to be read; the studies name their frame stores from there."""
    monkeypatch.chdir(unpacked)
    monkeypatch.delenv("AU_DATA", raising=False)
    return unpacked


def seen(store: StudyStore) -> dict[str, Any]:
    """What can be said of a study."""
    spec, found = store.spec(), dict[str, Any]()
    found["kind"] = spec.kind
    if spec.kind != EXTERNAL:
        snapshot = take_snapshot(store)
        found["status"] = json.loads(json.dumps(asdict(snapshot))) | {"finished": snapshot.finished}
    if spec.kind == SEARCH:
        folds = [fold for fold in spec.folds if store.count("sweep", fold)]
        found["lacking"] = store.lacking()
        found["unfinished"] = [config.key for config, _ in store.unfinished()]
        found["chosen"] = {fold: choose(store, fold).config.key for fold in folds}
        found["best"] = [config.key for config in best_configurations(store)]
        found["pareto"] = {fold: [result.config.key for result in pareto_front(store, fold)] for fold in folds}
    return found


def timeless(found: Any) -> Any:
    """The same without what depends on the time of day, or on that of files."""
    if isinstance(found, dict):
        times = ("left_s", "stages", "head", "stamp", "interrupted", "left_out")
        # the former status had no verdict
        kept = {name: value for name, value in found.items() if name not in (*times, "said")}
        return {name: timeless(value) for name, value in kept.items() if name != "seconds" or "status" in kept}
    return [timeless(one) for one in found] if isinstance(found, list) else found


@pytest.mark.parametrize("name", STUDIES)
def test_a_former_study_is_read_as_it_was(name: str, former: Path) -> None:
    store, expected = StudyStore(former / "runs" / name), former / "expected" / name
    before, now = json.loads((expected / "seen.json").read_text()), seen(store)
    # each fold has a best trial of its own by now: `chosen` is compared below
    best, bests = (found.get("status", {}).pop(name, None) for found, name in ((before, "best"), (now, "bests")))
    assert best is None or best["key"] in [one["key"] for one in bests.values()]
    assert timeless(now) == timeless(before | {"kind": KINDS[before["kind"]]})
    for table in expected.glob("*.parquet"):
        assert_frame_equal(getattr(store, table.stem)(), pl.read_parquet(table), check_exact=True)


@pytest.mark.parametrize("name", ["synthetic-aunce", "disfa-bce"])
def test_former_final_scores_are_those_of_the_kept_predictions(name: str, former: Path) -> None:
    store = StudyStore(former / "runs" / name)
    before = pl.read_parquet(scores_path(store.root, "final"))
    assert before.height > 100
    assert_same_table("scores", store.final_scores(), before)

    def done(keys: tuple[str, ...]) -> list[TrialResult]:
        return [result for key in keys if (result := store.result(key)) is not None]

    recorded = store.selections()
    chosen = {rule: {fold: done(keys) for fold, keys in one.trials.items()} for rule, one in recorded.items()}
    names = [name for name in before.columns if name not in NUMBERS]
    now, then = (
        scores.filter(~pl.col("metric").is_in(OF_OCCURRING) | pl.col("au").is_in(occurring(store))).sort(names)
        for scores in (score_selections(store, chosen), before)
    )
    assert then.height > 100
    # intervals count the chance of training by now
    assert_same(now.select(*names, "value"), then.select(*names, "value"))


def occurring(store: StudyStore) -> list[int]:
    """AUs that are active in the test part of every fold."""
    active = (pl.col("tp") + pl.col("fn")).sum().alias("active")
    by_fold = store.counts().filter(split="test").group_by("fold", "au").agg(active)
    fewest: list[int] = by_fold.group_by("au").agg(pl.col("active").min()).filter(pl.col("active") > 0)["au"].to_list()
    return fewest


def test_former_transfer_tables_are_read(former: Path) -> None:
    folder = former / "runs" / "transfer"
    found = read_transfer(folder)
    assert [study.name for study in found.spec.studies] == ["synthetic-aunce", "disfa-bce", "other-disfa"]
    for name, frame in (("transfer", found.table), ("tests", found.tests)):
        before = pl.read_parquet(folder / f"{name}.parquet")
        assert_same_table(f"transfer-{name}", frame, before)


def page_tables(page: str) -> dict[str, pl.DataFrame]:
    """The tables of a page by name."""
    found = re.findall(r'data-file="([^"]+)[.]csv" data-packed="([^"]+)"', page)
    return {name: table_of(gzip.decompress(base64.b64decode(packed))) for name, packed in found}


def table_of(content: bytes) -> pl.DataFrame:
    return pl.read_csv(content, infer_schema_length=None).with_columns(pl.col(pl.String).replace(REWORDED))


@pytest.mark.parametrize("name", PAGES)
def test_the_page_of_a_former_study_has_its_numbers(name: str, former: Path) -> None:
    page = page_tables(page_of([Path("runs") / study for study in PAGES[name]]))
    before = {path.stem: table_of(path.read_bytes()) for path in (former / "expected/pages" / name).glob("*.csv")}
    # it is not known that a former store shows real people: no published rows beside its numbers
    before = {table: then for table, then in before.items() if not table.startswith("published")}
    assert before.keys() <= page.keys()
    for table, then in before.items():
        assert_same_table(table, page[table], then)


def rows_of_numbers(content: str) -> list[list[str]]:
    """The numbers of each row of a table in LaTeX or Markdown; captions and notes may be worded anew."""
    rows = [line for line in content.splitlines() if re.search(r"&|^[|]", line)]
    return [re.findall(r"\d+(?:[.]\d+)?", row) for row in rows]


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_of_former_studies_have_their_numbers(name: str, former: Path, tmp_path: Path) -> None:
    assert run("report", *EXPORTS[name], f"out={tmp_path}") == 0
    before = {path.name: path for path in (former / "expected/exports" / name).iterdir()}
    assert before.keys() <= {path.name for path in tmp_path.iterdir()}
    for file, path in before.items():
        if path.suffix == ".csv":
            now, then = (table_of(one.read_bytes()) for one in (tmp_path / file, path))
            assert_same_table(path.stem, now, then)
        else:
            ours, theirs = (rows_of_numbers(one.read_text()) for one in (tmp_path / file, path))
            # the published rows come last, and are left out unless they are asked for
            theirs = theirs[: len(ours)] if file.startswith("per-au-f1.") else theirs
            assert len(ours) > 2
            assert all(map(is_within, ours, theirs)) if path.stem in CHANGED else ours == theirs, file


def is_within(ours: list[str], theirs: list[str]) -> bool:
    """Whether all of `ours` stand among `theirs`, in the same order."""
    rest = iter(theirs)
    return all(one in rest for one in ours)


@pytest.mark.slow
@pytest.mark.parametrize("study", COMMANDS)
def test_the_command_goes_on_with_a_former_study_and_trains_nothing(
    study: str, unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(extracted(tmp_path))
    monkeypatch.delenv("AU_DATA", raising=False)
    trials = {path: path.read_bytes() for path in Path("runs").glob("*/trials/*.json")}
    writers = (*WRITERS.items(), ("final", "score"))
    kinds = [kind for kind, command in writers if command == COMMANDS[study][0] and kind != "partitions"]
    for kind in kinds:
        scores_path(Path("runs") / study, kind).unlink(missing_ok=True)
    assert run(*COMMANDS[study]) == 0, capsys.readouterr()
    assert {path: path.read_bytes() for path in Path("runs").glob("*/trials/*.json")} == trials
    for kind in kinds:
        now, before = (read_scores(folder / "runs" / study, kind) for folder in (tmp_path, unpacked))
        names = [name for name in before.columns if before[name].count() and name not in NUMBERS]
        both = before.join(now, on=names, how="left", suffix="_now", nulls_equal=True)
        assert both.height == before.height
        # an AU that does not occur in a fold has no F1 by now, and intervals count the chance of training
        known = both.filter(pl.col("value").is_not_null(), pl.col("metric").is_in(["auc", "trials", "seconds"]))
        assert known.height
        assert_same(known.select(value="value_now"), known.select("value"))


@pytest.mark.parametrize("study", NOT_COMPARED)
def test_people_of_former_stores_are_compared_by_pictures_after_another_build(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(extracted(tmp_path))
    monkeypatch.delenv("AU_DATA", raising=False)
    assert run(*NOT_COMPARED[study]) == 2
    assert "was built before people were compared by their pictures. Build it again" in capsys.readouterr().err


def mend_stores() -> None:
    """Frames of the fixture are black, which a checksum finds: write down those that are there."""
    for path in Path("stores").glob("*/store.json"):
        facts = json.loads(path.read_bytes())
        facts["crc32"] = [file_crc32(shard) for shard in sorted((path.parent / SHARDS).glob("*.bin"))]
        path.write_text(json.dumps(facts))


def run_here(jobs: Sequence[GivenTrial], store: StudyStore, available: Resources) -> None:
    for config, placement in jobs:
        run_trial(config, placement)


@pytest.mark.slow
@pytest.mark.parametrize("study", RESEEDED)
def test_the_command_goes_on_with_former_trials_and_fresh_seeds(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(extracted(tmp_path))
    monkeypatch.delenv("AU_DATA", raising=False)
    monkeypatch.setattr(launch.run.recipe, "run_all", run_here)
    mend_stores()
    before = {path: path.read_bytes() for path in Path("runs").glob("*/trials/*.json")}
    assert run(*RESEEDED[study]) == 0, capsys.readouterr()
    after = {path: path.read_bytes() for path in Path("runs").glob("*/trials/*.json")}
    assert before.items() < after.items()
    store = StudyStore(Path("runs") / study)
    finals = {result.config.seed for result in store.results() if result.stage == "final"}
    assert finals == ({0, 1, 2} if study == "synthetic-aunce" else {0, 1})
    if study == "synthetic-aunce":
        for selection in ("nested", "oracle"):
            assert {result.config.seed for result in final_trials_of(store, selection)} == {1, 2}
        assert "Seed 0" not in page_of([store.root])


def test_the_page_of_a_former_study_says_which_seed_is_that_of_the_search(former: Path) -> None:
    assert "Seed 0 is that of the search" in page_of([Path("runs/synthetic-aunce")])


def test_a_study_that_goes_on_is_kept_in_the_present_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(extracted(tmp_path))
    assert "version" not in json.loads(Path("runs/other-disfa/study.json").read_text())
    before = StudyStore(Path("runs/other-disfa")).spec()
    assert run(*COMMANDS["other-disfa"]) == 0
    assert json.loads(Path("runs/other-disfa/study.json").read_text())["version"] == 2
    assert replace(StudyStore(Path("runs/other-disfa")).spec(), store=before.store) == before

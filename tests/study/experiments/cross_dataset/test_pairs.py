"""Which studies may be compared, and what is predicted of whom."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import InputError
from data.frames import frame_table
from data.store import FrameStore
from study.experiments.cross_dataset.pairs import (
    check_studies,
    common_aus,
    label_convention,
    member,
    pair_aus,
    predict_all,
    trained_on,
)
from study.experiments.selection import final_trials_of
from study.records.predictions import read_predictions
from study.records.store import StudyStore
from tests.data.copies import copied, drawn_store
from tests.data.stores import tiny_store
from tests.data.trees import label_table
from tests.study.finals import final_study, opened_final
from tests.study.specs import changed, external_spec

FOLDS = ("random2-1", "random2-2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module")
def gft(folder: Path) -> FrameStore:
    return tiny_store(folder, subjects=4, aus=(1, 12))


@pytest.fixture(scope="module")
def bp4d(folder: Path) -> FrameStore:
    return tiny_store(folder, subjects=4, aus=(1, 4, 12), seed=1, dataset="bp4d")


@pytest.fixture(scope="module")
def source(folder: Path, gft: FrameStore) -> StudyStore:
    return final_study(folder / "gft-bce", gft, FOLDS)


@pytest.fixture(scope="module")
def target(folder: Path, bp4d: FrameStore) -> StudyStore:
    return final_study(folder / "bp4d-bce", bp4d, FOLDS)


def test_aus_of_a_pair_and_of_all(source: StudyStore, target: StudyStore) -> None:
    one, other = opened_final(source), opened_final(target)
    check_studies([one, other])
    assert (one.method, one.source, one.target, one.aus) == ("bce", "gft", "gft", (1, 12))
    assert pair_aus(other, one.frames) == common_aus([one, other]) == (1, 12)
    assert [store.fingerprint for store in trained_on(one)] == [one.frames.fingerprint]


def test_all_frames_are_predicted_once(source: StudyStore, bp4d: FrameStore, monkeypatch: pytest.MonkeyPatch) -> None:
    study, seen = opened_final(source), list[tuple[int, int]]()
    result = study.results[0]
    predict_all(study, result, bp4d, "cpu", lambda done, of: seen.append((done, of)))
    assert seen == [(32, 32)]
    found = read_predictions(source.predictions_path(result.config.key, bp4d.fingerprint))
    assert found.aus == (1, 12)
    assert len(found) == len(bp4d)
    assert (found.labels == bp4d.labels((1, 12))).all()
    monkeypatch.setattr("study.experiments.cross_dataset.pairs.predict", lambda *_: 1 / 0)
    predict_all(study, result, bp4d, "cpu")


def test_on_its_own_frames_a_detector_says_what_it_said_when_it_was_tested(source: StudyStore) -> None:
    study = opened_final(source)
    for result in study.results:
        predict_all(study, result, study.frames, "cpu")
        everything = read_predictions(source.predictions_path(result.config.key, study.frames.fingerprint))
        tested = read_predictions(source.predictions_path(result.config.key)).part("test")
        rows = everything.frame.join(tested.frame.select("subject", "frame"), on=["subject", "frame"], how="semi")
        assert rows.drop("split").equals(tested.frame.drop("split"))


def test_nan_is_refused_and_not_kept(source: StudyStore, bp4d: FrameStore, monkeypatch: pytest.MonkeyPatch) -> None:
    study = opened_final(source)
    monkeypatch.setattr(
        "study.experiments.cross_dataset.pairs.predict", lambda detector, loader, rows: np.full((len(rows), 2), np.nan)
    )
    with pytest.raises(InputError, match=r"gives NaN for 32 of 32 frames of bp4d-24px"):
        predict_all(study, study.results[1], bp4d, "cpu")
    assert not source.predictions_path(study.results[1].config.key, bp4d.fingerprint).exists()


def test_au_that_the_target_does_not_code_has_no_labels(target: StudyStore, gft: FrameStore) -> None:
    study = opened_final(target)
    predict_all(study, study.results[0], gft, "cpu")
    found = read_predictions(target.predictions_path(study.results[0].config.key, gft.fingerprint))
    assert found.aus == (1, 4, 12)
    assert (found.labels[:, 1] == -1).all()


def test_faces_of_another_scale_are_refused(source: StudyStore, tmp_path: Path) -> None:
    large = final_study(tmp_path / "bp4d-bce", tiny_store(tmp_path, 4, size=32, dataset="bp4d"), FOLDS)
    with pytest.raises(InputError, match=r"32 px, gft-bce was trained on 24 px.*dataset\.size=24"):
        check_studies([opened_final(source), opened_final(large)])


def test_who_was_trained_on_without_labels_must_not_be_tested(
    target: StudyStore, gft: FrameStore, bp4d: FrameStore, folder: Path
) -> None:
    seen = final_study(folder / "gft-clp", gft, FOLDS[:1], method="clp", pretrained_on=[bp4d])
    with pytest.raises(InputError) as caught:
        check_studies([opened_final(seen), opened_final(target)])
    said = f"gft-clp was trained on people of its target: {bp4d.path.name} shows 4 of the 4 people of {bp4d.path.name}"
    assert said in str(caught.value)


def test_the_target_under_another_name_must_not_have_been_trained_on(tmp_path: Path) -> None:
    drawn = drawn_store(tmp_path, "gft")
    again = copied(drawn, "disfa", "jpeg")
    studies = [final_study(tmp_path / name, frames, FOLDS) for name, frames in (("a", drawn), ("b", again))]
    with pytest.raises(InputError) as caught:
        check_studies([opened_final(study) for study in studies])
    lines = str(caught.value).splitlines()[1:]
    for line, (name, seen, new) in zip(lines, (("a", drawn, again), ("b", again, drawn)), strict=True):
        assert line.startswith(
            f"  - {name} was trained on people of its target: {seen.path.name} shows 4 of the 4 people "
        )
        assert f"of {new.path.name}, in {len(drawn)} of its {len(drawn)} frames: " in line
    assert "The pictures are the same, e.g. frame " in lines[0]


def test_one_dataset_is_one_store_and_one_method_one_study(source: StudyStore, gft: FrameStore, tmp_path: Path) -> None:
    another = final_study(tmp_path / "gft-more", tiny_store(tmp_path, 5), FOLDS)
    again = final_study(tmp_path / "gft-again", gft, FOLDS[:1])
    with pytest.raises(InputError) as caught:
        check_studies([opened_final(one) for one in (source, another, again)])
    assert "gft-bce and gft-more use two stores of gft" in str(caught.value)
    assert "gft-bce and gft-again are both bce on gft; give one of them" in str(caught.value)


def test_frames_that_are_gone_or_others_are_refused(source: StudyStore, bp4d: FrameStore, tmp_path: Path) -> None:
    results = final_trials_of(source)
    faults = (
        (tmp_path / "no" / "store", r"store of \w+ is missing.* with store_root="),
        (bp4d.path, r"belong to store \w{12}, but .* is store"),
    )
    for path, said in faults:
        copy = StudyStore(tmp_path / path.name)
        copy.open_study(replace(source.spec(), store=str(path)), free=())
        with pytest.raises(InputError, match=said):
            member(copy, results)


def test_label_conventions(bp4d: FrameStore) -> None:
    assert label_convention(bp4d.table) == "occurrence"
    rows = [("A", frame, f"{frame}.png") for frame in range(6)]
    for level, expected in ((1, "intensity >= 1"), (2, "intensity >= 2")):
        table = label_table(rows, (1,), "disfa", lambda row, au, level=level: int(row >= level))  # type: ignore[misc]
        assert label_convention(table) == "not recorded"
        graded = frame_table(table.with_columns(intensity_1=table["frame"].cast(int)), (1,))
        assert label_convention(graded) == expected
    flipped = graded.with_columns(au_1=1 - graded["au_1"])
    assert label_convention(flipped) == "not recorded"
    absent = label_table(rows, (1,), "disfa", lambda row, au: 0)
    few = frame_table(absent.with_columns(intensity_1=absent["frame"] * 0 + 1), (1,))
    assert label_convention(few) == "intensity >= 2 or 3 or 4 or 5"


def test_a_foreign_study_says_whose_predictions_it_holds(bp4d: FrameStore, tmp_path: Path) -> None:
    store = StudyStore(tmp_path / "openface")
    store.open_study(external_spec("openface", bp4d, aus=(1, 12)), free=())
    study = member(store, ())
    assert (study.method, study.source, study.aus, study.foreign) == ("foreign:openface", "elsewhere", (1, 12), True)
    (store.root / "study.json").write_bytes(changed(store.spec(), fingerprint="other").to_json())
    with pytest.raises(InputError, match="its detectors belong to store other"):
        member(store, ())


def test_a_detector_that_is_gone_is_named(source: StudyStore, bp4d: FrameStore) -> None:
    study = opened_final(source)
    lost = replace(study.results[0], config=replace(study.results[0].config, seed=77))
    with pytest.raises(InputError, match="is missing"):
        predict_all(study, lost, bp4d, "cpu")

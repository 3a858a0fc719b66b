"""A trial on several datasets: what it reads, what it keeps, and that it never sees its target."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.errors import InputError
from data.frames import aus_of
from data.loader import Batch, Loader
from data.store import FrameStore
from data.union import UnionStore, source_fold
from model.detector import Detector
from model.fit import EpochScore, Fitting, fit
from model.norm import DomainNorm
from study.records.config import trial_from_dict
from study.records.predictions import read_predictions
from study.records.result import TrialResult
from study.records.store import StudyStore
from study.trial import run as trial_module
from study.trial.detectors import kept_detector, new_detector
from study.trial.multi_source import check_target, predict_target
from study.trial.run import run_trial
from tests.data.copies import copied, drawn_store
from tests.data.several import CODED, store_of, three_stores
from tests.model.small import equal, state_of
from tests.study.make import curve, same_scores
from tests.study.several import candidate, placed, several_trial

Reads = list[tuple[str, np.ndarray]]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FrameStore]:
    return three_stores(tmp_path_factory.mktemp("sources"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Dataset and rows of every batch that is read from here on."""
    found: Reads = []
    real = FrameStore.read

    def spy(store: FrameStore, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        found.append((store.table["dataset"][0], np.array(rows)))
        return real(store, rows, out)

    monkeypatch.setattr(FrameStore, "read", spy)
    return found


def asked(target: FrameStore) -> tuple[tuple[str, str], ...]:
    return ("best", target.fingerprint), ("last", target.fingerprint)


@pytest.fixture(scope="module")
def sources(stores: dict[str, FrameStore]) -> list[FrameStore]:
    return [stores["gft"], stores["bp4d"]]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyStore:
    """Where `finished` lies."""
    return StudyStore(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def finished(stores: dict[str, FrameStore], sources: list[FrameStore], study: StudyStore) -> TrialResult:
    """A trial that nothing disturbed, on bp4d and gft, asked for disfa."""
    config = several_trial(sources, "aunce", norm="per_dataset")
    return run_trial(config, placed(stores["disfa"], study.root, asked(stores["disfa"])))


def test_a_trial_validates_with_people_of_every_source(sources: list[FrameStore], finished: TrialResult) -> None:
    assert (finished.status, finished.stage, finished.error) == ("DONE", "final", None)
    union = UnionStore((*reversed(sources),))
    val = source_fold(union, 0.34, 0).val
    score = finished.scores["val"]
    assert finished.scores.keys() == {"val"}
    assert {*score.subjects} == {*union.subjects_of(val)}
    assert {name.split(":")[0] for name in score.subjects} == {"bp4d", "gft"}
    assert score.aus == (1, 12, 15)
    coded = (union.labels(score.aus)[val] >= 0).sum(axis=0)
    np.testing.assert_array_equal(score.counts.sum(axis=(0, 2)), coded)


def test_the_order_in_which_sources_are_named_is_no_part_of_a_trial(sources: list[FrameStore]) -> None:
    config = several_trial(sources)
    assert config.key == several_trial(sources[::-1]).key
    assert config.data.dataset == "bp4d+gft"
    assert config.key != several_trial(sources[:1]).key


@pytest.mark.parametrize(
    ("norm", "method"),
    [
        *(("shared", method) for method in ("bce", "aunce", "clp")),
        *((norm, "aunce") for norm in ("per_dataset", "adapt")),
        *(
            pytest.param(norm, method, marks=pytest.mark.slow)
            for norm in ("per_dataset", "adapt")
            for method in ("bce", "clp")
        ),
    ],
)
def test_a_training_reads_no_frame_of_the_target(
    stores: dict[str, FrameStore], sources: list[FrameStore], reads: Reads, tmp_path: Path, method: str, norm: str
) -> None:
    config, target = several_trial(sources, method, norm=norm), stores["disfa"]
    done = run_trial(config, placed(target, tmp_path))
    assert done.error is None
    assert {name for name, _ in reads} == {"bp4d", "gft"}
    reads.clear()
    again = run_trial(config, placed(target, tmp_path / "asked", asked(target)))
    assert {name for name, _ in reads} == {"bp4d", "disfa", "gft"}
    assert same_scores(done, again), "what is tested on changes nothing"
    assert curve(done) == curve(again)


def test_no_person_trains_and_validates(
    stores: dict[str, FrameStore], sources: list[FrameStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, real = list[np.ndarray](), Loader.train

    def spy(loader: Loader, rows: np.ndarray, *given: Any, **named: Any) -> Iterator[Batch]:
        for batch in real(loader, rows, *given, **named):
            trained.append(batch.row.numpy())
            yield batch

    monkeypatch.setattr(Loader, "train", spy)
    run_trial(several_trial(sources), placed(stores["disfa"], tmp_path))
    union = UnionStore((*reversed(sources),))
    fold, seen = source_fold(union, 0.34, 0), np.unique(np.concatenate(trained))
    assert {*seen} <= {*fold.train}
    assert {*union.subjects_of(seen)} == {*union.subjects_of(fold.train)}
    assert not {*union.subjects_of(seen)} & {*union.subjects_of(fold.val)}


def test_the_same_trial_elsewhere_comes_to_the_same(
    stores: dict[str, FrameStore], study: StudyStore, finished: TrialResult, tmp_path: Path
) -> None:
    target = stores["disfa"]
    again = run_trial(finished.config, placed(target, tmp_path, asked(target)))
    assert same_scores(again, finished)
    assert curve(again) == curve(finished)
    for key in (finished.config.key, f"{finished.config.key}-last"):
        for fingerprint in ("", target.fingerprint):
            one, other = (read_predictions(s.predictions_path(key, fingerprint)) for s in (study, StudyStore(tmp_path)))
            assert one.frame.equals(other.frame)


@pytest.mark.parametrize("where", ["linear_evaluation", "keep_target"])
def test_a_stopped_trial_goes_on_to_the_same_end(
    stores: dict[str, FrameStore],
    study: StudyStore,
    finished: TrialResult,
    tmp_path: Path,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target, store = stores["disfa"], StudyStore(tmp_path)
    place = placed(target, tmp_path, asked(target))
    with monkeypatch.context() as stopping:
        stopping.setattr(trial_module, where, lambda *_: sys.exit())
        with pytest.raises(SystemExit):
            run_trial(finished.config, place)
    assert store.result(finished.config.key) is None
    done = run_trial(finished.config, place)
    assert same_scores(done, finished)
    for key in (finished.config.key, f"{finished.config.key}-last"):
        paths = [one.predictions_path(key, target.fingerprint) for one in (study, store)]
        assert read_predictions(paths[0]).frame.equals(read_predictions(paths[1]).frame)


def test_what_is_kept_of_a_target_is_what_the_kept_weights_say(
    stores: dict[str, FrameStore], study: StudyStore, finished: TrialResult
) -> None:
    target, key = stores["disfa"], finished.config.key
    said = {}
    for weights, name in (("best", key), ("last", f"{key}-last")):
        kept = read_predictions(study.predictions_path(name, target.fingerprint))
        assert kept.aus == (1,), "AU 12 and 15 are not of disfa, 25 of no source"
        assert (kept.frame["split"] == "test").all()
        np.testing.assert_array_equal(kept.labels, target.labels((1,)))
        detector = kept_detector(study, finished, weights)
        again = predict_target(finished.config, detector, target, torch.device("cpu"))
        assert again.frame.equals(kept.frame)
        said[weights] = kept.probabilities
        val = read_predictions(study.predictions_path(name))
        assert {*val.frame["split"]} == {"val"}
        assert {*val.subjects} == {*finished.scores["val"].subjects}
    assert [CODED["disfa"], len(said["best"])] == [(1, 25), len(target)]


def test_the_best_and_the_last_epoch_are_kept(
    stores: dict[str, FrameStore], sources: list[FrameStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coming, states, real = iter((0.5, 0.25)), list[dict[str, torch.Tensor]](), fit

    def spy(detector: Detector, job: Fitting) -> Iterator[EpochScore]:
        for score in real(detector, job):
            states.append(state_of(detector))
            yield score

    monkeypatch.setattr("model.fit.objective_value", lambda *_: next(coming))
    monkeypatch.setattr(trial_module, "fit", spy)
    done = run_trial(several_trial(sources), placed(stores["disfa"], tmp_path))
    best, last = (state_of(kept_detector(StudyStore(tmp_path), done, weights)) for weights in ("best", "last"))
    assert equal(best, states[0])
    assert equal(last, states[1])
    assert not equal(best, last)


def test_weights_that_are_gone_are_named(sources: list[FrameStore], finished: TrialResult, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{finished.config.key}-last.pt is missing. .* retry_failed=true"):
        kept_detector(StudyStore(tmp_path), finished, "last")


def test_adapting_changes_what_is_said_of_the_target_and_nothing_else(
    stores: dict[str, FrameStore], sources: list[FrameStore]
) -> None:
    target, device = stores["disfa"], torch.device("cpu")
    config = several_trial(sources, norm="adapt")
    detector = new_detector(config, (1, 12, 15))
    torch.nn.init.normal_(detector.classifier.weight, generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    adapted = predict_target(config, detector, target, device)
    plain = predict_target(several_trial(sources), detector, target, device)
    assert not np.allclose(adapted.probabilities, plain.probabilities)
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())
    again = predict_target(config, detector, target, device)
    assert again.frame.equals(adapted.frame)


def test_only_the_norm_that_is_asked_for_is_split(sources: list[FrameStore]) -> None:
    found = {}
    for norm in ("shared", "per_dataset", "adapt"):
        detector = new_detector(several_trial(sources, norm=norm), (1, 12, 15))
        found[norm] = sum(isinstance(module, DomainNorm) for module in detector.modules())
    assert (found["shared"], found["adapt"]) == (0, 0)
    assert found["per_dataset"] == 9


def test_people_of_the_target_who_were_trained_on_are_refused(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    again = store_of(tmp_path, "gft", subjects=3, frames=4, first=5)
    with pytest.raises(InputError, match=r"shows 1 of the 3 people of .*, in 6 of its 36 frames: S05\. Both") as caught:
        check_target(again, UnionStore((stores["bp4d"], stores["gft"])))
    assert "S06" not in str(caught.value)
    others = store_of(tmp_path, "gft", subjects=2, first=6, seed=5)
    assert check_target(others, UnionStore((stores["bp4d"], stores["gft"]))) == (1, 12, 15)


def test_a_target_that_was_trained_on_under_another_name_is_refused(tmp_path: Path) -> None:
    bp4d, gft = (drawn_store(tmp_path, layout) for layout in ("bp4d", "gft"))
    again = copied(gft, "affwild2", "jpeg")
    with pytest.raises(InputError, match=r"4 of the 4 people of .*: P0 as .* The pictures are the same") as caught:
        check_target(again, UnionStore((bp4d, gft)))
    assert bp4d.path.name not in str(caught.value)
    assert check_target(again, UnionStore((bp4d,))) == aus_of(gft.table)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"size": 32}, "has 32 px"), ({"aus": (26,)}, "codes no AU of bp4d\\+gft")],
)
def test_a_target_that_cannot_be_tested_on_is_refused(
    stores: dict[str, FrameStore], tmp_path: Path, changes: dict[str, int], said: str
) -> None:
    target = store_of(tmp_path, "affwild2", subjects=2, frames=2, **{"aus": (1,)} | changes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        check_target(target, UnionStore((stores["bp4d"], stores["gft"])))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"label_noise": 0.2}}, "data.label_noise=0.2 is not for several datasets"),
        ({"sources": {"norm": "per_dataset"}}, "norm='per_dataset' is only for launch/generalize.py"),
        ({"sources": {"stores": ["f"], "norm": "own"}}, "norm='own'; allowed: shared, per_dataset, adapt"),
        ({"method": {"form": "official"}}, "give form=corrected"),
    ],
)
def test_what_does_not_go_with_several_datasets_is_refused(changes: dict[str, dict[str, object]], said: str) -> None:
    plain = candidate("aunce").to_dict()
    merged = {name: plain[name] | given if name != "sources" else given for name, given in changes.items()}
    with pytest.raises(InputError, match=said):
        trial_from_dict(plain | merged)


def test_a_store_that_is_gone_fails_the_trial(stores: dict[str, FrameStore], tmp_path: Path) -> None:
    config = several_trial([stores["bp4d"]])
    missing = replace(config, sources=replace(config.sources, stores=(stores["bp4d"].fingerprint, "f00")))
    failed = run_trial(missing, placed(stores["bp4d"], tmp_path))
    assert "has no frame store f00" in str(failed.error)

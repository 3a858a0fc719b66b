"""Training data made worse: which labels and people change, and what a trial sees of it."""

import re
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from data.errors import InputError
from data.folds import Fold
from data.seeds import numpy_generator
from data.store import FrameStore
from study.records.config import NOISE_KINDS, DataSettings, TrialConfig
from study.trial import run as trial_module
from study.trial.label_noise import (
    FLIPS,
    flipped_shares,
    with_fewer_positives,
    with_fewer_subjects,
    with_label_noise,
    worsened,
)
from study.trial.run import run_trial
from tests.data.stores import tiny_fold, tiny_store
from tests.study.make import curve, placement, same_scores, small_trial

AUS = (1, 12)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    return tiny_store(tmp_path_factory.mktemp("frames"), subjects=12, frames=40, unknown=0.1)


@pytest.fixture(scope="module")
def fold(frames: FrameStore) -> Fold:
    return tiny_fold(frames)


def flipped(frames: FrameStore, noisy: FrameStore) -> np.ndarray:
    """Which labels differ, [n, A]."""
    return np.asarray(frames.labels(AUS) != noisy.labels(AUS))


def noisy_trial(frames: FrameStore, share: float, method: str = "aunce") -> TrialConfig:
    config = small_trial(frames, method)
    return replace(config, data=replace(config.data, label_noise=share), score_test=True)


def test_the_share_of_coded_labels_is_flipped_and_nothing_else(frames: FrameStore, fold: Fold) -> None:
    noisy = with_label_noise(frames, fold, 0.2, seed=0)
    before, after = frames.labels(AUS), noisy.labels(AUS)
    different = flipped(frames, noisy)
    np.testing.assert_array_equal(after[different], 1 - before[different])
    np.testing.assert_array_equal(after < 0, before < 0)
    assert not different[fold.test].any()
    for part in (fold.train, fold.val):
        coded = before[part] >= 0
        assert different[part].sum() / coded.sum() == pytest.approx(0.2, abs=0.07)
        for label in (0, 1):
            assert different[part][before[part] == label].mean() == pytest.approx(0.2, abs=0.1)
    assert noisy.table.schema == frames.table.schema
    assert noisy.table.drop("au_1", "au_12").equals(frames.table.drop("au_1", "au_12"))


def test_no_noise_is_the_store_itself(frames: FrameStore, fold: Fold) -> None:
    assert with_label_noise(frames, fold, 0.0, seed=0) is frames


def test_the_same_labels_are_flipped_again_and_more_of_them_at_a_larger_share(frames: FrameStore, fold: Fold) -> None:
    first, again, more = (flipped(frames, with_label_noise(frames, fold, share, 3)) for share in (0.1, 0.1, 0.3))
    np.testing.assert_array_equal(first, again)
    assert (more & first).sum() == first.sum() < more.sum()


def test_a_row_is_flipped_in_whatever_fold_it_trains(frames: FrameStore, fold: Fold) -> None:
    turned = Fold("turned", fold.test, fold.val, fold.train)
    one, other = (flipped(frames, with_label_noise(frames, part, 0.2, 0)) for part in (fold, turned))
    np.testing.assert_array_equal(one[fold.val], other[fold.val])
    assert other[fold.test].any()


def test_seeds_and_aus_have_errors_of_their_own(frames: FrameStore, fold: Fold) -> None:
    one, other = (flipped(frames, with_label_noise(frames, fold, 0.3, seed)) for seed in (0, 1))
    assert (one != other).any()
    coded = (frames.labels(AUS) >= 0).all(axis=1)
    assert (one[coded, 0] != one[coded, 1]).any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"label_noise": -0.1}, "label_noise=-0.1"),
        ({"label_noise": 0.51}, "label_noise=0.51"),
        ({"noise_kind": "loud"}, "noise_kind='loud'; allowed: symmetric, per_au, boundary, event, onset"),
        ({"positives": 1.1}, "positives=1.1"),
        ({"train_subjects": -1}, "train_subjects=-1"),
    ],
)
def test_what_there_is_not_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        DataSettings(**settings)


def test_every_kind_has_its_flips() -> None:
    assert tuple(FLIPS) == NOISE_KINDS


# --- kinds of noise


def with_labels(frames: FrameStore, au_1: np.ndarray) -> FrameStore:
    """`frames` with other labels of AU 1; -1 is not coded."""
    column = pl.Series("au_1", [None if value < 0 else int(value) for value in au_1], dtype=pl.Int8)
    return replace(frames, table=frames.table.with_columns(column))


def boundary_distance(labels: list[int], at: int) -> float:
    """Coded frames of one sequence between `at` and the nearest change, by looking at every change."""
    coded = [place for place, label in enumerate(labels) if label >= 0]
    here, known = coded.index(at), [labels[place] for place in coded]
    changes = [place for place in range(1, len(known)) if known[place] != known[place - 1]]
    return min((here - c if here >= c else c - 1 - here for c in changes), default=float("inf"))


def test_boundary_noise_flips_the_labels_nearest_to_a_change(frames: FrameStore, fold: Fold) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.integers(0, 2, len(frames) // 8), 8)
    labels[rng.random(len(labels)) < 0.1] = -1
    labels[:40] = 1  # a whole sequence without a change
    made = with_labels(frames, labels)
    flipped = FLIPS["boundary"](made, 1, 0.2, 0)
    names = made.table.select("subject", "sequence").rows()
    distance = np.full(len(frames), np.nan)
    for name in set(names):
        rows = [row for row, other in enumerate(names) if other == name]
        of_sequence = labels[rows].tolist()
        for place, row in enumerate(rows):
            if labels[row] >= 0:
                distance[row] = boundary_distance(of_sequence, place)
    coded = labels >= 0
    assert flipped.sum() == round(0.2 * coded.sum())
    assert not flipped[~coded].any()
    assert distance[flipped].max() <= distance[coded & ~flipped].min() < 4
    more = FLIPS["boundary"](made, 1, 0.4, 0)
    assert (more & flipped).sum() == flipped.sum() < more.sum()


def test_labels_that_never_change_have_no_boundary(frames: FrameStore) -> None:
    assert not FLIPS["boundary"](with_labels(frames, np.ones(len(frames))), 1, 0.5, 0).any()


def test_per_au_noise_has_rates_of_its_own_and_the_asked_mean(tmp_path: Path) -> None:
    frames = tiny_store(tmp_path, subjects=12, frames=100, aus=(1, 4, 12))
    rates = [FLIPS["per_au"](frames, au, 0.2, 0).mean() for au in (1, 4, 12)]
    assert sorted(rates) == pytest.approx([0.0, 0.2, 0.4], abs=0.04)
    orders = {
        tuple(np.argsort([FLIPS["per_au"](frames, au, 0.2, seed).mean() for au in (1, 4, 12)])) for seed in range(6)
    }
    assert len(orders) > 1


def with_events(frames: FrameStore, seed: int = 0) -> FrameStore:
    """`frames` with events of AU 1 of 6 to 14 frames, further apart than that; a few labels are not coded."""
    rng, labels = np.random.default_rng(seed), list[int]()
    while len(labels) < len(frames):
        labels += [0] * int(rng.integers(10, 40)) + [1] * int(rng.integers(6, 15))
    made = np.array(labels[: len(frames)])
    made[rng.random(len(made)) < 0.05] = -1
    return with_labels(frames, made)


def au_1(frames: FrameStore) -> list[int]:
    """The labels of AU 1; -1 is not coded."""
    return frames.table["au_1"].fill_null(-1).to_list()


def runs_of(frames: FrameStore) -> list[list[int]]:
    """Rows of each maximal run of equal labels of AU 1 in a sequence, without those that are not coded."""
    runs, last = list[list[int]](), None
    for row, (name, label) in enumerate(
        zip(frames.table.select("subject", "sequence").rows(), au_1(frames), strict=True)
    ):
        if label >= 0:
            if (name, label) != last:
                runs.append([])
            runs[-1].append(row)
            last = name, label
    return runs


def flipped_events(frames: FrameStore, share: float, seed: int) -> set[int]:
    """The rows that event noise flips, with loops."""
    rng, labels = numpy_generator("noisy events", frames.fingerprint, seed, 1), au_1(frames)
    runs = runs_of(frames)
    typical = round(float(np.median([len(run) for run in runs if labels[run[0]] == 1])))
    shifts, events = rng.integers(typical, size=len(runs)), {1: list[list[int]](), 0: list[list[int]]()}
    for run, shift in zip(runs, shifts, strict=True):
        if labels[run[0]] == 1:
            events[1].append(run)
        else:
            cuts = [0, *(at for at in range(1, len(run)) if (at + shift) % typical == 0), len(run)]
            events[0] += [run[begin:end] for begin, end in pairwise(cuts)]
    rows = set[int]()
    for kind in (1, 0):
        order, part = rng.permutation(len(events[kind])), rng.random()
        wanted, before = share * sum(map(len, events[kind])), 0
        for number in order:
            event = events[kind][number]
            if before + part * len(event) < wanted:
                rows |= {*event}
            before += len(event)
    return rows


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_event_noise_is_that_of_plain_loops(frames: FrameStore, share: float) -> None:
    made = with_events(frames)
    for seed in range(3):
        assert {*np.flatnonzero(FLIPS["event"](made, 1, share, seed))} == flipped_events(made, share, seed)


def test_an_event_flips_as_a_whole_and_false_events_are_as_long(frames: FrameStore) -> None:
    made = with_events(frames)
    labels, flipped = au_1(made), FLIPS["event"](made, 1, 0.3, 0)
    runs = runs_of(made)
    typical = np.median([len(run) for run in runs if labels[run[0]] == 1])
    inner = []
    for run in runs:
        if labels[run[0]] == 1:
            assert len({*flipped[run].tolist()}) == 1
        else:
            stretches = [(value, len([*same])) for value, same in groupby(flipped[run].tolist())]
            inner += [length for value, length in stretches[1:-1] if value]
    assert len(inner) > 1
    assert {length % typical for length in inner} == {0}


def flipped_onsets(frames: FrameStore, share: float, seed: int) -> set[int]:
    """The rows that onset noise flips, with loops: how far each change has to go to pass each label of its two runs."""
    names, runs = frames.table.select("subject", "sequence").rows(), runs_of(frames)
    meetings = [(a, b) for a, b in pairwise(runs) if names[a[0]] == names[b[0]]]
    moves = numpy_generator("moved onsets", frames.fingerprint, seed, 1).normal(size=len(meetings) + 1)
    passed = dict[int, float]()
    for (before, after), move in zip(meetings, moves[:-1], strict=True):
        for steps, row in enumerate(after if move > 0 else before[::-1], start=1):
            passed[row] = min(passed.get(row, np.inf), steps / abs(move))
    return {*sorted(passed, key=passed.__getitem__)[: round(share * sum(map(len, runs)))]}


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_onset_noise_is_that_of_plain_loops(frames: FrameStore, share: float) -> None:
    made = with_events(frames)
    for seed in range(3):
        found = {*np.flatnonzero(FLIPS["onset"](made, 1, share, seed))}
        assert found == flipped_onsets(made, share, seed)
        assert len(found) == round(share * sum(label >= 0 for label in au_1(made)))


@pytest.mark.parametrize("kind", ["event", "onset"])
def test_frames_that_are_missing_or_not_coded_end_no_event(frames: FrameStore, kind: str) -> None:
    whole = with_events(frames)
    sparse = replace(whole, table=whole.table.with_columns(pl.col("frame") * 7))
    np.testing.assert_array_equal(FLIPS[kind](sparse, 1, 0.3, 0), FLIPS[kind](whole, 1, 0.3, 0))
    labels = np.array(au_1(whole))
    assert not FLIPS[kind](whole, 1, 0.5, 0)[labels < 0].any()


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_every_kind_flips_the_share_of_the_training_labels_alone(tmp_path: Path, kind: str) -> None:
    frames = with_events(tiny_store(tmp_path, subjects=24, frames=100, aus=(1,), size=8))
    fold, before = tiny_fold(frames), np.array(au_1(frames))
    more = np.zeros(len(frames), dtype=bool)
    for share in (0.3, 0.2, 0.1):
        after = np.array(au_1(with_label_noise(frames, fold, share, 0, kind)))
        different = after != before
        assert different[fold.train].sum() / (before[fold.train] >= 0).sum() == pytest.approx(share, abs=0.05)
        assert not different[fold.test].any()
        np.testing.assert_array_equal(after < 0, before < 0)
        assert different[~more].sum() == 0 or share == 0.3, "what flips at 10 % also flips at 20 %"
        more = different
    others = [FLIPS[kind](frames, 1, 0.2, seed) for seed in (0, 1)]
    assert (others[0] != others[1]).any()
    found = flipped_shares(frames, 0.2, 0, kind)
    assert found == {1: pytest.approx(0.2, abs=0.03)}


def test_the_share_of_event_noise_is_exact_on_average_with_a_few_unlike_events(frames: FrameStore) -> None:
    labels = np.zeros(len(frames), dtype=int)
    for begin, length in ((10, 4), (60, 9), (100, 17)):
        labels[begin : begin + length] = 1
    made = with_labels(frames, labels)
    for kind in (1, 0):
        found = [FLIPS["event"](made, 1, 0.2, seed)[labels == kind].mean() for seed in range(400)]
        assert np.mean(found) == pytest.approx(0.2, abs=0.025)


def test_event_noise_without_events_and_with_nothing_else(frames: FrameStore) -> None:
    never = with_labels(frames, np.zeros(len(frames)))
    assert not FLIPS["event"](never, 1, 0.5, 0).any()
    assert flipped_shares(never, 0.5, 0, "event")[1] == 0
    always = with_labels(frames, np.ones(len(frames)))
    flipped = FLIPS["event"](always, 1, 0.5, 0)
    by_person = (
        always.table.select("subject", flipped=pl.Series(flipped)).group_by("subject").agg(pl.col("flipped").mean())
    )
    assert {*by_person["flipped"]} == {0.0, 1.0}, "each sequence is one event"
    assert flipped.mean() == pytest.approx(0.5, abs=0.1)
    for store in (never, always):
        assert not FLIPS["onset"](store, 1, 0.5, 0).any()


def test_neighbours_outvote_errors_on_single_frames_and_none_by_event(tmp_path: Path) -> None:
    frames = tiny_store(tmp_path, subjects=6, frames=200, aus=(1,), size=8)
    labels = np.repeat(np.tile([0, 1], 30), 20)
    made, left = with_labels(frames, labels), {}
    for kind in NOISE_KINDS:
        noisy = np.where(FLIPS[kind](made, 1, 0.2, 0), 1 - labels, labels).reshape(6, 200)
        votes = np.lib.stride_tricks.sliding_window_view(noisy, 5, axis=1).sum(axis=-1) > 2  # of five frames
        left[kind] = float((votes != labels.reshape(6, 200)[:, 2:-2]).mean())
    assert left["symmetric"] < 0.1
    assert min(left["event"], left["onset"]) > 0.17


# --- fewer positives, fewer people


def test_a_share_of_the_active_training_labels_is_kept(frames: FrameStore, fold: Fold) -> None:
    fewer, fewest = (with_fewer_positives(frames, fold, share, seed=0) for share in (0.5, 0.2))
    before, after, least = (store.labels(AUS) for store in (frames, fewer, fewest))
    changed = before != after
    assert (before[changed] == 1).all()
    assert (after[changed] == -1).all()
    assert not changed[np.concatenate([fold.val, fold.test])].any()
    assert changed[fold.train].sum() / (before[fold.train] == 1).sum() == pytest.approx(0.5, abs=0.1)
    assert (after[least == 1] == 1).all()
    assert with_fewer_positives(frames, fold, 1.0, seed=0) is frames


def test_fewer_people_train_and_the_same_ones_are_among_more(frames: FrameStore, fold: Fold) -> None:
    people = {count: {*frames.subjects_of(with_fewer_subjects(frames, fold, count, 0).train)} for count in (1, 3, 5)}
    assert [len(names) for names in people.values()] == [1, 3, 5]
    assert people[1] < people[3] < people[5]
    fewer = with_fewer_subjects(frames, fold, 3, 0)
    everyone = frames.subjects_of(fold.train)
    wanted = [row for row, name in zip(fold.train, everyone, strict=True) if name in people[3]]
    np.testing.assert_array_equal(fewer.train, wanted)
    assert (fewer.val is fold.val, fewer.test is fold.test) == (True, True)
    for count in (0, 6, 99):
        assert with_fewer_subjects(frames, fold, count, 0) is fold
    assert len({frozenset(frames.subjects_of(with_fewer_subjects(frames, fold, 2, s).train)) for s in range(8)}) > 1


def test_nothing_asked_is_nothing_done(frames: FrameStore, fold: Fold) -> None:
    assert worsened(frames, fold, DataSettings(), 0) == (frames, fold)


def test_all_of_it_together(frames: FrameStore, fold: Fold) -> None:
    asked = DataSettings(label_noise=0.3, noise_kind="boundary", positives=0.5, train_subjects=2)
    worse, smaller = worsened(frames, fold, asked, 0)
    before, after = frames.labels(AUS)[fold.train], worse.labels(AUS)[fold.train]
    assert {(int(a), int(b)) for a, b in zip(before.ravel(), after.ravel(), strict=True)} >= {(0, 1), (1, 0), (1, -1)}
    assert len({*frames.subjects_of(smaller.train)}) == 2


@pytest.mark.parametrize("method", ["aunce", "bce"])
def test_a_trial_trains_on_noisy_labels_and_is_tested_on_clean_ones(
    frames: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    seen = []
    real = trial_module._fitting

    def spy(config: TrialConfig, parts: trial_module._Parts, checkpoint: Path) -> object:
        seen.append(parts)
        return real(config, parts, checkpoint)

    monkeypatch.setattr(trial_module, "_fitting", spy)
    clean = run_trial(noisy_trial(frames, 0.0, method), placement(frames, tmp_path))
    noisy = run_trial(noisy_trial(frames, 0.3, method), placement(frames, tmp_path))
    assert (clean.status, noisy.status) == ("DONE", "DONE")
    assert clean.config.key != noisy.config.key
    fold = seen[1].fold
    np.testing.assert_array_equal(fold.val, seen[0].fold.val)
    served = np.concatenate([batch.labels.numpy() for batch in seen[1].loader.score(fold.train)])
    assert (served != (frames.labels(AUS)[fold.train] == 1)).any()
    assert curve(noisy)[0].loss != curve(clean)[0].loss
    active = [result.scores["test"].counts[..., [0, 2]].sum(axis=-1) for result in (clean, noisy)]
    np.testing.assert_array_equal(active[0], active[1])
    active = [result.scores["val"].counts[..., [0, 2]].sum(axis=-1) for result in (clean, noisy)]
    assert (active[0] != active[1]).any()
    assert clean.environment["protocol"] == noisy.environment["protocol"]


def test_an_interrupted_noisy_trial_comes_to_the_same(frames: FrameStore, tmp_path: Path) -> None:
    def switched_off(epoch: int, value: float) -> None:
        raise SystemExit

    config = noisy_trial(frames, 0.2)
    whole = run_trial(config, placement(frames, tmp_path / "whole"))
    with pytest.raises(SystemExit):
        run_trial(config, placement(frames, tmp_path / "cut"), switched_off)
    cut = run_trial(config, placement(frames, tmp_path / "cut"))
    assert same_scores(whole, cut)
    assert curve(whole) == curve(cut)

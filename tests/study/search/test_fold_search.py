"""The search of a fold: what is proposed, and that it goes on from the store as if it had never stopped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from study.records.config import TrialConfig
from study.records.store import StudyStore
from study.records.study_spec import PruningSettings
from study.search.fold_search import Proposals, Search, begin_rule, begin_search
from study.search.objectives import Goals
from study.search.space import parse_space
from tests.study.make import epochs, opened, result, trial

LR = {"optim": {"lr": {"log_uniform": [1e-4, 1.0]}}}
FOLDS = ("part1", "part2")


def search(spec: dict[str, Any] = LR, **given: Any) -> Search:
    return Search(trial(), parse_space(spec, trial()), Goals(), **{"sampler": "tpe", "seed": 0, **given})


def begin(store: StudyStore, asked: Search, fold: str = "part1") -> Proposals:
    return begin_search(asked, store, FOLDS)[fold]


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return opened(tmp_path / "mine")


def finish(store: StudyStore, proposals: Proposals, name: str, config: TrialConfig, **given: Any) -> None:
    store.write(result(config, given.pop("value", config.optim.lr), **given))
    proposals.tell(name)


def states(proposals: Proposals) -> list[str]:
    return [one.state.name for one in proposals.memory.study.trials]


def mirrored(store: StudyStore, fold: str) -> optuna.Study:
    backend = optuna.storages.journal.JournalFileBackend(str(store.journal_path))
    return optuna.load_study(study_name=f"mine {fold}", storage=optuna.storages.JournalStorage(backend))


def test_a_proposal_is_noted_before_it_starts(store: StudyStore) -> None:
    proposals = begin(store, search(), "part2")
    config = proposals.ask("a")
    assert config is not None
    assert config.data.fold == "part2"
    assert proposals.key_of("a") == config.key
    assert store.sampled() == {config.key: {"optim.lr": config.optim.lr}}
    assert store.begun()[config.key]["facts"]["tune_trial"] == "a"


def test_a_search_that_goes_on_begins_with_what_was_begun_and_proposes_nothing_twice(store: StudyStore) -> None:
    first = begin(store, search())
    configs = [first.ask(name) for name in "abcd"]
    assert all(configs)
    finish(store, first, "a", configs[0] or trial())
    second = begin(store, search())
    assert states(second) == ["COMPLETE"]
    again = [second.ask(name) for name in "efg"]
    assert again == configs[1:]
    later = [second.ask(name) for name in "hij"]
    assert len({config.key for config in [*configs, *later] if config}) == 7
    assert not any(one.state.name == "FAIL" for one in second.memory.study.trials), "no proposal was made twice"


def test_a_search_that_was_killed_before_its_first_result_proposes_nothing_twice(store: StudyStore) -> None:
    first = begin(store, search())
    configs = [first.ask(name) for name in "abc"]
    second = begin(store, search())
    again = [second.ask(name) for name in "defghi"]
    assert again[:3] == configs
    assert len({config.key for config in again if config}) == 6
    assert not any(one.state.name == "FAIL" for one in second.memory.study.trials), "no proposal was made twice"


def test_what_an_earlier_command_finished_is_not_proposed_again(store: StudyStore) -> None:
    two = search({"method": {"draw": {"choice": ["anchor", "au"]}}})
    first = begin(store, two)
    done = first.ask("a")
    assert done
    finish(store, first, "a", done, value=0.5)
    second = begin(store, two)
    other = second.ask("b")
    assert other is not None
    assert other != done
    assert second.ask("c") is None


def test_every_fold_has_a_search_of_its_own(store: StudyStore) -> None:
    one, two = (begin_search(search(), store, FOLDS)[fold] for fold in FOLDS)
    first, other = one.ask("a"), two.ask("b")
    assert first is not None
    assert other is not None
    assert first.optim.lr != other.optim.lr
    finish(store, one, "a", first)
    again = begin_search(search(), store, FOLDS)
    assert [states(again[fold]) for fold in FOLDS] == [["COMPLETE"], []]
    assert again["part2"].ask("c") == other


def test_the_journal_agrees_with_the_store(store: StudyStore) -> None:
    first = begin(store, search())
    for name, status in (("a", "DONE"), ("b", "PRUNED"), ("c", "FAILED")):
        config = first.ask(name)
        assert config
        first.report(name, 1, 0.25)
        first.report(name, 1, 0.25)  # by a process that was started again
        value = {"DONE": 0.5, "PRUNED": 0.25, "FAILED": None}[status]
        finish(store, first, name, config, value=value, status=status, curve=(0.25,))
    first.ask("d")
    for study in (mirrored(store, "part1"), begin(store, search()).memory.study, mirrored(store, "part1")):
        told = {one.user_attrs["trial_key"]: one for one in study.trials if "trial_key" in one.user_attrs}
        for outcome in store.outcomes():
            frozen = told[outcome.key]
            states = {"DONE": "COMPLETE", "PRUNED": "PRUNED", "FAILED": "FAIL"}
            assert frozen.state.name == states[outcome.status]
            assert frozen.value == outcome.value
            assert frozen.params == store.sampled()[outcome.key]
            assert frozen.intermediate_values[1] == outcome.reports[1] or outcome.status == "DONE"
            assert frozen.user_attrs["seconds"] == outcome.seconds
            assert frozen.user_attrs["tune_trial"] in "abc"
    assert sorted(one.state.name for one in study.trials) == ["COMPLETE", "FAIL", "PRUNED"]


def test_start_points_come_first_and_once(store: StudyStore) -> None:
    asked = search(points=({"optim.lr": 0.125}, {"optim.lr": 0.25}))
    first = begin(store, asked)
    config = first.ask("a")
    assert config
    assert config.optim.lr == 0.125
    finish(store, first, "a", config)
    second = begin(store, asked)
    rates = [found.optim.lr for found in (second.ask(name) for name in "bcd") if found]
    assert rates[0] == 0.25
    assert 0.125 not in rates


def test_a_small_space_is_searched_through_and_then_over(store: StudyStore) -> None:
    spec = {"head": {"dim": {"int": [4, 9]}}, "method": {"draw": {"choice": ["anchor", "au"]}}}
    proposals = begin(store, search(spec, sampler="tpe"))
    found: list[TrialConfig] = []
    while (config := proposals.ask(str(len(found)))) is not None:
        found.append(config)
        finish(store, proposals, str(len(found) - 1), config, value=0.5)
    assert len({config.key for config in found}) == len(found) == 12


def test_what_no_longer_fits_is_left_out(store: StudyStore) -> None:
    store.write(result(trial(1, lr=0.5)))  # not of this search: nothing was drawn for it
    assert states(begin(store, search())) == []


def test_a_rule_knows_the_results_and_the_running_trials_of_its_fold(store: StudyStore) -> None:
    store.write(result(trial(1), 0.75, curve=(0.125, 0.25, 0.5)))
    store.write(result(trial(2), 0.25, status="PRUNED", curve=(0.25,)))
    store.write(result(trial(3, fold="part2"), 0.75, curve=(0.5,)))
    store.write_progress(replace(result(trial(4)), epochs=epochs(0.375, 0.5)))
    store.write_progress(replace(result(trial(5, score_test=True)), epochs=epochs(0.625, 0.75)))  # not of the search
    base = replace(trial(), optim=replace(trial().optim, epochs=16))
    pruning = PruningSettings(grace=1, reduction=3)
    rule = begin_rule(replace(search(pruning=pruning), base=base), store, "part1")
    rungs = rule.brackets[0]  # type: ignore[attr-defined]
    assert rungs[1] == {trial(1).key: 0.125, trial(2).key: 0.25, trial(4).key: 0.375}
    assert rungs[3] == {trial(1).key: 0.75}, "the last report is the value of the trial"
    assert rungs[9] == {}


def test_the_last_report_of_a_running_trial_is_decided_again(store: StudyStore) -> None:
    for seed in (1, 2, 3):
        store.write(result(trial(seed), 0.75, curve=(0.5, 0.625)))
    store.write_progress(replace(result(trial(4)), epochs=epochs(0.125)))
    rule = begin_rule(search(pruning=PruningSettings(grace=1)), store, "part1")
    assert rule.stops(trial(4).key, 1, 0.125)

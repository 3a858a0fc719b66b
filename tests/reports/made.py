"""Real result stores with random numbers: studies with the same test subjects, and ablations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.catalog import CATALOG
from data.schemes import partition_scheme
from data.seeds import numpy_generator
from model.metrics import BINS, Score
from study.experiments.ablation import ablation_table
from study.experiments.partitions import partition_table
from study.records.config import trial_from_dict
from study.records.origin import ORIGIN, Origin
from study.records.result import TrialResult
from study.records.score_files import write_scores
from study.records.store import StudyStore
from study.records.study_spec import AblationSpec, StudySpec
from tests.study.make import epochs
from tests.study.specs import changed, search_spec

AUS = CATALOG["disfa"].aus
PARTS = {"part1": ("SN001", "SN002", "SN009"), "part2": ("SN003", "SN004", "SN005"), "part3": ("SN006", "SN010")}
PROVENANCE = {"command": "python launch/sweep.py", "git revision": "ceb08da", "frame store": "f" * 64}
PROVENANCE |= {ORIGIN: Origin("disfa", 8, 8, drawn=False).text}


def made_score(who: str, skill: float, subjects: Sequence[str], aus: Sequence[int]) -> Score:
    """Counts of a detector that finds the share `skill` of active frames; the labels are the same for every `who`."""
    counts = np.zeros((len(subjects), len(aus), 4), np.int64)
    for row, subject in enumerate(subjects):
        for column, au in enumerate(aus):
            frames, rng = 400, numpy_generator("made", subject, au)
            active = int(rng.integers(20, 160))
            ours = numpy_generator("made", who, subject, au)
            tp, fp = int(ours.binomial(active, skill)), int(ours.binomial(frames - active, (1 - skill) / 3))
            counts[row, column] = tp, fp, active - tp, frames - active - fp
    return Score(tuple(subjects), tuple(aus), counts, np.zeros((len(aus), 2, BINS), np.int64))


def made_result(
    who: str, skill: float, number: int, stage: str, parts: Mapping[str, Sequence[str]], given: dict[str, Any]
) -> TrialResult:
    """A finished trial on the first of `parts`; `given` is its configuration without fold and stage."""
    fold, people = next(iter(parts.items()))
    data = {"fold": fold, **given.get("data", {})}
    config = trial_from_dict({**given, "data": data, "score_test": stage == "final"})
    protocol = f"{config.data.dataset}-{config.data.fingerprint}-{fold}"
    scores = {"val": made_score(f"{who} val", skill, ["SN020", "SN021"], AUS)}
    if stage == "final":
        scores["test"] = made_score(f"{who} {config.seed}", skill, people, AUS)
    environment = {"torch": "2.15.0", "device": "cpu", "protocol": protocol}
    return TrialResult(
        config, "DONE", skill, epochs(0.2, skill), scores, 1.79e9 + 60 * number, 30.0 + number, None, environment
    )


def made_study(
    root: Path, skill: float = 0.7, seeds: int = 2, parts: Mapping[str, Sequence[str]] = PARTS, **asked: Any
) -> StudyStore:
    """A search of three trials and, with seeds, the final trials of the best; `asked` changes what was asked."""
    fingerprint, dataset = asked.pop("fingerprint", "f" * 8), asked.get("dataset", "disfa")
    data = {"dataset": dataset, "fingerprint": fingerprint, "fold_scheme": "parts"}
    name = asked.get("name", root.name)
    spec = search_spec(
        name,
        dataset=dataset,
        trials=3,
        aus=AUS,
        space={"optim": {"lr": {"log_uniform": [1e-4, 1e-2]}}},
        config=trial_from_dict({"data": data, "optim": {"lr": 0.002}}).to_dict(),
    )
    store = StudyStore(root)
    store.open_study(changed(spec, **asked), free=())
    store.write_provenance(PROVENANCE)
    for number in range(3):
        given: dict[str, Any] = {"data": data, "optim": {"lr": 0.001 * (number + 1)}}
        store.write(made_result(name, skill - 0.05 * (2 - number), number, "sweep", parts, given))
    for seed in range(1, 1 + seeds):  # the search had 0
        for number, part in enumerate(parts.items()):
            given = {"data": data, "optim": {"lr": 0.003}, "seed": seed}
            store.write(made_result(name, skill, 10 + number, "final", dict([part]), given))
    return store


def made_partitions(store: StudyStore, skills: Sequence[float], seeds: int = 2) -> StudyStore:
    """Trials of the best configuration on random partitions, one of each skill, and their table."""
    people, spec = [person for part in PARTS.values() for person in part], store.spec()
    done: dict[str, list[TrialResult]] = {}
    for number, skill in enumerate(skills, start=1):
        scheme = partition_scheme(2, number)
        order = numpy_generator("made partition", number).permutation(len(people))
        parts = {f"{scheme}-{at + 1}": [people[place] for place in order[at::2]] for at in range(2)}
        for at, part in enumerate(parts.items()):
            for seed in range(seeds):
                data = {**spec.config["data"], "fold_scheme": scheme, "fold": part[0]}
                given: dict[str, Any] = {"data": data, "optim": {"lr": 0.003}, "seed": seed}
                result = made_result(spec.name, skill + 0.02 * seed, 40 + at, "final", dict([part]), given)
                done.setdefault(scheme, []).append(store.write(result))
    write_scores(store.root, "partitions", partition_table(done))
    return store


def made_comparison(
    root: Path, variants: Mapping[str, float], noises: Sequence[float] = (0.0, 0.2), kind: str = "symmetric"
) -> StudyStore:
    """Variants by name and skill, as launch/compare.py writes them; the first is the reference."""
    store, done = StudyStore(root), {}
    variants_asked = AblationSpec({name: {"method": {"temperature": 0.2}} for name in variants}, tuple(noises), kind)
    trials = len(variants) * len(noises) * len(PARTS)
    facts: dict[str, Any] = {"objectives": ("f1",), "epochs": 2, "aus": AUS, "seeds": 1, "config": {"seed": 0}}
    store.open_study(StudySpec(root.name, "disfa", variants_asked, trials=trials, **facts), free=())
    store.write_provenance(PROVENANCE)
    for at, (name, skill) in enumerate(variants.items()):
        for noise in noises:
            data = {"dataset": "disfa", "label_noise": noise, "noise_kind": kind if noise else "symmetric"}
            given = {"data": data, "optim": {"lr": 0.001 * (at + 1)}}
            results = [made_result(name, skill - noise / 2, 0, "final", dict([part]), given) for part in PARTS.items()]
            done[name, noise] = [store.write(result) for result in results]
    write_scores(root, "ablation", ablation_table(done, dict.fromkeys(variants, next(iter(variants)))))
    return store

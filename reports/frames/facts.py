"""The content of one study for exports, the model card and comparisons."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from data.errors import InputError
from reports.frames import tables
from reports.frames.split_scores import scores_of_counts
from study.records.result import TrialResult
from study.records.study_spec import SearchSpec, StudySpec, search_in
from study.records.verdict import StudyVerdict
from study.scoring.verdicts import study_verdict


class StudyResults(tables.Results, Protocol):
    """What exports read from a result store; `study.records.store.StudyStore` is one."""

    def result(self, key: str) -> TrialResult | None: ...


@dataclass(frozen=True)
class Facts:
    """One study: its settings, its trials, and its final evaluation as far as it exists."""

    name: str
    root: Path
    spec: StudySpec
    search: SearchSpec
    provenance: dict[str, str]
    trials: pl.DataFrame
    finals: list[TrialResult]  # of one evaluation: one for each fold and seed
    counts: pl.DataFrame  # of their test subjects
    scores: pl.DataFrame  # study.records.score_table; from the counts alone until the final evaluation is complete
    complete: bool
    verdict: StudyVerdict

    @property
    def dataset(self) -> str:
        return self.spec.dataset

    @property
    def method(self) -> str:
        return self.spec.method

    @property
    def aus(self) -> tuple[int, ...]:
        return self.spec.aus

    @property
    def protocols(self) -> dict[str, str]:
        """By fold: the hash of its frames, labels, alignment and division into subjects."""
        found = {result.config.data.fold: result.environment.get("protocol", "") for result in self.finals}
        return dict(sorted(found.items()))

    @property
    def protocol(self) -> str:
        """One short name for the protocols of all folds; empty if one of them is unknown."""
        if not self.protocols or not all(self.protocols.values()):
            return ""
        return hashlib.sha256(repr(self.protocols).encode()).hexdigest()[:8]

    @property
    def fingerprints(self) -> list[str]:
        """Frame stores on which the final detectors were trained."""
        return sorted({result.config.data.fingerprint for result in self.finals})

    @property
    def seeds(self) -> list[int]:
        return sorted({result.config.seed for result in self.finals})

    @property
    def subjects(self) -> int:
        """Test subjects of all folds."""
        return self.counts["subject"].n_unique() if self.counts.height else 0


def facts_of(store: StudyResults, name: str = "") -> Facts:
    """Read a study; `InputError` if it is not a search, or has no finished trial."""
    spec = store.spec()
    search = search_in(store.root, spec)
    trials = store.trials()
    if trials.is_empty():
        raise InputError(f"no finished trial in {store.root} yet: run launch/sweep.py name={store.root.name}")
    bests = tables.best_trials(tables.numbered(trials, "sweep"), store)
    chosen = tables.final_runs(trials, bests, store.selections())
    keys = chosen.runs["key"].to_list()
    counts = store.counts(keys).filter(pl.col("split") == "test")
    scores = store.final_scores()
    # before the end of launch/final.py there are counts, but no predictions for other thresholds
    known = scores if scores.height else scores_of_counts(counts, spec.aus, chosen.selection)
    return Facts(
        name=name or spec.name,
        root=store.root,
        spec=spec,
        search=search,
        provenance=store.provenance(),
        trials=trials,
        finals=[result for key in keys if (result := store.result(key)) is not None],
        counts=counts,
        scores=known,
        complete=scores.height > 0,
        verdict=study_verdict(store, name or spec.name, known, keys, [best["key"] for best in bests.values()]),
    )

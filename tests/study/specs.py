"""What studies of each kind are asked for, for tests that begin them."""

from dataclasses import fields, replace
from typing import Any

from data.store import FrameStore
from study.records.study_spec import (
    ABLATION,
    DOMAIN_GENERALIZATION,
    EXTERNAL,
    HYPERPARAMETER_TRANSFER,
    ROBUSTNESS,
    AblationSpec,
    Asked,
    DomainGeneralizationSpec,
    ExternalSpec,
    HyperparameterTransferSpec,
    PruningSettings,
    RobustnessSpec,
    SearchSpec,
    SplitSpec,
    StudySpec,
)
from study.records.transfer_spec import TransferMember, TransferSpec

_SEARCH = SearchSpec(
    seed=0,
    sampler="tpe",
    warm_start="",
    pruning=PruningSettings("asha", grace=4, reduction=3),
    constraints=(),
    space={},
    searched=("optim.lr",),
)
OTHERS: dict[str, Asked] = {  # than searches
    ABLATION: AblationSpec({"bce": {}}, (0.0, 0.2)),
    ROBUSTNESS: RobustnessSpec({"bce": None}, {"blur": (2.0,)}),
    HYPERPARAMETER_TRANSFER: HyperparameterTransferSpec(("a", "b")),
    DOMAIN_GENERALIZATION: DomainGeneralizationSpec((SplitSpec("gft", "bp4d+disfa"),), {"bce": {}}, ("pooled",)),
    EXTERNAL: ExternalSpec("f" * 8, "e" * 8, "probability", "", "occurrence", frames=9, covered=8, unknown=1),
}


def search_spec(name: str = "mine", **given: Any) -> StudySpec:
    """A search of four trials on one fold; `given` are fields of `StudySpec` or of `SearchSpec`."""
    spec = StudySpec(name, "bp4d", _SEARCH, "aunce", ("f1",), epochs=2, trials=4, folds=("part1",))
    return changed(spec, **given)


def changed(spec: StudySpec, **given: Any) -> StudySpec:
    """`spec` with other values of its fields, or of those of its kind."""
    own = {f.name for f in fields(spec.asked)} & {*given}
    asked = replace(spec.asked, **{name: given.pop(name) for name in own})
    return replace(spec, asked=asked, **given)


def external_spec(detector: str, frames: FrameStore, **given: Any) -> StudySpec:
    """The predictions of another detector on all of `frames`; `given` are fields of `StudySpec` or `ExternalSpec`."""
    dataset = str(frames.table["dataset"][0])
    spec = StudySpec(detector, dataset, OTHERS[EXTERNAL], f"foreign:{detector}", store=str(frames.path))
    return changed(spec, **{"fingerprint": frames.fingerprint, **given})


def transfer_spec(*studies: TransferMember) -> TransferSpec:
    """What tables of these studies are of."""
    return TransferSpec("transfer", "nested", studies, {"gft": "occurrence"}, {"gft": "f" * 8}, (12,), {}, 1000, ())


def transfer_member(name: str, method: str, dataset: str) -> TransferMember:
    """A study of ours."""
    return TransferMember(name, method, dataset, dataset, (12,), detectors=3, trained_on=("f" * 8,))

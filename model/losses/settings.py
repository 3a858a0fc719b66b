"""Settings of every method; importing them does not import torch."""

from dataclasses import dataclass, field
from typing import Any

from data.errors import InputError, raise_all
from data.settings import ClipSettings, check_choices, check_ranges, setting


@dataclass(frozen=True)
class Ratios:
    """Shares of the four kinds of positives; they sum to 1."""

    self: float = setting(0.2, "share of anchors whose positive is the other view of the frame")
    max: float = setting(0.2, "share of anchors whose positive is the most similar frame of the same label")
    mean: float = setting(0.6, "share of anchors whose positive is the mean over frames of the same label")
    centroid: float = setting(0.0, "share of anchors whose positive is the running mean of their class")

    def __post_init__(self) -> None:
        names = ("self", "max", "mean", "centroid")
        problems = check_ranges(self, dict.fromkeys(names, (0.0, 1.0)))
        total = sum(getattr(self, name) for name in names)
        if abs(total - 1) > 1e-6:
            problems.append(f"{' + '.join(names)} = {total:g}; the four shares must sum to 1")
        raise_all("ratios:", problems)


@dataclass(frozen=True)
class AunceSettings:
    """Parameters of the AUNCE loss; the defaults are those of the released code."""

    temperature: float = setting(0.5, "temperature of the similarities")
    beta_active: float = setting(1.2, "beta=constant: exponent on the negatives of active anchors")
    beta_inactive: float = setting(0.8, "beta=constant: exponent on the negatives of inactive anchors")
    ratios: Ratios = field(default_factory=Ratios, metadata={"help": "shares of the kinds of positives"})
    beta: str = setting("constant", "exponents on the negatives: `constant`, or from each AU's `base_rate`")
    beta_strength: float = setting(0.25, "beta=base_rate: the exponents are 1 +- strength (1 - 2 base rate)")
    centroid_momentum: float = setting(0.99, "share of a class centroid that a step keeps")
    draw: str = setting("anchor", "one positive kind is drawn per `anchor`, or per `au` and batch")
    form: str = setting("corrected", "`corrected`, or `official` for the released code's arithmetic")
    class_weights: bool = setting(False, "weigh each AU by its inverse base rate (mean 1)")

    def __post_init__(self) -> None:
        ranges = {"temperature": (0.01, 10.0), "beta_active": (0.0, 10.0), "beta_inactive": (0.0, 10.0)}
        ranges |= {"beta_strength": (0.0, 0.95), "centroid_momentum": (0.0, 0.99999)}
        choices = {"draw": ("anchor", "au"), "form": ("corrected", "official"), "beta": ("constant", "base_rate")}
        problems = check_ranges(self, ranges) + check_choices(self, choices)
        # the released code has neither: a result under its name would be of another method
        if self.form == "official" and (self.ratios.centroid > 0 or self.beta == "base_rate"):
            problems.append("form=official has neither centroids nor beta=base_rate; set form=corrected for them")
        raise_all("method aunce:", problems)


@dataclass(frozen=True)
class SupconSettings:
    """Parameters of supervised contrastive learning."""

    temperature: float = setting(0.1, "temperature of the similarities")
    class_weights: bool = setting(False, "weigh each AU by its inverse base rate (mean 1)")

    def __post_init__(self) -> None:
        raise_all("method supcon:", check_ranges(self, {"temperature": (0.01, 10.0)}))


@dataclass(frozen=True)
class HardNegativeSettings:
    """Parameters of hard-negative contrastive learning."""

    temperature: float = setting(0.5, "temperature of the similarities")
    beta: float = setting(1.0, "how much similar negatives weigh more; 0 gives all negatives equal weight")
    tau_plus: float = setting(0.1, "labels=false: probability that a negative has the label of the anchor")
    labels: bool = setting(True, "use the labels to separate positives from negatives")
    class_weights: bool = setting(False, "labels=true: weigh each AU by its inverse base rate (mean 1)")

    def __post_init__(self) -> None:
        ranges = {"temperature": (0.01, 10.0), "beta": (0.0, 10.0), "tau_plus": (0.0, 0.9)}
        raise_all("method hard_negative:", check_ranges(self, ranges))


@dataclass(frozen=True)
class SimclrSettings:
    """Parameters of SimCLR."""

    temperature: float = setting(0.5, "temperature of the similarities")
    hidden: int = setting(256, "width of the projector")
    dim: int = setting(64, "length of a projection")

    def __post_init__(self) -> None:
        ranges = {"temperature": (0.01, 10.0), "hidden": (2, 16_384), "dim": (2, 4096)}
        raise_all("method simclr:", check_ranges(self, ranges))


@dataclass(frozen=True)
class MocoSettings:
    """Parameters of MoCo."""

    temperature: float = setting(0.2, "temperature of the similarities")
    momentum: float = setting(0.99, "share of its weights that the momentum encoder keeps in each step")
    queue: int = setting(4096, "number of keys kept as negatives; each frame of a batch adds two")
    hidden: int = setting(256, "width of the projector")
    dim: int = setting(64, "length of a projection")

    def __post_init__(self) -> None:
        ranges = {"temperature": (0.01, 10.0), "momentum": (0.0, 1.0), "queue": (1, 1e6)}
        raise_all("method moco:", check_ranges(self, {**ranges, "hidden": (2, 16_384), "dim": (2, 4096)}))


@dataclass(frozen=True)
class ByolSettings:
    """Parameters of BYOL."""

    momentum: float = setting(0.99, "share of its weights that the momentum encoder keeps in each step; 0: SimSiam")
    hidden: int = setting(256, "width of projector and predictor")
    dim: int = setting(64, "length of a projection")

    def __post_init__(self) -> None:
        ranges = {"momentum": (0.0, 1.0), "hidden": (2, 16_384), "dim": (2, 4096)}
        raise_all("method byol:", check_ranges(self, ranges))


@dataclass(frozen=True)
class ClpSettings:
    """Parameters of CLP; the paper publishes no values, so the defaults are ours."""

    then: str = setting("probe", "probe: linear evaluation; finetune: train all with cross-entropy, after `pretrain.*`")
    clip: ClipSettings = field(default_factory=ClipSettings, metadata={"help": "length and spacing of clips"})
    margin: float = setting(0.2, "added to the similarity of a clip's first and last frame; less for nearer frames")
    temperature: float = setting(0.2, "temperature of the similarities within a clip")
    cross_weight: float = setting(1.0, "weight of the cross-identity loss")
    cross_temperature: float = setting(0.2, "temperature of the similarities to reconstructed codes")
    attention: float = setting(0.1, "temperature of the attention that reconstructs a code")
    neighbours: int = setting(16, "number of nearest codes of other people that reconstruct a code")
    bank: int = setting(2048, "number of codes kept, one for each frame of the last batches")
    momentum: float = setting(0.99, "share of its weights that the momentum encoder keeps in each step")

    def __post_init__(self) -> None:
        ranges = dict.fromkeys(("temperature", "cross_temperature", "attention"), (0.01, 10.0))
        ranges |= {"margin": (0.0, 10.0), "cross_weight": (0.0, 100.0), "momentum": (0.0, 1.0)}
        problems = check_ranges(self, {**ranges, "neighbours": (1, 1e6), "bank": (1, 1e6)})
        raise_all("method clp:", problems + check_choices(self, {"then": ("probe", "finetune")}))


@dataclass(frozen=True)
class BceSettings:
    """Parameters of the supervised baseline."""

    label_smoothing: float = setting(0.0, "targets become y (1 - s) + s / 2")
    balance: float = setting(0.5, "weight of active labels is (inactive / active) ** balance; 0 for no weight")
    class_weights: bool = setting(False, "weigh each AU by its inverse base rate (mean 1)")

    def __post_init__(self) -> None:
        raise_all("method bce:", check_ranges(self, {"label_smoothing": (0.0, 0.5), "balance": (0.0, 2.0)}))


@dataclass(frozen=True)
class FocalSettings:
    """Parameters of the focal loss.

    The paper's alpha of 0.25 is for object detection, with one object among thousands of boxes. With AUs it keeps most
    probabilities below the usual threshold of 0.5, so the default gives both classes equal weight.
    """

    gamma: float = setting(2.0, "focusing exponent; larger values give well predicted labels less weight")
    alpha: float = setting(0.5, "weight of active labels; that of inactive ones is 1 - alpha")
    class_weights: bool = setting(False, "weigh each AU by its inverse base rate (mean 1)")

    def __post_init__(self) -> None:
        raise_all("method focal:", check_ranges(self, {"gamma": (0.0, 10.0), "alpha": (0.0, 1.0)}))


@dataclass(frozen=True)
class AsymmetricSettings:
    """Parameters of the asymmetric loss; the defaults are the paper's."""

    gamma_active: float = setting(0.0, "focusing exponent of active labels")
    gamma_inactive: float = setting(4.0, "focusing exponent of inactive labels")
    margin: float = setting(0.05, "inactive labels predicted below this probability add no loss")
    class_weights: bool = setting(False, "weigh each AU by its inverse base rate (mean 1)")

    def __post_init__(self) -> None:
        ranges = {"gamma_active": (0.0, 10.0), "gamma_inactive": (0.0, 10.0), "margin": (0.0, 0.5)}
        raise_all("method asymmetric:", check_ranges(self, ranges))


@dataclass(frozen=True)
class GraphSupervisedSettings(AsymmetricSettings):
    """Parameters of ME-GraphAU's loss; the graph itself is `head.neighbours`."""

    gamma_inactive: float = setting(1.0, "focusing exponent of inactive labels")
    margin: float = setting(0.0, "inactive labels predicted below this probability add no loss")
    class_weights: bool = setting(True, "weigh each AU by its inverse base rate (mean 1)")


MethodSettings = (
    AunceSettings
    | SupconSettings
    | HardNegativeSettings
    | SimclrSettings
    | MocoSettings
    | ByolSettings
    | ClpSettings
    | BceSettings
    | FocalSettings
    | AsymmetricSettings
)

METHOD_SETTINGS: dict[str, type[Any]] = {
    "aunce": AunceSettings,
    "supcon": SupconSettings,
    "hard_negative": HardNegativeSettings,
    "simclr": SimclrSettings,
    "moco": MocoSettings,
    "byol": ByolSettings,
    "clp": ClpSettings,
    "bce": BceSettings,
    "focal": FocalSettings,
    "asymmetric": AsymmetricSettings,
    "graph_supervised": GraphSupervisedSettings,
}


def settings_of(method: str) -> type[Any]:
    """The settings of `method`; `InputError` with the choices for any other name."""
    if method not in METHOD_SETTINGS:
        raise InputError(f"method={method!r}; allowed: {', '.join(METHOD_SETTINGS)}")
    return METHOD_SETTINGS[method]

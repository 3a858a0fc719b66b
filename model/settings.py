"""Settings of the detector and of its training; importing them does not import torch."""

from dataclasses import dataclass

from data.errors import InputError, raise_all
from data.settings import check_choices, check_ranges, setting

BACKBONES = (
    "tiny",
    "resnet18",
    "resnet50",
    "mobilenet_v3_small",
    "swin_t",
    "swin_b",
)
NORMS = ("shared", "per_dataset", "adapt")  # see `model.norm`
OBJECTIVES = ("f1", "auc")
POOLS = ("mean", "flatten")
PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class BackboneSettings:
    """Which encoder, and where its weights come from."""

    name: str = setting("tiny", f"one of {', '.join(BACKBONES)}")
    weights: str = setting(
        "",
        "torchvision weight name, e.g. IMAGENET1K_V1, or sha256:<digest> of a file; empty for random weights",
    )

    def __post_init__(self) -> None:
        if self.name not in BACKBONES:
            raise InputError(f"backbone={self.name!r}; allowed: {', '.join(BACKBONES)}")


@dataclass(frozen=True)
class HeadSettings:
    """Shape of the per-AU head."""

    dim: int = setting(32, "length of each AU's embedding")
    pool: str = setting("mean", "`mean` over tokens (AUNCE), or `flatten`, which keeps their positions in the image")
    neighbours: int = setting(0, "AUs linked to each AU in a relation graph (AUNCE: 4); 0 for no graph")

    def __post_init__(self) -> None:
        ranges = {"dim": (2, 4096), "neighbours": (0, 64)}
        raise_all("head:", check_ranges(self, ranges) + check_choices(self, {"pool": POOLS}))


@dataclass(frozen=True)
class OptimSettings:
    """How a detector is trained."""

    epochs: int = setting(16, "epochs of training")
    batch_size: int = setting(64, "frames in a batch; each gives two views")
    lr: float = setting(2e-3, "peak learning rate (AdamW, one warm-up, then cosine to 0)")
    weight_decay: float = setting(1e-3, "weight decay of AdamW")
    warmup: float = setting(1.0, "epochs of linear warm-up")
    epoch_frames: int = setting(0, "frames in an epoch, drawn again for each; 0 for all")
    precision: str = setting("fp32", "fp32, or bf16 autocast (there is no fp16); losses are always computed in fp32")
    separate_views: bool = setting(False, "embed each view separately, with its own BatchNorm statistics")
    compile: bool = setting(False, "compile the embedding of training steps; if that fails, train without it")
    checkpointing: bool = setting(False, "save memory: compute the backbone's activations twice, do not keep them")
    objective: str = setting("f1", "what is maximised on the validation subjects: mean `f1` or mean `auc` over AUs")

    def __post_init__(self) -> None:
        ranges = {"epochs": (1, 100_000), "batch_size": (2, 65_536), "lr": (0.0, 10.0), "weight_decay": (0.0, 10.0)}
        problems = check_ranges(self, {**ranges, "warmup": (0.0, 1000.0), "epoch_frames": (0, 1e9)})
        if self.compile and self.checkpointing:
            problems.append("compile=True and checkpointing=True do not work together; choose one")
        raise_all("optim:", problems + check_choices(self, {"precision": PRECISIONS, "objective": OBJECTIVES}))


@dataclass(frozen=True)
class ProbeSettings:
    """The linear classifiers: the online probe during training, and the linear evaluation at its end."""

    online_lr: float = setting(1e-2, "learning rate of the classifier while the encoder is being trained")
    lr: float = setting(3e-2, "learning rate of the linear evaluation (Adam)")
    weight_decay: float = setting(1e-6, "weight decay of the linear evaluation")
    epochs: int = setting(30, "epochs of the linear evaluation; the best on the validation subjects is kept")
    batch_size: int = setting(256, "batch size of the linear evaluation")
    frames: int = setting(
        20_000, "training frames embedded for the linear evaluation, drawn at random if there are more"
    )
    balance: float = setting(0.5, "weight of active labels is (inactive / active) ** balance")

    def __post_init__(self) -> None:
        ranges = {"online_lr": (0.0, 10.0), "lr": (1e-8, 10.0), "weight_decay": (0.0, 1.0), "epochs": (1, 10_000)}
        raise_all(
            "probe:", check_ranges(self, {**ranges, "batch_size": (1, 1e6), "frames": (1, 1e9), "balance": (0, 1)})
        )

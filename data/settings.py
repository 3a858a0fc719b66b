"""Settings are frozen dataclasses whose fields carry their own one-line help; those of `data` stand here.

They import without torch and polars: the keys of a command line are made of them.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType, UnionType
from typing import Any, get_args, get_origin

from data.errors import InputError, raise_all
from data.schemes import random_scheme

_EXPECTED = {tuple[str, ...]: "a list of words"}

VAL_SHARE = 0.25  # of the training subjects, to validate with when nobody gives another share
_FOLDS = {"parts": 3, "official": 1}


def setting(default: Any, help: str, least: float | None = None) -> Any:
    """A dataclass field with a default, the line that `--help` prints for it, and the least value that it may have."""
    return dataclasses.field(default=default, metadata={"help": help} | ({} if least is None else {"least": least}))


def fold_count(scheme: str) -> int:
    """How many folds a fold scheme of `data.folds` makes; 0 for a scheme that it does not know."""
    parts, _ = random_scheme(scheme) or (0, 0)
    return _FOLDS.get(scheme, parts)


def check_least(settings: Any) -> list[str]:
    """One problem for each field of `settings` that is less than it may be."""
    least = {f.name: f.metadata["least"] for f in dataclasses.fields(settings) if "least" in f.metadata}
    values = {name: getattr(settings, name) for name in least}
    return [f"{name}={value:g}; at least {least[name]:g}" for name, value in values.items() if value < least[name]]


def check_ranges(settings: Any, ranges: Mapping[str, tuple[float, float]]) -> list[str]:
    """One problem for each field of `settings` that lies outside its closed range."""
    return [
        f"{name}={getattr(settings, name)!r} lies outside [{low:g}, {high:g}]"
        for name, (low, high) in ranges.items()
        if not low <= getattr(settings, name) <= high
    ]


def check_choices(settings: Any, choices: Mapping[str, tuple[str, ...]]) -> list[str]:
    """One problem for each field of `settings` whose value is none of its choices."""
    return [
        f"{name}={getattr(settings, name)!r}; allowed: {', '.join(allowed)}"
        for name, allowed in choices.items()
        if getattr(settings, name) not in allowed
    ]


def settings_from_dict(
    kind: Any, values: Mapping[str, Any], path: str = "", types: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """An instance of the dataclass `kind`; what is nested in `values` becomes what its fields are declared as.

    `types` stand in for the declared ones. `InputError` lists the keys that are missing or unknown, with the nearest
    allowed one; `path` stands before their names.
    """
    prefix, (declared, needed) = f"{path}." if path else "", _fields(kind)
    problems = [_unknown(prefix + name, name, list(declared)) for name in values if name not in declared]
    problems += [f"missing key {prefix + name!r}" for name in needed if name not in values]
    raise_all("settings:", problems)
    kinds = {**declared, **types}
    return kind(**{name: typed_value(kinds[name], value, prefix + name) for name, value in values.items()})


@cache
def _fields(kind: type[Any]) -> tuple[dict[str, Any], list[str]]:
    """The type of every field of a dataclass, and the names of those without a default."""
    fields = dataclasses.fields(kind)
    needed = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    return {f.name: f.type for f in fields}, needed


def settings_to_dict(settings: Any) -> dict[str, Any]:
    """Nested dict of a dataclass and those in it, a quarter of the time of `dataclasses.asdict`: nothing is copied."""
    values = {name: getattr(settings, name) for name in _fields(settings.__class__)[0]}
    return {name: settings_to_dict(v) if dataclasses.is_dataclass(v) else v for name, v in values.items()}


def typed_value(kind: Any, value: Any, path: str) -> Any:
    """`value` as the type `kind` has it: a dict as settings, a list as a tuple, an int as a float; checked."""
    if type(value) is kind:  # most of them, among 10,000 trials of 70 settings
        return value
    if isinstance(kind, UnionType):
        return None if value is None else typed_value(get_args(kind)[0], value, path)
    container, inner = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return settings_from_dict(kind, value, path)
    if container is dict and isinstance(value, Mapping):
        return {inner[0](name): typed_value(inner[1], one, f"{path}.{name}") for name, one in value.items()}
    if container is tuple and isinstance(value, list | tuple):
        types = inner if inner[-1] is not ... else inner[:1] * len(value)
        if len(types) == len(value):
            return tuple(typed_value(types[at], one, f"{path}[{at}]") for at, one in enumerate(value))
    boolean = isinstance(value, bool)
    if kind is float and isinstance(value, int) and not boolean:
        return float(value)
    if kind is Any or (container is None and isinstance(value, kind) and boolean == (kind is bool)):
        return value
    expected = _EXPECTED.get(kind) or getattr(container or kind, "__name__", kind)
    raise InputError(f"{path}={value!r} is {type(value).__name__}, expected {expected}")


def _unknown(path: str, name: str, allowed: list[str]) -> str:
    near = get_close_matches(name, allowed, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown key {path!r}.{hint} Allowed: {', '.join(allowed)}"


ALIGNMENTS = ("precropped", "landmarks", "box", "haar", "yunet")
YUNET = "face_detection_yunet_2023mar.onnx"


@dataclass(frozen=True)
class AlignSettings:
    """How the face is found in a frame, and how much around it is kept; see `data.faces.align`."""

    name: str = setting("precropped", "precropped, landmarks, box, haar or yunet")
    landmarks: str = setting("", "landmarks made elsewhere (folder, parquet or CSV); empty: the dataset's own")
    model: str = setting("", f"yunet: path of {YUNET}")
    margin: float = setting(0.1, "how much wider the crop is at each edge, as a share of its side")

    def __post_init__(self) -> None:
        problems = [*check_choices(self, {"name": ALIGNMENTS}), *check_ranges(self, {"margin": (0, 1)})]
        if self.landmarks and self.name not in ("landmarks", "box"):
            problems.append(f"landmarks={self.landmarks!r} needs name=landmarks or name=box, not {self.name!r}")
        if self.model and self.name != "yunet":
            problems.append(f"model={self.model!r} needs name=yunet, not {self.name!r}")
        if self.name == "yunet" and not self.model:
            problems.append(f"name=yunet needs the path of a model: download {YUNET} from the model zoo of OpenCV")
        raise_all("alignment:", problems)


CODECS = ("raw", "jpeg")


@dataclass(frozen=True)
class StoreSettings:
    """How the frames of a store are kept; see `data.store`."""

    size: int = setting(256, "side of the stored frames in pixels")
    codec: str = setting("raw", "raw: fastest, 3 * size * size bytes a frame; jpeg: about a tenth of that")
    quality: int = setting(95, "JPEG quality; crops that are JPEG files of this size already are kept as they are")

    def __post_init__(self) -> None:
        ranges = {"size": (8, 1024), "quality": (1, 100)}
        raise_all("frame store:", [*check_ranges(self, ranges), *check_choices(self, {"codec": CODECS})])


@dataclass(frozen=True)
class ViewSettings:
    """How the views of a training frame are drawn (`data.views`); the defaults are those of the AUNCE recipe."""

    crop: int = setting(64, "side of the crop in pixels; the frame store must be at least as large")
    flip: float = setting(0.5, "probability of a horizontal flip")
    jitter: float = setting(0.8, "probability of colour jitter")
    brightness: float = setting(0.4, "brightness factor is drawn from 1 +- this")
    contrast: float = setting(0.4, "contrast factor is drawn from 1 +- this")
    saturation: float = setting(0.4, "saturation factor is drawn from 1 +- this")
    hue: float = setting(0.1, "hue shift in turns is drawn from +- this")
    grayscale: float = setting(0.2, "probability of grayscale")
    blur: float = setting(1.0, "probability of a 3x3 Gaussian blur")
    blur_sigma: float = setting(2.0, "largest sigma of the blur in pixels; the smallest is 0.1")

    def __post_init__(self) -> None:
        probabilities = ("flip", "jitter", "brightness", "contrast", "saturation", "grayscale", "blur")
        ranges = dict.fromkeys(probabilities, (0.0, 1.0))
        raise_all(
            "views:",
            check_ranges(self, {**ranges, "hue": (0, 0.5), "crop": (8, 4096), "blur_sigma": (0.1, 10)}),
        )


@dataclass(frozen=True)
class ClipSettings:
    """What a clip is; see `data.clips`.

    With `shared_views` the frames of a clip differ by nothing but time, which is what the temporal loss is about. The
    network can then also tell them apart by how head and light drift; views drawn frame by frame hide most of that.
    """

    frames: int = setting(8, "frames of a clip")
    stride: int = setting(2, "a clip takes every so many frames of its sequence")
    shared_views: bool = setting(True, "a view has the same crop, flip, colours and blur in all frames of a clip")

    def __post_init__(self) -> None:
        raise_all("clip:", check_ranges(self, {"frames": (1, 256), "stride": (1, 1000)}))

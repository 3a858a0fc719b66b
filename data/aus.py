"""The action unit vocabulary: FACS numbers and their names."""

AU_NAMES: dict[int, str] = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
}


def au_column(au: int) -> str:
    """Name of the FrameTable column that holds `au`: `au_12`."""
    return f"au_{au}"


def intensity_column(au: int) -> str:
    """Name of the FrameTable column that holds the intensity of `au`: `intensity_12`."""
    return f"intensity_{au}"


def shared_aus(*label_sets: tuple[int, ...]) -> tuple[int, ...]:
    """Action units that every label set codes, ascending."""
    common = set(label_sets[0]).intersection(*label_sets[1:])
    return tuple(sorted(common))

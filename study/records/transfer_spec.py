"""TransferSpec: what the tables of launch/transfer.py are of, and the one schema of their transfer.json."""

from dataclasses import dataclass

from study.records.versioned import record_of, to_versioned, versioned


@dataclass(frozen=True)
class TransferMember:
    """A study whose detectors are scored on other datasets, or the predictions of another detector."""

    name: str
    method: str
    source: str  # dataset that was trained on
    target: str  # dataset of its own frames
    aus: tuple[int, ...]
    detectors: int
    trained_on: tuple[str, ...] = ()  # fingerprints of the frame stores; none of another detector


@dataclass(frozen=True)
class TransferSpec:
    """What was asked for and what of it could be scored; the keys of the mappings are datasets."""

    name: str
    selection: str
    studies: tuple[TransferMember, ...]
    conventions: dict[str, str]  # what a positive label means
    stores: dict[str, str]  # fingerprints
    common_aus: tuple[int, ...]
    base_rates: dict[str, dict[int, float]]  # by AU, where they were given
    replicates: int
    notes: tuple[str, ...]  # on what is left out

    def to_json(self) -> bytes:
        """The content of transfer.json."""
        return to_versioned(self)


def transfer_spec_from_json(content: bytes, origin: str) -> TransferSpec:
    """The spec in the transfer.json `origin`; version 1 has the same fields."""
    spec: TransferSpec = record_of(TransferSpec, versioned(content, origin), origin)
    return spec

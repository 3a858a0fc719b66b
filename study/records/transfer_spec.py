"""TransferSpec: what the tables of launch/transfer.py contain, and the one schema of their transfer.json."""

from dataclasses import dataclass

from study.records.versioned import record_of, to_versioned, versioned


@dataclass(frozen=True)
class TransferMember:
    """A study whose detectors are scored on other datasets, or the predictions of an external detector."""

    name: str
    method: str
    source: str  # dataset it was trained on
    target: str  # dataset of its own frames
    aus: tuple[int, ...]
    detectors: int
    trained_on: tuple[str, ...] = ()  # fingerprints of the frame stores; empty for an external detector


@dataclass(frozen=True)
class TransferSpec:
    """What was wanted and what could be scored; the keys of the mappings are datasets."""

    name: str
    selection: str
    studies: tuple[TransferMember, ...]
    conventions: dict[str, str]  # what a positive label means
    stores: dict[str, str]  # fingerprints
    common_aus: tuple[int, ...]
    base_rates: dict[str, dict[int, float]]  # by AU, for datasets where the user gave them
    replicates: int
    notes: tuple[str, ...]  # what was left out, and why

    def to_json(self) -> bytes:
        """The content of transfer.json."""
        return to_versioned(self, "transfer.json")


def transfer_spec_from_json(content: bytes, origin: str) -> TransferSpec:
    """The spec in the transfer.json `origin`; version 1 has the same fields."""
    spec: TransferSpec = record_of(TransferSpec, versioned(content, origin), origin)
    return spec

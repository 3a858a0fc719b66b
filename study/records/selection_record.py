"""SelectionRecord: the final trials that a selection rule chose; scores/final.json has one for each rule."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SelectionRecord:
    """Keys of the chosen final trials, by fold."""

    trials: dict[str, tuple[str, ...]]  # one for each seed
    candidates: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)  # that the rule chose among

    @property
    def keys(self) -> list[str]:
        """The keys of all folds."""
        return [key for fold in self.trials.values() for key in fold]

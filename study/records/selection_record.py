"""SelectionRecord: which final trials a selection rule stands for; scores/final.json has one for each rule."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SelectionRecord:
    """Keys of final trials, by fold."""

    trials: dict[str, tuple[str, ...]]  # one a seed
    candidates: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)  # that the rule chose among

    @property
    def keys(self) -> list[str]:
        """Those of all folds."""
        return [key for fold in self.trials.values() for key in fold]

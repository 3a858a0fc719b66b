"""The mark of a raw tree that this software drew, whatever dataset it looks like."""

from pathlib import Path

DRAWN_RECORD = "synthetic.json"  # `data.synthetic.trees` writes it into every tree, with the arguments of the drawing


def is_drawn(root: Path) -> bool:
    """Whether the raw tree at `root` holds drawn faces."""
    return (root / DRAWN_RECORD).is_file()

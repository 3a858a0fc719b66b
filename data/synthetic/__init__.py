"""Faces with known action units, drawn without any data, as the raw trees of the four datasets."""

from data.synthetic.layouts import LAYOUTS
from data.synthetic.trees import write_tree

__all__ = ["LAYOUTS", "write_tree"]

"""Faces with known action units, drawn without any data, as the raw trees of the four datasets.

`trees.write_tree` is the way in. `layouts/` writes the files of each dataset as they are distributed, from the facts
of its catalog row; `recordings` says what is coded and shown in each frame; the other modules draw the face. `damage`
loads the faults of the tests when one is asked for.

No other room of `data` imports this one: a user's own data never passes through it.
"""

from data.synthetic.layouts import LAYOUTS
from data.synthetic.trees import write_tree

__all__ = ["LAYOUTS", "write_tree"]

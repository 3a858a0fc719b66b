"""Readers: one module a dataset, whose `read(root, row, **options)` makes a `Reading` of the tree as distributed.

`_common` has what they share: tolerant listings of folders, strict reading of label files. `_images` finds images by
the number that is their name. A reader collects all problems of a tree and raises one `InputError` with them; what it
can explain it leaves out, with the reason. `lists` reads the lists of images and labels that other code publishes.

Readers take facts from their row and import nothing from the catalog, which imports them.
"""

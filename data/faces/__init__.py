"""Where the face is in every frame: `align.locate` finds it, `align.align` cuts the crop out.

`landmarks` reads points that come with a dataset (`mats`) or were made elsewhere (`tables`), `detect` finds faces with
OpenCV, `points` turns points into a crop. Slow results are kept in a cache beside the stores.
"""

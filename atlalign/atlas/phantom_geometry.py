"""Which structure of the phantom lies where: the brain is painted from large parts to small ones."""

from __future__ import annotations

import numpy as np

from atlalign.atlas.phantom_cortex import cortical_sheet, paint_cortex
from atlalign.atlas.phantom_ends import paint_bulb, paint_cerebellum
from atlalign.atlas.phantom_hippocampus import paint_hippocampus
from atlalign.atlas.phantom_nuclei import paint_nuclei, paint_ventricles
from atlalign.atlas.phantom_outline import frame


def annotate(ap_mm: np.ndarray, dv_mm: np.ndarray, ml_mm: np.ndarray, thinnest_mm: float) -> np.ndarray:
    """Return the structure at each point of the phantom.

    Parameters
    ----------
    ap_mm, dv_mm, ml_mm : ndarray
        Atlas coordinates in mm that broadcast to the result's shape.
    thinnest_mm : float
        Least thickness of cell layers and slits: coarse grids would otherwise cut them into dots.

    Returns
    -------
    ndarray of uint32
        Structure ids, 0 outside the brain.

    Examples
    --------
    >>> annotate(np.array([0.0]), np.array([0.0]), np.array([0.0]), 0.025)
    array([0], dtype=uint32)
    """
    everywhere = frame(ap_mm, dv_mm, ml_mm)
    brain = everywhere.depth > 0
    image = np.zeros(brain.shape, dtype=np.uint32)
    if not brain.any():
        return image
    where = everywhere.select(brain)
    ids = np.zeros(where.depth.shape, dtype=np.uint32)
    sheet = cortical_sheet(where)
    paint_nuclei(ids, where)
    paint_cortex(ids, where, sheet)
    paint_hippocampus(ids, where, sheet, thinnest_mm)
    paint_bulb(ids, where)
    paint_cerebellum(ids, where)
    paint_ventricles(ids, where, sheet, thinnest_mm)
    image[brain] = ids
    return image

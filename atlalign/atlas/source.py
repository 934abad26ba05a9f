"""What an atlas is made from: volumes in memory or formulas, behind one small interface."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from atlalign.atlas.interpolation import Axes


class AtlasSource(Protocol):
    """Where an atlas takes its voxels from.

    Coordinates are three arrays (ap, dv, ml) in um from the outer corner of the first voxel that broadcast
    to the result's shape. What lies outside the atlas is 0.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of the annotation along (ap, dv, ml)."""

    @property
    def resolution_um(self) -> tuple[float, float, float]:
        """Spacing of the annotation along (ap, dv, ml), um."""

    def reference_image(self, axes_um: Axes) -> np.ndarray:
        """Return the reference, float32 in [0, 1], of the pixels (h, w) at some coordinates."""

    def annotation_at(self, axes_um: Axes) -> np.ndarray:
        """Return the structure ids, uint32, at some coordinates."""

    def hemisphere_at(self, axes_um: Axes) -> np.ndarray:
        """Return the hemispheres, uint8 (1 left, 2 right), at some coordinates."""


def halves(shape: tuple[int, int, int], resolution_um: tuple[float, float, float], axes_um: Axes) -> np.ndarray:
    """Return the hemispheres of an atlas whose midline is the middle of its ml axis.

    Parameters
    ----------
    shape : tuple of 3 int
        Voxels along (ap, dv, ml).
    resolution_um : tuple of 3 float
        Spacing, um.
    axes_um : tuple of 3 ndarray
        Coordinates that broadcast, um.

    Returns
    -------
    ndarray of uint8
        2 in the first half of the ml axis, which is the animal's right, 1 in the second, 0 outside.

    Examples
    --------
    >>> import numpy as np
    >>> halves((2, 2, 4), (25, 25, 25), (np.array([0]), np.array([0]), np.array([-1, 0, 49, 50, 100])))
    array([0, 2, 2, 1, 0], dtype=uint8)
    """
    voxels = [np.floor(np.asarray(axis) / step) for axis, step in zip(axes_um, resolution_um, strict=True)]
    inside = np.array(True)
    for voxel, size in zip(voxels, shape, strict=True):
        inside = inside & (voxel >= 0) & (voxel < size)
    side = np.where(voxels[2] >= shape[2] // 2, 1, 2)
    return np.where(inside, side, 0).astype(np.uint8)

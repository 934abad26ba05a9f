"""Values of volumes between and at their voxels, on coordinates that broadcast."""

from __future__ import annotations

from typing import Literal

import numpy as np

Axes = tuple[np.ndarray, np.ndarray, np.ndarray]


def trilinear(volume: np.ndarray, voxels: Axes, border: Literal["nearest", "wrap"] = "nearest") -> np.ndarray:
    """Interpolate a volume linearly at fractional voxel coordinates.

    Parameters
    ----------
    volume : ndarray, shape (a, b, c)
        Any real dtype.
    voxels : tuple of 3 ndarray
        Coordinates along each axis, voxel centres at whole numbers. They broadcast to the result's shape;
        axes of length one are interpolated once.
    border : {"nearest", "wrap"}
        What lies outside: the nearest voxel, or the volume again.

    Returns
    -------
    ndarray of float32

    Examples
    --------
    >>> volume = np.arange(8.0).reshape(2, 2, 2)
    >>> trilinear(volume, (np.array([0.5]), np.array([0.0]), np.array([0.0])))
    array([2.], dtype=float32)
    """
    lower, upper, weights = [], [], []
    for axis, size in zip(voxels, volume.shape, strict=True):
        floor = np.floor(axis)
        weights.append((axis - floor).astype(np.float32))
        below = floor.astype(np.intp)
        if border == "wrap":
            lower.append(below % size)
            upper.append((below + 1) % size)
        else:
            lower.append(np.clip(below, 0, size - 1))
            upper.append(np.clip(below + 1, 0, size - 1))

    def along(corner: tuple[np.ndarray, ...]) -> np.ndarray:
        """Interpolate the axes after those already fixed at a corner."""
        depth = len(corner)
        if depth == 3:
            return volume[corner].astype(np.float32, copy=False)
        low = along((*corner, lower[depth]))
        # on the voxel grid itself, as in native coronal planes, half of the gathers have weight zero
        if not weights[depth].any():
            return low
        return low + weights[depth] * (along((*corner, upper[depth])) - low)

    return along(())


def nearest(volume: np.ndarray, voxels: Axes) -> np.ndarray:
    """Return the value of the voxel that holds each point, 0 outside.

    Parameters
    ----------
    volume : ndarray, shape (a, b, c)
        Any dtype.
    voxels : tuple of 3 ndarray
        Coordinates along each axis counted from the outer corner: voxel i holds ``i <= x < i + 1``.

    Returns
    -------
    ndarray
        Of the volume's dtype, in the shape that the coordinates broadcast to.

    Examples
    --------
    >>> volume = np.arange(8).reshape(2, 2, 2)
    >>> nearest(volume, (np.array([0.5]), np.array([1.9]), np.array([0.0, 2.0])))
    array([2, 0])
    """
    indices, inside = [], np.array(True)
    for axis, size in zip(voxels, volume.shape, strict=True):
        floor = np.floor(axis)
        inside = inside & (floor >= 0) & (floor < size)
        indices.append(np.clip(floor, 0, size - 1).astype(np.intp))
    values = volume[tuple(indices)]
    return np.where(inside, values, np.zeros((), dtype=volume.dtype))

"""The structure and the hemisphere at points of a canvas, by the million."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.section.canvas import Canvas

# A structure's id, which has at most 32 bits, and its side make one key.
SIDES_IN_KEY = 4


class StructureLookup:
    """What the atlas says at points of a canvas: the same as at the points in space, but quicker on coronal planes.

    All points of a coronal plane lie in one layer of voxels, which is taken out of the atlas once. Planes that are
    oblique ask the atlas for each point.

    Parameters
    ----------
    atlas : Atlas
    canvas : Canvas
        Its plane says where in the atlas its points lie.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> from atlalign.section import Canvas
    >>> atlas = Atlas.load("phantom:100")
    >>> canvas = Canvas(atlas.plane(6000), (80, 114), np.eye(2, 3), (100, 100), "given")
    >>> lookup = StructureLookup(atlas, canvas)
    >>> x, y = np.array([[35.0, 78.0, -3.0]]), np.array([[30.0, 30.0, 0.0]])
    >>> [atlas.structures[int(i)].acronym if i else "" for i in lookup.labels(x, y)[0]]
    ['CP', 'CP', '']
    >>> (lookup.keys(x, y) % SIDES_IN_KEY).tolist()   # 1 left, 2 right
    [[2, 1, 0]]
    """

    def __init__(self, atlas: Atlas, canvas: Canvas):
        self._atlas = atlas
        self._plane = canvas.plane
        self._shape = canvas.shape

    def labels(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.uint32]:
        """Return the structure ids at points of the canvas, px; 0 outside the atlas."""
        if self._plane.is_coronal:
            return self._layer_labels.take(self._voxels(x, y))
        return self._atlas.annotation_at(self._points_um(x, y))

    def keys(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return id * 4 + side at points of the canvas, px; the side is 1 left, 2 right and 0 outside the atlas."""
        if self._plane.is_coronal:
            return self._layer_keys.take(self._voxels(x, y))
        points_um = self._points_um(x, y)
        return _keys(self._atlas.annotation_at(points_um), self._atlas.hemisphere_at(points_um))

    @cached_property
    def _layer_um(self) -> NDArray[np.float64]:
        """Centres of the layer's voxels, with one more around them, which are outside."""
        down, across = (
            (np.arange(-1, n + 1) + 0.5) * step
            for n, step in zip(self._atlas.shape[1:], self._atlas.resolution_um[1:], strict=True)
        )
        layer = np.empty((down.size, across.size, 3))
        layer[..., 0] = self._plane.position_um
        layer[..., 1], layer[..., 2] = down[:, None], across
        return layer

    @cached_property
    def _layer_labels(self) -> NDArray[np.uint32]:
        return self._atlas.annotation_at(self._layer_um).ravel()

    @cached_property
    def _layer_keys(self) -> NDArray[np.int64]:
        return _keys(self._layer_labels, self._atlas.hemisphere_at(self._layer_um).ravel())

    def _voxels(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the index in the layer of the voxel that holds each point."""
        indices = []
        for axis in (1, 2):
            index = self._along(axis, x, y)
            index /= self._atlas.resolution_um[axis]
            np.floor(index, out=index)
            np.clip(index, -1, self._atlas.shape[axis], out=index)
            indices.append(index)
        down, across = indices
        down *= self._atlas.shape[2] + 2
        down += across
        down += self._atlas.shape[2] + 3
        return down.astype(np.intp)

    def _points_um(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        points_um = np.empty((*x.shape, 3))
        for axis in range(3):
            points_um[..., axis] = self._along(axis, x, y)
        return points_um

    def _along(self, axis: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the coordinate of points along an axis of the atlas, um; see `Plane.pixels_to_um`."""
        height, width = self._shape
        across, down = self._plane.u_um[axis] / width, self._plane.v_um[axis] / height
        if not across:
            found = y + 0.5
            found *= down
        else:
            found = x + 0.5
            found *= across
            if down:
                found += (y + 0.5) * down
        found += self._plane.origin_um[axis]
        return found


def _keys(labels: NDArray[np.uint32], sides: NDArray[np.uint8]) -> NDArray[np.int64]:
    return labels.astype(np.int64) * SIDES_IN_KEY + sides

"""A section at the atlas's resolution beside the slice of the atlas that it lies in, turned as the section is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlalign.plane import Plane
from atlalign.section.canvas import Canvas
from atlalign.section.resampling import resize_affine

if TYPE_CHECKING:
    from atlalign.registration.result import Registration


@dataclass(frozen=True, eq=False)
class SectionGrid:
    """A section at the atlas's resolution, and where each of its pixels lies in a slice of the atlas.

    Attributes
    ----------
    shape : (h, w)
        Pixels of the section's image, edge to edge, of about one voxel each.
    to_section : ndarray, shape (2, 3)
        From px of this grid to px of the section.
    plane : Plane
        The slice: the atlas's whole plane. Its axes run as the section's do, to the nearest quarter turn, mirrored if
        the section is; those of a section that is upright run as the atlas's.
    slice_shape : (h, w)
        Voxels of the slice.
    deltas_xy : ndarray, float32, shape (h, w, 2)
        From px of this grid to px of the slice.
    """

    shape: tuple[int, int]
    to_section: np.ndarray
    plane: Plane
    slice_shape: tuple[int, int]
    deltas_xy: np.ndarray

    @classmethod
    def of(cls, registration: Registration) -> SectionGrid:
        """Return the grid of a registered section."""
        canvas, resolution_um = registration.canvas, registration.atlas.resolution_um
        voxel_um = np.array([resolution_um[2], resolution_um[1]])
        extent_um = np.array(registration.section.shape[::-1]) * canvas.section_pixel_um
        width, height = (max(1, round(size)) for size in extent_um / voxel_um)
        to_section = resize_affine((height, width), registration.section.shape)
        plane, slice_shape = _turned(canvas, resolution_um)
        y, x = np.indices((height, width))
        deltas_xy = np.empty((height, width, 2), dtype=np.float32)
        for part, points_um, _ in registration.atlas_points(*section_axes(to_section, (height, width))):
            places = plane.um_to_pixels(points_um.reshape(-1, 3), slice_shape).reshape(*points_um.shape[:2], 2)
            deltas_xy[part] = places - np.stack([x[part], y[part]], axis=-1)
        return cls((height, width), to_section, plane, slice_shape, deltas_xy)

    def inv_deltas_xy(self, registration: Registration) -> np.ndarray:
        """Return the way back, from px of the slice to px of this grid: float32, (h, w, 2) of the slice."""
        height, width = self.slice_shape
        inverse = np.empty((height, width, 2), dtype=np.float32)
        scale, shift = np.diag(self.to_section[:, :2]), self.to_section[:, 2]
        for row in range(height):
            points = np.stack([np.arange(width), np.full(width, row)], axis=1)
            on_section = registration.atlas_to_section(self.plane.pixels_to_um(points, self.slice_shape))
            inverse[row] = (on_section - shift) / scale - points
        return inverse


def section_axes(to_section: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return x of the columns and y of the rows of a grid that covers the section edge to edge, px of the section.

    Examples
    --------
    >>> x, y = section_axes(resize_affine((1, 2), (4, 4)), (1, 2))
    >>> x.tolist(), y.tolist()
    ([0.5, 2.5], [1.5])
    """
    (scale_x, _, shift_x), (_, scale_y, shift_y) = to_section
    return scale_x * np.arange(shape[1]) + shift_x, scale_y * np.arange(shape[0]) + shift_y


def _turned(canvas: Canvas, resolution_um: tuple[float, float, float]) -> tuple[Plane, tuple[int, int]]:
    """Return the canvas's plane with axes that run as the section's do, and its size in voxels."""
    plane = canvas.plane
    edges_um = (plane.u_um, plane.v_um)
    voxels = (round(plane.width_um / resolution_um[2]), round(plane.height_um / resolution_um[1]))
    directions = canvas.from_section[:, :2] * np.array(canvas.pixel_um)[:, None]
    across = int(abs(directions[1, 0]) > abs(directions[0, 0]))  # the canvas's axis that the section's rows follow
    axes = (across, 1 - across)
    backwards = [directions[axis, i] < 0 for i, axis in enumerate(axes)]
    origin = plane.origin_um + sum(edges_um[axis] * back for axis, back in zip(axes, backwards, strict=True))
    u_um, v_um = (edges_um[axis] * (-1 if back else 1) for axis, back in zip(axes, backwards, strict=True))
    return Plane(origin, u_um, v_um), (voxels[axes[1]], voxels[axes[0]])

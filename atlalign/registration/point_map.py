"""Where each point of a section lies in the atlas, and back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from atlalign._field.sampling import sample_grid
from atlalign.base import DisplacementField
from atlalign.registration.point_inversion import solve_points
from atlalign.section.canvas import Canvas

# Points of a grid that are computed at once: few enough for a processor's cache, enough for what each call costs.
_POINTS_AT_ONCE = 2**17
_COLUMNS_AT_ONCE = 2**14  # fewer than what cv2.remap takes


class PointMap:
    """The map between points of a section and points of the atlas.

    Convention: a section point goes to the canvas by the canvas's affine map, to the registered image against the
    field, which is a pull-back, and to the atlas by the canvas's plane.

    Parameters
    ----------
    canvas : Canvas
        Where the section lies before the field, and the plane.
    field : DisplacementField
        Moving -> registered, on the canvas.
    inverse_field : DisplacementField, optional
        Its inverse; computed when it is needed unless given.

    Raises
    ------
    ValueError
        If a field has not the canvas's shape.

    Examples
    --------
    >>> from atlalign import Plane
    >>> canvas = Canvas(Plane.coronal(500, (1000, 800, 1140)), (80, 114), np.eye(2, 3), (10, 10), "given")
    >>> field = DisplacementField.generate((80, 114), "affine_simple", translation_x=4)
    >>> points = PointMap(canvas, field)
    >>> points.section_to_atlas([[50, 30]])
    array([[500., 305., 465.]])
    >>> points.atlas_to_section([[500, 305, 465]]).round(6)
    array([[50., 30.]])
    """

    def __init__(self, canvas: Canvas, field: DisplacementField, inverse_field: DisplacementField | None = None):
        for given in (field, inverse_field):
            if given is not None and given.shape != tuple(canvas.shape):
                raise ValueError(
                    f"A field must have the shape of its canvas, {tuple(canvas.shape)}. Received: {given.shape}. "
                    "Give fields and canvas of one registration."
                )
        self.canvas = canvas
        self.field = field
        if inverse_field is not None:
            self.inverse_field = inverse_field

    @cached_property
    def inverse_field(self) -> DisplacementField:
        """Registered -> moving, on the canvas."""
        return self.field.pseudo_inverse()

    def section_to_registered(self, points_xy: Any) -> np.ndarray:
        """Return the points of the registered image for points of the section.

        Parameters
        ----------
        points_xy : array_like, shape (n, 2)
            (x, y) px of the section.

        Returns
        -------
        ndarray, float64, shape (n, 2)
            (x, y) px of the canvas.

        Raises
        ------
        ValueError
            If the points have another shape or are not finite.
        """
        moving = self.canvas.section_to_canvas(checked_points(points_xy, 2))
        return solve_points(self.field, moving, moving + self.inverse_field.sample(moving))

    def section_to_atlas(self, points_xy: Any) -> np.ndarray:
        """Return the atlas points of points of the section.

        Parameters
        ----------
        points_xy : array_like, shape (n, 2)
            (x, y) px of the section; whole numbers are pixel centres.

        Returns
        -------
        ndarray, float64, shape (n, 3)
            (ap, dv, ml) um. Points off the canvas are extrapolated and may lie outside the atlas.

        Raises
        ------
        ValueError
            If the points have another shape or are not finite.
        """
        return self.canvas.plane.pixels_to_um(self.section_to_registered(points_xy), self.canvas.shape)

    def atlas_to_section(self, points_um: Any) -> np.ndarray:
        """Return the points of the section for points of the atlas.

        Parameters
        ----------
        points_um : array_like, shape (n, 3)
            (ap, dv, ml) um. Points off the section's plane are first projected onto it at right angles.

        Returns
        -------
        ndarray, float64, shape (n, 2)
            (x, y) px of the section, which may lie outside its image.

        Raises
        ------
        ValueError
            If the points have another shape or are not finite.
        """
        registered = self.canvas.plane.um_to_pixels(checked_points(points_um, 3), self.canvas.shape)
        return self.canvas.canvas_to_section(self.field.transform_points(registered))

    def distance_um(self, points_um: Any) -> np.ndarray:
        """Return how far points of the atlas are from the section's plane.

        Parameters
        ----------
        points_um : array_like, shape (n, 3)
            (ap, dv, ml) um.

        Returns
        -------
        ndarray, float64, shape (n,)
            um, at right angles to the plane; not negative.

        Examples
        --------
        >>> from atlalign import Plane
        >>> canvas = Canvas(Plane.coronal(500, (1000, 800, 1140)), (80, 114), np.eye(2, 3), (10, 10), "given")
        >>> PointMap(canvas, DisplacementField.generate((80, 114))).distance_um([[420, 0, 0]])
        array([80.])
        """
        plane = self.canvas.plane
        normal = np.cross(plane.u_um, plane.v_um)
        return np.abs((checked_points(points_um, 3) - plane.origin_um) @ (normal / np.linalg.norm(normal)))

    def grid_to_atlas(self, columns: Any, rows: Any) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Go through a grid of section positions in bands of rows, so that memory stays bounded.

        Parameters
        ----------
        columns, rows : array_like, shapes (w,) and (h,)
            x of the grid's columns and y of its rows, px of the section.

        Yields
        ------
        part : slice
            Rows of the grid.
        points_um : ndarray, shape (n, w, 3)
            (ap, dv, ml) um: what `section_to_atlas` gives, from the inverse field alone.
        on_canvas : ndarray, bool, shape (n, w)
            Which of them the canvas covers.
        """
        for part, x, y in self.grid_to_registered(columns, rows):
            points = np.stack([x, y], axis=-1)
            points_um = self.canvas.plane.pixels_to_um(points.reshape(-1, 2), self.canvas.shape)
            yield part, points_um.reshape(*x.shape, 3), self.canvas.contains(points)

    def grid_to_registered(self, columns: Any, rows: Any) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Go through a grid of section positions in bands of rows, so that memory stays bounded.

        Parameters
        ----------
        columns, rows : array_like, shapes (w,) and (h,)
            x of the grid's columns and y of its rows, px of the section.

        Yields
        ------
        part : slice
            Rows of the grid.
        x, y : ndarray, float64, shape (n, w)
            Px of the canvas: what `section_to_registered` gives, from the inverse field alone.
        """
        columns, rows = np.asarray(columns, dtype=np.float64), np.asarray(rows, dtype=np.float64)
        band = max(1, _POINTS_AT_ONCE // max(1, columns.size))
        inverse = self.inverse_field
        for start in range(0, rows.size, band):
            part = slice(start, min(start + band, rows.size))
            x, y = (
                (a * columns)[None, :] + (b * rows[part])[:, None] + shift for a, b, shift in self.canvas.from_section
            )
            for left in range(0, columns.size, _COLUMNS_AT_ONCE):
                across = slice(left, left + _COLUMNS_AT_ONCE)
                at = x[:, across].astype(np.float32), y[:, across].astype(np.float32)
                x[:, across] += sample_grid(inverse.delta_x, *at)
                y[:, across] += sample_grid(inverse.delta_y, *at)
            yield part, x, y


def checked_points(points: Any, dimensions: int) -> np.ndarray:
    """Return points as float64, or raise an error that says what they must be.

    Examples
    --------
    >>> checked_points([[1, 2]], 2)
    array([[1., 2.]])
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != dimensions or not np.isfinite(array).all():
        names = "(x, y)" if dimensions == 2 else "(ap, dv, ml)"
        raise ValueError(
            f"Points must be finite and of shape (n, {dimensions}), one {names} a row. "
            f"Received: shape {array.shape}. Remove points without a position."
        )
    return array

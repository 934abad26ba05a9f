"""What a registration and one that was saved have in common: the map between the section and the atlas."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from atlalign.registration.structure_lookup import SIDES_IN_KEY, StructureLookup
from atlalign.section.canvas import Canvas

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.registration.point_map import PointMap


class MappedSection:
    """A section of which each point has its place in an atlas.

    Attributes
    ----------
    section : Section or SavedSection
        Its `shape`, and its `mask`: what counts of it.
    atlas : Atlas
    canvas : Canvas
        Where the section was put before any network saw it.
    """

    section: Any
    atlas: Atlas
    canvas: Canvas

    @cached_property
    def point_map(self) -> PointMap:
        """The map between points of the section and points of the atlas."""
        raise NotImplementedError

    def section_to_atlas(self, points_xy: Any) -> np.ndarray:
        """Return the atlas points of points of the section.

        Parameters
        ----------
        points_xy : array_like, shape (n, 2)
            (x, y) px of the section at its full size; whole numbers are pixel centres.

        Returns
        -------
        ndarray, float64, shape (n, 3)
            (ap, dv, ml) um. Points off the canvas are extrapolated and may lie outside the atlas.

        Raises
        ------
        ValueError
            If the points have another shape or are not finite.
        """
        return self.point_map.section_to_atlas(points_xy)

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
        return self.point_map.atlas_to_section(points_um)

    def labels_at(self, columns: Any, rows: Any) -> np.ndarray:
        """Return the structures on a grid of section positions, such as that of a smaller picture of it.

        Parameters
        ----------
        columns : array_like, shape (w,)
            x of the grid's columns, px of the section, whole or not.
        rows : array_like, shape (h,)
            y of its rows.

        Returns
        -------
        ndarray, uint32, shape (h, w)
            Ids of the atlas's structures; 0 outside them, and where the section does not count.
        """
        labels = np.empty((len(rows), len(columns)), dtype=np.uint32)
        for part, x, y, counts in self._grid(columns, rows):
            labels[part] = self._lookup.labels(x, y)
            labels[part][~counts] = 0
        return labels

    def labels_and_sides_at(self, columns: Any, rows: Any) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Go through a grid of section positions in bands of rows, so that memory stays bounded.

        Parameters
        ----------
        columns, rows : array_like, shapes (w,) and (h,)
            x of the grid's columns and y of its rows, px of the section.

        Yields
        ------
        part : slice
            Rows of the grid.
        labels : ndarray, uint32, shape (n, w)
            As `labels_at` gives them.
        sides : ndarray, uint8, shape (n, w)
            1 on the animal's left and 2 on its right, as brainglobe-atlasapi counts; 0 off the canvas or the atlas, and
            where the section does not count.
        """
        for part, x, y, counts in self._grid(columns, rows):
            labels, sides = np.divmod(np.where(counts, self._lookup.keys(x, y), 0), SIDES_IN_KEY)
            yield part, labels.astype(np.uint32), sides.astype(np.uint8)

    def count_pixels(self) -> dict[tuple[int, int], int]:
        """Count the section's pixels by structure, as the atlas annotates it, and side, 1 left and 2 right."""
        height, width = self.section.shape
        counted: dict[tuple[int, int], int] = {}
        for _, x, y, counts in self._grid(np.arange(width), np.arange(height)):
            keys = np.where(counts, self._lookup.keys(x, y), 0)
            for key, count in zip(*np.unique(keys, return_counts=True), strict=True):
                identifier, side = divmod(int(key), SIDES_IN_KEY)
                if identifier:
                    counted[identifier, side] = counted.get((identifier, side), 0) + int(count)
        return counted

    def atlas_points(self, columns: Any, rows: Any) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
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
        counts : ndarray, bool, shape (n, w)
            Which of them the canvas covers, and the section's mask leaves.
        """
        for part, points_um, on_canvas in self.point_map.grid_to_atlas(columns, rows):
            yield part, points_um, self._unmasked(on_canvas, columns, rows[part])

    @cached_property
    def _lookup(self) -> StructureLookup:
        return StructureLookup(self.atlas, self.canvas)

    def _grid(self, columns: Any, rows: Any) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
        """Go through a grid in bands: rows, x and y on the canvas, and which of them count."""
        rows = np.asarray(rows)
        for part, x, y in self.point_map.grid_to_registered(columns, rows):
            yield part, x, y, self._unmasked(self.canvas.contains(np.stack([x, y], axis=-1)), columns, rows[part])

    def _unmasked(self, on_canvas: np.ndarray, columns: Any, rows: Any) -> np.ndarray:
        mask = self.section.mask
        return on_canvas if mask is None else on_canvas & mask.grid(columns, rows)

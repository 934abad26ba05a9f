"""The map that markers define between a section and the atlas overlaid on it: linear in triangles, and invertible."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import Delaunay

from atlalign.quint.markers import Markers

# VisuAlign fixes four more points, that far outside the image as a share of its width and height.
_MARGIN = 0.1

# Of a triangle's area on the section; one that has less on the overlay counts as folded.
_LEAST_AREA = 1e-6

_ON_THE_EDGE = 1e-9  # share of a triangle: neighbours overlap by so little that no point falls between them


class MarkerWarp:
    """Where the markers of a section take its points, and back.

    The markers on the section and four fixed points, a tenth of the image's width and height outside its corners, are
    joined into Delaunay triangles. In each of them the map is linear; outside all of them it is the identity.

    Convention: points are (x, y) in px of an image of the shape that is passed along, whole numbers at pixel centres.

    Parameters
    ----------
    markers : Markers
        At least one.

    Raises
    ------
    ValueError
        If a marker lies beyond the fixed points, two of different places on the overlay are at one place of the
        section, or a triangle folds: then the map has no inverse.

    Notes
    -----
    These are VisuAlign's triangles, so that the map is what VisuAlign shows: https://www.nitrc.org/projects/visualign.
    Where four points lie on one circle there are two ways to join them, and VisuAlign may have taken the other.

    Examples
    --------
    >>> markers = Markers(np.array([[50.0, 30]]), np.array([[60.0, 30]]), (100, 60))
    >>> warp = MarkerWarp(markers)
    >>> warp.section_to_overlay([[59.5, 29.5]], shape=(60, 100))
    array([[49.5, 29.5]])
    >>> warp.overlay_to_section([[49.5, 29.5]], shape=(60, 100))
    array([[59.5, 29.5]])
    """

    def __init__(self, markers: Markers):
        self._size = np.array(markers.size, dtype=np.float64)
        fixed = np.array([[x, y] for y in (-_MARGIN, 1 + _MARGIN) for x in (-_MARGIN, 1 + _MARGIN)]) * self._size
        both = np.unique(np.hstack([markers.overlay_xy, markers.section_xy]), axis=0)
        low, high = np.tile(fixed[0], 2), np.tile(fixed[3], 2)
        outside = ~((both > low) & (both < high)).all(axis=1)
        if outside.any():
            raise ValueError(
                "Markers must lie in the image or at most a tenth of its size outside. "
                f"Received: one from ({_text(both[outside][0, :2])}) to ({_text(both[outside][0, 2:])}) in an image of "
                f"{_text(self._size)} px. Remove it in VisuAlign."
            )
        self._overlay = np.vstack([fixed, both[:, :2]])
        self._section = np.vstack([fixed, both[:, 2:]])
        mesh = Delaunay(self._section)
        if len(mesh.coplanar):
            place = self._section[mesh.coplanar[0, 0]]
            raise ValueError(
                "Each place of a section must have one marker. "
                f"Received: two at ({_text(place)}). Remove one of them in VisuAlign."
            )
        self._triangles = mesh.simplices
        on_overlay, on_section = (_areas(corners[self._triangles]) for corners in (self._overlay, self._section))
        folded = ~(on_overlay * np.sign(on_section) > _LEAST_AREA * np.abs(on_section))
        if folded.any():
            middle = self._section[self._triangles[folded][0]].mean(axis=0)
            raise ValueError(
                "Markers must not fold the section. "
                f"Received: {np.count_nonzero(folded)} of {len(folded)} triangles between them turned over, one "
                f"around ({_text(middle)}). Move or remove the markers there in VisuAlign."
            )

    def section_to_overlay(self, points_xy: Any, shape: tuple[int, int]) -> np.ndarray:
        """Return where points of the section lie in the atlas as the anchoring overlays it.

        Parameters
        ----------
        points_xy : array_like, (..., 2)
            (x, y) px of the section's image.
        shape : (h, w)
            Shape of that image.

        Returns
        -------
        ndarray, float64, (..., 2)
            (x, y) px of the same image.
        """
        return self._map(points_xy, shape, self._section, self._overlay)

    def overlay_to_section(self, points_xy: Any, shape: tuple[int, int]) -> np.ndarray:
        """Return where points of the overlaid atlas lie on the section: the inverse of `section_to_overlay`.

        Parameters
        ----------
        points_xy : array_like, (..., 2)
            (x, y) px of the section's image.
        shape : (h, w)
            Shape of that image.

        Returns
        -------
        ndarray, float64, (..., 2)
            (x, y) px of the same image.
        """
        return self._map(points_xy, shape, self._overlay, self._section)

    def _map(self, points_xy: Any, shape: tuple[int, int], source: np.ndarray, target: np.ndarray) -> np.ndarray:
        points = np.asarray(points_xy, dtype=np.float64)
        scale = self._size / [shape[1], shape[0]]
        flat = (points.reshape(-1, 2) + 0.5) * scale
        mapped = flat.copy()
        pending = np.arange(len(flat))
        for triangle in self._triangles:
            here = flat[pending]
            corners = source[triangle]
            near = ((here >= corners.min(axis=0)) & (here <= corners.max(axis=0))).all(axis=1)
            candidates = pending[near]
            shares = (flat[candidates] - corners[0]) @ np.linalg.inv(corners[1:] - corners[0])
            inside = (shares >= -_ON_THE_EDGE).all(axis=1) & (shares.sum(axis=1) <= 1 + _ON_THE_EDGE)
            found = candidates[inside]
            mapped[found] = target[triangle[0]] + shares[inside] @ (target[triangle[1:]] - target[triangle[0]])
            near[near] = inside
            pending = pending[~near]
        return (mapped / scale - 0.5).reshape(points.shape)


def _areas(triangles: np.ndarray) -> np.ndarray:
    """Return twice the area of triangles (n, 3, 2), negative where their corners go round the other way."""
    return np.linalg.det(triangles[:, 1:] - triangles[:, :1])


def _text(pair: np.ndarray) -> str:
    return ", ".join(f"{value:.6g}" for value in pair)

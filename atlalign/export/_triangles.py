"""VisuAlign's triangles between markers that are chosen among samples of a map, and what they make of the map."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import Delaunay

# VisuAlign's fixed points lie that far outside the image as a share of its width and height; markers keep inside.
_MARGIN = 0.1
_INSIDE = 0.095

# Of a triangle's area on the section; one that has less on the overlay counts as folded.
_LEAST_AREA = 0.02

_DECIMALS = 3  # of a marker
_STIFFNESS = 1.0  # samples that hold a marker in place on the overlay when it is moved to fit those around it
_FITS = 10  # at most, weighted anew each time
_LEAST_WEIGHT = 0.05  # what a sample without error still counts, beside one with the largest


class Samples:
    """A map from a section to the atlas overlaid on it, known at many points.

    Parameters
    ----------
    section_xy, overlay_xy : ndarray, shape (n, 2)
        Points of the section, and where they lie on the overlay; (x, y) px counted from the image's outer edges.
    size : (float, float)
        Width and height of the image, px.
    tissue : ndarray, bool, shape (n,)
        The samples that count.

    Attributes
    ----------
    section_xy, overlay_xy : ndarray, shape (n + 4, 2)
        Rounded as markers are, with VisuAlign's four fixed points at the end.
    counts : ndarray, int, shape (m,)
        The samples that count.
    can_follow : ndarray, bool, shape (n,)
        Where there may be markers: in the image, and where the map does not fold.
    """

    def __init__(self, section_xy: np.ndarray, overlay_xy: np.ndarray, size: tuple[float, float], tissue: np.ndarray):
        self.size = size
        fixed = np.array([[x, y] for y in (-_MARGIN, 1 + _MARGIN) for x in (-_MARGIN, 1 + _MARGIN)]) * size
        section_xy, overlay_xy = np.round(section_xy, _DECIMALS), np.round(overlay_xy, _DECIMALS)
        self.section_xy, self.overlay_xy = np.vstack([section_xy, fixed]), np.vstack([overlay_xy, fixed])
        self.counts = np.flatnonzero(tissue)
        self.can_follow = _within(section_xy, size) & _within(overlay_xy, size) & ~_folded(section_xy, overlay_xy)

    def __len__(self) -> int:
        return len(self.can_follow)

    def followed(self, errors: np.ndarray) -> np.ndarray:
        """Return the errors of the samples that count, 0 where markers cannot follow the map."""
        return np.where(self.can_follow[self.counts], errors, 0)


class Triangles:
    """The triangles between markers at some of the samples.

    Vertices are numbered from the four fixed points on: marker i is vertex i + 4.

    Parameters
    ----------
    samples : Samples
    chosen : ndarray, int, shape (k,)
        The samples where markers are.

    Attributes
    ----------
    corners : ndarray, int, shape (t, 3)
        The vertices of each triangle.
    exact : ndarray, shape (k + 4, 2)
        Where the map takes the vertices.
    """

    def __init__(self, samples: Samples, chosen: np.ndarray):
        self.samples, self.chosen = samples, chosen
        self._vertices = np.concatenate([np.arange(len(samples), len(samples) + 4), chosen])
        self._mesh = Delaunay(samples.section_xy[self._vertices])
        self.corners = self._mesh.simplices
        self.exact = samples.overlay_xy[self._vertices]

    @property
    def section_xy(self) -> np.ndarray:
        """Where the vertices are on the section, (k + 4, 2)."""
        return self._mesh.points

    @property
    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        """Starts and neighbours: vertex i is joined to ``neighbours[starts[i] : starts[i + 1]]``."""
        return self._mesh.vertex_neighbor_vertices

    @cached_property
    def of_counted(self) -> np.ndarray:
        """The triangle that each sample that counts lies in, (m,)."""
        return self.holding(self.samples.section_xy[self.samples.counts])

    def holding(self, points_xy: np.ndarray) -> np.ndarray:
        """Return the triangle that each point of the section lies in."""
        return self._mesh.find_simplex(points_xy)

    def errors(self, overlay_xy: np.ndarray | None = None) -> np.ndarray:
        """Return how far each sample that counts is from where the triangles take it, px.

        Parameters
        ----------
        overlay_xy : ndarray, shape (k + 4, 2), optional
            Where the vertices are on the overlay; by default where the map takes them.

        Returns
        -------
        ndarray, shape (m,)
        """
        mapped = self._shares @ (self.exact if overlay_xy is None else overlay_xy)
        return np.linalg.norm(mapped - self.samples.overlay_xy[self.samples.counts], axis=1)

    def errors_in(self, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return all samples in some triangles, those triangles, and how far off the samples are, px."""
        points = self.samples.section_xy[: len(self.samples)]
        triangle = self.holding(points)
        there = np.flatnonzero(np.isin(triangle, triangles))
        triangle = triangle[there]
        mapped = np.einsum("ni,nij->nj", self._barycentric(points[there], triangle), self.exact[self.corners[triangle]])
        return there, triangle, np.linalg.norm(mapped - self.samples.overlay_xy[there], axis=1)

    def turned_over(self, overlay_xy: np.ndarray | None = None) -> np.ndarray:
        """Return the triangles that fold."""
        return np.flatnonzero(
            _turned_over(self.section_xy, self.exact if overlay_xy is None else overlay_xy, self.corners)
        )

    def fitted(self, most: float) -> np.ndarray:
        """Return where the vertices are on the overlay so that the map is nearest to the samples, none too far off.

        Samples are fitted with least squares; while one of them is too far off, those that are far off count more the
        next time. Markers that would fold a triangle, or leave the image, stay where the map takes them.

        Parameters
        ----------
        most : float
            Largest error of a sample that can be followed, px.

        Returns
        -------
        ndarray, shape (k + 4, 2)
            Where the map takes the vertices, if nothing better is found.
        """
        follows = self.samples.can_follow[self.samples.counts]
        shares = self._shares[follows]
        wanted = self.samples.overlay_xy[self.samples.counts[follows]]
        off, free = wanted - shares @ self.exact, shares[:, 4:]
        weighted, weights = free.copy(), np.ones(len(off))
        for _ in range(_FITS if len(self.chosen) else 0):
            weighted.data = free.data * np.repeat(weights, np.diff(free.indptr))
            normal = (weighted.T @ free).toarray() + _STIFFNESS * np.eye(len(self.chosen))
            overlay_xy = self._without_folds(np.linalg.solve(normal, weighted.T @ off))
            error = np.linalg.norm(wanted - shares @ overlay_xy, axis=1)
            if (largest := error.max(initial=0)) <= most:
                return overlay_xy
            weights *= error / largest + _LEAST_WEIGHT
            weights /= weights.mean()
        return self.exact

    def _without_folds(self, moves: np.ndarray) -> np.ndarray:
        overlay_xy = self.exact.copy()
        overlay_xy[4:] = np.round(self.exact[4:] + moves, _DECIMALS)
        back = 4 + np.flatnonzero(~_within(overlay_xy[4:], self.samples.size))
        overlay_xy[back] = self.exact[back]
        while len(folded := self.turned_over(overlay_xy)):
            back = np.unique(self.corners[folded])
            if (overlay_xy[back] == self.exact[back]).all():
                return self.exact
            overlay_xy[back] = self.exact[back]
        return overlay_xy

    @cached_property
    def _shares(self) -> csr_matrix:
        """What each vertex counts where a sample is, (m, k + 4)."""
        shares = self._barycentric(self.samples.section_xy[self.samples.counts], self.of_counted)
        starts = np.arange(0, shares.size + 1, 3)
        return csr_matrix(
            (shares.ravel(), self.corners[self.of_counted].ravel(), starts), shape=(len(shares), len(self.exact))
        )

    def _barycentric(self, points_xy: np.ndarray, triangle: np.ndarray) -> np.ndarray:
        transform = self._mesh.transform[triangle]
        shares = np.einsum("nij,nj->ni", transform[:, :2], points_xy - transform[:, 2])
        return np.column_stack([shares, 1 - shares.sum(axis=1)])


def _folded(section_xy: np.ndarray, overlay_xy: np.ndarray) -> np.ndarray:
    """Return which samples lie where the map itself folds."""
    triangles = Delaunay(section_xy).simplices
    folded = np.zeros(len(section_xy), dtype=bool)
    folded[triangles[_turned_over(section_xy, overlay_xy, triangles)]] = True
    return folded


def _turned_over(section_xy: np.ndarray, overlay_xy: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    on_section, on_overlay = _areas(section_xy[triangles]), _areas(overlay_xy[triangles])
    return np.less(on_overlay * np.sign(on_section), _LEAST_AREA * np.abs(on_section))


def _areas(corners: np.ndarray) -> np.ndarray:
    """Return twice the area of triangles (n, 3, 2), negative where their corners go round the other way."""
    (x1, y1), (x2, y2) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    return x1 * y2 - y1 * x2


def _within(points: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    shares = points / size
    return np.all((shares > -_INSIDE) & (shares < 1 + _INSIDE), axis=1)

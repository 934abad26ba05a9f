"""A dense map from a section into the atlas as QUINT has it: an anchoring, and as few markers as reproduce the rest."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import Delaunay

from atlalign.plane import Plane
from atlalign.quint.markers import Markers

# VisuAlign's fixed points lie that far outside the image as a share of its width and height; markers keep inside.
_MARGIN = 0.1
_INSIDE = 0.095

# Of a triangle's area on the section; one that has less on the overlay counts as folded.
_LEAST_AREA = 0.02

_DECIMALS = 3
_MOST_ROUNDS = 80
_ROUNDS_TO_UNFOLD = 50  # of these; later, markers whose triangles fold are given up
# Shares of the tolerance that are aimed at: between the samples the error may be larger.
_SAFE = 0.85
_SAFE_FITTED = 0.96
_STIFFNESS = 1.0  # samples that hold a marker in place on the overlay when it is moved to fit those around it
_NEARLY_WORST = 0.4  # share of the largest error from which on a sample is added in the same round


def fit_plane(section_xy: np.ndarray, points_um: np.ndarray, size: tuple[float, float]) -> Plane:
    """Return the plane, its edges at right angles, that maps points of a section best to points of the atlas.

    VisuAlign and QuickNII make the two edges of an anchoring perpendicular when they open it, so that a shear would not
    survive; it is left to the markers. The scales across and down may differ, and one may be mirrored.

    Parameters
    ----------
    section_xy : ndarray, shape (n, 2)
        (x, y) px counted from the image's outer left and top edges.
    points_um : ndarray, shape (n, 3)
        (ap, dv, ml) um; all in one plane.
    size : (float, float)
        Width and height of the image, px.

    Returns
    -------
    Plane
        What the image covers; of all such planes the one with the least squared distances.

    Examples
    --------
    >>> size = (40, 20)
    >>> plane = Plane([50, 0, 0], [0, 30, 400], [0, 200, -15])
    >>> section_xy = np.array([[5.0, 4], [30, 3], [22, 18], [8, 15]])
    >>> points_um = plane.pixels_to_um(section_xy - 0.5, (20, 40))
    >>> bool(np.allclose(fit_plane(section_xy, points_um, size).corners_um, plane.corners_um))
    True
    """
    middle_xy, middle_um = section_xy.mean(axis=0), points_um.mean(axis=0)
    xy, um = section_xy - middle_xy, points_um - middle_um
    basis = np.linalg.svd(um, full_matrices=False)[2][:2]
    # Of the best map without the condition, M, only b = M C counts, C being the points' covariance: with the directions
    # r and s of the edges given, the best lengths are r.b1 / C11 and s.b2 / C22, and what they explain of the points is
    # (r.b1)^2 / C11 + (s.b2)^2 / C22. With s = J r, J a quarter turn, that is a quadratic form in r.
    b = basis @ um.T @ xy
    c11, c22 = (xy**2).sum(axis=0)
    turn = np.array([[0.0, -1], [1, 0]])
    second = turn.T @ b[:, 1]
    explained = np.outer(b[:, 0], b[:, 0]) / c11 + np.outer(second, second) / c22
    r = np.linalg.eigh(explained)[1][:, -1]
    across = (r @ b[:, 0] / c11) * r @ basis
    down = (turn @ r @ b[:, 1] / c22) * (turn @ r) @ basis
    origin = middle_um - middle_xy[0] * across - middle_xy[1] * down
    return Plane(origin, across * size[0], down * size[1])


def choose_markers(
    section_xy: np.ndarray,
    overlay_xy: np.ndarray,
    size: tuple[float, float],
    *,
    tissue: np.ndarray,
    tolerance: float,
) -> tuple[Markers, float]:
    """Choose markers among samples of a map so that VisuAlign's triangles reproduce it in the tissue.

    Where the error is largest, samples become markers, until it is small enough everywhere; a triangle that turns over
    is divided by the sample in it that is farthest off. Then those without which all stays well are dropped. Where the
    map itself folds there are no markers, since VisuAlign's map has an inverse. Between exact markers on a curved map
    all would be off to one side, so in the end their places on the overlay are moved to halve the errors around them.

    Parameters
    ----------
    section_xy, overlay_xy : ndarray, shape (n, 2)
        Points all over the section, and where they lie in the atlas as the anchoring overlays it; (x, y) px counted
        from the image's outer left and top edges. No two points of the section are the same.
    size : (float, float)
        Width and height of the image, px.
    tissue : ndarray, bool, shape (n,)
        The samples that count. The others may become markers where that unfolds a triangle.
    tolerance : float
        Largest error that is allowed, px.

    Returns
    -------
    markers : Markers
        Without any where the anchoring alone is good enough.
    error : float
        The largest in the tissue that is left, px: more than the tolerance only where the map folds.

    Examples
    --------
    >>> section_xy = np.random.default_rng(0).uniform(0, [100, 60], (1000, 2))
    >>> overlay_xy = section_xy + 3 * np.sin(section_xy[:, ::-1] / 15)
    >>> tissue = np.linalg.norm(section_xy - [50, 30], axis=1) < 25
    >>> markers, error = choose_markers(section_xy, overlay_xy, (100, 60), tissue=tissue, tolerance=1)
    >>> len(markers) < 30, error <= 1
    (True, True)
    """
    section_xy, overlay_xy = np.round(section_xy, _DECIMALS), np.round(overlay_xy, _DECIMALS)
    mesh = _Mesh(section_xy, overlay_xy, size)
    target = _SAFE * tolerance
    counts = np.flatnonzero(tissue)
    allowed = _within(section_xy, size) & _within(overlay_xy, size) & ~_folded(section_xy, overlay_xy)
    chosen = np.empty(0, dtype=np.int64)
    for turn in range(_MOST_ROUNDS):
        error, _, triangle = mesh.locate(chosen, counts)
        error[~allowed[counts]] = 0
        if error.max(initial=0) > target:
            worst = _worst_of_each(error, triangle, max(target, _NEARLY_WORST * error.max()))
            chosen = np.concatenate([chosen, counts[worst]])
            continue
        folded, guilty = mesh.folds(chosen)
        if guilty is None:
            break
        error, _, triangle = mesh.locate(chosen, np.arange(len(section_xy)))
        error[~allowed | ~np.isin(triangle, folded)] = 0
        dividing = _worst_of_each(error, triangle, 0)
        if turn < _ROUNDS_TO_UNFOLD and len(dividing):
            chosen = np.concatenate([chosen, dividing])
        else:
            allowed[guilty] = False
            chosen = chosen[chosen != guilty]
    while (guilty := mesh.folds(chosen)[1]) is not None:
        chosen = chosen[chosen != guilty]
    chosen = _without_idle(mesh, chosen, counts, target)
    mesh.fit(chosen, counts, _SAFE_FITTED * tolerance)
    error, _, _ = mesh.locate(chosen, counts)
    return Markers(mesh.overlay[chosen], section_xy[chosen], size), float(error.max(initial=0))


class _Mesh:
    """VisuAlign's triangles between chosen ones of many samples."""

    def __init__(self, section_xy: np.ndarray, overlay_xy: np.ndarray, size: tuple[float, float]):
        fixed = np.array([[x, y] for y in (-_MARGIN, 1 + _MARGIN) for x in (-_MARGIN, 1 + _MARGIN)]) * size
        self._section, self._map = np.vstack([section_xy, fixed]), np.vstack([overlay_xy, fixed])
        self._fixed = np.arange(len(section_xy), len(section_xy) + 4)
        self._size = size
        self.overlay = self._map

    def locate(self, chosen: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how far samples are from where the triangles take them, px, and the corners and number of theirs."""
        shares, corners, triangle = self._shares(chosen, samples)
        mapped = np.einsum("nk,nkj->nj", shares, self.overlay[corners])
        return np.linalg.norm(mapped - self._map[samples], axis=1), corners, triangle

    def fit(self, chosen: np.ndarray, samples: np.ndarray, most: float) -> None:
        """Move the markers on the overlay so that the samples are nearest to the map, none farther than the most."""
        if not len(chosen):
            return
        shares, corners, _ = self._shares(chosen, samples)
        rows = np.repeat(np.arange(len(samples)), 3)
        matrix = csr_matrix((shares.ravel(), (rows, corners.ravel())), shape=(len(samples), len(self._map)))
        off = self._map[samples] - matrix @ self._map
        free = matrix[:, chosen]
        moves = np.linalg.solve((free.T @ free).toarray() + _STIFFNESS * np.eye(len(chosen)), free.T @ off)
        for share in (1.0, 0.7, 0.4):
            self.overlay = self._map.copy()
            self.overlay[chosen] += np.round(share * moves, _DECIMALS)
            near = self.locate(chosen, samples)[0].max(initial=0) <= most
            if near and self.folds(chosen)[1] is None and _within(self.overlay[chosen], self._size).all():
                return
        self.overlay = self._map

    def folds(self, chosen: np.ndarray) -> tuple[np.ndarray, int | None]:
        """Return the triangles that are turned over, and the sample that is a corner of most of them, if any are."""
        vertices = np.concatenate([self._fixed, chosen])
        simplices = Delaunay(self._section[vertices]).simplices
        folded = np.flatnonzero(_turned_over(self._section, self.overlay, vertices[simplices]))
        corners = simplices[folded]
        corners = corners[corners >= len(self._fixed)] - len(self._fixed)
        return folded, int(chosen[np.bincount(corners).argmax()]) if corners.size else None

    def _shares(self, chosen: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the shares of a sample in the corners of its triangle, those corners, and its number."""
        vertices = np.concatenate([self._fixed, chosen])
        mesh = Delaunay(self._section[vertices])
        points = self._section[samples]
        triangle = mesh.find_simplex(points)
        transform = mesh.transform[triangle]
        shares = np.einsum("nij,nj->ni", transform[:, :2], points - transform[:, 2])
        shares = np.column_stack([shares, 1 - shares.sum(axis=1)])
        return shares, vertices[mesh.simplices[triangle]], triangle


def _worst_of_each(error: np.ndarray, triangle: np.ndarray, least: float) -> np.ndarray:
    """Return which sample of each triangle is farthest off, of those that are off by more than the least."""
    candidates = np.flatnonzero(error > least)
    candidates = candidates[np.argsort(-error[candidates], kind="stable")]
    return candidates[np.unique(triangle[candidates], return_index=True)[1]]


def _without_idle(mesh: _Mesh, chosen: np.ndarray, counts: np.ndarray, target: float) -> np.ndarray:
    """Return the markers without those that the others do not need, tried from the first on."""
    error, corners, _ = mesh.locate(chosen, counts)
    for marker in list(chosen):
        fewer = chosen[chosen != marker]
        # without it, only what lies in its own triangles changes
        touched = np.flatnonzero((corners == marker).any(axis=1))
        allowed = np.maximum(error[touched], target)
        if (mesh.locate(fewer, counts[touched])[0] <= allowed).all() and mesh.folds(fewer)[1] is None:
            chosen = fewer
            error, corners, _ = mesh.locate(chosen, counts)
    return chosen


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

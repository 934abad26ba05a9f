"""A dense map from a section into the atlas as QUINT has it: an anchoring, and as few markers as reproduce the rest."""

from __future__ import annotations

import numpy as np

from atlalign.export._triangles import Samples, Triangles
from atlalign.plane import Plane
from atlalign.quint.markers import Markers

_MOST_ROUNDS = 80
_ROUNDS_TO_UNFOLD = 50  # of these; later, markers whose triangles fold are given up
_NEARLY_WORST = 0.4  # share of the largest error from which on a sample is added in the same round
# Shares of the tolerance that are aimed at: between the samples the error may be larger.
_SAFE = 0.5
_SAFE_FITTED = 0.95


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
    samples = Samples(section_xy, overlay_xy, size, tissue)
    triangles = _without_idle(_cover(samples, _SAFE * tolerance), _SAFE * tolerance)
    marked_xy = triangles.fitted(_SAFE_FITTED * tolerance)
    error = triangles.errors(marked_xy).max(initial=0)
    return Markers(marked_xy[4:], triangles.section_xy[4:], size), float(error)


def _cover(samples: Samples, target: float) -> Triangles:
    """Return triangles between as many exact markers as it takes."""
    can_follow = samples.can_follow.copy()
    chosen = np.empty(0, dtype=np.int64)
    for turn in range(_MOST_ROUNDS):
        triangles = Triangles(samples, chosen)
        error = np.where(can_follow[samples.counts], triangles.errors(), 0)
        if error.max(initial=0) > target:
            worst = _worst_of_each(error, triangles.of_counted, max(target, _NEARLY_WORST * error.max()))
            chosen = np.concatenate([chosen, samples.counts[worst]])
            continue
        folded = triangles.turned_over()
        if not len(folded):
            break
        inside, triangle, error = triangles.errors_in(folded)
        dividing = inside[_worst_of_each(np.where(can_follow[inside], error, 0), triangle, 0)]
        if turn < _ROUNDS_TO_UNFOLD and len(dividing):
            chosen = np.concatenate([chosen, dividing])
        else:
            guilty = _most_in(triangles, folded)
            can_follow[guilty] = False
            chosen = chosen[chosen != guilty]
    return _unfolded(samples, chosen)


def _unfolded(samples: Samples, chosen: np.ndarray) -> Triangles:
    """Return triangles between exact markers, without those whose triangles fold."""
    triangles = Triangles(samples, chosen)
    while len(folded := triangles.turned_over()):
        chosen = chosen[chosen != _most_in(triangles, folded)]
        triangles = Triangles(samples, chosen)
    return triangles


def _without_idle(triangles: Triangles, target: float) -> Triangles:
    """Return the triangles without the markers that the others do not need.

    A marker that is taken away leaves a hole, which new triangles fill, and all others stay. Holes of markers that are
    not joined do not touch, so that many such are tried at a time.
    """
    samples, tried = triangles.samples, np.zeros(len(triangles.samples), dtype=bool)
    while not tried[triangles.chosen].all():
        errors = triangles.errors()
        gone = _not_joined(triangles, errors, tried)
        tried[triangles.chosen[gone]] = True
        # the marker in whose hole a triangle will be, -1 for none
        hole = np.full(len(triangles.exact), -1)
        hole[gone + 4] = gone
        hole = hole[triangles.corners].max(axis=1)
        fewer = Triangles(samples, np.delete(triangles.chosen, gone))
        worse = fewer.errors() > np.maximum(errors, target)
        folded = fewer.section_xy[fewer.corners[fewer.turned_over()]].mean(axis=1)
        needed = np.concatenate([hole[triangles.of_counted[worse]], hole[triangles.holding(folded)]])
        triangles = Triangles(samples, np.delete(triangles.chosen, np.setdiff1d(gone, needed)))
    return triangles


def _not_joined(triangles: Triangles, errors: np.ndarray, tried: np.ndarray) -> np.ndarray:
    """Return markers that were not tried, no two of them joined, those first around which errors are smallest."""
    largest = np.zeros(len(triangles.corners))
    np.maximum.at(largest, triangles.of_counted, errors)
    around = np.zeros(len(triangles.exact))
    np.maximum.at(around, triangles.corners.ravel(), np.repeat(largest, 3))
    starts, neighbours = triangles.joined
    blocked = np.concatenate([np.ones(4, dtype=bool), tried[triangles.chosen]])
    picked = []
    for vertex in np.argsort(around, kind="stable"):
        if not blocked[vertex]:
            picked.append(vertex - 4)
            blocked[neighbours[starts[vertex] : starts[vertex + 1]]] = True
    return np.array(picked)


def _worst_of_each(error: np.ndarray, triangle: np.ndarray, least: float) -> np.ndarray:
    """Return which sample of each triangle is farthest off, of those that are off by more than the least."""
    candidates = np.flatnonzero(error > least)
    candidates = candidates[np.argsort(-error[candidates], kind="stable")]
    return candidates[np.unique(triangle[candidates], return_index=True)[1]]


def _most_in(triangles: Triangles, folded: np.ndarray) -> int:
    """Return the sample that is a corner of most of some triangles."""
    corners = triangles.corners[folded]
    return int(triangles.chosen[np.bincount(corners[corners >= 4] - 4).argmax()])

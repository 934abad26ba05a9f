"""As few points of a field as reproduce it: what a person moves to correct it."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial.distance import cdist

from atlalign.base import DisplacementField

_SAMPLES = 4000  # of the tissue, at which the error is looked at
_MOST = 120
_NEARLY_WORST = 0.6  # share of the largest error from which on a sample is added in the same round
_APART = 0.05  # of the image's width, between samples of one round
_STILL = 0.01  # px: a field that moves nothing farther is none


def choose_control_points(
    field: DisplacementField, tissue: np.ndarray, *, tolerance: float = 1.0
) -> tuple[np.ndarray, float]:
    """Choose points so that the thin-plate spline through the field at them is near to it in the tissue.

    Where the error is largest, points are added until it is small enough; then those that the others do not need are
    dropped.

    Parameters
    ----------
    field : DisplacementField, (h, w)
    tissue : ndarray, bool, shape (h, w)
        Where the error counts.
    tolerance : float
        Largest error that is allowed, px.

    Returns
    -------
    points_xy : ndarray, shape (n, 2)
        Whole px, at most 120; none where the field moves nothing or there is no tissue.
    error : float
        The largest that is left, px.

    Examples
    --------
    >>> turn = DisplacementField.generate((60, 80), "affine_simple", rotation=0.2)
    >>> points, error = choose_control_points(turn, np.ones((60, 80), bool))
    >>> len(points), error < 0.1
    (3, True)
    """
    y, x = np.nonzero(tissue)
    places = np.stack([x, y], axis=-1).astype(np.float64)
    if len(places) > _SAMPLES:
        places = places[np.linspace(0, len(places) - 1, _SAMPLES).astype(int)]
    values = field.sample(places) if len(places) else places
    largest = float(np.hypot(*values.T).max(initial=0.0))
    if largest <= _STILL or len(places) < 3:
        return np.empty((0, 2)), largest
    chosen = _spread(places)
    error = _errors(places, values, chosen)
    while error.max() > tolerance and len(chosen) < _MOST:
        chosen = [*chosen, *_worst(places, error, _APART * field.shape[1])][:_MOST]
        error = _errors(places, values, chosen)
    chosen = _without_idle(places, values, chosen, max(tolerance, float(error.max())))
    return places[chosen], float(_errors(places, values, chosen).max())


def _spread(places: np.ndarray) -> list[int]:
    """Return three samples that are far apart."""
    middle = places.mean(axis=0)
    first = int(np.hypot(*(places - middle).T).argmax())
    second = int(np.hypot(*(places - places[first]).T).argmax())
    along = places[second] - places[first]
    off = np.abs(along[0] * (places - places[first])[:, 1] - along[1] * (places - places[first])[:, 0])
    return [first, second, int(off.argmax())]


def _errors(places: np.ndarray, values: np.ndarray, chosen: list[int]) -> np.ndarray:
    spline = RBFInterpolator(places[chosen], values[chosen], kernel="thin_plate_spline")
    return np.hypot(*(spline(places) - values).T)


def _worst(places: np.ndarray, error: np.ndarray, apart: float) -> list[int]:
    """Return the worst samples that are apart from each other."""
    found: list[int] = []
    for candidate in np.argsort(-error)[: max(1, int((error > _NEARLY_WORST * error.max()).sum()))]:
        if not found or cdist(places[[candidate]], places[found]).min() > apart:
            found.append(int(candidate))
    return found


def _without_idle(places: np.ndarray, values: np.ndarray, chosen: list[int], most: float) -> list[int]:
    for point in list(chosen):
        fewer = [other for other in chosen if other != point]
        if len(fewer) < 3 or np.linalg.matrix_rank(places[fewer] - places[fewer].mean(axis=0)) < 2:
            continue
        if _errors(places, values, fewer).max() <= most:
            chosen = fewer
    return chosen

"""The inverse of a displacement field at single points, to the precision of the arithmetic."""

from __future__ import annotations

import numpy as np

from atlalign._field.sampling import sample_points_with_gradient
from atlalign.base import DisplacementField

_ITERATIONS = 20
_TOLERANCE_PX = 1e-6
_LONGEST_STEP_PX = 5.0


def solve_points(field: DisplacementField, targets: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the points p for which p + delta(p) is the target, by Newton's method from near them.

    The inverse field alone is exact at its own pixel centres only. Where the field folds there may be no such
    point, or several: the best that was met is returned.

    Parameters
    ----------
    field : DisplacementField
    targets : ndarray, shape (n, 2)
        (x, y) px of the field's input image.
    start : ndarray, shape (n, 2)
        (x, y) px of the field's grid, near the solution.

    Returns
    -------
    ndarray, float64, shape (n, 2)
        (x, y) px of the field's grid.

    Examples
    --------
    >>> shrink = DisplacementField.from_transform(*(2.0 * np.indices((9, 9))[::-1]))
    >>> solve_points(shrink, np.array([[3.0, 7.0]]), np.array([[3.0, 7.0]])).round(3)
    array([[1.5, 3.5]])
    """
    deltas_xy = field.deltas_xy
    points = best = start
    best_miss = np.full(len(targets), np.inf)
    for _ in range(_ITERATIONS):
        delta, d_dx, d_dy = sample_points_with_gradient(deltas_xy, points[:, 0], points[:, 1])
        miss = points + delta - targets
        size = np.abs(miss).max(axis=1)
        best = np.where((size < best_miss)[:, None], points, best)
        best_miss = np.minimum(size, best_miss)
        if not (best_miss > _TOLERANCE_PX).any():
            break
        a, b, c, d = 1 + d_dx[:, 0], d_dy[:, 0], d_dx[:, 1], 1 + d_dy[:, 1]
        determinant = a * d - b * c
        singular = np.abs(determinant) < 0.05
        determinant[singular] = 1
        newton = np.stack([d * miss[:, 0] - b * miss[:, 1], a * miss[:, 1] - c * miss[:, 0]], axis=1)
        step = np.where(singular[:, None], miss, newton / determinant[:, None])
        points = points - np.clip(step, -_LONGEST_STEP_PX, _LONGEST_STEP_PX)
    return best

"""How far landmarks are from where they should be, as in the ANHIR challenge (doi:10.1109/TMI.2020.2986331)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.metrics._checks import require_finite

__all__ = ["improvement_kp", "rtre_kp", "tre_kp"]


def tre_kp(
    y_true: ArrayLike, y_pred: ArrayLike, weighted: bool = False
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Measure the target registration error: distances between true and predicted points.

    Parameters
    ----------
    y_true, y_pred : array-like, (n, 2)
        Points, in pixels or any other unit.
    weighted : bool
        Weight each point by its mean distance to the true points, so that those of a dense cluster count less.

    Returns
    -------
    average : float
        The weighted mean, in the unit of the points.
    tre : ndarray, float64, (n,)
        The error of each point.
    weights : ndarray, float64, (n,)
        They sum to 1; 1 / n each without `weighted`, or where all points coincide.

    Raises
    ------
    ValueError
        If the points are not as above, finite, and as many.

    Examples
    --------
    >>> average, tre, weights = tre_kp([[0, 0], [10, 0]], [[3, 4], [10, 1]])
    >>> average, tre, weights
    (3.0, array([5., 1.]), array([0.5, 0.5]))
    """
    true, pred = _points(y_true, "y_true"), _points(y_pred, "y_pred")
    if true.shape != pred.shape:
        raise ValueError(
            "y_true and y_pred must be as many points of as many coordinates. "
            f"Received: {true.shape} and {pred.shape}. Pair them."
        )
    tre = np.linalg.norm(pred - true, axis=1)
    weights = _spread(true) if weighted else np.full(len(true), 1 / len(true))
    return float(tre @ weights), tre, weights


def rtre_kp(
    y_true: ArrayLike, y_pred: ArrayLike, h: float, w: float, weighted: bool = False
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Measure the target registration error as a fraction of the image's diagonal.

    Parameters
    ----------
    y_true, y_pred : array-like, (n, 2)
        Points, in the unit of `h` and `w`.
    h, w : float
        Height and width of the image.
    weighted : bool
        As `tre_kp` takes it.

    Returns
    -------
    average : float
        The weighted mean.
    rtre : ndarray, float64, (n,)
        The error of each point.
    weights : ndarray, float64, (n,)
        They sum to 1.

    Raises
    ------
    ValueError
        If the points are not as above, finite, and as many, or a side is not positive.

    Examples
    --------
    >>> rtre_kp([[0, 0]], [[3, 4]], h=30, w=40)[0]
    0.1
    """
    if not (h > 0 and w > 0):
        raise ValueError(f"h and w must be positive, the height and width of the image. Received: h={h!r}, w={w!r}.")
    average, tre, weights = tre_kp(y_true, y_pred, weighted)
    diagonal = float(np.hypot(h, w))
    return average / diagonal, tre / diagonal, weights


def improvement_kp(y_true: ArrayLike, y_pred: ArrayLike, y_init: ArrayLike) -> tuple[float, NDArray[np.bool_]]:
    """Measure how many points a registration brought closer to where they should be.

    Parameters
    ----------
    y_true, y_pred, y_init : array-like, (n, 2)
        Points where they should be, where they are predicted, and where they were before.

    Returns
    -------
    share : float
        From 0 to 1.
    improved : ndarray, bool, (n,)
        Which points are closer than before.

    Raises
    ------
    ValueError
        If the points are not as above, finite, and as many.

    Examples
    --------
    >>> improvement_kp([[0, 0], [9, 9]], [[1, 0], [5, 9]], [[2, 0], [9, 9]])
    (0.5, array([ True, False]))
    """
    improved = tre_kp(y_true, y_pred)[1] < tre_kp(y_true, y_init)[1]
    return float(improved.mean()), improved


def _points(points: ArrayLike, name: str) -> NDArray[np.float64]:
    converted = np.asarray(points, dtype=np.float64)
    if converted.ndim != 2 or converted.size == 0:
        raise ValueError(f"{name} must be (n, 2), at least one point. Received: shape {converted.shape}.")
    require_finite(converted, name)
    return converted


def _spread(points: NDArray[np.float64]) -> NDArray[np.float64]:
    mean_distance = np.linalg.norm(points[:, None] - points[None], axis=2).mean(axis=0)
    total = mean_distance.sum()
    return mean_distance / total if total > 0 else np.full(len(points), 1 / len(points))

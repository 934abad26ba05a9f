"""How far predicted displacement fields are from the true ones.

Each metric returns its average and what it averages: one value a pixel, or one a pixel and component, over samples.
"""

import numpy as np
from numpy.typing import NDArray

from atlalign.metrics._checks import Fields, mean_of_known, paired_fields

__all__ = [
    "angular_error_of",
    "correlation_combined",
    "mae_combined",
    "mse_combined",
    "r2_combined",
    "vector_distance_combined",
]


def vector_distance_combined(y_true: Fields, y_pred: Fields) -> tuple[float, NDArray[np.float64]]:
    """Measure the distance in pixels between the ends of true and predicted displacements.

    Parameters
    ----------
    y_true, y_pred : ndarray (n, h, w, 2) or list of DisplacementField
        Displacements (dx, dy), px.

    Returns
    -------
    average : float
        Over samples and pixels, px.
    per_pixel : ndarray, float64, (h, w)
        Over samples, px.

    Raises
    ------
    TypeError, ValueError
        If the fields are not as above, of one shape and finite.

    See Also
    --------
    endpoint_error_summary : median, 95th percentile, and the same in micrometres.

    Examples
    --------
    >>> vector_distance_combined(np.zeros((1, 1, 2, 2)), np.array([[[[3.0, 4.0], [0.0, 1.0]]]]))
    (3.0, array([[5., 1.]]))
    """
    true, pred = paired_fields(y_true, y_pred)
    difference = pred - true
    per_pixel = np.hypot(difference[..., 0], difference[..., 1]).mean(axis=0, dtype=np.float64)
    return float(per_pixel.mean()), per_pixel


def angular_error_of(y_true: Fields, y_pred: Fields, weighted: bool = False) -> tuple[float, NDArray[np.float64]]:
    """Measure the angle in degrees between true and predicted displacements.

    Parameters
    ----------
    y_true, y_pred : ndarray (n, h, w, 2) or list of DisplacementField
        Displacements (dx, dy), px.
    weighted : bool
        Weight the pixels of the average by the length of the true displacement; for one sample only.

    Returns
    -------
    average : float
        From 0 to 180, over the samples and pixels that have an angle; NaN where none has.
    per_pixel : ndarray, float64, (h, w)
        Over samples. NaN where the displacement of each sample is zero, true or predicted: it points nowhere.

    Raises
    ------
    TypeError, ValueError
        If the fields are not as above, of one shape and finite; or there are several and `weighted`.

    Examples
    --------
    >>> average, _ = angular_error_of(np.array([[[[2.0, 0.0]]]]), np.array([[[[0.0, 3.0]]]]))
    >>> average
    90.0
    """
    true, pred = paired_fields(y_true, y_pred)
    if weighted and len(true) != 1:
        raise ValueError(f"weighted=True takes one sample. Received: {len(true)}. Average over calls, one a sample.")
    cross = true[..., 0] * pred[..., 1] - true[..., 1] * pred[..., 0]
    dot = true[..., 0] * pred[..., 0] + true[..., 1] * pred[..., 1]
    # The arc tangent is exact for angles near 0 and 180 degrees, where the arc cosine loses half the digits.
    angle = np.rad2deg(np.arctan2(np.abs(cross, out=cross), dot, out=cross), out=cross)
    angle[~(true.any(axis=-1) & pred.any(axis=-1))] = np.nan
    per_pixel = mean_of_known(angle, axis=0)
    if not weighted:
        return float(mean_of_known(per_pixel)), per_pixel
    known = ~np.isnan(per_pixel)
    length = np.hypot(true[0, ..., 0], true[0, ..., 1])[known]
    total = length.sum()
    return (float(per_pixel[known] @ length / total) if total > 0 else float("nan")), per_pixel


def mae_combined(y_true: Fields, y_pred: Fields) -> tuple[float, NDArray[np.float64]]:
    """Measure the mean absolute error of each component in pixels.

    Parameters
    ----------
    y_true, y_pred : ndarray (n, h, w, 2) or list of DisplacementField
        Displacements (dx, dy), px.

    Returns
    -------
    average : float
        Over samples, pixels and components, px.
    per_output : ndarray, float64, (h, w, 2)
        Over samples, px.

    Raises
    ------
    TypeError, ValueError
        If the fields are not as above, of one shape and finite.

    Examples
    --------
    >>> mae_combined(np.zeros((2, 1, 1, 2)), np.array([[[[3.0, 0.0]]], [[[-1.0, 2.0]]]]))
    (1.5, array([[[2., 1.]]]))
    """
    true, pred = paired_fields(y_true, y_pred)
    return _averaged(np.abs(pred - true).mean(axis=0, dtype=np.float64))


def mse_combined(y_true: Fields, y_pred: Fields) -> tuple[float, NDArray[np.float64]]:
    """Measure the mean squared error of each component in square pixels.

    Parameters
    ----------
    y_true, y_pred : ndarray (n, h, w, 2) or list of DisplacementField
        Displacements (dx, dy), px.

    Returns
    -------
    average : float
        Over samples, pixels and components, px squared.
    per_output : ndarray, float64, (h, w, 2)
        Over samples, px squared.

    Raises
    ------
    TypeError, ValueError
        If the fields are not as above, of one shape and finite.

    Examples
    --------
    >>> mse_combined(np.zeros((2, 1, 1, 2)), np.array([[[[3.0, 0.0]]], [[[-1.0, 2.0]]]]))
    (3.5, array([[[5., 2.]]]))
    """
    true, pred = paired_fields(y_true, y_pred)
    return _averaged(np.square(pred - true).mean(axis=0, dtype=np.float64))


def r2_combined(y_true: Fields, y_pred: Fields) -> tuple[float, NDArray[np.float64]]:
    """Measure the share of the variance over samples that a prediction explains, for each pixel and component.

    Parameters
    ----------
    y_true, y_pred : ndarray (n, h, w, 2) or list of DisplacementField
        Displacements (dx, dy), px.

    Returns
    -------
    average : float
        Over pixels and components; 1 is perfect, 0 is as good as the mean of the samples.
    per_output : ndarray, float64, (h, w, 2)
        Where the truth is the same for all samples: 1 if the prediction is exact, else 0. NaN for one sample,
        which has no variance.

    Raises
    ------
    TypeError, ValueError
        If the fields are not as above, of one shape and finite.

    Examples
    --------
    >>> true = np.array([[[[1.0, 1.0]]], [[[3.0, 1.0]]]])
    >>> r2_combined(true, np.full((2, 1, 1, 2), [2.0, 1.0]))
    (0.5, array([[[0., 1.]]]))
    """
    true, pred = (fields.astype(np.float64) for fields in paired_fields(y_true, y_pred))
    if len(true) < 2:
        return _averaged(np.full(true.shape[1:], np.nan))
    unexplained = np.square(true - pred).sum(axis=0)
    constant = (true == true[0]).all(axis=0)
    variance = np.where(constant, 1.0, np.square(true - true.mean(axis=0)).sum(axis=0))
    return _averaged(np.where(constant, np.where(unexplained == 0, 1.0, 0.0), 1 - unexplained / variance))


def correlation_combined(y_true: Fields, y_pred: Fields) -> tuple[float, NDArray[np.float64]]:
    """Measure Pearson's correlation over samples, for each pixel and component.

    Parameters
    ----------
    y_true, y_pred : ndarray (n, h, w, 2) or list of DisplacementField
        Displacements (dx, dy), px.

    Returns
    -------
    average : float
        Over pixels and components; NaN where one of them is.
    per_output : ndarray, float64, (h, w, 2)
        From -1 to 1; NaN where the truth or the prediction is the same for all samples.

    Raises
    ------
    TypeError, ValueError
        If the fields are not as above, of one shape and finite.

    Examples
    --------
    >>> true = np.array([[[[1.0, 1.0]]], [[[3.0, 2.0]]], [[[5.0, 3.0]]]])
    >>> correlation_combined(true, -2 * true)
    (-1.0, array([[[-1., -1.]]]))
    """
    true, pred = (fields.astype(np.float64) for fields in paired_fields(y_true, y_pred))
    constant = (true == true[0]).all(axis=0) | (pred == pred[0]).all(axis=0)
    true -= true.mean(axis=0)
    pred -= pred.mean(axis=0)
    # One square root of the product: of equal samples it is exactly their sum of squares.
    norm = np.sqrt(np.square(true).sum(axis=0) * np.square(pred).sum(axis=0))
    norm[constant | (norm == 0)] = np.nan
    return _averaged(np.clip((true * pred).sum(axis=0) / norm, -1, 1))


def _averaged(per_output: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    return float(per_output.mean()), per_output

"""How alike two grey images are, pixel by pixel.

Each metric takes two images (h, w) and returns a float, or two stacks (n, h, w) and returns one value an image.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.metrics._checks import paired_images

__all__ = ["cross_correlation_img", "demons_img", "mae_img", "mse_img", "psnr_img"]


def mse_img(y_true: ArrayLike, y_pred: ArrayLike, mask: NDArray[np.bool_] | None = None) -> float | NDArray[np.float64]:
    """Measure the mean squared difference of two images.

    Parameters
    ----------
    y_true, y_pred : array-like, float32 or float64, (h, w) or (n, h, w)
        Images, both of one dtype.
    mask : ndarray, bool, (h, w), optional
        The pixels that count; by default all.

    Returns
    -------
    float, or ndarray of float64, (n,)
        0 for equal images.

    Raises
    ------
    TypeError, ValueError
        If the images or the mask are not as above, or a pixel is not finite.

    Examples
    --------
    >>> mse_img(np.zeros((2, 2)), np.array([[1.0, 0.0], [0.0, 1.0]]))
    0.5
    """
    return unstacked(_squared_error(y_true, y_pred, mask), y_true)


def mae_img(y_true: ArrayLike, y_pred: ArrayLike, mask: NDArray[np.bool_] | None = None) -> float | NDArray[np.float64]:
    """Measure the mean absolute difference of two images.

    Parameters
    ----------
    y_true, y_pred : array-like, float32 or float64, (h, w) or (n, h, w)
        Images, both of one dtype.
    mask : ndarray, bool, (h, w), optional
        The pixels that count; by default all.

    Returns
    -------
    float, or ndarray of float64, (n,)
        0 for equal images.

    Raises
    ------
    TypeError, ValueError
        If the images or the mask are not as above, or a pixel is not finite.

    Examples
    --------
    >>> mae_img(np.zeros((3, 2, 2)), np.full((3, 2, 2), 0.25))
    array([0.25, 0.25, 0.25])
    """
    true, pred = pixels(y_true, y_pred, mask)
    pred -= true
    return unstacked(np.abs(pred, out=pred).mean(axis=1), y_true)


def psnr_img(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    mask: NDArray[np.bool_] | None = None,
    data_range: float | None = None,
) -> float | NDArray[np.float64]:
    """Measure the peak signal-to-noise ratio in decibels.

    Parameters
    ----------
    y_true, y_pred : array-like, float32 or float64, (h, w) or (n, h, w)
        Images, both of one dtype.
    mask : ndarray, bool, (h, w), optional
        The pixels that count; by default all.
    data_range : float, optional
        Distance between black and white; by default 1, whatever the images hold.

    Returns
    -------
    float, or ndarray of float64, (n,)
        ``10 log10(data_range**2 / mse)``; infinite for equal images.

    Raises
    ------
    TypeError, ValueError
        If the images or the mask are not as above, a pixel is not finite, or the range is not positive.

    Examples
    --------
    >>> round(psnr_img(np.zeros((2, 2)), np.full((2, 2), 0.1)), 6)
    20.0
    """
    data_range = require_data_range(1.0 if data_range is None else data_range)
    error = _squared_error(y_true, y_pred, mask)
    with np.errstate(divide="ignore"):
        return unstacked(10 * np.log10(data_range**2 / error), y_true)


def demons_img(
    y_true: ArrayLike, y_pred: ArrayLike, mask: NDArray[np.bool_] | None = None
) -> float | NDArray[np.float64]:
    """Measure what a demons registration minimises: the mean squared difference of two images that overlie.

    Parameters
    ----------
    y_true, y_pred : array-like, float32 or float64, (h, w) or (n, h, w)
        Images, both of one dtype.
    mask : ndarray, bool, (h, w), optional
        The pixels that count; by default all.

    Returns
    -------
    float, or ndarray of float64, (n,)
        The same as `mse_img`: without displacements between the images, the demons metric of ITK, which ANTs uses, is
        the mean squared difference.

    Raises
    ------
    TypeError, ValueError
        If the images or the mask are not as above, or a pixel is not finite.

    Examples
    --------
    >>> demons_img(np.zeros((2, 2)), np.array([[1.0, 0.0], [0.0, 1.0]]))
    0.5
    """
    return mse_img(y_true, y_pred, mask)


def cross_correlation_img(
    y_true: ArrayLike, y_pred: ArrayLike, mask: NDArray[np.bool_] | None = None, *, squared: bool = True
) -> float | NDArray[np.float64]:
    """Measure the correlation of two images.

    Parameters
    ----------
    y_true, y_pred : array-like, float32 or float64, (h, w) or (n, h, w)
        Images, both of one dtype.
    mask : ndarray, bool, (h, w), optional
        The pixels that count; by default all.
    squared : bool
        Return the square of the coefficient, from 0 to 1, as ANTs and the publication do: an image and its negative
        correlate perfectly. False returns Pearson's coefficient, from -1 to 1.

    Returns
    -------
    float, or ndarray of float64, (n,)
        1 for images that are equal up to brightness and contrast; NaN where one of them is constant.

    Raises
    ------
    TypeError, ValueError
        If the images or the mask are not as above, or a pixel is not finite.

    Examples
    --------
    >>> image = np.array([[0.0, 0.2], [0.4, 0.8]])
    >>> cross_correlation_img(image, 1 - image), cross_correlation_img(image, 1 - image, squared=False)
    (1.0, -1.0)
    """
    true, pred = pixels(y_true, y_pred, mask)
    constant = (true == true[:, :1]).all(axis=1) | (pred == pred[:, :1]).all(axis=1)
    true -= true.mean(axis=1, keepdims=True)
    pred -= pred.mean(axis=1, keepdims=True)
    both, product = (true * pred).sum(axis=1), np.square(true).sum(axis=1) * np.square(pred).sum(axis=1)
    product[constant | (product == 0)] = np.nan
    coefficient = both * both / product if squared else both / np.sqrt(product)
    return unstacked(np.clip(coefficient, -1, 1), y_true)


def pixels(
    y_true: ArrayLike, y_pred: ArrayLike, mask: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pixels that count of both images, one image a row: float64 (n, m), new arrays.

    Examples
    --------
    >>> pixels(np.zeros((2, 3)), np.ones((2, 3)), np.eye(2, 3, dtype=bool))
    (array([[0., 0.]]), array([[1., 1.]]))
    """
    pair = paired_images(y_true, y_pred, mask)
    chosen = [image[..., mask] if mask is not None else image.reshape(*image.shape[:-2], -1) for image in pair]
    return np.array(chosen[0], np.float64, ndmin=2), np.array(chosen[1], np.float64, ndmin=2)


def unstacked(values: NDArray[np.float64], y_true: ArrayLike) -> float | NDArray[np.float64]:
    """Return one value an image of a stack, and a float for a single image.

    Examples
    --------
    >>> unstacked(np.array([0.5]), np.zeros((2, 3)))
    0.5
    """
    return float(values[0]) if np.ndim(y_true) == 2 else values


def require_data_range(data_range: float) -> float:
    """Return a distance between black and white that is a positive number.

    Examples
    --------
    >>> require_data_range(255)
    255.0
    """
    if not 0 < data_range < np.inf:
        raise ValueError(f"data_range must be a positive number. Received: {data_range!r}. Images in [0, 1] have 1.")
    return float(data_range)


def _squared_error(y_true: ArrayLike, y_pred: ArrayLike, mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    true, pred = pixels(y_true, y_pred, mask)
    pred -= true
    return np.square(pred, out=pred).mean(axis=1)

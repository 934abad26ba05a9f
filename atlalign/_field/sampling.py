"""Coordinate-exact sampling of arrays at fractional positions.

Convention: positions are (x, y) in pixels, the centre of the top-left pixel at (0, 0); outside the array the
nearest edge value is taken (``replicate``). Fields are sampled one component at a time: ``cv2.remap`` is
exact for a single float32 channel, but rounds coordinates to 1/32 px for a stack of two.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

REMAP_LIMIT = 32767  # cv2.remap counts pixels in 16-bit integers
_ROWS_A_CHUNK = 256


@lru_cache(maxsize=16)
def pixel_grid(shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the x and y coordinate of every pixel.

    Parameters
    ----------
    shape : (h, w)
        Size of the grid.

    Returns
    -------
    x, y : ndarray, float32, (h, w)
        Read-only, since calls with the same shape share them.

    Examples
    --------
    >>> x, y = pixel_grid((2, 3))
    >>> x
    array([[0., 1., 2.],
           [0., 1., 2.]], dtype=float32)
    """
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    x.flags.writeable = False
    y.flags.writeable = False
    return x, y


def sample_grid(values: NDArray, x: NDArray, y: NDArray) -> NDArray[np.float32]:
    """Interpolate an array bilinearly on a grid of positions, replicating its edges.

    Parameters
    ----------
    values : ndarray, float32, (h, w)
        What is sampled.
    x, y : ndarray, float32, (h_out, w_out)
        Positions in pixels of `values`.

    Returns
    -------
    ndarray, float32, (h_out, w_out)

    Examples
    --------
    >>> ramp, _ = pixel_grid((2, 4))
    >>> sample_grid(ramp, np.float32([[-1, 0.3, 9]]), np.float32([[0, 0.5, 0]])).round(6)
    array([[0. , 0.3, 3. ]], dtype=float32)
    """
    height, width = values.shape
    if max(*values.shape, *x.shape) >= REMAP_LIMIT:
        rows = [slice(i, i + _ROWS_A_CHUNK) for i in range(0, x.shape[0], _ROWS_A_CHUNK)]
        return np.concatenate([sample_points(values, x[r], y[r]).astype(np.float32) for r in rows])
    # Clipping is what replicating means, and keeps remap from overflowing on enormous displacements.
    x = np.clip(x, 0, width - 1)
    y = np.clip(y, 0, height - 1)
    sampled = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled.astype(np.float32, copy=False)


def sample_points(values: NDArray, x: NDArray, y: NDArray) -> NDArray[np.float64]:
    """Interpolate an array bilinearly at positions of any shape, in double precision.

    Parameters
    ----------
    values : ndarray, (h, w) or (h, w, c)
        What is sampled.
    x, y : ndarray, (...)
        Positions in pixels of `values`.

    Returns
    -------
    ndarray, float64, (...) or (..., c)

    Examples
    --------
    >>> sample_points(np.array([[0.0, 10.0], [20.0, 30.0]]), np.array([0.25, 5.0]), np.array([0.5, -5.0]))
    array([12.5, 10. ])
    """
    return _sample(values, x, y)[0]


def sample_points_with_gradient(
    values: NDArray, x: NDArray, y: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Interpolate as `sample_points` does, and differentiate the interpolant.

    Parameters
    ----------
    values : ndarray, (h, w) or (h, w, c)
        What is sampled.
    x, y : ndarray, (...)
        Positions in pixels of `values`.

    Returns
    -------
    sampled, d_dx, d_dy : ndarray, float64, (...) or (..., c)
        The interpolant is constant across its replicated edges, so its derivative there is 0.

    Examples
    --------
    >>> values, x, y = np.array([[0.0, 10.0], [20.0, 30.0]]), np.array([0.5, 3.0]), np.array([0.5, 0.5])
    >>> _, d_dx, d_dy = sample_points_with_gradient(values, x, y)
    >>> d_dx, d_dy
    (array([10.,  0.]), array([20., 20.]))
    """
    sampled, corners, fraction_x, fraction_y = _sample(values, x, y)
    (top_left, top_right), (bottom_left, bottom_right) = corners
    height, width = values.shape[:2]
    inside_x = _like((x >= 0) & (x <= width - 1), values)
    inside_y = _like((y >= 0) & (y <= height - 1), values)
    d_dx = (top_right - top_left) * (1 - fraction_y) + (bottom_right - bottom_left) * fraction_y
    d_dy = (bottom_left - top_left) * (1 - fraction_x) + (bottom_right - top_right) * fraction_x
    return sampled, d_dx * inside_x, d_dy * inside_y


def sample_nearest(values: NDArray, x: NDArray, y: NDArray) -> NDArray:
    """Take the nearest pixel of an array at positions of any shape.

    The pixels are copied, never computed with, so that the largest integers survive.

    Parameters
    ----------
    values : ndarray, (h, w) or (h, w, c)
        What is sampled.
    x, y : ndarray, (...)
        Positions in pixels of `values`.

    Returns
    -------
    ndarray, (...) or (..., c), the dtype of `values`

    Examples
    --------
    >>> sample_nearest(np.array([[7, 2**40 + 1]]), np.array([-3.0, 0.6]), np.array([0.0, 0.2]))
    array([            7, 1099511627777])
    """
    height, width = values.shape[:2]
    column = np.floor(np.clip(x, 0, width - 1) + 0.5).astype(np.intp)
    row = np.floor(np.clip(y, 0, height - 1) + 0.5).astype(np.intp)
    return values[row, column]


def _sample(
    values: NDArray, x: ArrayLike, y: ArrayLike
) -> tuple[NDArray, tuple[tuple[NDArray, NDArray], tuple[NDArray, NDArray]], NDArray, NDArray]:
    """Return the values at positions, the corners of their cells, upper and lower, and where they lie in these."""
    height, width = values.shape[:2]
    x = np.clip(np.asarray(x, dtype=np.float64), 0, width - 1)
    y = np.clip(np.asarray(y, dtype=np.float64), 0, height - 1)
    # The last cell also serves its right and lower border, hence size - 2; one row or column has no cell.
    left = np.minimum(x.astype(np.intp), max(width - 2, 0))
    top = np.minimum(y.astype(np.intp), max(height - 2, 0))
    right = np.minimum(left + 1, width - 1)
    bottom = np.minimum(top + 1, height - 1)
    fraction_x = _like(x - left, values)
    fraction_y = _like(y - top, values)
    corners = (
        (values[top, left].astype(np.float64), values[top, right].astype(np.float64)),
        (values[bottom, left].astype(np.float64), values[bottom, right].astype(np.float64)),
    )
    upper = corners[0][0] + (corners[0][1] - corners[0][0]) * fraction_x
    lower = corners[1][0] + (corners[1][1] - corners[1][0]) * fraction_x
    return upper + (lower - upper) * fraction_y, corners, fraction_x, fraction_y


def _like(weights: NDArray, values: NDArray) -> NDArray:
    """Give `weights` a channel axis where `values` has one."""
    return weights[..., np.newaxis] if values.ndim == 3 else weights

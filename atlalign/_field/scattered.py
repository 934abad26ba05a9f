"""Fields through scattered control points, with SciPy's interpolants.

Convention: control points are (x, y) in pixels, values are (delta_x, delta_y), results are float32 (h, w, 2)
on the pixels of an image. Radial basis functions have their own module, `atlalign._field.rbf`.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LSQBivariateSpline, NearestNDInterpolator, SmoothBivariateSpline, griddata

from atlalign._field.sampling import pixel_grid
from atlalign.utils import griddata_custom, inside_hull

_LSQ_KNOTS = 8  # interior knots an axis, unless the caller chooses


def griddata_field(
    points_xy: NDArray, values_xy: NDArray, shape: tuple[int, int], *, method: str = "linear", **kwargs: Any
) -> NDArray[np.float32]:
    """Interpolate with SciPy's griddata; NaN outside the hull unless `fill_value` is given.

    Examples
    --------
    >>> corners = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2]])
    >>> griddata_field(corners, corners, (3, 3))[1, 2]
    array([2., 1.], dtype=float32)
    """
    grid = np.stack(pixel_grid(shape), axis=-1)
    if method == "nearest":
        return griddata(points_xy, values_xy, grid, method=method, **kwargs).astype(np.float32)
    field = np.full((*shape, 2), kwargs.get("fill_value", np.nan), dtype=np.float32)
    inside = inside_hull(points_xy, grid)
    field[inside] = griddata(points_xy, values_xy, grid[inside], method=method, **kwargs)
    return field


def griddata_custom_field(
    points_xy: NDArray, values_xy: NDArray, shape: tuple[int, int], **kwargs: Any
) -> NDArray[np.float32]:
    """Interpolate linearly, both components at once; NaN outside the hull unless `fill_value` is given.

    Examples
    --------
    >>> corners = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2]])
    >>> griddata_custom_field(corners, corners, (3, 3))[1, 2]
    array([2., 1.], dtype=float32)
    """
    parts = griddata_custom(points_xy, values_xy[:, 0], values_xy[:, 1], pixel_grid(shape), **kwargs)
    return np.stack(parts, axis=-1).astype(np.float32)


def smooth_bspline_field(
    points_xy: NDArray, values_xy: NDArray, shape: tuple[int, int], **kwargs: Any
) -> NDArray[np.float32]:
    """Fit `scipy.interpolate.SmoothBivariateSpline`, whose arguments `kwargs` are; it chooses its knots.

    Examples
    --------
    >>> points = np.argwhere(np.ones((5, 5))).astype(float)
    >>> smooth_bspline_field(points, points, (5, 5), s=1e-6)[2, 4].round(4)
    array([4., 2.], dtype=float32)
    """
    return _spline_field(SmoothBivariateSpline, points_xy, values_xy, shape, kwargs)


def lsq_bspline_field(
    points_xy: NDArray, values_xy: NDArray, shape: tuple[int, int], **kwargs: Any
) -> NDArray[np.float32]:
    """Fit SciPy's LSQBivariateSpline, whose arguments `kwargs` are; `tx`, `ty` are inner knots in pixels.

    Examples
    --------
    >>> points = np.argwhere(np.ones((9, 9))).astype(float)
    >>> lsq_bspline_field(points, points, (9, 9), tx=[4], ty=[4])[2, 4].round(4)
    array([4., 2.], dtype=float32)
    """
    height, width = shape
    knots = {
        "tx": np.linspace(0, width - 1, _LSQ_KNOTS + 2)[1:-1],
        "ty": np.linspace(0, height - 1, _LSQ_KNOTS + 2)[1:-1],
    }
    return _spline_field(LSQBivariateSpline, points_xy, values_xy, shape, knots | kwargs)


def fill_outside_hull(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the pixels that hold NaN the value of the nearest pixel that does not.

    Examples
    --------
    >>> fill_outside_hull(np.array([[[1.0, 2.0], [np.nan, np.nan]]]))
    array([[[1., 2.],
            [1., 2.]]])
    """
    missing = np.isnan(field).any(axis=-1)
    if not missing.any():
        return field
    known = ~missing
    filled = field.copy()
    filled[missing] = NearestNDInterpolator(np.argwhere(known), field[known])(np.argwhere(missing))
    return filled


def _spline_field(
    spline: Callable, points_xy: NDArray, values_xy: NDArray, shape: tuple[int, int], kwargs: dict[str, Any]
) -> NDArray[np.float32]:
    height, width = shape
    needed = (kwargs.get("kx", 3) + 1) * (kwargs.get("ky", 3) + 1)
    if len(points_xy) < needed:
        raise ValueError(
            f"A spline of these degrees needs at least {needed} control points. Received: {len(points_xy)}. "
            "Add points, or choose another interpolation method."
        )
    x, y = points_xy.T
    box = [min(x.min(), 0), max(x.max(), width - 1), min(y.min(), 0), max(y.max(), height - 1)]
    try:
        with warnings.catch_warnings():
            # FITPACK only warns, and returns zeros, when it cannot fit at all.
            warnings.filterwarnings("error", message=r"\s*Error on entry")
            splines = [spline(x, y, values_xy[:, i], **({"bbox": box} | kwargs)) for i in range(2)]
    except UserWarning:
        raise ValueError(
            f"The spline's box and knots must suit the control points. Received: {kwargs}. "
            "Leave bbox out, and put the knots inside the image."
        ) from None
    parts = [fitted(np.arange(width), np.arange(height)).T for fitted in splines]
    return np.stack(parts, axis=-1).astype(np.float32)

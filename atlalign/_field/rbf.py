"""Radial basis function interpolation of displacement fields.

The interpolant and the names of its kernels are those of SciPy's `Rbf` (no polynomial part); what differs is
how it is evaluated on the pixels of an image: in blocks that fit a processor's cache, and, where many control
points describe a smooth field, on a coarse grid that a cubic spline then refines.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.spatial.distance import cdist

_MIN_POINTS_COARSE = 128  # with fewer points exact evaluation is quick
_COARSE_STEPS = (8, 4)  # px, tried in this order
_COARSE_P99 = 0.03  # px, the 99th percentile of the error that the coarse grid may make
_COARSE_MAX = 0.5  # px, the error that it may make at a control point, where the linear kernel has a kink
_N_CHECKED = 1024
_BLOCK = 2**18  # elements of a block of distances: 1 MiB of float32
_ROUNDING = 5e-3  # px, about the largest error that float32 may make; beyond, float64 is used
_GROUP = 64  # control points
_MOST_POINTS = 8000  # their equations fill 0.5 GB


def _multiquadric(d2: NDArray, epsilon: float) -> NDArray:
    d2 *= 1 / epsilon**2
    d2 += 1
    return np.sqrt(d2, out=d2)


def _inverse(d2: NDArray, epsilon: float) -> NDArray:
    return np.reciprocal(_multiquadric(d2, epsilon), out=d2)


def _gaussian(d2: NDArray, epsilon: float) -> NDArray:
    d2 *= -1 / epsilon**2
    return np.exp(d2, out=d2)


def _linear(d2: NDArray, epsilon: float) -> NDArray:
    return np.sqrt(d2, out=d2)


def _cubic(d2: NDArray, epsilon: float) -> NDArray:
    return np.multiply(d2, np.sqrt(d2), out=d2)


def _quintic(d2: NDArray, epsilon: float) -> NDArray:
    root = np.sqrt(d2)
    d2 *= d2
    return np.multiply(d2, root, out=d2)


def _thin_plate(d2: NDArray, epsilon: float) -> NDArray:
    logarithm = np.log(np.maximum(d2, np.finfo(d2.dtype).tiny))
    d2 *= 0.5
    return np.multiply(d2, logarithm, out=d2)


# Each turns squared distances, which it overwrites, into its values.
_KERNELS: dict[str, Callable[[NDArray, float], NDArray]] = {
    "multiquadric": _multiquadric,
    "inverse": _inverse,
    "gaussian": _gaussian,
    "linear": _linear,
    "cubic": _cubic,
    "quintic": _quintic,
    "thin_plate": _thin_plate,
}


def rbf_field(
    points_xy: NDArray,
    values_xy: NDArray,
    shape: tuple[int, int],
    *,
    function: str = "multiquadric",
    epsilon: float | None = None,
    smooth: float = 0,
    exact: bool = False,
) -> NDArray[np.float32]:
    """Interpolate displacements between control points with radial basis functions.

    Parameters
    ----------
    points_xy : ndarray, (n, 2)
        Control points, (x, y) in pixels. Points that coincide count once, with their mean displacement.
    values_xy : ndarray, (n, 2)
        (delta_x, delta_y) in pixels there.
    shape : (h, w)
        Size of the field.
    function : {"multiquadric", "inverse", "gaussian", "linear", "cubic", "quintic", "thin_plate"}
        The kernel.
    epsilon : float or None
        Scale of multiquadric, inverse and gaussian in pixels; None takes about the mean distance of the
        points.
    smooth : float
        0 passes through the values; larger numbers approximate them.
    exact : bool
        Whether to evaluate at every pixel. Otherwise, with 128 points or more, a coarse grid serves where its
        error, measured at 1024 pixels, has a 99th percentile below 0.03 px.

    Returns
    -------
    ndarray, float32, (h, w, 2)

    Raises
    ------
    ValueError
        If the kernel is unknown or the points do not determine an interpolant.

    Examples
    --------
    >>> points, values = np.array([[0, 0], [4, 0], [0, 2]]), np.array([[1, 0], [3, 0], [5, 0]])
    >>> rbf_field(points, values, (3, 5), function="linear")[..., 0].round(4)[[0, 0, 2], [0, 4, 0]]
    array([1., 3., 5.], dtype=float32)
    """
    if function not in _KERNELS:
        raise ValueError(f"function must be one of {', '.join(_KERNELS)}. Received: {function!r}.")
    points, values = _merge_coinciding(np.asarray(points_xy, np.float64), np.asarray(values_xy, np.float64))
    if len(points) > _MOST_POINTS:
        raise ValueError(
            f"rbf takes at most {_MOST_POINTS} control points. Received: {len(points)}. "
            "Take fewer (a larger ds_f), or another interpolation method."
        )
    interpolant = _Interpolant(points, values, function, epsilon, smooth)

    height, width = shape
    if not exact and len(points) >= _MIN_POINTS_COARSE:
        for step in _COARSE_STEPS:
            field = _evaluate_coarsely(interpolant, points, shape, step)
            if field is not None:
                return field
    return interpolant.on_grid(np.arange(width), np.arange(height)).astype(np.float32)


class _Interpolant:
    """Weights of the kernels, and their sums on grids and at points."""

    def __init__(self, points: NDArray, values: NDArray, function: str, epsilon: float | None, smooth: float):
        self.points = points
        self.kernel = _KERNELS[function]
        if epsilon is None:
            extent = np.ptp(points, axis=0)
            extent = extent[extent > 0]
            epsilon = (np.prod(extent) / len(points)) ** (1 / len(extent)) if len(extent) else 1.0
        self.epsilon = float(epsilon)
        matrix = self.kernel(cdist(points, points, "sqeuclidean"), self.epsilon)
        matrix[np.diag_indices_from(matrix)] -= smooth
        try:
            self.weights = np.linalg.solve(matrix, values)
        except np.linalg.LinAlgError:
            self.weights = np.full_like(values, np.nan)
        if not np.isfinite(self.weights).all():
            raise ValueError(
                f"The control points do not determine an rbf interpolant. Received: {len(points)} points, "
                f"function {function!r}. Add points, change smooth, or choose another interpolation method."
            )

    def at(self, points: NDArray) -> NDArray[np.float64]:
        return self.kernel(cdist(points, self.points, "sqeuclidean"), self.epsilon) @ self.weights

    def on_grid(self, xs: NDArray, ys: NDArray) -> NDArray:
        """Evaluate at every (x, y), as (len(ys), len(xs), 2)."""
        farthest = np.full((1, 1), float(np.square(np.ptp(xs)) + np.square(np.ptp(ys))))
        largest = abs(float(self.kernel(farthest, self.epsilon)[0, 0])) + 1
        rounding = np.linalg.norm(self.weights, axis=0).max() * largest * np.finfo(np.float32).eps
        dtype = np.float32 if rounding < _ROUNDING else np.float64

        # Points are summed in groups: products this small stay in one thread, whose start would cost more.
        size = min(_GROUP, len(self.points))
        n_groups = -(-len(self.points) // size)
        missing = n_groups * size - len(self.points)
        points = np.pad(self.points, ((0, missing), (0, 0)))
        weights = np.pad(self.weights, ((0, missing), (0, 0))).reshape(n_groups, size, 2)
        weights = np.ascontiguousarray(weights.transpose(0, 2, 1), dtype=dtype)
        d2_x = np.square(xs[np.newaxis, :] - points[:, 0, np.newaxis]).astype(dtype)  # (n, w)
        d2_y = np.square(ys[np.newaxis, :] - points[:, 1, np.newaxis]).astype(dtype)  # (n, h)
        result = np.empty((2, len(ys), len(xs)))
        rows = max(1, _BLOCK // (len(points) * len(xs)))
        for start in range(0, len(ys), rows):
            part = slice(start, start + rows)
            d2 = d2_y[:, part, np.newaxis] + d2_x[:, np.newaxis, :]
            kernel = self.kernel(d2, self.epsilon).reshape(n_groups, size, -1)
            result[:, part] = (weights @ kernel).sum(axis=0, dtype=np.float64).reshape(2, -1, len(xs))
        return np.moveaxis(result, 0, -1)


def _evaluate_coarsely(
    interpolant: _Interpolant, points: NDArray, shape: tuple[int, int], step: int
) -> NDArray[np.float32] | None:
    """Evaluate every `step` pixels and refine by a cubic spline; None where that is not accurate enough."""
    nodes = [np.linspace(0, size - 1, -(-(size - 1) // step) + 1) for size in shape]
    if min(len(axis) for axis in nodes) < 4:  # a cubic spline needs four
        return None
    nodes_y, nodes_x = nodes
    splines = [make_interp_spline(axis, np.eye(len(axis)), k=3) for axis in nodes]
    coarse = interpolant.on_grid(nodes_x, nodes_y)

    for checked, accepts in (
        (_spread_pixels(shape), lambda error: np.quantile(error, 0.99) <= _COARSE_P99),
        (points[:: -(-len(points) // _N_CHECKED)], lambda error: error.max() <= _COARSE_MAX),
    ):
        some = checked[((checked >= 0) & (checked <= [shape[1] - 1, shape[0] - 1])).all(axis=1)]
        at_y, at_x = splines[0](some[:, 1]), splines[1](some[:, 0])
        refined = np.stack([((at_y @ coarse[..., i]) * at_x).sum(axis=1) for i in range(2)], axis=-1)
        if len(some) and not accepts(np.hypot(*(refined - interpolant.at(some)).T)):
            return None

    to_rows, to_columns = (
        spline(np.arange(size)).astype(np.float32) for spline, size in zip(splines, shape, strict=True)
    )
    parts = [to_rows @ coarse[..., i].astype(np.float32) @ to_columns.T for i in range(2)]
    return np.stack(parts, axis=-1)


def _spread_pixels(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return pixels spread evenly over the image (a Kronecker sequence), as (x, y)."""
    steps = np.array([0.7548776662466927, 0.5698402909980532])  # 1 / p, 1 / p**2 of the plastic number p
    share = np.modf(np.arange(1, _N_CHECKED + 1)[:, np.newaxis] * steps)[0]
    return np.floor(share * [shape[1], shape[0]])


def _merge_coinciding(points: NDArray, values: NDArray) -> tuple[NDArray, NDArray]:
    """Replace points that coincide, which would make the equations singular, by one with their mean value."""
    unique, which, count = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    if len(unique) == len(points):
        return points, values
    total = np.zeros_like(unique)
    np.add.at(total, which.ravel(), values)
    return unique, total / count[:, np.newaxis]

"""Fields through displaced control points."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atlalign._field.rbf import rbf_field
from atlalign._field.scattered import griddata_custom_field, griddata_field, smooth_bspline_field
from atlalign.utils import as_generator
from atlalign.zoo.linear import Deltas

# Outside the hull of the control points nothing is known; 0 leaves the image alone there.
_METHODS: dict[str, tuple[Callable, dict[str, Any]]] = {
    "griddata": (griddata_field, {"fill_value": 0.0}),
    "griddata_custom": (griddata_custom_field, {"fill_value": 0.0}),
    "bspline": (smooth_bspline_field, {}),
    "rbf": (rbf_field, {}),
}


def control_points(
    shape: tuple[int, int],
    points: NDArray | None = None,
    values_delta_x: NDArray | None = None,
    values_delta_y: NDArray | None = None,
    anchor_corners: bool = True,
    interpolation_method: str = "griddata",
    interpolator_kwargs: dict[str, Any] | None = None,
) -> Deltas:
    """Make a field that has given displacements at given pixels.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    points : ndarray, (n, 2)
        (row, column) of the control points. Note the order.
    values_delta_x, values_delta_y : ndarray, (n,)
        Displacements there in pixels, to the right and down.
    anchor_corners : bool
        Whether the four corners of the image become control points without displacement.
    interpolation_method : {"griddata", "griddata_custom", "bspline", "rbf"}
        "griddata" is SciPy's, "griddata_custom" the same in its linear form with one triangulation for both
        components, "bspline" is SciPy's SmoothBivariateSpline (at least 16 points), "rbf" are radial basis
        functions.
    interpolator_kwargs : dict or None
        For griddata, SciPy's (`method`, `fill_value`: outside the hull of the points, 0 by default); for
        griddata_custom `fill_value`; for bspline SciPy's; for rbf `function`, `epsilon` and `smooth` as
        SciPy's Rbf takes them, and `exact` (see Notes).

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.

    Raises
    ------
    TypeError
        If the points or values are not arrays.
    ValueError
        If there are none, if their lengths differ, if they do not determine an interpolant, or if the method
        is unknown.
    IndexError
        If a point lies outside the image.

    Notes
    -----
    With 128 points or more, rbf tries a coarse grid first and keeps its result where the error that this
    makes, measured at 1024 pixels, has a 99th percentile below 0.03 px; ``exact=True`` evaluates every pixel.

    Examples
    --------
    >>> delta_x, _ = control_points((9, 9), np.array([[4, 4]]), np.array([3]), np.array([0]))
    >>> delta_x[4]
    array([0.  , 0.75, 1.5 , 2.25, 3.  , 2.25, 1.5 , 0.75, 0.  ], dtype=float32)
    """
    points = _require_array("points", points)
    values_delta_x = _require_array("values_delta_x", values_delta_x)
    values_delta_y = _require_array("values_delta_y", values_delta_y)
    shapes = [array.shape for array in (points, values_delta_x, values_delta_y)]
    n_points = len(points)
    if n_points == 0 or shapes != [(n_points, 2), (n_points,), (n_points,)]:
        raise ValueError(
            "points must be (n, 2) with n displacements in each direction, n at least 1. "
            f"Received: points {shapes[0]}, values {shapes[1]} and {shapes[2]}. Give one value a point."
        )
    height, width = shape
    if not ((points >= 0) & (points <= [height - 1, width - 1])).all():
        raise IndexError(
            f"points must lie in the image, as (row, column) up to ({height - 1}, {width - 1}). "
            f"Received: {points.min(axis=0).tolist()} to {points.max(axis=0).tolist()}. Check their order."
        )
    if interpolation_method not in _METHODS:
        raise ValueError(
            f"interpolation_method must be one of {', '.join(_METHODS)}. Received: {interpolation_method!r}."
        )

    points_xy = points[:, ::-1].astype(np.float64)
    values = np.stack([values_delta_x, values_delta_y], axis=-1).astype(np.float64)
    if anchor_corners:
        corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], dtype=np.float64)
        corners = np.unique(corners, axis=0)
        free = ~(corners[:, np.newaxis] == points_xy).all(axis=-1).any(axis=1)  # a displaced corner stays displaced
        points_xy = np.concatenate([points_xy, corners[free]])
        values = np.concatenate([values, np.zeros((int(free.sum()), 2))])
    function, defaults = _METHODS[interpolation_method]
    field = function(points_xy, values, (height, width), **(defaults | (interpolator_kwargs or {})))
    return field[..., 0], field[..., 1]


def edge_stretching(
    shape: tuple[int, int],
    edge_mask: NDArray | None = None,
    n_perturbation_points: int = 3,
    radius_max: float = 30,
    interpolation_method: str = "griddata_custom",
    interpolator_kwargs: dict[str, Any] | None = None,
    random_state: int | np.random.Generator | None = None,
) -> Deltas:
    """Displace random points of the edges of an image.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    edge_mask : ndarray, bool, (h, w)
        True on edges, for example what `skimage.feature.canny` returns.
    n_perturbation_points : int
        How many edge pixels to displace.
    radius_max : float
        Each moves by a distance drawn uniformly from [0, radius_max] pixels, in a random direction.
    interpolation_method, interpolator_kwargs
        As in `control_points`.
    random_state : None, int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels; none at the corners.

    Raises
    ------
    ValueError
        If the mask has another shape or dtype, or fewer edge pixels than are wanted.

    Examples
    --------
    >>> mask = np.zeros((20, 30), dtype=bool)
    >>> mask[10, 5:25] = True
    >>> delta_x, delta_y = edge_stretching((20, 30), mask, radius_max=4, random_state=0)
    >>> bool(np.hypot(delta_x, delta_y).max() <= 4)
    True
    """
    mask = np.asarray(edge_mask)
    if mask.shape != tuple(shape) or mask.dtype != bool:
        raise ValueError(
            f"edge_mask must be a bool array of shape {tuple(shape)}. "
            f"Received: {mask.dtype} of shape {mask.shape}. Find edges with skimage.feature.canny."
        )
    return _displace_some(
        np.flatnonzero(mask),
        shape,
        n_perturbation_points,
        lambda generator, n: generator.uniform(0, radius_max, n),
        None,
        interpolation_method,
        interpolator_kwargs,
        as_generator(random_state),
    )


def single_frequency(
    shape: tuple[int, int],
    p: NDArray | None = None,
    grid_spacing: int = 5,
    n_perturbation_points: int = 20,
    radius_mean: float | None = None,
    interpolation_method: str = "griddata",
    interpolator_kwargs: dict[str, Any] | None = None,
    random_state: int | np.random.Generator | None = None,
) -> Deltas:
    """Displace random nodes of a regular grid, whose spacing sets the one spatial frequency of the field.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    p : ndarray, (h, w), or None
        Weight of each pixel in the choice of nodes; None weighs them alike.
    grid_spacing : int
        Pixels between nodes.
    n_perturbation_points : int
        How many nodes to displace.
    radius_mean : float or None
        Each moves by a distance drawn from an exponential distribution of this mean in pixels, in a random
        direction; None is half the spacing.
    interpolation_method, interpolator_kwargs
        As in `control_points`.
    random_state : None, int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.

    Raises
    ------
    ValueError
        If the weights have another shape or are negative, or if there are fewer nodes than are wanted.

    References
    ----------
    Sokooti et al. (2017), Nonrigid image registration using multi-scale 3D convolutional neural networks,
    doi 10.1007/978-3-319-66182-7_27.

    Examples
    --------
    >>> delta_x, delta_y = single_frequency((50, 60), n_perturbation_points=5, random_state=0)
    >>> delta_x.shape
    (50, 60)
    """
    if grid_spacing < 1:
        raise ValueError(f"grid_spacing must be at least 1 px. Received: {grid_spacing}.")
    mean = grid_spacing / 2 if radius_mean is None else radius_mean
    nodes = np.zeros(shape, dtype=bool)
    nodes[::grid_spacing, ::grid_spacing] = True
    candidates = np.flatnonzero(nodes)
    return _displace_some(
        candidates,
        shape,
        n_perturbation_points,
        lambda generator, n: generator.exponential(mean, n),
        check_weights(p, shape).ravel()[candidates] if p is not None else None,
        interpolation_method,
        interpolator_kwargs,
        as_generator(random_state),
    )


def check_weights(p: NDArray, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the weights of pixels as floats, or raise an error unless they are (h, w) and none is negative.

    Examples
    --------
    >>> check_weights(np.array([[1, 3]]), (1, 2))
    array([[1., 3.]])
    """
    weights = np.asarray(p, dtype=np.float64)
    if weights.shape != tuple(shape) or not (weights >= 0).all() or not np.isfinite(weights).all():
        raise ValueError(
            f"p must hold a finite weight of at least 0 for each pixel of shape {tuple(shape)}. "
            f"Received: shape {weights.shape}. Leave it out to weigh all alike."
        )
    return weights


def _displace_some(
    candidates: NDArray,
    shape: tuple[int, int],
    n_points: int,
    draw_radius: Callable[[np.random.Generator, int], NDArray],
    weights: NDArray | None,
    interpolation_method: str,
    interpolator_kwargs: dict[str, Any] | None,
    generator: np.random.Generator,
) -> Deltas:
    """Displace `n_points` of the pixels whose flat indexes are `candidates`."""
    available = len(candidates) if weights is None else int((weights > 0).sum())
    if not 1 <= n_points <= available:
        raise ValueError(
            f"n_perturbation_points must be from 1 to the number of candidates, {available}. Received: {n_points}."
        )
    share = None if weights is None else weights / weights.sum()
    chosen = generator.choice(candidates, n_points, replace=False, p=share)
    radius = draw_radius(generator, n_points)
    angle = generator.uniform(0, 2 * np.pi, n_points)
    points = np.stack(np.unravel_index(chosen, shape), axis=-1)
    return control_points(
        shape,
        points,
        radius * np.cos(angle),
        radius * np.sin(angle),
        interpolation_method=interpolation_method,
        interpolator_kwargs=interpolator_kwargs,
    )


def _require_array(name: str, value: NDArray | None) -> NDArray:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be an array. Received: {type(value).__name__}. Convert it with numpy.array.")
    return value

"""From pairs of landmarks to a displacement field, and how far a field leaves landmarks apart.

Convention: landmarks are (n, 2), (x, y) in pixels of their own image; row i of the one array and row i of the other are
the same place. A field is a pull-back on the reference grid: at a reference landmark it points to the moving one.
"""

import csv
import os
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import RBFInterpolator, make_interp_spline

from atlalign._field.rbf import rbf_field
from atlalign._field.scattered import fill_outside_hull, griddata_custom_field, griddata_field
from atlalign._files import require_file
from atlalign.base import DisplacementField
from atlalign.errors import InvalidFileError, one_line

__all__ = ["field_from_landmarks", "read_landmarks", "target_registration_error"]

_METHODS = ("thin_plate_spline", "rbf", "griddata", "griddata_custom")
_STEPS = (16, 8, 4, 2)  # px between the nodes of a thin-plate spline, tried in this order
_TOLERANCE = 0.02  # px, the error that the nodes may make at the pixels that are checked
_N_CHECKED = 1024
_BLOCK_ROWS = 64
_COLLINEAR = 1e-6  # width of a set of points as a share of its length, below which it counts as a line


def field_from_landmarks(
    shape: tuple[int, int],
    points_reference: ArrayLike,
    points_moving: ArrayLike,
    method: str = "thin_plate_spline",
    smooth: float = 0,
    interpolator_kwargs: dict[str, Any] | None = None,
) -> DisplacementField:
    """Make the field that takes landmarks of the reference to those of the moving image.

    Parameters
    ----------
    shape : (h, w)
        Size of the reference image.
    points_reference, points_moving : array-like, (n, 2)
        The same n places in both images, (x, y) in pixels of each; at least 3, not on one line. They may lie outside
        the images.
    method : {"thin_plate_spline", "rbf", "griddata", "griddata_custom"}
        "thin_plate_spline" bends the plane as little as it can, and beyond the landmarks becomes affine: take this one.
        "rbf" are radial basis functions as SciPy's Rbf computes them. "griddata" and "griddata_custom" are linear
        between the landmarks; outside their hull the nearest displacement of its border goes on.
    smooth : float
        0 passes through the landmarks. Larger numbers, in the units of the kernel (px**2 for thin_plate_spline), let
        the field miss landmarks that were placed imprecisely. Only for thin_plate_spline and rbf.
    interpolator_kwargs : dict or None
        For rbf `function`, `epsilon` and `exact`; for griddata `method`; for both griddata `fill_value`, px outside
        the hull: all as in `atlalign.zoo.control_points`. thin_plate_spline takes none.

    Returns
    -------
    DisplacementField, (h, w)
        ``field.warp(moving)`` lies on the reference.

    Raises
    ------
    ValueError
        If there are fewer than 3 pairs, the numbers of points differ, points are not finite, coincide or lie on one
        line, or the method or an argument is unknown.

    See Also
    --------
    target_registration_error : how far landmarks that were left out are from where the field takes them.

    Notes
    -----
    Thin-plate splines are computed on a grid of nodes that cubic splines refine: at 1024 pixels over the image and at
    every landmark this is checked to be within 0.02 px of the spline itself, with closer nodes, in the end every pixel,
    where it is not.

    References
    ----------
    Bookstein (1989), Principal warps: thin-plate splines and the decomposition of deformations, doi 10.1109/34.24792.

    Examples
    --------
    >>> reference = np.array([[2, 2], [40, 5], [10, 25], [30, 20]])
    >>> field = field_from_landmarks((30, 48), reference, reference + [3, -1])
    >>> field.warp(np.tile(np.arange(48, dtype="uint8"), (30, 1)))[10, :5]
    array([3, 4, 5, 6, 7], dtype=uint8)
    """
    reference, moving = _check_pairs(points_reference, points_moving)
    kwargs = dict(interpolator_kwargs or {})
    if len(shape) != 2 or any(int(size) != size or size < 1 for size in shape):
        raise ValueError(f"shape must be (h, w), each at least 1. Received: {tuple(shape)}.")
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}. Received: {method!r}.")
    if not isinstance(smooth, Real) or not 0 <= smooth < np.inf:
        raise ValueError(
            f"smooth must be a number of at least 0. Received: {smooth!r}. 0 passes through the landmarks."
        )
    _check_spread(reference)
    size = int(shape[0]), int(shape[1])
    displacements = moving - reference
    if method == "thin_plate_spline":
        if kwargs:
            raise ValueError(f"thin_plate_spline takes no interpolator_kwargs. Received: {', '.join(kwargs)}.")
        return DisplacementField.from_deltas_xy(_thin_plate_field(reference, displacements, size, float(smooth)))
    if method == "rbf":
        field = rbf_field(reference, displacements, size, smooth=float(smooth), **kwargs)
        return DisplacementField.from_deltas_xy(field)
    if smooth:
        raise ValueError(f"{method} passes through the landmarks: smooth must be 0. Received: {smooth}.")
    interpolate = griddata_field if method == "griddata" else griddata_custom_field
    return DisplacementField.from_deltas_xy(fill_outside_hull(interpolate(reference, displacements, size, **kwargs)))


def target_registration_error(
    field: DisplacementField, points_reference: ArrayLike, points_moving: ArrayLike
) -> NDArray[np.float64]:
    """Measure how far a field takes landmarks of the reference from those of the moving image.

    Parameters
    ----------
    field : DisplacementField, (h, w)
        Moving to registered, on the reference grid.
    points_reference, points_moving : array-like, (n, 2)
        The same n places in both images, (x, y) in pixels of each. To judge a registration, take landmarks that it did
        not use.

    Returns
    -------
    ndarray, float64, (n,)
        Distances in pixels of the moving image.

    Raises
    ------
    ValueError
        If the numbers of points differ or they are not finite.

    Examples
    --------
    >>> identity = DisplacementField.generate((20, 20))
    >>> target_registration_error(identity, [[5, 5], [9, 9]], [[8, 9], [9, 9]])
    array([5., 0.])
    """
    reference, moving = _as_pairs(points_reference, points_moving)
    return np.hypot(*(field.transform_points(reference) - moving).T)


def read_landmarks(path: str | os.PathLike) -> NDArray[np.float64]:
    r"""Read landmarks from a table as ImageJ writes it, and BIRL and CIMA publish it.

    Parameters
    ----------
    path : path-like
        A CSV file whose header names columns X and Y, in either case; others, such as the number of the landmark, are
        left out.

    Returns
    -------
    ndarray, float64, (n, 2)
        (x, y) as in the file, in its order. CIMA's landmarks are pixels of the images at full size: multiply them by
        the scale of the image that you use. The tables of a pair may differ in length; the first rows correspond.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    atlalign.errors.InvalidFileError
        If it is no such table.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "landmarks.csv"
    >>> _ = path.write_text(",X,Y\n1,144,122\n2,281.5,66\n")
    >>> read_landmarks(path)
    array([[144. , 122. ],
           [281.5,  66. ]])
    """
    path = require_file(path, "table of landmarks")
    remedy = "Export landmarks as a table with columns X and Y."
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
        names = [name.strip().lower() for name in rows[0]]
        columns = [names.index("x"), names.index("y")]
        points = np.array([[float(row[column]) for column in columns] for row in rows[1:]], dtype=np.float64)
    except (ValueError, IndexError, csv.Error) as error:
        reason = one_line(error)
        raise InvalidFileError(
            f"Landmarks must be a CSV table of numbers with a header that names X and Y. Received: {path} ({reason}). "
            f"{remedy}"
        ) from None
    if len(points) == 0 or not np.isfinite(points).all():
        raise InvalidFileError(
            f"Landmarks must be finite, at least one. Received: {path}, {len(points)} rows. {remedy}"
        )
    return points


def _as_pairs(points_reference: ArrayLike, points_moving: ArrayLike) -> tuple[NDArray, NDArray]:
    reference, moving = (np.asarray(points, dtype=np.float64) for points in (points_reference, points_moving))
    for name, points in (("points_reference", reference), ("points_moving", moving)):
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise ValueError(f"{name} must be finite and (n, 2), as (x, y). Received: shape {points.shape}.")
    if len(reference) != len(moving):
        raise ValueError(
            "points_reference and points_moving must be the same places. "
            f"Received: {len(reference)} and {len(moving)} points. Leave out those that lack a partner."
        )
    return reference, moving


def _check_pairs(points_reference: ArrayLike, points_moving: ArrayLike) -> tuple[NDArray, NDArray]:
    reference, moving = _as_pairs(points_reference, points_moving)
    if len(reference) < 3:
        raise ValueError(f"A field needs at least 3 pairs of landmarks. Received: {len(reference)}. Add some.")
    for name, points in (("points_reference", reference), ("points_moving", moving)):
        unique, count = np.unique(points, axis=0, return_counts=True)
        if len(unique) < len(points):
            twice = unique[count > 1][0].tolist()
            raise ValueError(f"{name} must hold each point once. Received: {twice} more often. Remove the pair.")
    return reference, moving


def _check_spread(points: NDArray) -> None:
    length, width = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if width <= _COLLINEAR * length:
        raise ValueError(
            f"points_reference must not lie on one line. Received: {len(points)} points that do. Add one beside it."
        )


def _thin_plate_field(
    points: NDArray, displacements: NDArray, shape: tuple[int, int], smooth: float
) -> NDArray[np.float32]:
    spline = RBFInterpolator(points, displacements, kernel="thin_plate_spline", smoothing=smooth)
    height, width = shape
    checked = np.concatenate([_spread_pixels(shape), np.rint(points)])
    checked = checked[((checked >= 0) & (checked <= [width - 1, height - 1])).all(axis=1)].astype(int)
    expected = spline(checked.astype(float))
    enough = max(_STEPS)
    for step in _STEPS:
        if step > enough or min(shape) <= 3 * step:  # a cubic spline needs four nodes
            continue
        nodes_y, nodes_x = (np.linspace(0, size - 1, -(-(size - 1) // step) + 1) for size in shape)
        coarse = spline(np.stack(np.meshgrid(nodes_x, nodes_y), axis=-1).reshape(-1, 2))
        coarse = coarse.reshape(len(nodes_y), len(nodes_x), 2)
        to_rows, to_columns = (
            make_interp_spline(nodes, np.eye(len(nodes)), k=3)(np.arange(size))
            for nodes, size in ((nodes_y, height), (nodes_x, width))
        )
        at_rows, at_columns = to_rows[checked[:, 1]], to_columns[checked[:, 0]]
        refined = np.stack([((at_rows @ coarse[..., i]) * at_columns).sum(axis=1) for i in range(2)], axis=-1)
        error = np.abs(refined - expected).max(initial=0)
        if error <= _TOLERANCE:
            return np.stack([to_rows @ coarse[..., i] @ to_columns.T for i in range(2)], axis=-1).astype(np.float32)
        # At a landmark, where the spline's second derivative has a pole, the error falls with the square of the step.
        enough = step * np.sqrt(_TOLERANCE / error)
    field = np.empty((height, width, 2), dtype=np.float32)
    for start in range(0, height, _BLOCK_ROWS):
        rows = np.arange(start, min(start + _BLOCK_ROWS, height))
        grid = np.stack(np.meshgrid(np.arange(width), rows), axis=-1).reshape(-1, 2)
        field[rows] = spline(grid.astype(float)).reshape(len(rows), width, 2)
    return field


def _spread_pixels(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return pixels spread evenly over the image, as (x, y); the same ones each time."""
    drawn = np.random.default_rng(0).random((_N_CHECKED, 2))
    return np.floor(drawn * [shape[1], shape[0]])

"""Whether a displacement field could be one of tissue: without folds, and undone by its inverse."""

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from atlalign._field.measures import FieldMeasures
from atlalign._field.sampling import pixel_grid, sample_grid
from atlalign.metrics._checks import AnyFields, as_fields, mean_of_known, require_same_shape

__all__ = ["inverse_consistency", "percent_nonpositive_jacobian"]

# name -> whether a determinant of exactly 0 counts, and the margin that does not (above and below, left and right)
_DEFINITIONS = MappingProxyType(
    {"nonpositive": (True, (0, 0)), "negative": (False, (0, 0)), "published": (True, (1, 6))}
)


def percent_nonpositive_jacobian(deltas_xy: AnyFields, definition: str = "nonpositive") -> float | NDArray[np.float64]:
    """Measure how much of a field folds: the percentage of pixels with a determinant that says so.

    Parameters
    ----------
    deltas_xy : ndarray (h, w, 2) or (n, h, w, 2), a DisplacementField or a list of them
        Displacements (dx, dy), px.
    definition : {"nonpositive", "negative", "published"}
        Which pixels count as corrupted: "nonpositive", those with a Jacobian determinant of at most 0; "negative",
        below 0, as `evaluate_single` counts; "published", of at most 0, leaving out 1 pixel above and below and 6
        left and right, as the publication does with the field of the local network (Krepl et al. 2021,
        doi:10.3389/fninf.2021.691918).

    Returns
    -------
    float, or ndarray of float64, (n,)
        From 0 to 100; NaN where the margin leaves no pixel.

    Raises
    ------
    TypeError, ValueError
        If the fields are not as above and finite, or the definition is unknown.

    Examples
    --------
    >>> from atlalign import DisplacementField
    >>> fold = np.zeros((20, 20, 2))
    >>> fold[:, 10, 0] = -3  # a column that shows what lies 3 px to its left
    >>> percent_nonpositive_jacobian(fold), percent_nonpositive_jacobian(fold, "published")
    (5.0, 12.5)
    >>> percent_nonpositive_jacobian(DisplacementField.generate((20, 20), "affine_simple", rotation=1))
    0.0
    """
    if definition not in _DEFINITIONS:
        raise ValueError(f"definition must be one of {', '.join(_DEFINITIONS)}. Received: {definition!r}.")
    fields = as_fields(deltas_xy, "deltas_xy", single=True).astype(np.float32, copy=False)
    percent = np.empty(fields.shape[:-3])
    for index in np.ndindex(percent.shape):
        delta_x, delta_y = fields[index][..., 0], fields[index][..., 1]
        percent[index] = 100 * corrupted_share(FieldMeasures(delta_x, delta_y).jacobian, definition)
    return float(percent) if percent.ndim == 0 else percent


def corrupted_share(jacobian: NDArray[np.floating], definition: str) -> float:
    """Return the share of corrupted pixels from 0 to 1, by a definition of `percent_nonpositive_jacobian`.

    Parameters
    ----------
    jacobian : ndarray, (h, w)
        Determinants.
    definition : {"nonpositive", "negative", "published"}
        Which pixels count.

    Examples
    --------
    >>> corrupted_share(np.array([[1.0, 0.0], [-1.0, 2.0]]), "negative")
    0.25
    """
    zero_counts, (rows, columns) = _DEFINITIONS[definition]
    height, width = jacobian.shape
    inside = jacobian[rows : height - rows, columns : max(width - columns, columns)]
    corrupted = inside <= 0 if zero_counts else inside < 0
    return float(corrupted.mean()) if corrupted.size else float("nan")


def inverse_consistency(deltas_xy: AnyFields, inv_deltas_xy: AnyFields) -> tuple[float, NDArray[np.float64]]:
    """Measure how far, in pixels, a point ends from where it started after a field and its inverse.

    Parameters
    ----------
    deltas_xy, inv_deltas_xy : ndarray (h, w, 2) or (n, h, w, 2), a DisplacementField or a list of them
        Displacements (dx, dy), px: a field and its inverse. Points of the grid of `deltas_xy` go there and back; swap
        the two for the other round.

    Returns
    -------
    average : float
        Over the samples and pixels that count, px; NaN where none does.
    per_pixel : ndarray, float64, (h, w) or (n, h, w)
        Length of delta(p) + inv_delta(p + delta(p)), px. NaN where p + delta(p) lies outside the grid, of which the
        inverse says nothing.

    Raises
    ------
    TypeError, ValueError
        If the fields are not as above, of one shape and finite.

    Examples
    --------
    >>> from atlalign import DisplacementField
    >>> df = DisplacementField.generate((60, 80), "affine_simple", rotation=0.2)
    >>> inverse_consistency(df, df.pseudo_inverse())[0] < 1e-3
    True
    >>> round(inverse_consistency(df, df)[0], 1)
    10.1
    """
    there = as_fields(deltas_xy, "deltas_xy", single=True)
    back = as_fields(inv_deltas_xy, "inv_deltas_xy", single=True)
    require_same_shape(there, back)
    height, width = there.shape[-3:-1]
    grid_x, grid_y = pixel_grid((height, width))
    error = np.empty(there.shape[:-1])
    for index in np.ndindex(error.shape[:-2]):
        delta = there[index]
        x, y = grid_x + delta[..., 0], grid_y + delta[..., 1]
        at = x.astype(np.float32), y.astype(np.float32)
        returned = [sample_grid(back[index][..., axis].astype(np.float32), *at) for axis in (0, 1)]
        error[index] = np.hypot(delta[..., 0] + returned[0], delta[..., 1] + returned[1])
        error[index][(x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)] = np.nan
    return float(mean_of_known(error)), error

"""Endpoint errors in the numbers that a table shows."""

from collections.abc import Sequence
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from atlalign.metrics._checks import AnyFields, paired_fields

__all__ = ["endpoint_error_summary"]


def endpoint_error_summary(
    y_true: AnyFields,
    y_pred: AnyFields,
    *,
    resolution_um: float | Sequence[float] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Summarise the distances between the ends of true and predicted displacements.

    Parameters
    ----------
    y_true, y_pred : ndarray (n, h, w, 2) or (h, w, 2), a DisplacementField or a list of them
        Displacements (dx, dy), px.
    resolution_um : float or (float, float), optional
        Size of a pixel in um: its side, or its height and width. Without it there are no micrometres.
    mask : ndarray, bool, (h, w) or (n, h, w), optional
        The pixels that count, such as tissue.

    Returns
    -------
    dict of str to float
        `mean_px`, `median_px`, `p95_px` over all pixels of all samples, and `mean_um`, `median_um`, `p95_um` with a
        resolution. p95 is the 95th percentile.

    Raises
    ------
    TypeError, ValueError
        If the fields are not as above, of one shape and finite; the resolution is not positive; or the mask does not
        fit or is empty.

    Examples
    --------
    >>> shifted = np.full((2, 10, 10, 2), [3.0, 4.0])
    >>> endpoint_error_summary(np.zeros((2, 10, 10, 2)), shifted, resolution_um=25)
    {'mean_px': 5.0, 'median_px': 5.0, 'p95_px': 5.0, 'mean_um': 125.0, 'median_um': 125.0, 'p95_um': 125.0}
    """
    true, pred = paired_fields(y_true, y_pred, single=True)
    pixel_um = None if resolution_um is None else _pixel_size(resolution_um)
    difference = pred - true
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape not in (true.shape[:-1], true.shape[-3:-1]) or not mask.any():
            raise ValueError(
                f"mask must be boolean, True somewhere, and {true.shape[-3:-1]} or one a sample. "
                f"Received: {mask.dtype} of shape {mask.shape} with {np.count_nonzero(mask)} True."
            )
        difference = difference[np.broadcast_to(mask, true.shape[:-1])]
    summary = _summary(difference, "px")
    if pixel_um is not None:
        summary |= _summary(difference * pixel_um, "um")
    return summary


def _summary(difference: NDArray[np.floating], unit: str) -> dict[str, float]:
    distance = np.hypot(difference[..., 0], difference[..., 1])
    median, p95 = np.percentile(distance, [50, 95])
    return {
        f"mean_{unit}": float(distance.mean(dtype=np.float64)),
        f"median_{unit}": float(median),
        f"p95_{unit}": float(p95),
    }


def _pixel_size(resolution_um: float | Sequence[float]) -> NDArray[np.float64]:
    """Return the width and the height of a pixel, in the order of (dx, dy)."""
    sides = [resolution_um] * 2 if isinstance(resolution_um, Real) else resolution_um
    sizes = np.asarray(sides, dtype=np.float64)
    if sizes.shape != (2,) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError(
            "resolution_um must be a positive number, or two: the height and the width of a pixel. "
            f"Received: {resolution_um!r}. Of an atlas's three take the last two."
        )
    return sizes[::-1]

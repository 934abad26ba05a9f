"""Everything that is measured of one pair and one method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from atlalign.evaluation.prediction import Prediction
from atlalign.metrics import endpoint_error_summary, evaluate_single, inverse_consistency, percent_nonpositive_jacobian

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.base import DisplacementField
    from atlalign.pairs import Pair
    from atlalign.plane import Plane

_NO_NUMBER = float("nan")
_IMAGE_METRICS = ("mse_img", "mae_img", "psnr_img", "ssmi_img", "mi_img", "cc_img")
_DEFINITIONS = ("negative", "nonpositive", "published")


def pixel_size_um(plane: Plane, shape: tuple[int, int]) -> tuple[float, float]:
    """Return the height and the width in um of a pixel of an image of `shape` that fills the plane.

    Examples
    --------
    >>> from atlalign.plane import Plane
    >>> pixel_size_um(Plane.coronal(5000, (13200, 8000, 11400)), (80, 57))
    (100.0, 200.0)
    """
    return plane.height_um / shape[0], plane.width_um / shape[1]


def measure(
    pair: Pair,
    plane: Plane,
    atlas: Atlas,
    prediction: Prediction,
    depths: Sequence[int],
    inverse_true: DisplacementField,
) -> dict[str, float]:
    """Measure a prediction of one pair in every way.

    Parameters
    ----------
    pair : Pair
        The images and the true field.
    plane : Plane
        Where the pair lies in the atlas.
    atlas : Atlas
        Annotation and hierarchy.
    prediction : Prediction
        What the method found.
    depths : sequence of int
        Of the hierarchy, for Dice.
    inverse_true : DisplacementField, (h, w)
        Computed inverse of the true field.

    Returns
    -------
    dict of str to float
        By the names of `measured_columns`; NaN for what the prediction or the plane does not have.
    """
    true, pred = pair.deltas_xy, prediction.deltas_xy
    shape = pair.moving.shape
    size = pixel_size_um(plane, shape)
    found = evaluate_single(true, pred, pair.moving, plane, deltas_true_inv=inverse_true, depths=depths, atlas=atlas)
    single = found[0] if isinstance(found, tuple) else found
    numbers = {f"dice_depth_{depth}": single[f"dice_{depth}"] for depth in depths}
    error = endpoint_error_summary(true, pred, resolution_um=size)
    for unit in ("px", "um"):
        numbers[f"endpoint_error_{unit}"] = error[f"mean_{unit}"]
        numbers[f"endpoint_error_p95_{unit}"] = error[f"p95_{unit}"]
    brain = atlas.annotation_plane(plane, shape) > 0
    inside = endpoint_error_summary(true, pred, resolution_um=size, mask=brain) if brain.any() else {}
    numbers["endpoint_error_brain_um"] = inside.get("mean_um", _NO_NUMBER)
    numbers["angular_error_deg"] = single["angular_error"]
    folding = pred if prediction.local_deltas_xy is None else prediction.local_deltas_xy
    for definition in _DEFINITIONS:
        numbers[f"corrupted_{definition}_percent"] = float(percent_nonpositive_jacobian(folding, definition))
    inverse = prediction.inverse
    numbers["inverse_consistency_px"] = _NO_NUMBER if inverse is None else inverse_consistency(pred, inverse)[0]
    return numbers | {name: single[name] for name in _IMAGE_METRICS}


def brain_errors_um(pair: Pair, plane: Plane, atlas: Atlas, prediction: Prediction) -> NDArray[np.float64]:
    """Return the endpoint error in um of each pixel inside the brain, in no order.

    Parameters
    ----------
    pair, plane, atlas, prediction
        As `measure` takes them.

    Returns
    -------
    ndarray, float64, (n,)
    """
    shape = pair.moving.shape
    down, across = pixel_size_um(plane, shape)
    difference = (prediction.deltas_xy - pair.deltas_xy)[atlas.annotation_plane(plane, shape) > 0]
    return np.hypot(difference[:, 0] * across, difference[:, 1] * down, dtype=np.float64)

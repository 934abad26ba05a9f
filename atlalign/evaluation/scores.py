"""The numbers that say how good one predicted field is."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atlalign.atlas import Structures
from atlalign.base import DisplacementField
from atlalign.metrics import endpoint_error_summary, inverse_consistency, percent_nonpositive_jacobian
from atlalign.metrics._warped_annotations import WarpedAnnotations


def score_pair(
    deltas_true: NDArray,
    deltas_pred: NDArray,
    *,
    pixel_um: tuple[float, float],
    inv_deltas_pred: NDArray | None = None,
    inv_deltas_true: NDArray | None = None,
    annotation: NDArray | None = None,
    structures: Structures | None = None,
    depths: Sequence[int] = (),
) -> dict[str, float]:
    """Compare a predicted field with the true one.

    Parameters
    ----------
    deltas_true, deltas_pred : ndarray (h, w, 2)
        Fields moving -> registered, px.
    pixel_um : tuple (down, across)
        Size of a pixel in the atlas, um.
    inv_deltas_pred, inv_deltas_true : ndarray (h, w, 2), optional
        Their inverses; computed where they are needed and not given.
    annotation : ndarray of int (h, w), optional
        Structure ids of the reference plane.
    structures : Structures, optional
        Their hierarchy.
    depths : sequence of int
        Where Dice is computed, with an annotation: on the moving image, where the inverse fields put the structures.

    Returns
    -------
    dict of str to float
        ``endpoint_error_px``, ``endpoint_error_p95_px`` and the same in ``um``; with an annotation
        ``tissue_endpoint_error_px`` and so on, over the pixels that it labels; ``nonpositive_jacobian_percent``;
        ``inverse_consistency_px``, with a predicted inverse; ``dice_depth_D``, averages over structures weighted by
        their true share.

    Examples
    --------
    >>> score_pair(np.zeros((8, 8, 2)), np.full((8, 8, 2), [3.0, 4.0]), pixel_um=(25, 25))["endpoint_error_um"]
    125.0
    """
    summary = endpoint_error_summary(deltas_true, deltas_pred, resolution_um=pixel_um)
    scores = {f"endpoint_error_{unit}": summary[f"mean_{unit}"] for unit in ("px", "um")}
    scores |= {f"endpoint_error_p95_{unit}": summary[f"p95_{unit}"] for unit in ("px", "um")}
    if annotation is not None:
        scores |= _in_tissue(deltas_true, deltas_pred, pixel_um, annotation > 0)
    scores["nonpositive_jacobian_percent"] = float(percent_nonpositive_jacobian(deltas_pred))
    if inv_deltas_pred is not None:
        scores["inverse_consistency_px"] = inverse_consistency(deltas_pred, inv_deltas_pred)[0]
    if annotation is not None and len(depths):
        assert structures is not None
        inverses = (_inverse(deltas_true, inv_deltas_true), _inverse(deltas_pred, inv_deltas_pred))
        dice = WarpedAnnotations(annotation, structures, *inverses).scores(depths)["dice"]
        scores |= {f"dice_depth_{depth}": float(value) for depth, value in zip(depths, dice, strict=True)}
    return scores


def _in_tissue(
    deltas_true: NDArray, deltas_pred: NDArray, pixel_um: tuple[float, float], tissue: NDArray[np.bool_]
) -> dict[str, float]:
    """Summarise the endpoint errors where there is tissue: elsewhere nothing shows where a field goes."""
    names = {"mean": "tissue_endpoint_error", "p95": "tissue_endpoint_error_p95"}
    if not tissue.any():
        return {f"{name}_{unit}": float("nan") for name in names.values() for unit in ("px", "um")}
    summary = endpoint_error_summary(deltas_true, deltas_pred, resolution_um=pixel_um, mask=tissue)
    return {f"{name}_{unit}": summary[f"{key}_{unit}"] for key, name in names.items() for unit in ("px", "um")}


def _inverse(deltas_xy: NDArray, known: NDArray | None) -> DisplacementField:
    if known is not None:
        return DisplacementField.from_deltas_xy(known)
    return DisplacementField.from_deltas_xy(deltas_xy).pseudo_inverse()

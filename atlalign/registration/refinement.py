"""Refine a registration by a few gradient steps on the pair itself."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from atlalign.base import DisplacementField
from atlalign.registration.steps import new_folds
from atlalign.section.resampling import resize_image

DEFAULT_LOSS = "ncc_9"

# The grid it works on: what is finer takes more time and no different field.
_LONGEST_SIDE = 228
# Atlas tissue farther than this share of the image's longer side from any tissue of the section is missing in it.
_MISSING = 0.035
_DARK = 0.03
_HALVINGS = 5


def check_refinement(refine: Any, loss: Any) -> int:
    """Return the number of steps, or raise a ValueError that says what it and the loss must be.

    Examples
    --------
    >>> check_refinement(-1, "ncc_9")
    Traceback (most recent call last):
    ...
    ValueError: refine must be a whole number of steps, at least 0. Received: -1. 0 leaves the refinement out.
    """
    if isinstance(refine, bool) or not isinstance(refine, int | np.integer) or refine < 0:
        raise ValueError(
            f"refine must be a whole number of steps, at least 0. Received: {refine!r}. 0 leaves the refinement out."
        )
    if refine:
        # Keras is loaded only by whom it serves.
        from atlalign.ml_utils.instance import InPlaces

        InPlaces(loss)
    return int(refine)


def refine_field(
    moving: np.ndarray,
    reference: np.ndarray,
    field: DisplacementField,
    steps: int,
    *,
    loss: str = DEFAULT_LOSS,
    tissue: np.ndarray | None = None,
) -> tuple[DisplacementField, dict[str, dict[str, Any]]]:
    """Find what a field left to be done.

    Parameters
    ----------
    moving, reference : ndarray, float32, shape (h, w)
        In [0, 1] on a dark background.
    field : DisplacementField, (h, w)
        What is known of the registration.
    steps : int
        Number of gradient steps.
    loss : str
        How images are compared: by local correlation, "ncc_5", "ncc_9", "ncc_12" or "ncc_20" with the side of the
        window in px, or by "mind".
    tissue : ndarray, bool, shape (h, w), optional
        Where the moving image shows tissue; by default, where it is not dark. Tissue of the reference that the moving
        image lacks is not compared, and so pulls on nothing.

    Returns
    -------
    residual : DisplacementField, (h, w)
        Free of folds; ``field(residual)`` is the refined registration.
    quality : dict
        `refinement_loss_before` and `refinement_loss_after`, as in `Registration.quality`.

    Notes
    -----
    Bending energy is added to the loss. Images of more than 228 px are refined on a grid of 228.

    References
    ----------
    Balakrishnan et al. (2019), VoxelMorph, where a network's field is optimised for one pair (instance-specific
    optimisation): doi 10.1109/TMI.2019.2897538.

    Examples
    --------
    >>> y, x = np.mgrid[:48, :64].astype("float32")
    >>> reference, moving = (np.exp(-((x - middle) ** 2 + (y - 24) ** 2) / 90) for middle in (32, 29))
    >>> residual, quality = refine_field(moving, reference, DisplacementField.generate((48, 64)), 20)
    >>> bool(np.abs(residual.warp(moving) - reference).mean() < 0.5 * np.abs(moving - reference).mean())
    True
    """
    from atlalign.ml_utils.instance import pair_refiner

    registered = field.warp(moving)
    shown = moving > _DARK if tissue is None else np.asarray(tissue)
    shown = field.warp(shown.astype(np.float32))
    scale = min(1.0, _LONGEST_SIDE / max(moving.shape))
    shape = (max(3, round(moving.shape[0] * scale)), max(3, round(moving.shape[1] * scale)))
    reference, registered, shown = (resize_image(image, shape) for image in (reference, registered, shown))
    refiner = pair_refiner(shape, loss)
    found = refiner(reference, registered, steps, _compared(reference > _DARK, shown >= 0.5))
    residual = DisplacementField.generate(moving.shape)
    for halving in range(_HALVINGS):
        deltas_xy = refiner.field(found.velocity * 0.5**halving)
        attempt = DisplacementField.from_deltas_xy(deltas_xy).resize_constant(moving.shape)
        if not new_folds(field, attempt).any():
            residual = attempt
            break
    names = ("refinement_loss_before", "refinement_loss_after")
    values = (found.losses[0], found.losses[-1]) if found.losses else (None, None)
    return residual, {
        name: {"value": value, "unit": "", "flag": None} for name, value in zip(names, values, strict=True)
    }


def _compared(expected: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return where two images are compared: near tissue of either, but not near what is missing of the section."""
    radius = max(1, round(_MISSING * max(expected.shape)))
    missing = expected & ~_near(shown, radius)
    return _near(expected | shown, radius) & ~_near(missing, radius)


def _near(mask: np.ndarray, radius: int) -> np.ndarray:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)

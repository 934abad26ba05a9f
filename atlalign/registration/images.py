"""Register two arrays that share one grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from atlalign.base import DisplacementField
from atlalign.registration.predicting import predict_fields, predictors
from atlalign.registration.refinement import DEFAULT_LOSS, check_refinement, refine_field
from atlalign.registration.steps import compose
from atlalign.section.tissue import find_tissue


def register_images(
    moving: Any,
    reference: Any,
    *,
    global_model: Any = None,
    local_model: Any = None,
    refine: int = 0,
    refine_loss: str = DEFAULT_LOSS,
) -> DisplacementField:
    """Register two grey images that share one grid.

    The global model sees the images; the local model sees the reference and the globally warped moving
    image; the result is ``global(local)``. Images of another shape than a model's are resized for it, and its
    field is resized back.

    Parameters
    ----------
    moving, reference : array_like, shape (h, w)
        float in [0, 1] or uint8. An image whose background, judged along its border, is bright is inverted so
        that the background is 0.
    global_model, local_model : path-like, keras.Model, callable or None
        Given one alone, the other step is left out; given neither, both are those that come with the package, for
        the mouse brain. "default" names the one of its kind that comes with the package, beside a model of one's own
        or alone. A callable takes (reference, moving), float32 (h, w) in [0, 1] on a dark background, and returns the
        field (h, w, 2).
    refine : int
        Number of gradient steps on this very pair, after the models: 30 to 100 are a few seconds. 0 leaves them out.
    refine_loss : str
        How the steps compare images: "ncc_5", "ncc_9", "ncc_12" or "ncc_20", local correlation in windows of so many
        px; or "mind".

    Returns
    -------
    DisplacementField, (h, w)
        ``field.warp(moving)`` lies on `reference`.

    Raises
    ------
    ValueError
        If the images are not grey, not of one shape, or not in [0, 1]; or `refine` or `refine_loss` is wrong.
    ModelError
        If a model is of another architecture, or its prediction is not finite.

    Examples
    --------
    >>> reference = np.zeros((32, 32), np.float32)
    >>> reference[8:24, 8:24] = 1
    >>> def five_to_the_left(reference, moving):
    ...     return np.broadcast_to(np.float32([5, 0]), (*reference.shape, 2))
    >>> field = register_images(np.roll(reference, 5, axis=1), reference, local_model=five_to_the_left)
    >>> bool((field.warp(np.roll(reference, 5, axis=1)) == reference).all())
    True
    """
    moving, reference = _model_image(moving, "moving"), _model_image(reference, "reference")
    if moving.shape != reference.shape:
        raise ValueError(
            "moving and reference must have the same shape. "
            f"Received: {moving.shape} and {reference.shape}. Resize one, or use register() on a section."
        )
    refine = check_refinement(refine, refine_loss)
    fields = predict_fields(moving, reference, predictors(global_model, local_model))
    field = compose([field for _, field in fields])
    return field(refine_field(moving, reference, field, refine, loss=refine_loss)[0]) if refine else field


def _model_image(image: Any, name: str) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim != 2 or image.size == 0:
        raise ValueError(
            f"{name} must be a grey image (h, w). Received: shape {image.shape}. Average its channels first."
        )
    if image.dtype == np.uint8:
        image = image / np.float32(255)
    elif image.dtype.kind != "f" or not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
        raise ValueError(
            f"{name} must be float in [0, 1] or uint8. "
            f"Received: {image.dtype} in [{image.min()}, {image.max()}]. Scale it, or use register()."
        )
    image = image.astype(np.float32)
    tissue = find_tissue(image)
    if tissue.polarity == "bright":
        image = np.clip((tissue.background - image) / max(tissue.background, 1e-6), 0, 1)
    return image

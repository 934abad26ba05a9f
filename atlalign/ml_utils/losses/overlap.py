"""Overlap of structures."""

from keras import ops

from atlalign.ml_utils.losses._base import as_images, register

_EPSILON = 1e-6


@register
def dice(y_true, y_pred):
    """1 - mean soft Dice coefficient of structures, so that labels can supervise a registration.

    Parameters
    ----------
    y_true : tensor (n, h, w, k)
        One channel a structure: 1 inside, 0 outside.
    y_pred : tensor (n, h, w, k)
        The same for the moving section, warped; soft at the outlines.

    Returns
    -------
    tensor ()
        The mean over the batch: 0 where both agree, 1 without overlap.

    Notes
    -----
    Of each structure 2 sum(t p) / (sum(t^2) + sum(p^2)), Milletari et al. 2016 (doi 10.1109/3DV.2016.79), which for
    hard labels is the Dice coefficient. Averaged over the structures of an image, then over the batch. A structure that
    is in neither is left out; an image without any counts as perfect.

    On a field it is the squared distance of a component relative to the squared lengths: 1 - 2 t p / (t^2 + p^2),
    between 0 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> annotation = np.zeros((1, 4, 4, 3))
    >>> annotation[0, :2, :, 0] = annotation[0, 2:, :, 1] = 1   # of three structures, one is absent
    >>> round(float(dice(annotation, annotation)), 4)
    0.0
    >>> round(float(dice(annotation, np.roll(annotation, 1, axis=1))), 4)
    0.5
    """
    y_true, y_pred = as_images(y_true, y_pred)
    both = 2 * ops.sum(y_true * y_pred, axis=(1, 2))
    either = ops.sum(ops.square(y_true) + ops.square(y_pred), axis=(1, 2))
    present = ops.cast(either > 0, either.dtype)
    lost = present * (1 - (both + _EPSILON) / (either + _EPSILON))
    return ops.mean(ops.sum(lost, axis=-1) / ops.maximum(ops.sum(present, axis=-1), 1.0))

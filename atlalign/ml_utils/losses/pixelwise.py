"""Differences pixel by pixel."""

import math

from keras import ops

from atlalign.ml_utils.losses._base import as_images, as_pair, register

_SMALLEST_MSE = 1e-10


@register
def mae(y_true, y_pred):
    """Mean absolute difference, over images or field components.

    Parameters
    ----------
    y_true, y_pred : tensor (n, h, w, c)
        Images, or fields in px.

    Returns
    -------
    tensor ()
        The mean over the batch.

    Examples
    --------
    >>> float(mae(ops.zeros((1, 2, 2, 1)), ops.full((1, 2, 2, 1), -0.5)))
    0.5
    """
    y_true, y_pred = as_pair(y_true, y_pred)
    return ops.mean(ops.abs(y_true - y_pred))


@register
def mse(y_true, y_pred):
    """Mean squared difference, over images or field components.

    Parameters
    ----------
    y_true, y_pred : tensor (n, h, w, c)
        Images, or fields in px.

    Returns
    -------
    tensor ()
        The mean over the batch.

    Examples
    --------
    >>> float(mse(ops.zeros((1, 2, 2, 1)), ops.full((1, 2, 2, 1), -0.5)))
    0.25
    """
    y_true, y_pred = as_pair(y_true, y_pred)
    return ops.mean(ops.square(y_true - y_pred))


@register
def psnr(y_true, y_pred):
    """Minus the peak signal-to-noise ratio, in decibels.

    Parameters
    ----------
    y_true, y_pred : tensor (n, h, w, c)
        Images in [0, 1].

    Returns
    -------
    tensor ()
        The mean over the batch.

    Notes
    -----
    10 log10(mse + 1e-10) of each image: the range is always taken as 1, whatever the images hold. The constant stands
    for -100 dB at equal images, where the gradient is 0.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((1, 8, 8, 1))
    >>> round(float(psnr(image, image + 0.1)), 4)
    -20.0
    """
    y_true, y_pred = as_images(y_true, y_pred)
    squares = ops.mean(ops.square(y_true - y_pred), axis=(1, 2, 3))
    return ops.mean(ops.log(squares + _SMALLEST_MSE)) * (10 / math.log(10))

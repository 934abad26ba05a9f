"""Structural similarity."""

from keras import ops

from atlalign.ml_utils.losses._base import as_images, register
from atlalign.ml_utils.losses._windows import gaussian_mean


@register
def ssim(y_true, y_pred, *, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03):
    """Minus the mean structural similarity.

    Parameters
    ----------
    y_true, y_pred : tensor (n, h, w, c)
        Images in [0, 1], at least `filter_size` px high and wide.
    filter_size : int
        Side of the Gaussian window, in px.
    filter_sigma : float
        Its standard deviation, in px.
    k1, k2 : float
        Small constants that keep the terms of brightness and of contrast stable.

    Returns
    -------
    tensor ()
        The mean over the batch, between -1, at equal images, and 1.

    Notes
    -----
    With means m, variances v and covariance c in each window: minus the mean of (2 m_t m_p + k1^2) (2 c + k2^2) /
    ((m_t^2 + m_p^2 + k1^2) (v_t + v_p + k2^2)) over the windows that lie inside the images, the range taken as 1. Wang
    et al. 2004 (doi 10.1109/TIP.2003.819861).

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).random((1, 16, 16, 1))
    >>> round(float(ssim(image, image)), 4)
    -1.0
    >>> ssim(image, image, filter_size=17)
    Traceback (most recent call last):
    ...
    ValueError: y_true and y_pred must be at least 17 px high and wide. Received: (1, 16, 16, 1)
    """
    y_true, y_pred = as_images(y_true, y_pred, at_least=filter_size)
    products = (y_true, y_pred, y_true * y_true, y_pred * y_pred, y_true * y_pred)
    mean_t, mean_p, mean_tt, mean_pp, mean_tp = (gaussian_mean(x, filter_size, filter_sigma) for x in products)
    c1, c2 = k1**2, k2**2
    brightness = (2 * mean_t * mean_p + c1) / (mean_t**2 + mean_p**2 + c1)
    covariance = mean_tp - mean_t * mean_p
    variances = mean_tt - mean_t**2 + mean_pp - mean_p**2
    return -ops.mean(brightness * (2 * covariance + c2) / (variances + c2))

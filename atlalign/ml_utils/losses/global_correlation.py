"""Correlation of whole images."""

from keras import ops

from atlalign.ml_utils.losses._base import as_images, register

_EPSILON = 1e-12


@register
def cross_correlation(y_true, y_pred):
    """``1 - r |r|``, r the correlation of two images over all their pixels; key ``pearson``.

    Parameters
    ----------
    y_true, y_pred : tensor (n, h, w, c)
        Images of any range.

    Returns
    -------
    tensor ()
        The mean over the batch: 0 where each image is a rising linear function of the other, 1 without correlation, 2
        where it is a falling one.

    Notes
    -----
    For positive correlation this is 1 - r^2, the loss of that name in Krepl et al. 2021 (doi
    10.3389/fninf.2021.691918). That one is 0 for anti-correlated images too, which are as far from equal as images can
    be. A constant image has correlation 0.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).random((1, 8, 8, 1))
    >>> abs(float(cross_correlation(image, 0.5 * image + 1))) < 1e-5
    True
    >>> round(float(cross_correlation(image, 1 - image)), 4)
    2.0
    """
    y_true, y_pred = (_centred(images) for images in as_images(y_true, y_pred))
    covariance = _mean(y_true * y_pred)
    variances = _mean(ops.square(y_true)) * _mean(ops.square(y_pred))
    return ops.mean(1 - covariance * ops.abs(covariance) / (variances + _EPSILON))


def _centred(images):
    return images - _mean(images)


def _mean(images):
    return ops.mean(images, axis=(1, 2, 3), keepdims=True)

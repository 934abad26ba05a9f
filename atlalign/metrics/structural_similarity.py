"""The structural similarity of two images."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.metrics._checks import paired_images
from atlalign.metrics.images import require_data_range, unstacked

__all__ = ["ssmi_img"]

_WINDOW = 7  # px; the usual square window
_EDGE = _WINDOW // 2
_K1, _K2 = 0.01, 0.03


def ssmi_img(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    mask: NDArray[np.bool_] | None = None,
    data_range: float = 1.0,
) -> float | NDArray[np.float64]:
    """Measure the structural similarity of two images, in windows of 7 x 7 pixels.

    Parameters
    ----------
    y_true, y_pred : array-like, float32 or float64, (h, w) or (n, h, w)
        Images, both of one dtype, of at least 7 x 7 pixels.
    mask : ndarray, bool, (h, w), optional
        The pixels that count; by default all whose window lies inside the image. Windows reach 3 px beyond the mask.
    data_range : float
        Distance between black and white.

    Returns
    -------
    float, or ndarray of float64, (n,)
        From -1 to 1; 1 for equal images.

    Raises
    ------
    TypeError, ValueError
        If the images or the mask are not as above, a pixel is not finite, or no pixel that counts is 3 px from the
        edge.

    Notes
    -----
    With constants 0.01 and 0.03 and sample covariances, as in Wang et al. 2004 (doi:10.1109/TIP.2003.819861) but with
    a uniform window; the same as `skimage.metrics.structural_similarity` by default.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((20, 30))
    >>> ssmi_img(image, image), ssmi_img(image, 1 - image) < 0
    (1.0, True)
    """
    true, pred = paired_images(y_true, y_pred, mask)
    data_range = require_data_range(data_range)
    if min(true.shape[-2:]) < _WINDOW:
        raise ValueError(
            f"Images must be at least {_WINDOW} x {_WINDOW} px for the structural similarity. "
            f"Received: {true.shape[-2]} x {true.shape[-1]}. Use mse_img."
        )
    inside = slice(_EDGE, -_EDGE), slice(_EDGE, -_EDGE)
    chosen = None if mask is None else np.asarray(mask)[inside]
    if chosen is not None and not chosen.any():
        raise ValueError(
            f"mask must be True somewhere at least {_EDGE} px from the edge. Received: a mask that is not."
        )
    values = []
    for first, second in zip(true.reshape(-1, *true.shape[-2:]), pred.reshape(-1, *pred.shape[-2:]), strict=True):
        similarity = _similarity_map(first.astype(np.float64), second.astype(np.float64), data_range)[inside]
        values.append(np.mean(similarity if chosen is None else similarity[chosen]))
    return unstacked(np.array(values), true)


def _similarity_map(first: NDArray[np.float64], second: NDArray[np.float64], data_range: float) -> NDArray[np.float64]:
    c_1, c_2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    mean_1, mean_2 = _local_mean(first), _local_mean(second)
    variances, covariance = _local_mean(first * first + second * second), _local_mean(first * second)
    # In place, since a dozen temporaries of an image's size would take twice as long.
    product = mean_1 * mean_2
    mean_1 *= mean_1
    mean_2 *= mean_2
    squares = np.add(mean_1, mean_2, out=mean_1)
    variances -= squares
    variances *= unbiased
    variances += c_2
    covariance -= product
    covariance *= 2 * unbiased
    covariance += c_2
    product *= 2
    product += c_1
    squares += c_1
    product *= covariance
    squares *= variances
    product /= squares
    return product


def _local_mean(image: NDArray[np.float64]) -> NDArray[np.float64]:
    return cv2.boxFilter(image, cv2.CV_64F, (_WINDOW, _WINDOW)).astype(np.float64, copy=False)

"""The perceptual distance of two images, as a network sees it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.metrics._checks import paired_images
from atlalign.metrics.images import unstacked

__all__ = ["perceptual_loss_img"]


def perceptual_loss_img(
    y_true: ArrayLike, y_pred: ArrayLike, model: str = "net-lin", net: str = "vgg"
) -> float | NDArray[np.float64]:
    """Measure the learned perceptual distance (LPIPS) of two images.

    Parameters
    ----------
    y_true, y_pred : array-like, float32 or float64, (h, w) or (n, h, w)
        Images in [0, 1], both of one dtype.
    model : {"net-lin", "net"}
        With the learned weights of the features, or without.
    net : {"vgg", "alex"}
        The network whose features are compared.

    Returns
    -------
    float, or ndarray of float64, (n,)
        0 for equal images.

    Raises
    ------
    TypeError, ValueError
        If the images are not as above, a pixel is not finite, or the model or the network is unknown.
    atlalign.errors.AtlalignError
        If the weights are not on this machine; the message names the command that fetches them.

    Notes
    -----
    The only metric that starts Keras, and only when called. Zhang et al. 2018, doi:10.1109/CVPR.2018.00068.

    Examples
    --------
    >>> perceptual_loss_img(np.zeros((64, 64), "uint8"), np.zeros((64, 64), "uint8"))
    Traceback (most recent call last):
    ...
    TypeError: y_true and y_pred must both be float32 (or both float64) images, in [0, 1] as a rule. Received: uint8 and
    uint8. Convert them with astype; divide uint8 by 255.
    """
    true, pred = paired_images(y_true, y_pred)
    from atlalign.ml_utils.losses import PerceptualLoss

    distance = PerceptualLoss(model=model, net=net).loss
    # One image at a time: a forward pass of VGG16 takes hundreds of megabytes an image.
    pairs = zip(true.reshape(-1, *true.shape[-2:]), pred.reshape(-1, *pred.shape[-2:]), strict=True)
    values = [float(distance(*(image.astype(np.float32)[None, ..., None] for image in pair))) for pair in pairs]
    return unstacked(np.array(values), true)

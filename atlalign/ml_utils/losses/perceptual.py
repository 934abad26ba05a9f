"""Perceptual loss: the distance of two images as a network that recognises things sees it."""

import keras
from keras import ops

from atlalign.ml_utils.lpips import LPIPS, check_names


@keras.saving.register_keras_serializable(package="atlalign")
class PerceptualLoss(keras.losses.Loss):
    """Learned perceptual distance (LPIPS) of images (n, h, w, 1) or (n, h, w, 3), at least 64 px high and wide.

    Parameters
    ----------
    model : {"net-lin", "net"}
        With the learned weights of the features, or every feature for as much as it is.
    net : {"alex", "vgg"}
        The network whose features are compared: AlexNet, or VGG16, which is about twelve times as much work.

    Notes
    -----
    The formula is in `atlalign.ml_utils.lpips.LPIPS`; 0 for equal images. The weights are read when the loss is first
    computed, in the precision of the global policy; ``atlalign weights fetch lpips`` gets them. Zhang et al. 2018, doi
    10.1109/CVPR.2018.00068.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.zeros((2, 64, 64, 1), dtype="float32")
    >>> float(PerceptualLoss(net="alex").loss(images, images))   # doctest: +SKIP
    0.0
    >>> PerceptualLoss("net", "resnet")
    Traceback (most recent call last):
    ...
    ValueError: net must be one of alex, vgg. Received: net='resnet'
    """

    def __init__(self, model="net-lin", net="alex", name="perceptual_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        check_names(net, model)
        self.model = model
        self.net = net

    def call(self, y_true, y_pred):
        """Return the distance of each pair, (n,); Keras calls this."""
        # Made for each call, which costs nothing: it has no weights, and takes the policy that is in force.
        return LPIPS(self.net, self.model)(y_true, y_pred)

    def loss(self, y_true, y_pred):
        """Return the mean distance of a batch of images `y_true` and `y_pred`."""
        return ops.mean(self.call(y_true, y_pred))

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "model": self.model, "net": self.net}

"""Losses made of other losses."""

import keras

from atlalign.ml_utils.losses._base import NamedLoss, as_fields, register, value_of


@register
class DVF2IMG(NamedLoss):
    """An image loss applied to the two components of a field as if each were an image.

    Parameters
    ----------
    img_loss_callable : callable
        Takes two batches (n, h, w, 1), returns a value.
    weights : tuple of 2 float
        Weights of the x and the y component.

    Examples
    --------
    >>> import numpy as np
    >>> from atlalign.ml_utils.losses import mae
    >>> y_pred = np.zeros((1, 2, 2, 2))
    >>> float(DVF2IMG(mae).loss(y_pred + [10.0, 30.0], y_pred))   # divided by 10, then the mean of 1 and 3
    2.0
    """

    def __init__(self, img_loss_callable, weights=(0.5, 0.5), name="dvf2img", **kwargs):
        super().__init__(name=name, **kwargs)
        self.img_loss_callable = img_loss_callable
        self.weights = tuple(weights)

    def loss(self, y_true, y_pred):
        """Return the loss of a batch of fields (n, h, w, 2)."""
        pair = self.normalize(*as_fields(y_true, y_pred))
        return sum(
            weight * value_of(self.img_loss_callable, *(fields[..., i : i + 1] for fields in pair))
            for i, weight in enumerate(self.weights)
        )

    @staticmethod
    def normalize(img_ref, img_other, c=10):
        """Divide both by `c` px, which brings usual displacements to the range of intensities."""
        return img_ref / c, img_other / c

    def get_config(self):
        """Return what the constructor takes."""
        inner = keras.saving.serialize_keras_object(self.img_loss_callable)
        return {**super().get_config(), "img_loss_callable": inner, "weights": self.weights}

    @classmethod
    def from_config(cls, config):
        """Build from what `get_config` returned."""
        config = dict(config)
        inner = keras.saving.deserialize_keras_object(config.pop("img_loss_callable"))
        return cls(inner, **config)


@register
class Mixer(NamedLoss):
    """Weighted sum of several losses.

    Parameters
    ----------
    *args : callable
        Losses of (y_true, y_pred).
    weights : sequence of float, optional
        One a loss; equal shares of 1 by default.

    Examples
    --------
    >>> import numpy as np
    >>> from atlalign.ml_utils.losses import mae, mse
    >>> y_pred = np.zeros((1, 2, 2, 2))
    >>> float(Mixer(mae, mse, weights=[1, 0.5]).loss(y_pred + 2, y_pred))
    4.0
    """

    def __init__(self, *args, weights=None, name="mixer", **kwargs):
        super().__init__(name=name, **kwargs)
        if not args:
            raise ValueError("Mixer needs at least one loss. Received none.")
        weights = [1 / len(args)] * len(args) if weights is None else list(weights)
        if len(weights) != len(args):
            raise ValueError(f"weights must have one value a loss ({len(args)}). Received: weights={weights}")
        self.losses = args
        self.weights = weights

    def loss(self, y_true, y_pred):
        """Return the weighted sum for a batch."""
        return sum(w * value_of(loss, y_true, y_pred) for w, loss in zip(self.weights, self.losses, strict=True))

    def get_config(self):
        """Return what the constructor takes."""
        inner = [keras.saving.serialize_keras_object(loss) for loss in self.losses]
        return {**super().get_config(), "losses": inner, "weights": self.weights}

    @classmethod
    def from_config(cls, config):
        """Build from what `get_config` returned."""
        config = dict(config)
        inner = [keras.saving.deserialize_keras_object(loss) for loss in config.pop("losses")]
        return cls(*inner, **config)

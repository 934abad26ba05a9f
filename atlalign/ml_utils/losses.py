"""Training losses on images and on displacement fields.

Each returns one value a batch. `ALL_IMAGE_LOSSES` and `ALL_DVF_LOSSES` map the names that the factories and
the command line take to losses; ``"first&second"`` is the mean of two.
"""

import itertools
from collections.abc import Callable

import keras
from keras import ops

register = keras.saving.register_keras_serializable(package="atlalign")


@register
def mae(y_true, y_pred):
    """Mean absolute difference, over images or field components."""
    return ops.mean(ops.abs(y_true - y_pred))


@register
def mse(y_true, y_pred):
    """Mean squared difference, over images or field components."""
    return ops.mean(ops.square(y_true - y_pred))


@register
def mse_po(y_true, y_pred):
    """Mean squared length, dx^2 + dy^2, of the difference of two fields (n, h, w, 2), in px^2.

    Examples
    --------
    >>> import numpy as np
    >>> float(mse_po(np.zeros((1, 2, 2, 2)), np.full((1, 2, 2, 2), 3.0)))
    18.0
    """
    return ops.mean(ops.sum(ops.square(y_true - y_pred), axis=-1))


@register
def vector_distance(y_true, y_pred):
    """Mean of sqrt(dx^2 + dy^2 + 0.001) between two fields (n, h, w, 2), in px.

    The constant keeps the gradient finite where the fields agree.

    Examples
    --------
    >>> import numpy as np
    >>> y_pred = np.zeros((1, 2, 2, 2))
    >>> round(float(vector_distance(y_pred + [3.0, 4.0], y_pred)), 3)
    5.0
    """
    return ops.mean(ops.sqrt(ops.sum(ops.square(y_true - y_pred), axis=-1) + 0.001))


@register
def endpoint_error(y_true, y_pred):
    """Mean distance between two fields (n, h, w, 2), in px: a metric, whose gradient is not finite at 0.

    Examples
    --------
    >>> import numpy as np
    >>> float(endpoint_error(np.zeros((1, 2, 2, 2)), np.full((1, 2, 2, 2), [3.0, 4.0])))
    5.0
    """
    return ops.mean(ops.sqrt(ops.sum(ops.square(y_true - y_pred), axis=-1)))


class _NamedLoss(keras.losses.Loss):
    """A Keras loss whose formula is also reachable as `loss`, the name it had in atlalign 0.6."""

    def call(self, y_true, y_pred):
        """Return the value of the batch; Keras calls this."""
        return self.loss(y_true, y_pred)


@register
class NCC(_NamedLoss):
    """Minus the mean squared local cross-correlation of two images (n, h, w, 1).

    Parameters
    ----------
    win : int
        Side of the square window, in px. Windows are zero-padded at the border.
    eps : float
        Added to the product of the variances.

    Notes
    -----
    -mean(cross^2 / (var_I var_J + eps)) over all windows, the sums as in Avants et al. 2008
    (doi 10.1016/j.media.2007.06.004). Between -1 (each window of one image is a linear function of the other's, of
    either sign) and 0.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).random((1, 32, 32, 1)).astype("float32")
    >>> round(float(NCC(win=9).loss(image, 0.5 * image)), 2)
    -1.0
    """

    def __init__(self, win=9, eps=1e-5, name="ncc", **kwargs):
        super().__init__(name=name, **kwargs)
        if int(win) != win or win < 2:
            raise ValueError(f"win must be an integer of at least 2 px. Received: win={win}")
        self.win = int(win)
        self.eps = eps

    def ncc(self, I, J):
        """Squared local correlation of each window, (n, h, w, 1)."""
        area = self.win**2
        sums = [self._box_sum(x) for x in (I, J, I * I, J * J, I * J)]
        sum_i, sum_j, sum_ii, sum_jj, sum_ij = sums
        cross = sum_ij - sum_i * sum_j / area
        # Rounding can make the variance of a constant window slightly negative.
        var_i = ops.maximum(sum_ii - sum_i * sum_i / area, 0.0)
        var_j = ops.maximum(sum_jj - sum_j * sum_j / area, 0.0)
        return cross * cross / (var_i * var_j + self.eps)

    def loss(self, I, J):
        """Return the loss of a batch of images `I` against `J`, both (n, h, w, 1)."""
        return -ops.mean(self.ncc(I, J))

    def _box_sum(self, x):
        for kernel_shape in ((self.win, 1, 1, 1), (1, self.win, 1, 1)):
            x = ops.conv(x, ops.ones(kernel_shape, dtype=x.dtype), padding="same")
        return x

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "win": self.win, "eps": self.eps}


@register
class Grad(_NamedLoss):
    """Roughness of the predicted field (n, h, w, 2): mean difference between neighbours, both axes averaged.

    Parameters
    ----------
    penalty : {"l1", "l2"}
        Absolute or squared differences.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.zeros((1, 3, 3, 2)); ramp[0, :, :, 0] = np.arange(3)
    >>> float(Grad().loss(None, ramp))   # 1 px a pixel, in one component of two, along one axis of two
    0.25
    """

    def __init__(self, penalty="l1", name="grad", **kwargs):
        super().__init__(name=name, **kwargs)
        if penalty not in ("l1", "l2"):
            raise ValueError(f"penalty must be l1 or l2. Received: penalty={penalty!r}")
        self.penalty = penalty

    def loss(self, _, y_pred):
        """Return the loss of a batch of predicted fields; the first argument is not used."""
        size = ops.abs if self.penalty == "l1" else ops.square
        down = size(y_pred[:, 1:] - y_pred[:, :-1])
        across = size(y_pred[:, :, 1:] - y_pred[:, :, :-1])
        return (ops.mean(down) + ops.mean(across)) / 2

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "penalty": self.penalty}


@register
class VDClipper(_NamedLoss):
    """(`vector_distance` / `value`) ** `power`, of the batch's mean distance.

    Despite its name nothing is clipped: distances far below `value` count for little, distances above it
    for much.

    Parameters
    ----------
    value : float
        Distance in px at which the loss is 1.
    power : float
        Exponent.

    Examples
    --------
    >>> import numpy as np
    >>> y_pred = np.zeros((1, 2, 2, 2))
    >>> round(float(VDClipper(value=20, power=2).loss(y_pred + [0.0, 10.0], y_pred)), 3)
    0.25
    """

    def __init__(self, value=20, power=3, name="vdclip", **kwargs):
        super().__init__(name=name, **kwargs)
        if not value > 0:
            raise ValueError(f"value must be a positive distance in px. Received: value={value}")
        self.value = value
        self.power = power

    def loss(self, y_true, y_pred):
        """Return the loss of a batch of fields (n, h, w, 2)."""
        return (vector_distance(y_true, y_pred) / self.value) ** self.power

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "value": self.value, "power": self.power}


@register
class DVF2IMG(_NamedLoss):
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
        total = 0.0
        for i, weight in enumerate(self.weights):
            pair = self.normalize(y_true[..., i : i + 1], y_pred[..., i : i + 1])
            total = total + weight * self.img_loss_callable(*pair)
        return total

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
class Mixer(_NamedLoss):
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
        return sum(w * loss(y_true, y_pred) for w, loss in zip(self.weights, self.losses, strict=True))

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


Loss = Callable


def _with_pairs(singles: dict[str, Loss]) -> dict[str, Loss]:
    pairs = {
        f"{first}&{second}": Mixer(singles[first], singles[second], name=f"{first}_and_{second}")
        for first, second in itertools.permutations(singles, 2)
    }
    return {**singles, **pairs}


_IMAGE_LOSSES: dict[str, Loss] = {
    "mae": mae,
    "mse": mse,
    **{f"ncc_{win}": NCC(win, name=f"ncc_{win}") for win in (5, 9, 12, 20)},
}
# On fields, mae and mse act on undivided pixels.
_DVF_LOSSES: dict[str, Loss] = {
    "mae": mae,
    "mse": mse,
    **{name: DVF2IMG(loss, name=name) for name, loss in _IMAGE_LOSSES.items() if name not in ("mae", "mse")},
    "grad": Grad(),
    "mse_po": mse_po,
    "vector_distance": vector_distance,
    "vdclip2": VDClipper(20, 2, name="vdclip2"),
    "vdclip3": VDClipper(20, 3, name="vdclip3"),
}

ALL_IMAGE_LOSSES: dict[str, Loss] = _with_pairs(_IMAGE_LOSSES)
ALL_DVF_LOSSES: dict[str, Loss] = _with_pairs(_DVF_LOSSES)


def get_losses(names, n_outputs: int) -> list[Loss]:
    """Look up one loss an output: an image loss, then field losses, the last repeated when one is missing.

    Parameters
    ----------
    names : sequence of str or callable
        Keys of `ALL_IMAGE_LOSSES` (first) and `ALL_DVF_LOSSES` (others), or losses themselves.
    n_outputs : int
        2, or 3 for a model that also predicts the inverse field.

    Examples
    --------
    >>> [getattr(loss, "name", loss) for loss in get_losses(["ncc_9", "grad"], 3)]
    ['ncc_9', 'grad', 'grad']
    >>> get_losses(["ncc_9", "gradd"], 2)
    Traceback (most recent call last):
    ...
    ValueError: The loss of a displacement field must be one of mae, mse, ncc_5, ncc_9, ncc_12, ncc_20, grad, mse_po,
    vector_distance, vdclip2, vdclip3, or two of them as 'first&second'. Received: 'gradd'
    """
    names = [names] if isinstance(names, str) else list(names)
    if not 2 <= len(names) <= n_outputs:
        raise ValueError(f"losses must name one loss an output ({n_outputs}), at least two. Received: {names}")
    names += names[-1:] * (n_outputs - len(names))
    return [
        _get_loss(name, _IMAGE_LOSSES, ALL_IMAGE_LOSSES, "image")
        if i == 0
        else _get_loss(name, _DVF_LOSSES, ALL_DVF_LOSSES, "displacement field")
        for i, name in enumerate(names)
    ]


def _get_loss(name, singles: dict, everything: dict, what: str) -> Loss:
    if callable(name):
        return name
    if name not in everything:
        article = "an" if what == "image" else "a"
        raise ValueError(
            f"The loss of {article} {what} must be one of {', '.join(singles)}, or two of them as 'first&second'. "
            f"Received: {name!r}"
        )
    return everything[name]

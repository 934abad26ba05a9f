"""Distances between the displacements of two fields."""

from keras import ops

from atlalign.ml_utils.losses._base import NamedLoss, as_fields, register

# Keeps the gradient of a length finite at 0.
_ROUNDING = 0.001


@register
def mse_po(y_true, y_pred):
    """Mean squared length, dx^2 + dy^2, of the difference of two fields.

    Parameters
    ----------
    y_true, y_pred : tensor (n, h, w, 2)
        Fields in px.

    Returns
    -------
    tensor ()
        The mean over the batch, in px^2.

    Examples
    --------
    >>> import numpy as np
    >>> float(mse_po(np.zeros((1, 2, 2, 2)), np.full((1, 2, 2, 2), 3.0)))
    18.0
    """
    y_true, y_pred = as_fields(y_true, y_pred)
    return ops.mean(_squared_length(y_true - y_pred))


@register
def vector_distance(y_true, y_pred):
    """Mean of sqrt(dx^2 + dy^2 + 0.001) between two fields.

    The constant keeps the gradient finite where the fields agree; there the value is 0.03.

    Parameters
    ----------
    y_true, y_pred : tensor (n, h, w, 2)
        Fields in px.

    Returns
    -------
    tensor ()
        The mean over the batch, in px.

    Examples
    --------
    >>> import numpy as np
    >>> y_pred = np.zeros((1, 2, 2, 2))
    >>> round(float(vector_distance(y_pred + [3.0, 4.0], y_pred)), 3)
    5.0
    """
    y_true, y_pred = as_fields(y_true, y_pred)
    return mean_length(y_true - y_pred)


@register
def endpoint_error(y_true, y_pred):
    """Mean distance between two fields: a metric, whose gradient is not finite at 0.

    Parameters
    ----------
    y_true, y_pred : tensor (n, h, w, 2)
        Fields in px.

    Returns
    -------
    tensor ()
        The mean over the batch, in px.

    Examples
    --------
    >>> import numpy as np
    >>> float(endpoint_error(np.zeros((1, 2, 2, 2)), np.full((1, 2, 2, 2), [3.0, 4.0])))
    5.0
    """
    y_true, y_pred = as_fields(y_true, y_pred)
    return ops.mean(ops.sqrt(_squared_length(y_true - y_pred)))


@register
class VDClipper(NamedLoss):
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


def mean_length(vectors):
    """Return the mean length of vectors (..., 2), rounded at 0 so that its gradient is finite there."""
    return ops.mean(ops.sqrt(_squared_length(vectors) + _ROUNDING))


def _squared_length(vectors):
    return ops.sum(ops.square(vectors), axis=-1)

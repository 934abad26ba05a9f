"""How far a field is from constant (`Grad`) or from affine (`bending_energy`)."""

from keras import ops

from atlalign.ml_utils.losses._base import NamedLoss, as_fields, register
from atlalign.ml_utils.losses._per_image import mean_over_images


@register
class Grad(NamedLoss):
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
        (y_pred,) = as_fields(y_pred, at_least=2)
        return mean_over_images(_differences, y_pred, penalty=self.penalty)

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "penalty": self.penalty}


@register
def bending_energy(_, y_pred):
    """Mean squared curvature of the predicted field: 0 for affine fields, however strong.

    Parameters
    ----------
    _ : tensor
        Not used; Keras hands a loss the truth first.
    y_pred : tensor (n, h, w, 2)
        Fields in px, at least 3 px high and wide.

    Returns
    -------
    tensor ()
        The mean over the batch, in px^2 / px^4.

    Notes
    -----
    (d2/dx2)^2 + 2 (d2/dxdy)^2 + (d2/dy2)^2 by central differences, averaged over components and inner pixels. Rueckert
    et al. 1999 (doi 10.1109/42.796284).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(8.0)
    >>> field = np.zeros((1, 8, 8, 2))
    >>> field[..., 0] = 5 * x + 3 * x[:, None]
    >>> float(bending_energy(None, field))
    0.0
    >>> field[..., 1] = x**2   # a second derivative of 2, in one component of two
    >>> float(bending_energy(None, field))
    2.0
    """
    (field,) = as_fields(y_pred, at_least=3)
    return mean_over_images(_curvature, field)


def _differences(field, penalty):
    size = ops.abs if penalty == "l1" else ops.square
    down = size(field[:, 1:] - field[:, :-1])
    across = size(field[:, :, 1:] - field[:, :, :-1])
    return (ops.mean(down, axis=(1, 2, 3)) + ops.mean(across, axis=(1, 2, 3))) / 2


def _curvature(field):
    inner = slice(1, -1)
    d_xx = field[:, inner, 2:] - 2 * field[:, inner, inner] + field[:, inner, :-2]
    d_yy = field[:, 2:, inner] - 2 * field[:, inner, inner] + field[:, :-2, inner]
    d_xy = (field[:, 2:, 2:] - field[:, 2:, :-2] - field[:, :-2, 2:] + field[:, :-2, :-2]) / 4
    return ops.mean(ops.square(d_xx) + 2 * ops.square(d_xy) + ops.square(d_yy), axis=(1, 2, 3))

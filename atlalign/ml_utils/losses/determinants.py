"""The Jacobian determinant of a field: by how much it stretches each pixel, and whether it folds."""

from keras import ops

from atlalign.ml_utils.losses._base import as_fields, register
from atlalign.ml_utils.losses._per_image import mean_over_images


@register
def jacobian(_, y_pred):
    """Share of pixels that the predicted field folds: whose Jacobian determinant is 0 or negative.

    Parameters
    ----------
    _ : tensor
        Not used; Keras hands a loss the truth first.
    y_pred : tensor (n, h, w, 2)
        Fields in px, at least 2 px high and wide.

    Returns
    -------
    tensor ()
        The share over the batch, between 0 and 1.

    Notes
    -----
    The determinant is (1 + d dx/dx) (1 + d dy/dy) - (d dx/dy) (d dy/dx), by central differences, one-sided at the
    edges. A share has no gradient. The one returned is that of the mean of max(0, -determinant), which unfolds the
    counted pixels and leaves all others alone.

    Examples
    --------
    >>> import numpy as np
    >>> field = np.zeros((1, 8, 8, 2))
    >>> float(jacobian(None, field))
    0.0
    >>> field[0, :, 4:, 0] = -3.0   # the columns on both sides of the jump read from beyond each other
    >>> float(jacobian(None, field))
    0.25
    """
    return mean_over_images(_folded_share, *as_fields(y_pred, at_least=2))


@register
def jacobian_distance(y_true, y_pred, norm="l2"):
    """Mean difference of the Jacobian determinants of two fields.

    Parameters
    ----------
    y_true, y_pred : tensor (n, h, w, 2)
        Fields in px, at least 2 px high and wide.
    norm : {"l2", "l1"}
        Squared or absolute differences.

    Returns
    -------
    tensor ()
        The mean over the batch.

    Examples
    --------
    >>> import numpy as np
    >>> y_true, y_pred = np.zeros((2, 1, 8, 8, 2))
    >>> y_pred[..., 0] = 0.5 * np.arange(8)   # stretched by half, along x
    >>> float(jacobian_distance(y_true, y_pred)), float(jacobian_distance(y_true, y_pred, norm="l1"))
    (0.25, 0.5)
    """
    if norm not in ("l1", "l2"):
        raise ValueError(f"norm must be l1 or l2. Received: norm={norm!r}")
    y_true, y_pred = as_fields(y_true, y_pred, at_least=2)
    return mean_over_images(_difference, y_true, y_pred, norm=norm)


def _folded_share(fields):
    determinants = _determinants(fields)
    share = ops.mean(ops.cast(determinants <= 0, determinants.dtype), axis=(1, 2))
    depth = ops.mean(ops.relu(-determinants), axis=(1, 2))
    return share + (depth - ops.stop_gradient(depth))


def _difference(y_true, y_pred, norm):
    difference = _determinants(y_true) - _determinants(y_pred)
    return ops.mean(ops.abs(difference) if norm == "l1" else ops.square(difference), axis=(1, 2))


def _determinants(fields):
    """Return the determinant at each pixel of fields (n, h, w, 2): (n, h, w)."""
    by_y, by_x = _derivative_down(fields), _swap(_derivative_down(_swap(fields)))
    return (1 + by_x[..., 0]) * (1 + by_y[..., 1]) - by_y[..., 0] * by_x[..., 1]


def _derivative_down(fields):
    first, last = fields[:, 1:2] - fields[:, :1], fields[:, -1:] - fields[:, -2:-1]
    return ops.concatenate([first, (fields[:, 2:] - fields[:, :-2]) / 2, last], axis=1)


def _swap(fields):
    return ops.transpose(fields, (0, 2, 1, 3))

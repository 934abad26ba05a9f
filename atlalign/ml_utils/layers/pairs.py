"""Layers that take inputs apart and name outputs."""

from atlalign.ml_utils.layers.base import CoordinateLayer, register_layer


@register_layer
class ExtractMoving(CoordinateLayer):
    """Take the moving image, channel 1, of a (reference, moving) pair.

    Notes
    -----
    Input (n, h, w, 2); output (n, h, w, 1).

    Examples
    --------
    >>> import numpy as np
    >>> np.asarray(ExtractMoving()(np.array([[[[5.0, 7.0]]]]))).tolist()
    [[[[7.0]]]]
    """

    def call(self, x):
        """Return channel 1 with its axis kept."""
        return x[..., 1:2]

    def compute_output_shape(self, input_shape):
        """(n, h, w, 2) -> (n, h, w, 1)."""
        return (*input_shape[:-1], 1)


@register_layer
class NoOp(CoordinateLayer):
    """Return the input as it is: a place to hang an output's name on.

    Examples
    --------
    >>> import numpy as np
    >>> np.asarray(NoOp()(np.ones(2))).tolist()
    [1.0, 1.0]
    """

    def call(self, x):
        """Return `x`."""
        return x

    def compute_output_shape(self, input_shape):
        """Same as the input's."""
        return input_shape

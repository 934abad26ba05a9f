"""Displacement fields on a finer grid than they were computed on."""

import numpy as np
from keras import ops

from atlalign.ml_utils.layers.base import CoordinateLayer, check_shape, register_layer


@register_layer
class RefineDVF(CoordinateLayer):
    """Interpolate displacement fields to a grid that is finer by a whole factor.

    Parameters
    ----------
    shape : tuple (h, w)
        Size of the finer grid. The coarse one covers its middle; beyond, the field goes on as at the edge.
    factor : int
        How many fine pixels are as long as a coarse one.

    Notes
    -----
    Input (n, h', w', 2) in coarse pixels, output (n, h, w, 2) in fine ones. Pixel centres correspond by
    (i + 0.5) / factor - 0.5, bilinear between: a field that folds nowhere still folds nowhere.

    Examples
    --------
    >>> import numpy as np
    >>> field = np.zeros((1, 1, 2, 2), dtype="float32")
    >>> field[0, 0, 1, 0] = 4
    >>> np.asarray(RefineDVF((2, 4), 2)(field))[0, 0, :, 0].tolist()
    [0.0, 2.0, 6.0, 8.0]
    """

    def __init__(self, shape, factor, **kwargs):
        super().__init__(**kwargs)
        self.shape = check_shape(shape)
        self.factor = int(factor)
        if self.factor != factor or factor < 1:
            raise ValueError(f"factor must be a whole number of at least 1. Received: factor={factor!r}")

    def call(self, field, mask=None):
        """Return the fields, (n, h, w, 2)."""
        down, across = (
            ops.convert_to_tensor(_interpolation(fine, coarse, self.factor), dtype=field.dtype)
            for fine, coarse in zip(self.shape, field.shape[1:3], strict=True)
        )
        n_columns = field.shape[2]
        # Two products with small matrices: quicker than sampling, forward and backward, on every backend.
        rows = ops.matmul(down, ops.reshape(field, (-1, field.shape[1], n_columns * 2)))
        return ops.matmul(across, ops.reshape(rows, (-1, self.shape[0], n_columns, 2))) * self.factor

    def compute_output_shape(self, input_shape):
        """(n, h', w', 2) -> (n, h, w, 2)."""
        return (input_shape[0], *self.shape, 2)

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "shape": self.shape, "factor": self.factor}


def _interpolation(n_fine: int, n_coarse: int, factor: int) -> np.ndarray:
    """Return the weight of each coarse pixel in each fine one, (n_fine, n_coarse), along one axis."""
    margin = (n_fine - n_coarse * factor) // 2
    position = np.clip((np.arange(n_fine) - margin + 0.5) / factor - 0.5, 0, n_coarse - 1)
    return np.clip(1 - np.abs(position[:, None] - np.arange(n_coarse)), 0, None)

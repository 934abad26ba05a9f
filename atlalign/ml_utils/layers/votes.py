"""Affine maps agreed on by many places, and what one after the other makes."""

import numpy as np
from keras import ops

from atlalign.ml_utils.layers.base import CoordinateLayer, check_shape, register_layer

# What holds the map at the identity where no place has a say; small beside the weights, which sum to 1.
_RIDGE = 1e-4


@register_layer
class FitAffine(CoordinateLayer):
    """Affine map that fits, by weighted least squares, where cells of an image say they come from.

    Parameters
    ----------
    shape : tuple (h, w)
        Size of the image.
    stride : int
        Size of a cell, px.

    Notes
    -----
    Input (n, h', w', 3): for each cell its displacement (x, y), in units of half the image's diagonal, and the
    logarithm of its weight. The weights are made to sum to 1. Output (n, 2, 3): the matrix that `CentredAffine` takes.
    The fit and the gradients of its parts are exact: the normal equations are solved, not iterated.

    Examples
    --------
    >>> import numpy as np
    >>> votes = np.zeros((1, 2, 3, 3), dtype="float32")
    >>> votes[..., 0] = 0.5
    >>> matrix = np.asarray(FitAffine((32, 48), 16)(votes))
    >>> bool(abs(matrix - [[[1, 0, 0.5], [0, 1, 0]]]).max() < 1e-3)
    True
    """

    def __init__(self, shape, stride, **kwargs):
        super().__init__(**kwargs)
        self.shape = check_shape(shape)
        self.stride = int(stride)

    def call(self, votes, mask=None):
        """Return the matrices, (n, 2, 3)."""
        basis = self._basis(*votes.shape[1:3])
        cells = ops.reshape(votes, (-1, len(basis), 3))
        weights = ops.softmax(cells[..., 2:], axis=1)
        basis = ops.convert_to_tensor(basis, dtype=votes.dtype)
        weighted = weights * basis
        normal = ops.matmul(ops.transpose(weighted, (0, 2, 1)), basis) + _RIDGE * ops.eye(3, dtype=votes.dtype)
        right = ops.matmul(ops.transpose(weighted, (0, 2, 1)), cells[..., :2])
        excess = ops.transpose(_solve(normal, right), (0, 2, 1))
        return excess + ops.convert_to_tensor(np.eye(2, 3), dtype=votes.dtype)

    def _basis(self, n_rows: int, n_columns: int) -> np.ndarray:
        """Return x, y and 1 of each cell, (m, 3)."""
        height, width = self.shape
        unit = np.hypot(height, width) / 2
        y, x = np.mgrid[:n_rows, :n_columns] * self.stride + (self.stride - 1) / 2
        x, y = (x - (width - 1) / 2) / unit, (y - (height - 1) / 2) / unit
        return np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=-1)

    def compute_output_shape(self, input_shape):
        """(n, h', w', 3) -> (n, 2, 3)."""
        return (input_shape[0], 2, 3)

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "shape": self.shape, "stride": self.stride}


@register_layer
class AffineProduct(CoordinateLayer):
    """Compose affine matrices: x -> outer(inner(x)).

    Notes
    -----
    Input [outer (n, 2, 3), inner (n, 2, 3)]; output (n, 2, 3). Warping by the product equals warping by `outer` first
    and its result by `inner`.

    Examples
    --------
    >>> import numpy as np
    >>> double, shift = (np.array([m], dtype="float32") for m in ([[2, 0, 0], [0, 2, 0]], [[1, 0, 3], [0, 1, 0]]))
    >>> np.asarray(AffineProduct()([double, shift])).tolist()
    [[[2.0, 0.0, 6.0], [0.0, 2.0, 0.0]]]
    """

    def call(self, tensors, mask=None):
        """Return the products, (n, 2, 3)."""
        outer, inner = tensors
        linear = outer[..., :2]
        product = ops.matmul(linear, inner)
        return product + ops.concatenate([ops.zeros_like(linear), outer[..., 2:]], axis=-1)

    def compute_output_shape(self, input_shape):
        """(n, 2, 3) twice -> (n, 2, 3)."""
        return input_shape[0]


def _solve(matrix, right):
    """Solve 3 x 3 systems by Cramer's rule: (n, 3, 3), (n, 3, k) -> (n, 3, k).

    For batches of such small matrices a few products are quicker on every device than a factorisation each.
    """
    a, b, c = (matrix[:, i] for i in range(3))
    rows = [_cross(b, c), _cross(c, a), _cross(a, b)]
    determinant = ops.sum(a * rows[0], axis=-1)[:, None, None]
    return ops.matmul(ops.stack(rows, axis=-1), right) / determinant


def _cross(a, b):
    components = [a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1], a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]]
    return ops.stack([*components, a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]], axis=-1)

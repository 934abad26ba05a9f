"""Layers of affine maps, and weights that predict the identity."""

import numpy as np
from keras import ops

from atlalign.ml_utils.layers.base import CoordinateLayer, check_shape, register_layer
from atlalign.ml_utils.sampling import pixel_grid


@register_layer
class Affine2DVF(CoordinateLayer):
    """Displacement field of an affine matrix: A [x, y, 1] - [x, y], in pixels.

    Parameters
    ----------
    shape : tuple (h, w)
        Size of the field.

    Notes
    -----
    Input (n, 2, 3): matrices from output to input pixel coordinates, (0, 0) at the centre of the top-left
    pixel. Output (n, h, w, 2).

    Examples
    --------
    >>> import numpy as np
    >>> shift = np.array([[[1, 0, 3], [0, 1, -2]]], dtype="float32")
    >>> field = np.asarray(Affine2DVF((4, 5))(shift))
    >>> field.shape, field[0, 1, 2].tolist()
    ((1, 4, 5, 2), [3.0, -2.0])
    """

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape = check_shape(shape)

    def call(self, a, mask=None):
        """Return the fields, (n, h, w, 2), of the matrices `a`, (n, 2, 3)."""
        # A - I first: subtracting the position at the end would cancel digits.
        excess = a - ops.convert_to_tensor(np.eye(2, 3), dtype=a.dtype)
        grid = pixel_grid(self.shape, a.dtype)
        x, y = grid[..., 0], grid[..., 1]
        components = [
            excess[:, i, 0, None, None] * x + excess[:, i, 1, None, None] * y + excess[:, i, 2, None, None]
            for i in range(2)
        ]
        return ops.stack(components, axis=-1)

    def compute_output_shape(self, input_shape):
        """(n, 2, 3) -> (n, h, w, 2)."""
        return (input_shape[0], *self.shape, 2)

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "shape": self.shape}


@register_layer
class CentredAffine(CoordinateLayer):
    """Pixel-coordinate affine matrix of one given about the image centre in units of half the diagonal.

    A network learns the six numbers in these units more easily: each of them then moves pixels by about as
    much as any other, and rotation does not drag a translation along.

    Parameters
    ----------
    shape : tuple (h, w)
        Size of the image that the matrix maps.

    Notes
    -----
    Input and output (n, 2, 3). With T the map from pixels to centred units, the output is T^-1 A T.

    Examples
    --------
    >>> import numpy as np
    >>> identity = np.eye(2, 3, dtype="float32")[None]
    >>> np.asarray(CentredAffine((4, 5))(identity)).round(5).tolist()
    [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape = check_shape(shape)

    def call(self, a, mask=None):
        """Return the matrices in pixel coordinates, (n, 2, 3)."""
        height, width = self.shape
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        unit = np.hypot(height, width) / 2
        linear, translation = a[..., :2], a[..., 2]
        centre = ops.convert_to_tensor(centre, dtype=a.dtype)
        shift = translation * unit + centre - ops.sum(linear * centre, axis=-1)
        return ops.concatenate([linear, ops.expand_dims(shift, -1)], axis=-1)

    def compute_output_shape(self, input_shape):
        """(n, 2, 3) -> (n, 2, 3)."""
        return input_shape

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "shape": self.shape}


def get_initial_weights(previous_layer_size: int) -> list[np.ndarray]:
    """Kernel and bias that make a dense layer predict the identity affine whatever its input.

    Parameters
    ----------
    previous_layer_size : int
        Number of inputs of the dense layer.

    Returns
    -------
    list of ndarray
        Zeros of shape (previous_layer_size, 6), and (1, 0, 0, 0, 1, 0).

    Examples
    --------
    >>> kernel, bias = get_initial_weights(40)
    >>> kernel.shape, bias.tolist()
    ((40, 6), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    """
    return [np.zeros((previous_layer_size, 6), "float32"), np.eye(2, 3, dtype="float32").ravel()]

"""Keras layers for affine maps, displacement fields and warping.

Fields are pull-back: the output's pixel p takes its value from p + delta(p) of the input; see the
conventions page. All layers compute in float32 whatever the global policy, since 16-bit coordinates are
off by a quarter of a pixel on a 456-pixel axis; pass ``dtype`` to choose otherwise.
"""

import keras
import numpy as np
from keras import ops

from atlalign.ml_utils.sampling import bilinear_sample, check_border_mode, pixel_grid

register = keras.saving.register_keras_serializable(package="atlalign")


class _CoordinateLayer(keras.layers.Layer):
    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)


@register
class Affine2DVF(_CoordinateLayer):
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
        if len(shape) != 2 or min(shape) < 1:
            raise ValueError(f"shape must be two positive sizes (h, w). Received: shape={shape}")
        self.shape = (int(shape[0]), int(shape[1]))

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


@register
class CentredAffine(_CoordinateLayer):
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
        self.shape = (int(shape[0]), int(shape[1]))

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


@register
class BilinearInterpolation(_CoordinateLayer):
    """Warp images by displacement fields.

    Parameters
    ----------
    border_mode : {"constant", "replicate"}
        What is outside the image: 0, or its nearest edge value.

    Notes
    -----
    Input [images (n, h, w, c), fields (n, h', w', 2)]; output (n, h', w', c). Pixel p of the output is the
    input at p + delta(p).

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(4, dtype="float32").reshape(1, 1, 4, 1)
    >>> field = np.zeros((1, 1, 4, 2), dtype="float32")
    >>> field[..., 0] = 1.5
    >>> np.asarray(BilinearInterpolation()([image, field])).ravel().tolist()
    [1.5, 2.5, 1.5, 0.0]
    """

    def __init__(self, border_mode="constant", **kwargs):
        super().__init__(**kwargs)
        self.border_mode = check_border_mode(border_mode)

    def call(self, tensors, mask=None):
        """Return the warped images, (n, h', w', c)."""
        images, fields = tensors
        return bilinear_sample(images, fields + pixel_grid(fields.shape[1:3], fields.dtype), self.border_mode)

    def compute_output_shape(self, input_shape):
        """(n, h, w, c), (n, h', w', 2) -> (n, h', w', c)."""
        images, fields = input_shape
        return (*fields[:3], images[3])

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "border_mode": self.border_mode}


@register
class DVFComposition(_CoordinateLayer):
    """Compose displacement fields: x -> outer(inner(x)).

    Warping by the result equals warping by `outer` first and its result by `inner`, so a whole registration is
    ``DVFComposition()([global_field, local_field])``.

    Notes
    -----
    Input [outer (n, h, w, 2), inner (n, h, w, 2)]; output (n, h, w, 2). Outside the grid the nearest edge
    displacement of `outer` counts, so that two translations compose to their sum everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> three, four = (np.full((1, 2, 2, 2), value, dtype="float32") for value in (3, 4))
    >>> np.unique(np.asarray(DVFComposition()([three, four]))).tolist()
    [7.0]
    """

    def call(self, tensors, mask=None):
        """Return the composed fields, (n, h, w, 2)."""
        outer, inner = tensors
        points_xy = inner + pixel_grid(inner.shape[1:3], inner.dtype)
        return inner + bilinear_sample(outer, points_xy, "replicate")

    def compute_output_shape(self, input_shape):
        """(n, h, w, 2) twice -> (n, h, w, 2)."""
        return input_shape[1]


@register
class ExtractMoving(keras.layers.Layer):
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


@register
class NoOp(keras.layers.Layer):
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

"""Bilinear sampling of image batches at fractional positions, exact and differentiable on every Keras backend."""

from typing import Any

import keras
from keras import ops

from atlalign.ml_utils._sampling import on_jax, on_tensorflow
from atlalign.ml_utils._sampling.kernels import Kernels

BORDER_MODES = ("constant", "replicate")


def check_border_mode(border_mode: str) -> str:
    """Return `border_mode`, or raise a ValueError that names the valid ones."""
    if border_mode not in BORDER_MODES:
        raise ValueError(f"border_mode must be one of {', '.join(BORDER_MODES)}. Received: border_mode={border_mode!r}")
    return border_mode


def pixel_grid(shape: tuple[int, int], dtype: str):
    """Return the (x, y) position of each pixel centre of an image of `shape` (h, w): (1, h, w, 2)."""
    height, width = shape
    x, y = ops.meshgrid(ops.arange(width, dtype=dtype), ops.arange(height, dtype=dtype))
    return ops.expand_dims(ops.stack([x, y], axis=-1), 0)


def bilinear_sample(images, points_xy, border_mode: str):
    """Sample each image of a batch at its own positions, differentiably in both arguments.

    Parameters
    ----------
    images : tensor (n, h, w, c)
        What is sampled.
    points_xy : tensor (n, h', w', 2)
        Positions (x, y) in pixels; (0, 0) is the centre of the top-left pixel.
    border_mode : {"constant", "replicate"}
        Outside the image: 0, or the nearest edge value.

    Returns
    -------
    tensor (n, h', w', c)
        The values, computed in the dtype of `points_xy`, which must be a floating one.

    See Also
    --------
    bilinear_warp : The same for displacements, whose fractions it keeps to the last digit.

    Notes
    -----
    The border agrees with `cv2.remap`: with "constant" a position less than one pixel outside still blends
    the edge pixel with 0. Infinite positions are outside; one that is not a number gives a value that is none.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(4, dtype="float32").reshape(1, 1, 4, 1)
    >>> points_xy = np.array([[[[0.25, 0], [3.5, 0]]]], dtype="float32")
    >>> np.asarray(bilinear_sample(image, points_xy, "constant")).ravel().tolist()
    [0.25, 1.5]
    """
    return _BilinearSample(border_mode, relative=False)(images, points_xy)


def bilinear_warp(images, fields, border_mode: str):
    """Warp each image of a batch by its own field, differentiably in both arguments.

    Parameters
    ----------
    images : tensor (n, h, w, c)
        What is warped.
    fields : tensor (n, h', w', 2)
        Displacements (x, y) in pixels: pixel p of the output is the image at p + displacement(p).
    border_mode : {"constant", "replicate"}
        Outside the image: 0, or the nearest edge value.

    Returns
    -------
    tensor (n, h', w', c)
        The values, computed in the dtype of `fields`, which must be a floating one.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(4, dtype="float32").reshape(1, 1, 4, 1)
    >>> field = np.full((1, 1, 4, 2), (1.5, 0), dtype="float32")
    >>> np.asarray(bilinear_warp(image, field, "replicate")).ravel().tolist()
    [1.5, 2.5, 3.0, 3.0]
    """
    return _BilinearSample(border_mode, relative=True)(images, fields)


@keras.saving.register_keras_serializable(package="atlalign", name="BilinearSample")
class _BilinearSample(keras.Operation):
    """What a graph of Keras tensors holds of a call of this module."""

    def __init__(self, border_mode, relative, name=None):
        super().__init__(name=name)
        self._border_mode = check_border_mode(border_mode)
        self._relative = relative

    def call(self, images, coordinates):
        coordinates = ops.convert_to_tensor(coordinates)
        images = ops.cast(images, coordinates.dtype)
        backend = keras.backend.backend()
        sample: Any = {"tensorflow": on_tensorflow.sample, "jax": on_jax.sample}.get(backend)
        if sample is None:
            return Kernels(self._border_mode, self._relative).sample(images, coordinates)
        return sample(images, coordinates, self._border_mode, self._relative)

    def compute_output_spec(self, images, coordinates):
        return keras.KerasTensor((*coordinates.shape[:3], images.shape[3]), dtype=coordinates.dtype)

    def get_config(self):
        return {"border_mode": self._border_mode, "relative": self._relative, "name": self.name}

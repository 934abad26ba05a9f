"""A spatial transformer as a block of layers: a pair of images in, an affine field and its inverse out."""

import numpy as np
from keras import layers, ops

from atlalign.ml_utils.initializers import seeded_glorot
from atlalign.ml_utils.layers.affine import Affine2DVF, CentredAffine, get_initial_weights
from atlalign.ml_utils.layers.base import CoordinateLayer, register_layer
from atlalign.ml_utils.layers.fields import BilinearInterpolation
from atlalign.ml_utils.layers.pairs import ExtractMoving

_SMALLEST_DETERMINANT = 1e-4


@register_layer
class InvertAffine(CoordinateLayer):
    """Inverse of affine matrices: B with B [A [x, y, 1], 1] = [x, y].

    Notes
    -----
    Input and output (n, 2, 3). The formula is exact; where the determinant is nearer to 0 than 1e-4, which changes
    areas more than ten thousand times, 1e-4 of its sign takes its place, so that numbers and gradients stay finite.

    Examples
    --------
    >>> import numpy as np
    >>> matrix = np.array([[[2, 2, 6], [-2, 2, 4]]], dtype="float32")
    >>> np.asarray(InvertAffine()(matrix)).tolist()
    [[[0.25, -0.25, -0.5], [0.25, 0.25, -2.5]]]
    """

    def call(self, a, mask=None):
        """Return the inverse matrices, (n, 2, 3)."""
        xx, xy, yx, yy = a[:, 0, 0], a[:, 0, 1], a[:, 1, 0], a[:, 1, 1]
        determinant = xx * yy - xy * yx
        limit = ops.where(determinant < 0, -_SMALLEST_DETERMINANT, _SMALLEST_DETERMINANT)
        limit = ops.cast(limit, determinant.dtype)
        determinant = ops.where(ops.abs(determinant) < _SMALLEST_DETERMINANT, limit, determinant)
        rows = ops.stack([ops.stack([yy, -xy], axis=-1), ops.stack([-yx, xx], axis=-1)], axis=1)
        linear = rows / determinant[:, None, None]
        shift = -ops.sum(linear * a[:, None, :, 2], axis=-1, keepdims=True)
        return ops.concatenate([linear, shift], axis=-1)

    def compute_output_shape(self, input_shape):
        """(n, 2, 3) -> (n, 2, 3)."""
        return input_shape


def block_stn(
    images,
    filters=(16, 32, 64),
    dense_layers=(50,),
    block_name="STN",
    return_dvfs=True,
    return_inverse=True,
    include_bn_dense=False,
    include_bn_conv=False,
    *,
    random_state=None,
):
    """Spatial transformer on a pair of images (Jaderberg et al. 2015, arXiv:1506.02025), to build models from.

    Per filter a 3x3 convolution with ReLU and a 2x2 max-pooling; dense layers with ReLU; six affine parameters, about
    the image centre (`CentredAffine`), that start at the identity whatever the images.

    Parameters
    ----------
    images : keras.KerasTensor, shape (n, h, w, 2)
        Reference and moving image in [0, 1]. h and w must be known, and at least 2**len(filters) px.
    filters : sequence of int
        Channels of the convolutions.
    dense_layers : sequence of int
        Sizes of the dense layers.
    block_name : str
        Start of the name of every layer.
    return_dvfs : bool
        Whether to return displacement fields rather than warped images.
    return_inverse : bool
        Whether to return the inverse direction as well.
    include_bn_dense, include_bn_conv : bool
        Whether each dense layer, each convolution, is followed by batch normalisation, before its ReLU.
    random_state : None, int or numpy.random.Generator
        Where the initial weights come from.

    Returns
    -------
    keras.KerasTensor or list of two
        With `return_dvfs` the field (n, h, w, 2), moving -> registered, in px; with `return_inverse` a list of it and
        the field of the inverse matrix (`InvertAffine`), which warps an image in reference space into moving space.
        Without `return_dvfs` the registered image (n, h, w, 1), which is the moving image warped by the field; with
        `return_inverse` a list of it and the reference image warped into moving space.

    Raises
    ------
    ValueError
        If `images` is not such a pair.

    Examples
    --------
    >>> import keras
    >>> pair = keras.Input((32, 45, 2))
    >>> dvf, inv_dvf = block_stn(pair, filters=(2, 2), dense_layers=(4,))
    >>> model = keras.Model(pair, [dvf, inv_dvf])
    >>> [tuple(output.shape) for output in model.outputs]
    [(None, 32, 45, 2), (None, 32, 45, 2)]
    >>> registered = block_stn(pair, (2,), (4,), block_name="second", return_dvfs=False, return_inverse=False)
    >>> tuple(registered.shape)
    (None, 32, 45, 1)
    """
    given, minimum = tuple(images.shape), 2 ** len(filters)
    if len(given) != 4 or given[3] != 2 or any(size is None or size < minimum for size in given[1:3]):
        raise ValueError(
            f"images must be pairs (n, h, w, 2) of known sizes of at least {minimum} px, for {len(filters)} poolings. "
            f"Received: images of shape {given}"
        )
    shape = given[1:3]
    rng = np.random.default_rng(random_state)

    x = images
    for i, n_filters in enumerate(filters):
        name = f"{block_name}_conv_{i}"
        convolution = layers.Conv2D(n_filters, 3, padding="same", kernel_initializer=seeded_glorot(rng), name=name)
        x = layers.MaxPooling2D(name=f"{block_name}_pool_{i}")(_activate(convolution(x), name, include_bn_conv))
    x = layers.Flatten(name=f"{block_name}_flatten")(x)
    for i, size in enumerate(dense_layers):
        name = f"{block_name}_dense_{i}"
        dense = layers.Dense(size, kernel_initializer=seeded_glorot(rng), name=name)
        x = _activate(dense(x), name, include_bn_dense)
    to_affine = layers.Dense(6, dtype="float32", name=f"{block_name}_affine")
    identity = get_initial_weights(x.shape[-1])
    x = to_affine(x)
    to_affine.set_weights(identity)
    matrix = layers.Reshape((2, 3), dtype="float32", name=f"{block_name}_matrix")(x)
    matrix = CentredAffine(shape, name=f"{block_name}_pixel_matrix")(matrix)

    fields = [Affine2DVF(shape, name=f"{block_name}_dvf")(matrix)]
    if return_inverse:
        inverse = InvertAffine(name=f"{block_name}_inv_matrix")(matrix)
        fields.append(Affine2DVF(shape, name=f"{block_name}_inv_dvf")(inverse))
    outputs = fields
    if not return_dvfs:
        sources = [ExtractMoving(name=f"{block_name}_moving")(images), images[..., 0:1]]
        names = [f"{block_name}_img_registered", f"{block_name}_img_inverse"]
        outputs = [BilinearInterpolation(name=n)([x, dvf]) for n, x, dvf in zip(names, sources, fields, strict=False)]
    return outputs if return_inverse else outputs[0]


def _activate(x, name: str, normalised: bool):
    if normalised:
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)

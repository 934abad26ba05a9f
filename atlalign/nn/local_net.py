"""The local network: a dense displacement field, and its inverse."""

import math

import keras
import numpy as np
from keras import layers

from atlalign.ml_utils.initializers import seeded_glorot
from atlalign.ml_utils.layers import (
    BilinearInterpolation,
    DVFIntegration,
    ExtractMoving,
    InverseConsistency,
    NoOp,
    RefineDVF,
)
from atlalign.ml_utils.mlflow_log import log_arguments
from atlalign.nn.blocks import (
    DEFAULT_SHAPE,
    check_activation,
    check_normalization,
    check_shape,
    convolution,
    refuse_old_options,
)
from atlalign.nn.compiling import compile_model


def supervised_model_factory(
    start_filters=(16,),
    downsample_filters=(16, 32, 32, 32),
    middle_filters=(32,),
    upsample_filters=(32, 32, 32, 32),
    end_filters=(64, 64),
    losses=("ncc_9", "grad"),
    losses_weights=(1, 0.1),
    n_gpus=1,
    optimizer="rmsprop",
    compute_inv=True,
    mlflow_log=False,
    use_lambda=False,
    *,
    shape=DEFAULT_SHAPE,
    random_state=None,
    diffeomorphic=False,
    inverse_consistency=0.0,
    normalization=None,
    activation=None,
    summary=False,
):
    """UNet that predicts a dense displacement field, and its inverse through the same weights.

    Parameters
    ----------
    start_filters, middle_filters, end_filters : sequence of int
        Channels of the 3x3 convolutions before the first pooling, at the coarsest scale, and after the last
        upsampling. Each is followed by a LeakyReLU of slope 0.2.
    downsample_filters, upsample_filters : sequence of int
        Channels at each scale on the way down (pooling, convolution) and up (upsampling, convolution,
        concatenation with the way down, convolution). With fewer on the way up, the field is predicted, and a velocity
        integrated, on a grid that is coarser by a factor of 2 for each that is missing, and then interpolated: most
        of the work is done at the finest scales, and where a field is smooth there is little to find there.
    losses : sequence of str or callable
        A loss of the image, of the field and, when `compute_inv`, of the inverse field; a missing third repeats the
        second. Keys of `atlalign.ml_utils.losses.ALL_IMAGE_LOSSES` and ``ALL_DVF_LOSSES``.
    losses_weights : sequence of float
        One a loss; a missing third repeats the second.
    n_gpus : int
        Must be 1: several devices are the business of `keras.distribution`, not of the model.
    optimizer : str or keras.optimizers.Optimizer
        What `compile` takes.
    compute_inv : bool
        Whether the model also predicts the inverse field: from the pair in reverse order or, when `diffeomorphic`, from
        the same velocity.
    mlflow_log : bool
        Whether to log these arguments to the active MLflow run.
    use_lambda : bool
        Must be False: files with Lambda layers cannot be loaded safely.
    shape : tuple (h, w)
        Size of the images. Inside, it is cropped in the centre to multiples of 2**max(scales, 4), and the field is
        zero in the cropped margin or, where it is predicted on a coarser grid, goes on as at its edge.
    random_state : None, int or numpy.random.Generator
        Where the initial weights come from.
    diffeomorphic : bool
        Whether the UNet's output is a stationary velocity, which `DVFIntegration` integrates to a field without folds
        (Arsigny et al. 2006, doi 10.1007/11866565_113). The inverse field then integrates the velocity backwards: it
        costs no second pass through the UNet, and ``mov_reg`` is an input of which nothing depends.
    inverse_consistency : float
        With `compute_inv`, the weight of a further loss: how far the two fields are from undoing each other
        (`InverseConsistency`).
    normalization : {None, "batch", "group", "layer"}
        What stands between each convolution and its activation: batch normalisation (arXiv:1502.03167), group
        normalisation in at most 8 groups (doi 10.1007/978-3-030-01261-8_1) or layer normalisation over the channels of
        each pixel (arXiv:1607.06450).
    activation : str or callable, optional
        Activation of the convolutions in place of the LeakyReLU: a name of `keras.activations`, or a function
        registered for saving, which `load_model` then needs as one of its `custom_objects`.
    summary : bool
        Whether to print the model's layers.

    Returns
    -------
    keras.Model
        Compiled. Input ``reg_mov`` (n, h, w, 2): reference and moving image in [0, 1]; when `compute_inv` also
        ``mov_reg``, the same with its channels swapped. Outputs ``img_registered`` (n, h, w, 1), ``dvf`` (n, h, w, 2),
        moving -> registered in px, and when `compute_inv` ``inv_dvf``.

    Raises
    ------
    ValueError
        If a loss is unknown, there are more scales on the way up than down, the images are too small for them or the
        activation cannot be saved.
    MissingExtraError
        If `mlflow_log` and MLflow is not installed.

    References
    ----------
    Ronneberger et al. 2015, doi 10.1007/978-3-319-24574-4_28.

    Examples
    --------
    >>> model = supervised_model_factory()
    >>> model.count_params(), [tuple(output.shape) for output in model.outputs]
    (192578, [(None, 320, 456, 1), (None, 320, 456, 2), (None, 320, 456, 2)])
    """
    arguments = dict(locals())
    refuse_old_options(n_gpus, use_lambda)
    check_normalization(normalization)
    activation = check_activation(activation)
    if len(downsample_filters) < len(upsample_filters):
        raise ValueError(
            "upsample_filters must not be longer than downsample_filters. "
            f"Received: {tuple(upsample_filters)} and {tuple(downsample_filters)}"
        )
    if not 0 <= inverse_consistency < math.inf or (inverse_consistency and not compute_inv):
        raise ValueError(
            "inverse_consistency must be a weight of at least 0, and 0 without an inverse field. "
            f"Received: inverse_consistency={inverse_consistency}, compute_inv={compute_inv}"
        )
    shape = check_shape(shape, minimum=2 ** max(len(downsample_filters), 4))
    filters = (start_filters, downsample_filters, middle_filters, upsample_filters, end_filters)
    unet = _unet(shape, filters, np.random.default_rng(random_state), activation, normalization)
    inputs = [keras.Input((*shape, 2), name=name) for name in ("reg_mov", "mov_reg")[: 1 + bool(compute_inv)]]
    fields = _fields(unet, inputs, shape, diffeomorphic, inverse_consistency)
    registered = BilinearInterpolation(name="img_registered")([ExtractMoving(name="moving")(inputs[0]), fields[0]])
    inputs = inputs if compute_inv else inputs[0]
    model = keras.Model(inputs, [registered, *fields], name="local")
    compile_model(model, losses, losses_weights, optimizer)
    if mlflow_log:
        log_arguments(arguments)
    if summary:
        model.summary()
    return model


def _fields(unet, pairs, shape, diffeomorphic, inverse_consistency):
    """Return the output ``dvf`` and, where there are two pairs, ``inv_dvf``."""
    names = ["dvf", "inv_dvf_free" if inverse_consistency else "inv_dvf"][: len(pairs)]
    factor = round(shape[0] / unet.output.shape[1])
    parts = names if factor == 1 else [f"{name}_coarse" for name in names]
    if diffeomorphic:
        velocities = [NoOp(dtype="float32", name="velocity")(unet(pairs[0]))]
        if len(pairs) == 2:
            velocities.append(layers.Rescaling(-1.0, dtype="float32", name="velocity_backward")(velocities[0]))
        fields = [DVFIntegration(name=name)(velocity) for name, velocity in zip(parts, velocities, strict=True)]
    else:
        fields = [NoOp(dtype="float32", name=name)(unet(pair)) for name, pair in zip(parts, pairs, strict=True)]
    if factor > 1:
        fields = [RefineDVF(shape, factor, name=name)(field) for name, field in zip(names, fields, strict=True)]
    if inverse_consistency:
        fields[1] = InverseConsistency(inverse_consistency, name="inv_dvf")(fields)
    return fields


def _unet(shape, filters, rng, activation, normalization) -> keras.Model:
    """Build the network from a pair (n, h, w, 2) to a field (n, h, w, 2)."""
    start, down, middle, up, end = filters
    multiple = 2 ** max(len(down), 4)
    margins = [(size % multiple // 2, size % multiple - size % multiple // 2) for size in shape]
    pair = keras.Input((*shape, 2), name="pair")

    def convolve(x, n_filters, name):
        return convolution(x, n_filters, rng, name, activation, normalization)

    x = layers.Cropping2D(margins, name="crop")(pair)
    for i, n_filters in enumerate(start):
        x = convolve(x, n_filters, f"start_{i}")
    skipped = []
    for i, n_filters in enumerate(down):
        skipped.append(x)
        x = convolve(layers.MaxPooling2D(name=f"pool_{i}")(x), n_filters, f"down_{i}")
    for i, n_filters in enumerate(middle):
        x = convolve(x, n_filters, f"middle_{i}")
    for i, n_filters in enumerate(up):
        x = convolve(layers.UpSampling2D(name=f"upsample_{i}")(x), n_filters, f"up_{i}_before")
        x = layers.Concatenate(name=f"concatenate_{i}")([x, skipped.pop()])
        x = convolve(x, n_filters, f"up_{i}_after")
    for i, n_filters in enumerate(end):
        x = convolve(x, n_filters, f"end_{i}")
    x = layers.Conv2D(2, 2, padding="same", kernel_initializer=seeded_glorot(rng), dtype="float32", name="field")(x)
    if len(up) == len(down):
        x = layers.ZeroPadding2D(margins, dtype="float32", name="pad")(x)
    return keras.Model(pair, x, name="unet")

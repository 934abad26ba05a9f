"""Factories of the two networks: a global one (affine) and a local one (dense displacement field)."""

import keras
import numpy as np
from keras import layers

from atlalign.ml_utils.layers import (
    Affine2DVF,
    BilinearInterpolation,
    CentredAffine,
    ExtractMoving,
    NoOp,
    get_initial_weights,
)
from atlalign.ml_utils.losses import endpoint_error, get_losses

DEFAULT_SHAPE = (320, 456)


def supervised_global_model_factory(
    filters=(16, 16, 32, 32, 32),
    dense_layers=(40,),
    losses=("ncc_9", "grad"),
    losses_weights=(1, 0.1),
    n_gpus=1,
    optimizer="rmsprop",
    *,
    use_lambda=False,
    shape=DEFAULT_SHAPE,
    random_state=None,
    centred=False,
):
    """Spatial transformer network that predicts an affine registration (Jaderberg et al. 2015, arXiv:1506.02025).

    Parameters
    ----------
    filters : sequence of int
        Channels of each block of two 3x3 convolutions with ReLU and a 2x2 max-pooling.
    dense_layers : sequence of int or None
        Sizes of the linear dense layers between the convolutions and the six affine parameters.
    losses : sequence of str or callable
        A loss of the image and one of the field: keys of `atlalign.ml_utils.losses.ALL_IMAGE_LOSSES` and
        ``ALL_DVF_LOSSES``.
    losses_weights : sequence of float
        One a loss.
    n_gpus : int
        Must be 1: several devices are the business of `keras.distribution`, not of the model.
    optimizer : str or keras.optimizers.Optimizer
        What `compile` takes.
    use_lambda : bool
        Must be False: files with Lambda layers cannot be loaded safely.
    shape : tuple (h, w)
        Size of the images.
    random_state : None, int or numpy.random.Generator
        Where the initial weights come from.
    centred : bool
        Whether the six numbers are an affine about the image centre in units of half the diagonal
        (`CentredAffine`), which trains much faster, rather than in pixels from the top-left corner, as published.

    Returns
    -------
    keras.Model
        Compiled. Input (n, h, w, 2): reference and moving image in [0, 1]. Outputs ``img_registered``
        (n, h, w, 1) and ``dvf`` (n, h, w, 2), moving -> registered, in px.

    Raises
    ------
    ValueError
        If a loss is unknown or the images are too small for the poolings.

    Examples
    --------
    >>> model = supervised_global_model_factory()
    >>> model.count_params(), [tuple(output.shape) for output in model.outputs]
    (237630, [(None, 320, 456, 1), (None, 320, 456, 2)])
    """
    _refuse_old_options(n_gpus, use_lambda)
    shape = _check_shape(shape, minimum=2 ** len(filters))
    rng = np.random.default_rng(random_state)
    pair = keras.Input((*shape, 2), name="reg_mov")
    x = pair
    for i, n_filters in enumerate(filters):
        for j in range(2):
            x = layers.Conv2D(
                n_filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=_glorot(rng),
                name=f"conv_{i}_{j}",
            )(x)
        x = layers.MaxPooling2D(name=f"pool_{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    for i, size in enumerate(dense_layers or ()):
        x = layers.Dense(size, kernel_initializer=_glorot(rng), name=f"dense_{i}")(x)
    to_affine = layers.Dense(6, dtype="float32", name="affine")
    identity = get_initial_weights(x.shape[-1])
    x = to_affine(x)
    to_affine.set_weights(identity)
    matrix = layers.Reshape((2, 3), dtype="float32", name="matrix")(x)
    if centred:
        matrix = CentredAffine(shape, name="pixel_matrix")(matrix)
    dvf = Affine2DVF(shape, name="dvf")(matrix)
    registered = BilinearInterpolation(name="img_registered")([ExtractMoving(name="moving")(pair), dvf])
    model = keras.Model(pair, [registered, dvf], name="global")
    return compile_model(model, losses, losses_weights, optimizer)


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
    *,
    use_lambda=False,
    shape=DEFAULT_SHAPE,
    random_state=None,
):
    """UNet that predicts a dense displacement field, and its inverse through the same weights.

    Parameters
    ----------
    start_filters, middle_filters, end_filters : sequence of int
        Channels of the 3x3 convolutions before the first pooling, at the coarsest scale, and after the last
        upsampling. Each is followed by a LeakyReLU of slope 0.2.
    downsample_filters, upsample_filters : sequence of int
        Channels at each scale on the way down (pooling, convolution) and up (upsampling, convolution,
        concatenation with the way down, convolution); as many of the one as of the other.
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
        Whether the model also predicts the inverse field, from the pair in reverse order.
    use_lambda : bool
        Must be False: files with Lambda layers cannot be loaded safely.
    shape : tuple (h, w)
        Size of the images. Inside, it is cropped in the centre to multiples of 2**max(scales, 4), and the field is
        zero in the cropped margin.
    random_state : None, int or numpy.random.Generator
        Where the initial weights come from.

    Returns
    -------
    keras.Model
        Compiled. Input ``reg_mov`` (n, h, w, 2): reference and moving image in [0, 1]; when `compute_inv` also
        ``mov_reg``, the same with its channels swapped. Outputs ``img_registered`` (n, h, w, 1), ``dvf`` (n, h, w, 2),
        moving -> registered in px, and when `compute_inv` ``inv_dvf``.

    Raises
    ------
    ValueError
        If a loss is unknown, the numbers of scales differ or the images are too small for them.

    References
    ----------
    Ronneberger et al. 2015, doi 10.1007/978-3-319-24574-4_28.

    Examples
    --------
    >>> model = supervised_model_factory()
    >>> model.count_params(), [tuple(output.shape) for output in model.outputs]
    (192578, [(None, 320, 456, 1), (None, 320, 456, 2), (None, 320, 456, 2)])
    """
    _refuse_old_options(n_gpus, use_lambda)
    if len(downsample_filters) != len(upsample_filters):
        raise ValueError(
            "downsample_filters and upsample_filters must be of one length. "
            f"Received: {tuple(downsample_filters)} and {tuple(upsample_filters)}"
        )
    shape = _check_shape(shape, minimum=2 ** max(len(downsample_filters), 4))
    reg_mov = keras.Input((*shape, 2), name="reg_mov")
    unet = _unet(
        shape,
        start_filters,
        downsample_filters,
        middle_filters,
        upsample_filters,
        end_filters,
        np.random.default_rng(random_state),
    )
    dvf = NoOp(name="dvf", dtype="float32")(unet(reg_mov))
    registered = BilinearInterpolation(name="img_registered")([ExtractMoving(name="moving")(reg_mov), dvf])
    if compute_inv:
        mov_reg = keras.Input((*shape, 2), name="mov_reg")
        inv_dvf = NoOp(name="inv_dvf", dtype="float32")(unet(mov_reg))
        model = keras.Model([reg_mov, mov_reg], [registered, dvf, inv_dvf], name="local")
    else:
        model = keras.Model(reg_mov, [registered, dvf], name="local")
    return compile_model(model, losses, losses_weights, optimizer)


def compile_model(model, losses, losses_weights, optimizer):
    """Compile a model of this module with losses by name, and return it.

    The fields' endpoint error, in px, is reported beside the losses.

    Parameters
    ----------
    model : keras.Model
        Outputs a registered image and one or two fields.
    losses, losses_weights, optimizer
        As for the factories.
    """
    n_fields = len(model.outputs) - 1
    losses_weights = [float(weight) for weight in losses_weights]
    if not 2 <= len(losses_weights) <= 1 + n_fields:
        raise ValueError(
            f"losses_weights must be one number an output ({1 + n_fields}), at least two. Received: {losses_weights}"
        )
    losses_weights += losses_weights[-1:] * (1 + n_fields - len(losses_weights))
    model.compile(
        optimizer=optimizer,
        loss=get_losses(losses, 1 + n_fields),
        loss_weights=losses_weights,
        metrics=[None] + [endpoint_error] * n_fields,
    )
    return model


def _refuse_old_options(n_gpus, use_lambda) -> None:
    if n_gpus != 1:
        raise ValueError(f"n_gpus must be 1. Received: n_gpus={n_gpus}. Set a keras.distribution instead.")
    if use_lambda:
        raise ValueError(f"use_lambda must be False. Received: use_lambda={use_lambda}. Use the layers as they are.")


def _check_shape(shape, minimum: int) -> tuple[int, int]:
    shape = tuple(int(size) for size in shape)
    if len(shape) != 2 or min(shape) < minimum:
        raise ValueError(f"shape must be two sizes (h, w) of at least {minimum} px. Received: shape={shape}")
    return shape


def _unet(shape, start, down, middle, up, end, rng) -> keras.Model:
    """Build the network from a pair (n, h, w, 2) to a field (n, h, w, 2)."""
    multiple = 2 ** max(len(down), 4)
    margins = [(size % multiple // 2, size % multiple - size % multiple // 2) for size in shape]
    pair = keras.Input((*shape, 2), name="pair")
    x = layers.Cropping2D(margins, name="crop")(pair)
    for i, filters in enumerate(start):
        x = _convolution(x, filters, rng, f"start_{i}")
    skipped = []
    for i, filters in enumerate(down):
        skipped.append(x)
        x = layers.MaxPooling2D(name=f"pool_{i}")(x)
        x = _convolution(x, filters, rng, f"down_{i}")
    for i, filters in enumerate(middle):
        x = _convolution(x, filters, rng, f"middle_{i}")
    for i, filters in enumerate(up):
        x = layers.UpSampling2D(name=f"upsample_{i}")(x)
        x = _convolution(x, filters, rng, f"up_{i}_before")
        x = layers.Concatenate(name=f"concatenate_{i}")([x, skipped.pop()])
        x = _convolution(x, filters, rng, f"up_{i}_after")
    for i, filters in enumerate(end):
        x = _convolution(x, filters, rng, f"end_{i}")
    x = layers.Conv2D(2, 2, padding="same", kernel_initializer=_glorot(rng), dtype="float32", name="field")(x)
    x = layers.ZeroPadding2D(margins, dtype="float32", name="pad")(x)
    return keras.Model(pair, x, name="unet")


def _convolution(x, filters: int, rng, name: str):
    x = layers.Conv2D(filters, 3, padding="same", kernel_initializer=_glorot(rng), name=name)(x)
    return layers.LeakyReLU(negative_slope=0.2, name=f"{name}_relu")(x)


def _glorot(rng) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(seed=int(rng.integers(2**31)))

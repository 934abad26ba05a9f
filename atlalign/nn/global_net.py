"""The global network: an affine registration."""

import keras
import numpy as np
from keras import layers

from atlalign.errors import one_line
from atlalign.ml_utils.initializers import seeded_glorot
from atlalign.ml_utils.layers import (
    Affine2DVF,
    BilinearInterpolation,
    CentredAffine,
    ExtractMoving,
    get_initial_weights,
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
from atlalign.nn.voting import vote_for_affine

HEADS = ("dense", "votes")


def supervised_global_model_factory(
    filters=(16, 16, 32, 32, 32),
    dense_layers=(40,),
    losses=("ncc_9", "grad"),
    losses_weights=(1, 0.1),
    n_gpus=1,
    optimizer="rmsprop",
    mlflow_log=False,
    use_lambda=False,
    *,
    shape=DEFAULT_SHAPE,
    random_state=None,
    centred=False,
    normalization=None,
    activation="relu",
    encoder=None,
    head="dense",
    passes=1,
    summary=False,
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
    mlflow_log : bool
        Whether to log these arguments to the active MLflow run.
    use_lambda : bool
        Must be False: files with Lambda layers cannot be loaded safely.
    shape : tuple (h, w)
        Size of the images.
    random_state : None, int or numpy.random.Generator
        Where the initial weights come from.
    centred : bool
        Whether the six numbers are an affine about the image centre in units of half the diagonal
        (`CentredAffine`), which trains much faster, rather than in pixels from the top-left corner, as published.
    normalization : {None, "batch", "group", "layer"}
        What stands between each convolution and its activation: batch normalisation (arXiv:1502.03167), group
        normalisation in at most 8 groups (doi 10.1007/978-3-030-01261-8_1) or layer normalisation over the channels of
        each pixel (arXiv:1607.06450).
    activation : str or callable
        Activation of the convolutions: a name of `keras.activations`, or a function registered for saving, which
        `load_model` then needs as one of its `custom_objects`.
    encoder : keras.Model or keras.layers.Layer, optional
        Maps the pairs (n, h, w, 2) to features (n, h', w', c) or (n, k), in place of the convolutions: `filters`,
        `normalization` and `activation` do not matter then. It keeps the weights that it has, and is trained unless
        its `trainable` is False.
    head : {"dense", "votes"}
        How the six numbers come from the convolutions: "dense", flattened and through `dense_layers`, as published; or
        "votes": every cell of the coarsest scale says where it comes from and how much it knows, and the matrix is the
        weighted least-squares fit (`FitAffine`). Votes learn from fewer pairs, since what one place teaches holds at
        every other. There is then no pooling after the last block, and `dense_layers` and `centred` do not matter.
    passes : int
        With votes, how often the network looks, with the same weights: from the second time on at the moving image as
        it has been moved so far. The images are interpolated once whatever the number.
    summary : bool
        Whether to print the model's layers.

    Returns
    -------
    keras.Model
        Compiled. Input (n, h, w, 2): reference and moving image in [0, 1]. Outputs ``img_registered``
        (n, h, w, 1) and ``dvf`` (n, h, w, 2), moving -> registered, in px.

    Raises
    ------
    ValueError
        If a loss is unknown, the images are too small for the poolings, the activation cannot be saved or the encoder
        does not take such pairs.
    MissingExtraError
        If `mlflow_log` and MLflow is not installed.

    Examples
    --------
    >>> model = supervised_global_model_factory()
    >>> model.count_params(), [tuple(output.shape) for output in model.outputs]
    (237630, [(None, 320, 456, 1), (None, 320, 456, 2)])

    With an encoder of one's own:

    >>> encoder = keras.Sequential([keras.layers.Conv2D(4, 5, strides=4), keras.layers.GlobalAveragePooling2D()])
    >>> model = supervised_global_model_factory(encoder=encoder, dense_layers=None, shape=(64, 96))
    >>> model.count_params()   # 5 * 5 * 2 * 4 + 4 in the encoder, 4 * 6 + 6 after it
    234
    """
    arguments = dict(locals())
    refuse_old_options(n_gpus, use_lambda)
    check_normalization(normalization)
    function = check_activation(activation) or keras.activations.relu
    _check_head(head, passes, encoder)
    shape = check_shape(shape, minimum=2 ** len(filters) if encoder is None else 1)
    rng = np.random.default_rng(random_state)
    pair = keras.Input((*shape, 2), name="reg_mov")
    if head == "votes":
        matrix = vote_for_affine(pair, filters, passes, rng, function, normalization)
    else:
        matrix = _dense_head(pair, shape, filters, dense_layers, rng, function, normalization, encoder, centred)
    dvf = Affine2DVF(shape, name="dvf")(matrix)
    registered = BilinearInterpolation(name="img_registered")([ExtractMoving(name="moving")(pair), dvf])
    model = compile_model(keras.Model(pair, [registered, dvf], name="global"), losses, losses_weights, optimizer)
    if mlflow_log:
        log_arguments(arguments)
    if summary:
        model.summary()
    return model


def _check_head(head, passes, encoder) -> None:
    if head not in HEADS:
        raise ValueError(f"head must be one of {', '.join(HEADS)}. Received: head={head!r}")
    if int(passes) != passes or passes < 1 or (passes > 1 and head != "votes"):
        raise ValueError(
            f"passes must be a whole number of at least 1, and 1 without votes. "
            f"Received: passes={passes!r}, head={head!r}"
        )
    if head == "votes" and encoder is not None:
        raise ValueError("head must be dense with an encoder of one's own. Received: head='votes' and an encoder")


def _dense_head(pair, shape, filters, dense_layers, rng, function, normalization, encoder, centred):
    """Return the matrix (n, 2, 3), in pixel coordinates, by flattening and dense layers."""
    x = _convolutions(pair, filters, rng, function, normalization) if encoder is None else _encode(pair, encoder)
    x = layers.Flatten(name="flatten")(x)
    for i, size in enumerate(dense_layers or ()):
        x = layers.Dense(size, kernel_initializer=seeded_glorot(rng), name=f"dense_{i}")(x)
    to_affine = layers.Dense(6, kernel_initializer="zeros", dtype="float32", name="affine")
    identity = get_initial_weights(x.shape[-1])
    x = to_affine(x)
    to_affine.set_weights(identity)
    matrix = layers.Reshape((2, 3), dtype="float32", name="matrix")(x)
    return CentredAffine(shape, name="pixel_matrix")(matrix) if centred else matrix


def _convolutions(x, filters, rng, activation, normalization):
    for i, n_filters in enumerate(filters):
        for j in range(2):
            x = convolution(x, n_filters, rng, f"conv_{i}_{j}", activation, normalization)
        x = layers.MaxPooling2D(name=f"pool_{i}")(x)
    return x


def _encode(pair, encoder):
    """Return the features of an encoder, of known size, else raise a ValueError."""
    given = tuple(pair.shape)
    rule = f"encoder must be a Keras model or layer that maps pairs {given} to features (n, h', w', c) or (n, k)."
    if not isinstance(encoder, layers.Layer):
        raise ValueError(f"{rule} Received: {type(encoder).__name__}")
    try:
        features = encoder(pair)
    except Exception as error:  # a layer may raise anything on a shape that it does not take
        raise ValueError(f"{rule} Received: {encoder.name}, which says: {one_line(error)[:200]}") from error
    received = tuple(getattr(features, "shape", ()))
    if len(received) not in (2, 4) or None in received[1:]:
        what = f"features {received}" if received else type(features).__name__
        raise ValueError(f"{rule} Received: {encoder.name}, which gives {what}")
    return features

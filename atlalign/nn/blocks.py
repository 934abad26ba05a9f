"""What both networks are built from, and what both refuse."""

import math

import keras
from keras import layers

from atlalign.errors import one_line
from atlalign.ml_utils.initializers import seeded_glorot

DEFAULT_SHAPE = (320, 456)
NORMALIZATIONS = ("batch", "group", "layer")


def convolution(x, filters: int, rng, name: str, activation, normalization):
    """3x3 convolution, normalisation and activation; a LeakyReLU of slope 0.2 where `activation` is None."""
    fused = activation if normalization is None else None
    x = layers.Conv2D(filters, 3, padding="same", activation=fused, kernel_initializer=seeded_glorot(rng), name=name)(x)
    if normalization is not None:
        x = _normalise(x, normalization, f"{name}_norm")
    if activation is None:
        return layers.LeakyReLU(negative_slope=0.2, name=f"{name}_relu")(x)
    return x if fused is activation else layers.Activation(activation, name=f"{name}_activation")(x)


def _normalise(x, kind: str, name: str):
    if kind == "batch":
        return layers.BatchNormalization(name=name)(x)
    if kind == "layer":
        return layers.LayerNormalization(name=name)(x)
    return layers.GroupNormalization(math.gcd(8, x.shape[-1]), name=name)(x)


def check_normalization(normalization):
    """Return `normalization` if the networks know it, else raise a ValueError."""
    if normalization is not None and normalization not in NORMALIZATIONS:
        raise ValueError(
            f"normalization must be None or one of {', '.join(NORMALIZATIONS)}. Received: "
            f"normalization={normalization!r}"
        )
    return normalization


def check_activation(activation):
    """Return the function of an activation if a saved model would find it again, else raise a ValueError."""
    if activation is None:
        return None
    try:
        function = keras.activations.get(activation)
        found = not isinstance(function, layers.Layer) and (
            keras.activations.deserialize(keras.activations.serialize(function)) is function
        )
    except (ValueError, TypeError, AttributeError):
        found = False
    if not found:
        raise ValueError(
            "activation must be the name of a Keras activation, or a function that "
            "keras.saving.register_keras_serializable knows, so that the saved model finds it again. "
            f"Received: activation={one_line(repr(activation))}"
        )
    return function


def check_shape(shape, minimum: int) -> tuple[int, int]:
    """Return `shape` as two integers of at least `minimum`, else raise a ValueError."""
    shape = tuple(int(size) for size in shape)
    if len(shape) != 2 or min(shape) < minimum:
        raise ValueError(f"shape must be two sizes (h, w) of at least {minimum} px. Received: shape={shape}")
    return shape


def refuse_old_options(n_gpus, use_lambda) -> None:
    """Refuse what atlalign 0.6 offered and Keras 3 does otherwise."""
    if n_gpus != 1:
        raise ValueError(
            f"n_gpus must be 1: the devices are no part of a model. Received: n_gpus={n_gpus}. "
            "Train on several with 'atlalign-train --strategy mirrored', or set a keras.distribution."
        )
    if use_lambda:
        raise ValueError(
            "use_lambda must be False: a file with Lambda layers holds code, and is never loaded. "
            f"Received: use_lambda={use_lambda}. Leave it out: the layers do the same."
        )

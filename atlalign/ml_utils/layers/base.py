"""What the layers of this package stand on: how they are registered for saving, and the 32-bit rule."""

import keras

register_layer = keras.saving.register_keras_serializable(package="atlalign")


class CoordinateLayer(keras.layers.Layer):
    """A layer that computes in float32 whatever the global policy.

    16-bit coordinates are off by a quarter of a pixel on a 456-pixel axis. Inputs of other precision are cast; pass
    ``dtype`` to choose otherwise.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": kwargs.get("dtype") or "float32"})


def check_shape(shape) -> tuple[int, int]:
    """Return `shape` as two ints, or raise a ValueError that says what it must be."""
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape must be two positive sizes (h, w). Received: shape={shape}")
    return int(shape[0]), int(shape[1])

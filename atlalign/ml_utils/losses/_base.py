"""What all losses share."""

import keras
from keras import ops

register = keras.saving.register_keras_serializable(package="atlalign")


class NamedLoss(keras.losses.Loss):
    """A Keras loss whose formula is also reachable as `loss`, the name it had in atlalign 0.6."""

    def call(self, y_true, y_pred):
        """Return the value of the batch, (1,); Keras calls this."""
        # Keras averages over the replicas of a distribution strategy only what has a dimension; it sums a scalar.
        return ops.reshape(self.loss(y_true, y_pred), (1,))


def value_of(loss, y_true, y_pred):
    """Return what any loss, a function or one of Keras's, says of a batch: one value."""
    # Keras's own call would cast float64 to float32.
    formula = getattr(loss, "loss", loss)
    return ops.mean(formula(y_true, y_pred))


def as_floats(*tensors):
    """Return tensors of one dtype, float32 at least: half precision cannot hold sums over an image."""
    # Asked before the conversion, which makes float32 of NumPy's float64 on some backends.
    wide = any("float64" in str(getattr(tensor, "dtype", "")) for tensor in tensors)
    return tuple(ops.convert_to_tensor(tensor, "float64" if wide else "float32") for tensor in tensors)


def as_pair(y_true, y_pred):
    """Return both as floats; a ValueError where their shapes differ, which would broadcast."""
    y_true, y_pred = as_floats(y_true, y_pred)
    if len(y_true.shape) != len(y_pred.shape) or any(
        a != b for a, b in zip(y_true.shape, y_pred.shape, strict=True) if None not in (a, b)
    ):
        raise ValueError(f"{_BOTH} must have one shape. Received: {tuple(y_true.shape)} and {tuple(y_pred.shape)}")
    return y_true, y_pred


def as_images(y_true, y_pred, *, at_least=1):
    """Return two batches of images (n, h, w, c) as floats; a ValueError for other shapes or a side below `at_least`."""
    y_true, y_pred = as_pair(y_true, y_pred)
    if len(y_pred.shape) != 4:
        raise ValueError(f"{_BOTH} must be (n, h, w, c). Received: {tuple(y_pred.shape)}")
    if any(side is not None and side < at_least for side in y_pred.shape[1:3]):
        raise ValueError(f"{_BOTH} must be at least {at_least} px high and wide. Received: {tuple(y_pred.shape)}")
    return y_true, y_pred


def as_fields(*fields, at_least=1):
    """Return batches of fields (n, h, w, 2) as floats; a ValueError for other shapes or a side below `at_least`."""
    fields = as_floats(*fields)
    for field in fields:
        shape = tuple(field.shape)
        if len(shape) != 4 or shape[-1] != 2:
            raise ValueError(f"A batch of displacement fields must be (n, h, w, 2). Received: {shape}")
        if any(side is not None and side < at_least for side in shape[1:3]):
            raise ValueError(f"A field must be at least {at_least} px high and wide here. Received: {shape}")
    as_pair(fields[0], fields[-1])
    return fields


_BOTH = "y_true and y_pred"

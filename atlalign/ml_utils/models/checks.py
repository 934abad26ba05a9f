"""What models take and give."""

import keras

from atlalign.errors import ModelError


def check_is_registration_model(model, what: str = "model"):
    """Return `model` if it registers pairs of images, else raise a ModelError.

    Parameters
    ----------
    model : keras.Model
        Should take (n, h, w, 2), once or twice, and give (n, h, w, 1), (n, h, w, 2) and perhaps a second field, or a
        second image and its field.
    what : str
        How to call it in the message, such as ``"global model"``.

    Examples
    --------
    >>> import keras
    >>> check_is_registration_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), "global model")
    Traceback (most recent call last):
    ...
    atlalign.errors.ModelError: A global model must take pairs (n, h, w, 2) and give registered images (n, h, w, 1) and
    fields (n, h, w, 2). Received: inputs [(None, 4)], outputs [(None, 2)]. Train one with atlalign-train.
    """
    # A model that was never built has neither.
    inputs, outputs = ([tuple(x.shape) for x in getattr(model, name, None) or []] for name in ("inputs", "outputs"))
    grid = inputs[0][:3] if inputs else ()
    pair, image = (*grid, 2), (*grid, 1)
    if not (
        len(pair) == 4
        and None not in pair[1:]
        and inputs in ([pair], [pair, pair])
        and outputs in ([image, pair], [image, pair, pair], [image, pair, image, pair])
    ):
        raise ModelError(
            f"A {what} must take pairs (n, h, w, 2) and give registered images (n, h, w, 1) and fields (n, h, w, 2). "
            f"Received: inputs {inputs}, outputs {outputs}. Train one with atlalign-train."
        )
    return model


def check_is_position_model(model, what: str = "position model"):
    """Return `model` if it says where sections lie, else raise a ModelError.

    Parameters
    ----------
    model : keras.Model
        Should take (n, h, w, 1) and give (n, 3).
    what : str
        How to call it in the message.

    Examples
    --------
    >>> import keras
    >>> check_is_position_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    Traceback (most recent call last):
    ...
    atlalign.errors.ModelError: A position model must take views (n, h, w, 1) and give planes (n, 3). Received: inputs
    [(None, 4)], outputs [(None, 3)]. Train one with atlalign-train position.
    """
    inputs, outputs = ([tuple(x.shape) for x in getattr(model, name, None) or []] for name in ("inputs", "outputs"))
    view = inputs[0] if len(inputs) == 1 else ()
    if not (len(view) == 4 and None not in view[1:] and view[3] == 1 and [shape[1:] for shape in outputs] == [(3,)]):
        raise ModelError(
            f"A {what} must take views (n, h, w, 1) and give planes (n, 3). "
            f"Received: inputs {inputs}, outputs {outputs}. Train one with atlalign-train position."
        )
    return model


def forward_model(model):
    """Return the part of a registration model that maps one pair to its registered image and field.

    A local model that also predicts the inverse field spends half its time on it; this leaves that half out.

    Parameters
    ----------
    model : keras.Model
        Any registration model.

    Returns
    -------
    keras.Model
        Input (n, h, w, 2), outputs (n, h, w, 1) and (n, h, w, 2); it shares the weights of `model`.
    """
    return keras.Model(model.inputs[0], model.outputs[:2], name=f"{model.name}_forward")

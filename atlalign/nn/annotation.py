"""Let labels supervise: warp an annotation by the field that a network predicts."""

import keras

from atlalign.ml_utils.layers import BilinearInterpolation
from atlalign.ml_utils.models import check_is_registration_model


def add_annotation_output(model, n_structures):
    """Return a model that also warps the annotation of the moving image, by the same field.

    It shares the weights of `model`: train this one, then save and use that one, which is a registration model.

    Parameters
    ----------
    model : keras.Model
        A global, local or merged model.
    n_structures : int
        Number of channels of the annotation.

    Returns
    -------
    keras.Model
        Not compiled. The inputs of `model` and ``annotation`` (n, h, w, n_structures): for each structure 1 inside it
        and 0 outside, in the moving image. The outputs of `model` and ``annotation_registered``, of the same shape:
        the annotation warped linearly by ``dvf``, 0 in every channel where that reads outside the image. Its overlap
        with the annotation of the reference has gradients; see `atlalign.ml_utils.losses.dice`.

    Raises
    ------
    ModelError
        If `model` is not a registration model.
    ValueError
        If there is no structure.

    Examples
    --------
    >>> import numpy as np
    >>> from atlalign.ml_utils.losses import dice, mse, vector_distance
    >>> from atlalign.nn import supervised_global_model_factory
    >>> shape, rng = (16, 32), np.random.default_rng(0)
    >>> model = supervised_global_model_factory((2,), (4,), shape=shape, random_state=0)
    >>> with_labels = add_annotation_output(model, 3)
    >>> with_labels.compile("adam", loss=[mse, vector_distance, dice], loss_weights=[1, 1, 5])
    >>> pair, field = rng.random((2, 2, *shape, 2), dtype="float32")
    >>> annotation = np.eye(3, dtype="float32")[rng.integers(3, size=(2, *shape))]
    >>> history = with_labels.fit((pair, annotation), (pair[..., :1], field, annotation), verbose=0)
    >>> sorted(history.history)
    ['annotation_registered_loss', 'dvf_loss', 'img_registered_loss', 'loss']
    """
    check_is_registration_model(model)
    if int(n_structures) != n_structures or n_structures < 1:
        raise ValueError(f"n_structures must be a positive integer. Received: n_structures={n_structures}")
    annotation = keras.Input((*model.inputs[0].shape[1:3], int(n_structures)), name="annotation")
    warped = BilinearInterpolation(name="annotation_registered")([annotation, model.outputs[1]])
    return keras.Model([*model.inputs, annotation], [*model.outputs, warped], name=f"{model.name}_annotation")

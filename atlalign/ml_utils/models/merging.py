"""A global and a local model as one."""

import keras

from atlalign.errors import ModelError
from atlalign.ml_utils.layers import BilinearInterpolation, DVFComposition, ExtractMoving, NoOp
from atlalign.ml_utils.models.checks import check_is_registration_model


def merge_global_local(model_g, model_l, expose_global=False):
    """Chain a global and a local model into one whose field is ``global(local)``.

    Parameters
    ----------
    model_g, model_l : keras.Model
        Models of one image size. The local one sees the moving image warped by the global one. Neither is changed;
        the merged model shares their weights.
    expose_global : bool
        Whether the merged model also gives the global model's image and field.

    Returns
    -------
    keras.Model
        Input (n, h, w, 2): reference and moving image. Outputs ``img_registered`` (n, h, w, 1), the moving image
        warped once by ``dvf`` (n, h, w, 2), and with `expose_global` ``img_global`` and ``dvf_global``.

    Raises
    ------
    ModelError
        If one of them is not a registration model, or their sizes differ.

    Examples
    --------
    >>> from atlalign.nn import supervised_global_model_factory, supervised_model_factory
    >>> model_g = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=(16, 32))
    >>> model_l = supervised_model_factory((2,), (2,), (2,), (2,), (2,), shape=(16, 32))
    >>> merged = merge_global_local(model_g, model_l)
    >>> [tuple(output.shape) for output in merged.outputs]
    [(None, 16, 32, 1), (None, 16, 32, 2)]
    """
    check_is_registration_model(model_g, "global model")
    check_is_registration_model(model_l, "local model")
    shapes = [tuple(model.inputs[0].shape[1:3]) for model in (model_g, model_l)]
    if shapes[0] != shapes[1]:
        raise ModelError(
            f"A global and a local model must be of one image size. Received: {shapes[0]} and {shapes[1]}. "
            "Train both on datasets of one size."
        )
    # Images and fields pass from one to the other at full precision, whatever they compute in.
    dtype = keras.backend.result_type("float32", *(tensor.dtype for tensor in model_g.outputs + model_l.outputs))
    pair = keras.Input((*shapes[0], 2), name="reg_mov", dtype=dtype)
    moving = ExtractMoving(name="moving", dtype=dtype)(pair)
    image_g, dvf_g = _part(model_g, slice(0, 2), "global")(pair)
    seen = keras.layers.Concatenate(name="reg_mov_global", dtype=dtype)([pair[..., 0:1], image_g])
    dvf_l = _part(model_l, 1, "local")(seen)
    dvf = DVFComposition(name="dvf", dtype=dtype)([dvf_g, dvf_l])
    outputs = [BilinearInterpolation(name="img_registered", dtype=dtype)([moving, dvf]), dvf]
    if expose_global:
        outputs += [NoOp(name="img_global", dtype=dtype)(image_g), NoOp(name="dvf_global", dtype=dtype)(dvf_g)]
    return keras.Model(pair, outputs, name="merged")


def _part(model, which, name: str):
    """The named part of a model that makes some of its outputs from one pair of images."""
    return keras.Model(model.inputs[0], model.outputs[which], name=name)

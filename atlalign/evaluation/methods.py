"""Trained models as methods of registration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from atlalign.base import DisplacementField
from atlalign.errors import ModelError
from atlalign.evaluation.prediction import Method, Prediction
from atlalign.section.resampling import resize_image

if TYPE_CHECKING:
    from atlalign.ml_utils.predict import Predictor


def identity(reference: NDArray, moving: NDArray) -> Prediction:
    """Leave the moving image where it is: what every method has to beat.

    Examples
    --------
    >>> image = np.zeros((3, 4), "float32")
    >>> bool(identity(image, image).deltas_xy.any())
    False
    """
    return Prediction(np.zeros((*reference.shape, 2), np.float32))


def model_methods(models: Sequence[Any]) -> dict[str, Method]:
    """Return the methods that one or two models are.

    As when a section is registered, images of another size than a model's are resized for it, and its field is resized
    back.

    Parameters
    ----------
    models : sequence of path-like or keras.Model
        A global, a local or a merged model; or a global and a local one, in any order.

    Returns
    -------
    dict of str to callable
        "global", "local" or "merged"; of two models "global" and "global+local", where the local one sees the moving
        image as the global one left it, and the field is ``global(local)``.

    Raises
    ------
    FileNotFoundError
        If there is no model at a path.
    ModelError
        If one is no registration model, or two are not a global and a local one.

    Examples
    --------
    >>> from atlalign.nn import supervised_global_model_factory
    >>> model = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=(16, 32))
    >>> list(model_methods([model]))
    ['global']
    """
    from atlalign.ml_utils.predict import Predictor

    named = [(_name_of(model), Predictor(model)) for model in models]
    if len(named) == 1:
        _, predict = named[0]
        return {predict.kind: partial(_predict, predict)}
    kinds = {predict.kind: predict for _, predict in named}
    if len(named) != 2 or set(kinds) != {"global", "local"}:
        received = ", ".join(f"{name} ({predict.kind})" for name, predict in named)
        raise ModelError(
            "Models that are evaluated together must be a global and a local one. "
            f"Received: {received or 'none'}. Evaluate others one at a time."
        )
    chain = partial(_predict_chain, kinds["global"], kinds["local"])
    return {"global": partial(_predict, kinds["global"]), "global+local": chain}


def _name_of(model: Any) -> str:
    return repr(model.name) if hasattr(model, "inputs") else str(model)


def _predict(predict: Predictor, reference: NDArray, moving: NDArray) -> Prediction:
    images = [resize_image(image, predict.shape) for image in (reference, moving)]
    deltas_xy, local = predict.with_local_part(*images)
    n_bad = np.count_nonzero(~np.isfinite(deltas_xy))
    if n_bad:
        raise ModelError(
            f"A model must predict finite fields. Received: {n_bad} numbers that are not, from the {predict.kind} "
            "model. Train it again, with a lower learning rate."
        )

    def resized(field: NDArray | None) -> NDArray | None:
        if field is None or field.shape[:2] == reference.shape:
            return field
        return DisplacementField.from_deltas_xy(field).resize_constant(reference.shape).deltas_xy

    def inverse() -> NDArray | None:
        return resized(predict.inverse(*images))

    return Prediction(cast(NDArray, resized(deltas_xy)), inverse, resized(local))


def _predict_chain(first: Predictor, second: Predictor, reference: NDArray, moving: NDArray) -> Prediction:
    df_global = DisplacementField.from_deltas_xy(_predict(first, reference, moving).deltas_xy)
    local = _predict(second, reference, df_global.warp(moving))
    df_local = DisplacementField.from_deltas_xy(local.deltas_xy)

    def inverse() -> NDArray | None:
        inv_local = local.inverse
        if inv_local is None:
            return None
        return DisplacementField.from_deltas_xy(inv_local)(df_global.pseudo_inverse()).deltas_xy

    return Prediction(df_global(df_local).deltas_xy, inverse, local.deltas_xy)

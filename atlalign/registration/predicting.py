"""What finds fields: models from files, Keras models, functions; one after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from atlalign.base import DisplacementField
from atlalign.errors import ModelError
from atlalign.section.resampling import resize_image
from atlalign.weights.defaults import DEFAULT, default_models

Predict = Callable[[np.ndarray, np.ndarray], Any]


def predictors(global_model: Any, local_model: Any) -> list[tuple[str, Predict]]:
    """Return name and function of each model that is given; of the default ones if none is."""
    given = {"global": global_model, "local": local_model}
    if global_model is None and local_model is None:
        given = dict.fromkeys(given, DEFAULT)
    chosen = {name: default_models()[name] if _is_default(model) else model for name, model in given.items()}
    found = [(name, _predictor(model, f"{name} model")) for name, model in chosen.items() if model is not None]
    for name, predict in found:
        _check_kind(name, predict, chosen[name])
    return found


def uses_default_global(global_model: Any, local_model: Any) -> bool:
    """Return whether `predictors` takes the global network that comes with the package."""
    return _is_default(global_model) or (global_model is None and local_model is None)


def _is_default(model: Any) -> bool:
    """Return whether a model is named as the one that comes with the package."""
    return isinstance(model, str | os.PathLike) and os.fspath(model) == DEFAULT


def _predictor(model: Any, what: str) -> Predict:
    if isinstance(model, str | os.PathLike) or (hasattr(model, "inputs") and hasattr(model, "outputs")):
        # Keras is loaded only by whom it serves.
        from atlalign.ml_utils.predict import Predictor

        return Predictor(model, what)
    if not callable(model):
        raise TypeError(
            f"A {what} must be a path, a Keras model or a callable. Received: {type(model).__name__}. Give one of them."
        )
    return model


def _check_kind(name: str, predict: Predict, model: Any) -> None:
    """Raise an error if a network is given in the place of the other one; merged ones and functions do in both."""
    kind = getattr(predict, "kind", name)
    if {name, kind} == {"global", "local"}:
        received = os.fspath(model) if isinstance(model, str | os.PathLike) else type(model).__name__
        raise ModelError(
            f"{name}_model, or --{name}-model, must be a {name} network. "
            f"Received: {received}, a {kind} one. Give it as {kind}_model, or --{kind}-model."
        )


def predict_fields(
    moving: np.ndarray, reference: np.ndarray, predictors: Sequence[tuple[str, Predict]]
) -> list[tuple[str, DisplacementField]]:
    """Return name and field of each step; each sees the moving image as the ones before left it."""
    fields: list[tuple[str, DisplacementField]] = []
    for name, predict in predictors:
        field = _predict_field(predict, reference, moving, name)
        fields.append((name, field))
        moving = field.warp(moving)
    return fields


def predict_batch(
    movings: np.ndarray, references: np.ndarray, predict: Predict, name: str = "global"
) -> list[DisplacementField]:
    """Return the field of each of many pairs: together from a model that has a `batch`, else one after another.

    Parameters
    ----------
    movings, references : ndarray, shape (n, h, w)
        In [0, 1] on a dark background.
    predict : callable
        As `predictors` returns it.
    name : str
        What an error calls it.

    Examples
    --------
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> len(predict_batch(np.zeros((3, 8, 8)), np.zeros((3, 8, 8)), nothing_to_do))
    3
    """
    wanted = (movings.shape[1], movings.shape[2])
    shape = getattr(predict, "shape", None) or wanted
    if not hasattr(predict, "batch"):
        pairs = zip(movings, references, strict=True)
        return [_predict_field(predict, reference, moving, name) for moving, reference in pairs]
    first, second = (np.stack([resize_image(image, shape) for image in images]) for images in (references, movings))
    return [_as_field(deltas_xy, shape, wanted, name) for deltas_xy in predict.batch(first, second)]


def _predict_field(predict: Predict, reference: np.ndarray, moving: np.ndarray, name: str) -> DisplacementField:
    shape = getattr(predict, "shape", None) or moving.shape
    deltas_xy = np.asarray(predict(resize_image(reference, shape), resize_image(moving, shape)))
    return _as_field(deltas_xy, shape, (moving.shape[0], moving.shape[1]), name)


def _as_field(deltas_xy: np.ndarray, shape: tuple[int, ...], wanted: tuple[int, int], name: str) -> DisplacementField:
    """Return what a model predicted on its own grid as a field on the wanted one."""
    n_bad = np.count_nonzero(~np.isfinite(deltas_xy))
    if deltas_xy.shape != (*shape, 2) or n_bad:
        raise ModelError(
            f"The {name} model must predict a finite field of shape {(*shape, 2)}. "
            f"Received: shape {deltas_xy.shape}, {n_bad} values not finite. "
            "Train it again, with a lower learning rate."
        )
    field = DisplacementField.from_deltas_xy(deltas_xy)
    return field if field.shape == wanted else field.resize_constant(wanted)

"""A model asked again and again."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.base import DisplacementField


def chain_predict(model: Any, inp: ArrayLike, n_iterations: int = 1) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Let a model register what it left of the last time, and again.

    Each time it sees the reference and the moving image, warped by all it has predicted so far. The moving image itself
    is warped once only, by the composed field, however many iterations there are.

    Parameters
    ----------
    model : keras.Model, path-like or callable
        A global or local model, where one was saved, or a function that takes (reference, moving), float32 (h, w) in
        [0, 1], and returns a field (h, w, 2).
    inp : array-like, (h, w, 2) or (1, h, w, 2)
        The reference image, ``[..., 0]``, and the moving one, ``[..., 1]``, in [0, 1].
    n_iterations : int
        How often to ask.

    Returns
    -------
    images : ndarray, float32, (n_iterations, h, w)
        The registered image after each iteration.
    deltas_xy : ndarray, float32, (n_iterations, h, w, 2)
        The field, moving to registered, after each: all that was predicted till then, composed.

    Raises
    ------
    ValueError
        If `inp` has another shape or `n_iterations` is not positive.
    atlalign.errors.ModelError
        If the model is of another architecture.

    Examples
    --------
    >>> def one_to_the_left(reference, moving):
    ...     return np.broadcast_to([1.0, 0.0], (*moving.shape, 2))
    >>> pair = np.zeros((4, 6, 2))
    >>> pair[1, 5, 1] = 1
    >>> images, deltas_xy = chain_predict(one_to_the_left, pair, n_iterations=3)
    >>> images[:, 1].argmax(axis=1), deltas_xy[:, 0, 0, 0]
    (array([4, 3, 2]), array([1., 2., 3.], dtype=float32))
    """
    pair = np.asarray(inp, dtype=np.float32)
    if pair.ndim == 4 and len(pair) == 1:
        pair = pair[0]
    if pair.ndim != 3 or pair.shape[2] != 2:
        raise ValueError(f"inp must be (h, w, 2), reference and moving. Received: shape {np.shape(inp)}.")
    if n_iterations < 1:
        raise ValueError(f"n_iterations must be at least 1. Received: {n_iterations}.")
    predict = _predictor(model)
    reference, moving = (np.ascontiguousarray(pair[..., i]) for i in range(2))
    field = DisplacementField.generate(moving.shape)
    images, fields = [moving], []
    for _ in range(n_iterations):
        field = field(DisplacementField.from_deltas_xy(predict(reference, images[-1])))
        images.append(field.warp(moving))
        fields.append(field.deltas_xy)
    return np.stack(images[1:]), np.stack(fields)


def _predictor(model: Any) -> Callable[[NDArray, NDArray], ArrayLike]:
    if callable(model) and not hasattr(model, "predict"):
        return model
    if not isinstance(model, str | os.PathLike) and not hasattr(model, "predict"):
        raise TypeError(f"model must be a Keras model, a path or a callable. Received: {type(model).__name__}.")
    from atlalign.ml_utils.predict import Predictor  # imports Keras

    return Predictor(model)

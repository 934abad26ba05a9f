"""Ask a trained model for the field of one pair of images."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import keras
import numpy as np
from numpy.typing import NDArray

from atlalign.ml_utils.layers import Affine2DVF, DVFComposition
from atlalign.ml_utils.models import check_is_registration_model, load_model

if TYPE_CHECKING:
    from keras import Model

# Pairs in one go of a batch: more take memory and hardly save time on a processor.
_TOGETHER = 16


class Predictor:
    """A registration model as a function of two images.

    Parameters
    ----------
    model : keras.Model or path-like
        A global, local or merged model, or where one was saved.
    what : str
        How to call it in messages, such as "global model".

    Raises
    ------
    FileNotFoundError
        If nothing is at the path.
    ModelError
        If it is no registration model.

    Attributes
    ----------
    shape : (h, w)
        Shape of the images that the model takes.
    kind : {"global", "local", "merged"}
        Whether its field is an affine map, a dense one, or a global one after a local one.
    has_inverse : bool
        Whether the model also predicts the inverse field.

    Examples
    --------
    >>> from atlalign.nn import supervised_global_model_factory
    >>> model = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=(16, 32))
    >>> predict = Predictor(model)
    >>> predict.shape, predict.kind, predict.has_inverse
    ((16, 32), 'global', False)
    >>> predict(np.zeros((16, 32), np.float32), np.zeros((16, 32), np.float32)).shape
    (16, 32, 2)
    """

    def __init__(self, model: Model | str | os.PathLike, what: str = "model"):
        loaded = load_model(model) if isinstance(model, str | os.PathLike) else model
        check_is_registration_model(loaded, what)
        height, width = loaded.inputs[0].shape[1:3]
        self.shape = (int(height), int(width))
        self.kind = _kind_of(loaded)
        self.has_inverse = len(loaded.outputs) == 3
        self._n_inputs = len(loaded.inputs)
        # Only what is asked for: a local model spends half its time on the inverse field.
        self._forward = keras.Model(loaded.inputs[0], [loaded.outputs[1], *_local_part(loaded, self.kind)])
        self._backward = keras.Model(loaded.inputs, [loaded.outputs[2]]) if self.has_inverse else None

    def __call__(self, reference: NDArray, moving: NDArray) -> NDArray[np.float32]:
        """Return the field that warps `moving` onto `reference`.

        Parameters
        ----------
        reference, moving : ndarray, shape (h, w)
            In [0, 1] on a dark background, of the model's shape.

        Returns
        -------
        ndarray, float32, shape (h, w, 2)
            (delta_x, delta_y) px.
        """
        return self.with_local_part(reference, moving)[0]

    def batch(self, references: NDArray, movings: NDArray) -> NDArray[np.float32]:
        """Return the fields of many pairs, computed together.

        Parameters
        ----------
        references, movings : ndarray, shape (n, h, w)
            As in the call, of each pair.

        Returns
        -------
        ndarray, float32, shape (n, h, w, 2)
            (delta_x, delta_y) px.

        Examples
        --------
        >>> from atlalign.nn import supervised_global_model_factory
        >>> model = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=(16, 32))
        >>> images = np.zeros((3, 16, 32), np.float32)
        >>> Predictor(model).batch(images, images).shape
        (3, 16, 32, 2)
        """
        pairs = np.stack([references, movings], axis=-1).astype(np.float32)
        parts = [pairs[start : start + _TOGETHER] for start in range(0, len(pairs), _TOGETHER)]
        fields = [keras.tree.flatten(self._forward(part, training=False))[0] for part in parts]
        return np.concatenate([np.asarray(keras.ops.convert_to_numpy(field), dtype=np.float32) for field in fields])

    def with_local_part(self, reference: NDArray, moving: NDArray) -> tuple[NDArray[np.float32], NDArray | None]:
        """Return the field, and what of it is local.

        Parameters
        ----------
        reference, moving : ndarray, shape (h, w)
            As in the call.

        Returns
        -------
        deltas_xy : ndarray, float32, shape (h, w, 2)
            The field, px.
        local_deltas_xy : ndarray, float32, shape (h, w, 2), or None
            The same of a local model; the inner field of a merged one, where its layers tell; None of a global one.
        """
        fields = _fields(self._forward, _pair(reference, moving))
        return fields[0], None if self.kind == "global" else fields[-1]

    def inverse(self, reference: NDArray, moving: NDArray) -> NDArray[np.float32] | None:
        """Return the inverse field as the model predicts it, or None if it predicts none.

        Parameters
        ----------
        reference, moving : ndarray, shape (h, w)
            As in the call.

        Returns
        -------
        ndarray, float32, shape (h, w, 2), or None
            The field that warps `reference` onto `moving`, px.
        """
        if self._backward is None:
            return None
        pair = _pair(reference, moving)
        return _fields(self._backward, [pair, pair[..., ::-1]][: self._n_inputs])[0]


def _pair(reference: NDArray, moving: NDArray) -> NDArray[np.float32]:
    return np.stack([reference, moving], axis=-1)[np.newaxis].astype(np.float32)


def _fields(model: Model, inputs) -> list[NDArray[np.float32]]:
    # Called directly: for one pair, Model.predict spends longer on its data pipeline than on the network.
    outputs = keras.tree.flatten(model(inputs, training=False))
    return [np.asarray(keras.ops.convert_to_numpy(dvf)[0], dtype=np.float32) for dvf in outputs]


def _kind_of(model: Model) -> str:
    layers = _layers_of(model)
    if not any(isinstance(layer, Affine2DVF) for layer in layers):
        return "local"
    return "merged" if any(isinstance(layer, DVFComposition) for layer in layers) else "global"


def _layers_of(model: Model) -> list:
    """Return the layers of a model and of the models in it."""
    nested = [_layers_of(layer) if hasattr(layer, "layers") else [layer] for layer in model.layers]
    return [layer for layers in nested for layer in layers]


def _local_part(model: Model, kind: str) -> list:
    """Return the inner field that a merged model composes, where it can be told; else nothing."""
    if kind != "merged":
        return []
    compositions = [layer for layer in model.layers if isinstance(layer, DVFComposition)]
    return [compositions[0].input[1]] if len(compositions) == 1 else []

"""Ask a trained model for the field of one pair of images."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import keras
import numpy as np

from atlalign.ml_utils.models import check_is_registration_model, forward_model, load_model

if TYPE_CHECKING:
    from keras import Model


class Predictor:
    """A registration model as a function of two images.

    Parameters
    ----------
    model : keras.Model or path-like
        A global or local model, or where one was saved.
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

    Examples
    --------
    >>> from atlalign.nn import supervised_global_model_factory
    >>> model = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=(16, 32))
    >>> predict = Predictor(model)
    >>> predict.shape
    (16, 32)
    >>> predict(np.zeros((16, 32), np.float32), np.zeros((16, 32), np.float32)).shape
    (16, 32, 2)
    """

    def __init__(self, model: Model | str | os.PathLike, what: str = "model"):
        loaded = load_model(model) if isinstance(model, str | os.PathLike) else model
        self._model = forward_model(check_is_registration_model(loaded, what))
        height, width = self._model.inputs[0].shape[1:3]
        self.shape = (int(height), int(width))

    def __call__(self, reference: np.ndarray, moving: np.ndarray) -> np.ndarray:
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
        pair = np.stack([reference, moving], axis=-1)[np.newaxis].astype(np.float32)
        # Called directly: for one pair, Model.predict spends longer on its data pipeline than on the network.
        _, dvf = self._model(pair, training=False)
        return np.asarray(keras.ops.convert_to_numpy(dvf)[0], dtype=np.float32)

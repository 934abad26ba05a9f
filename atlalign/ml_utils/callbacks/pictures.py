"""Pictures of a run: a real batch before the first step, validation pairs after each epoch."""

import keras
import numpy as np

from atlalign._files import atomic_path
from atlalign.ml_utils.callbacks.averaging import AveragedWeights
from atlalign.run_folder import RunFolder
from atlalign.visualization.pairs import PairPicture, draw_pairs

_ROWS = 4


class Pictures(keras.callbacks.Callback):
    """Draw ``batch.png`` and ``preview.png``.

    Parameters
    ----------
    folder : RunFolder
        Where to write.
    training : SupervisedGenerator
        Its first pairs, as the network gets them, are in ``batch.png`` with their true fields.
    validation : SupervisedGenerator or None
        Fixed pairs of these are in ``preview.png`` with what the network makes of them.
    averaged : AveragedWeights
        Lends the weights that are looked at.
    """

    def __init__(self, folder: RunFolder, training, validation, averaged: AveragedWeights):
        super().__init__()
        self._folder = folder
        self._training = training
        self._validation = validation
        self._averaged = averaged

    def on_epoch_begin(self, epoch, logs=None):
        """Draw the batch, before the first step of a new run."""
        if epoch == 0 and not self._folder.batch.exists():
            n = min(_ROWS, self._training.batch_size, len(self._training.indexes))
            inputs, targets = self._training.samples(self._training.order()[:n])
            self._save(self._folder.batch, draw_pairs(self._rows(self._training, inputs, targets), "true registered"))

    def on_epoch_end(self, epoch, logs=None):
        """Draw the preview."""
        if self._validation is None:
            return
        n_samples = len(self._validation.indexes)
        positions = np.linspace(0, n_samples - 1, min(_ROWS, n_samples)).round().astype(int)
        inputs, _ = self._validation.samples(positions)
        with self._averaged.in_place():
            predicted = [np.asarray(output) for output in self.model.predict_on_batch(inputs)]
        self._save(self._folder.preview, draw_pairs(self._rows(self._validation, inputs, predicted)))

    @staticmethod
    def _rows(generator, inputs, outputs) -> list[PairPicture]:
        pairs = inputs[0] if generator.return_inverse else inputs
        return [
            PairPicture(pair[..., 0], pair[..., 1], image[..., 0], field)
            for pair, image, field in zip(pairs, outputs[0], outputs[1], strict=False)
        ]

    @staticmethod
    def _save(path, figure) -> None:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=100)

"""What the numbers mean on validation pairs: micrometres, folds, structures."""

from collections.abc import Sequence

import keras
import numpy as np

from atlalign.evaluation.scores import score_pair
from atlalign.ml_utils.callbacks.averaging import AveragedWeights

DEPTHS = (2, 4, 6, 8)


class ValidationMetrics(keras.callbacks.Callback):
    """Add to each epoch's logs what `atlalign.evaluation.score_pair` says of validation pairs, averaged.

    Parameters
    ----------
    generator : SupervisedGenerator
        Of the validation pairs.
    n_pairs : int
        How many of them; always the same ones, spread over all of them.
    averaged : AveragedWeights
        Lends the weights that are judged.
    """

    def __init__(self, generator, n_pairs: int, averaged: AveragedWeights):
        super().__init__()
        self._generator = generator
        self._averaged = averaged
        n_samples = len(generator.indexes)
        spread = np.linspace(0, n_samples - 1, min(n_pairs, n_samples)).round().astype(int)
        self._positions = np.unique(spread).tolist()

    def on_epoch_end(self, epoch, logs=None):
        """Add the scores, their names behind ``val_``."""
        if logs is not None:
            with self._averaged.in_place():
                scores = score_samples(self.model, self._generator, self._positions, DEPTHS)
            logs.update({f"val_{name}": value for name, value in scores.items()})


def score_samples(model, generator, positions: Sequence[int], depths: Sequence[int] = ()) -> dict[str, float]:
    """Score a model on samples of a generator.

    Parameters
    ----------
    model : keras.Model
        A registration model that takes what the generator gives.
    generator : SupervisedGenerator
        Knows the samples' planes and atlases.
    positions : sequence of int
        Which samples, by their places in ``generator.indexes``.
    depths : sequence of int
        Where Dice is computed.

    Returns
    -------
    dict of str to float
        Averages of what `atlalign.evaluation.score_pair` says.
    """
    scores = []
    for start in range(0, len(positions), generator.batch_size):
        part = positions[start : start + generator.batch_size]
        inputs, targets = generator.samples(part)
        _, *predicted = (np.asarray(output) for output in model.predict_on_batch(inputs))
        for row, position in enumerate(part):
            fields = [column[row] for column in (*targets[1:], *predicted)]
            scores.append(_score(generator, generator.indexes[position], fields, depths))
    return {name: float(np.nanmean([score[name] for score in scores])) for name in scores[0]}


def _score(generator, index: int, fields: Sequence[np.ndarray], depths: Sequence[int]) -> dict[str, float]:
    """Score one sample, of which the true fields come first and then the predicted ones."""
    true, predicted = fields[: len(fields) // 2], fields[len(fields) // 2 :]
    plane, atlas = generator.source.plane(index), generator.source.atlas_of(index)
    height, width = generator.shape
    return score_pair(
        true[0],
        predicted[0],
        pixel_um=(plane.height_um / height, plane.width_um / width),
        inv_deltas_pred=predicted[1] if len(predicted) > 1 else None,
        inv_deltas_true=true[1] if len(true) > 1 else None,
        annotation=atlas.annotation_plane(plane, generator.shape) if depths else None,
        structures=atlas.structures,
        depths=depths,
    )

"""What the numbers of a position network mean on validation samples: micrometres and degrees."""

import keras
import numpy as np

from atlalign.ml_utils.callbacks.averaging import AveragedWeights
from atlalign.plane_slopes import tilt_degrees


class PlaneMetrics(keras.callbacks.Callback):
    """Add to each epoch's logs how far off the planes of validation samples are.

    Parameters
    ----------
    generator : UnplacedGenerator
        Of the validation samples.
    n_samples : int
        How many of them; always the same ones, spread over all of them.
    averaged : AveragedWeights
        Lends the weights that are judged.
    """

    def __init__(self, generator, n_samples: int, averaged: AveragedWeights):
        super().__init__()
        self._generator = generator
        self._averaged = averaged
        n_all = len(generator.indexes)
        self._positions = np.unique(np.linspace(0, n_all - 1, min(n_samples, n_all)).round().astype(int))

    def on_epoch_end(self, epoch, logs=None):
        """Add the scores, their names behind ``val_``."""
        if logs is None:
            return
        planes, found = [], []
        with self._averaged.in_place():
            for start in range(0, len(self._positions), self._generator.batch_size):
                part = self._positions[start : start + self._generator.batch_size]
                views, true = self._generator.samples(part)
                planes.append(true)
                found.append(np.asarray(self.model.predict_on_batch(views)))
        indexes = self._generator.indexes[self._positions]
        lengths_um = np.array([self._generator.source.atlas_of(index).shape_um[0] for index in indexes])
        scores = score_planes(np.concatenate(planes), np.concatenate(found), lengths_um)
        logs.update({f"val_{name}": value for name, value in scores.items()})


def score_planes(true, found, lengths_um) -> dict[str, float]:
    """Return how far planes are from where they should be.

    Parameters
    ----------
    true, found : ndarray (n, 3)
        Position as a share of the atlas's length, slopes across and down.
    lengths_um : float or ndarray (n,)
        Of the atlas along its middle axis.

    Returns
    -------
    dict of str to float
        ``position_error_um`` and ``position_error_p95_um``, the mean and what 95 % of the samples stay below;
        ``tilt_error_degrees``, the mean angle between the planes.

    Examples
    --------
    >>> import numpy as np
    >>> scores = score_planes(np.array([[0.5, 0, 0]]), np.array([[0.51, 0, 1]]), 13200)
    >>> {name: round(value) for name, value in scores.items()}
    {'position_error_um': 132, 'position_error_p95_um': 132, 'tilt_error_degrees': 45}
    """
    errors_um = np.abs(true[:, 0].astype(np.float64) - found[:, 0]) * lengths_um
    return {
        "position_error_um": float(errors_um.mean()),
        "position_error_p95_um": float(np.percentile(errors_um, 95)),
        "tilt_error_degrees": float(tilt_degrees(true[:, 1:], found[:, 1:]).mean()),
    }

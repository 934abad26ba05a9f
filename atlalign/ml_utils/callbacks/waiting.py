"""How much of its time a training spends waiting for data."""

import time

import keras

from atlalign.ml_utils.batches import BatchGenerator


class WaitingTime(keras.callbacks.Callback):
    """Add to each epoch's logs the share of its time, 0 to 1, in which the network waited for data.

    Keras takes a batch inside of a step, so that the time between steps says nothing: a step waits from where it begins
    to where its batch is ready.

    Parameters
    ----------
    data : BatchGenerator
        What the network trains on; it must not be shuffled by Keras.
    """

    def __init__(self, data: BatchGenerator):
        super().__init__()
        self._data = data

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._epoch_began = time.monotonic()
        self._waited = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        """A step begins, whether its data are here or not."""
        self._began = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        """Add what of the step's time its batch was not ready."""
        now = time.monotonic()
        ready = self._data.ready_at.pop(batch, self._began)
        self._waited += min(max(ready - self._began, 0.0), now - self._began)

    def on_epoch_end(self, epoch, logs=None):
        """Add ``waiting_share``."""
        if logs is not None:
            logs["waiting_share"] = self._waited / max(time.monotonic() - self._epoch_began, 1e-9)

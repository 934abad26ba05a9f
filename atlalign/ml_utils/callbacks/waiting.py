"""How much of its time a training spends waiting for data."""

import time

import keras


class WaitingTime(keras.callbacks.Callback):
    """Add to each epoch's logs the share of its time, 0 to 1, between one step's end and the next one's beginning."""

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._began = self._ended = time.monotonic()
        self._waited = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        """The data are here."""
        self._waited += time.monotonic() - self._ended

    def on_train_batch_end(self, batch, logs=None):
        """The next data may come."""
        self._ended = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Add ``waiting_share``."""
        if logs is not None:
            logs["waiting_share"] = self._waited / max(self._ended - self._began, 1e-9)

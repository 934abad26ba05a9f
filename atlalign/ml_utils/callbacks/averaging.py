"""The running average of the weights, where the optimizer keeps one."""

from contextlib import contextmanager

import keras


class AveragedWeights(keras.callbacks.SwapEMAWeights):
    """Validate with the optimizer's running average of the weights, and lend it to others.

    Where the optimizer keeps none (``use_ema=False``) the weights are used as they are.
    """

    def _averages(self) -> bool:
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        return bool(optimizer.use_ema)

    def on_test_begin(self, logs=None):
        """Put the average in the place of the weights."""
        if self._averages():
            super().on_test_begin(logs)

    def on_test_end(self, logs=None):
        """Put the weights back."""
        if self._averages():
            super().on_test_end(logs)

    @contextmanager
    def in_place(self):
        """Let the model have the averaged weights within a block."""
        self.on_test_begin()
        try:
            yield
        finally:
            self.on_test_end()

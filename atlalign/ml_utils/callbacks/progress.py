"""What a person sees while a network is trained."""

import sys
import time

import keras

from atlalign._progress import new_bar


class ProgressReport(keras.callbacks.Callback):
    """Show on stderr how far the training is and what it has reached: a bar, or a line an epoch."""

    def __init__(self):
        super().__init__()
        self._bar = None
        self._first_epoch = None

    def on_train_begin(self, logs=None):
        """Open the bar if a person is watching."""
        self._first_epoch = None
        if sys.stderr.isatty() and self._bar is None:
            self._bar = new_bar()
            self._bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        """Begin the epoch's bar."""
        if self._first_epoch is None:
            self._first_epoch, self._began = epoch, time.monotonic()
        if self._bar:
            self._name = f"Epoch {epoch + 1}/{self.params['epochs']}"
            self._task = self._bar.add_task(self._name, total=self.params["steps"])

    def on_train_batch_end(self, batch, logs=None):
        """Advance the bar and show the losses so far."""
        if self._bar:
            parts = [f"{name.removesuffix('_loss')} {value:.3g}" for name, value in losses_in(logs or {}).items()]
            self._bar.update(self._task, advance=1, description=f"{self._name} {' '.join(parts)}")

    def on_epoch_end(self, epoch, logs=None):
        """Say what the epoch reached."""
        parts = [f"{name} {value:.4g}" for name, value in (logs or {}).items()]
        left = self._minutes_left(epoch)
        line = f"Epoch {epoch + 1}/{self.params['epochs']}: {', '.join(parts)}{left}"
        if self._bar:
            self._bar.remove_task(self._task)
            self._bar.console.print(line, highlight=False)
        else:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def on_train_end(self, logs=None):
        """Close the bar."""
        self.close()

    def close(self):
        """Close the bar, also after an interruption."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _minutes_left(self, epoch: int) -> str:
        remaining = self.params["epochs"] - epoch - 1
        if not remaining or self._first_epoch is None:
            return ""
        minutes = (time.monotonic() - self._began) / (epoch + 1 - self._first_epoch) * remaining / 60
        return f" (about {minutes:.0f} min left)" if minutes >= 1 else " (less than a minute left)"


def losses_in(logs: dict) -> dict:
    """Return the losses among the logs of a step: the total first.

    Examples
    --------
    >>> losses_in({"dvf_endpoint_error": 2.0, "dvf_loss": 3.0, "loss": 4.0})
    {'loss': 4.0, 'dvf_loss': 3.0}
    """
    parts = {name: value for name, value in logs.items() if name.endswith("_loss")}
    return {"loss": logs["loss"], **parts} if "loss" in logs else parts

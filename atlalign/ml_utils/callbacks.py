"""Keras callbacks that keep a run folder and show progress."""

import math
import sys
import time

import keras

from atlalign._progress import new_bar
from atlalign.ml_utils.models import save_model
from atlalign.run_folder import RunFolder


class RunRecorder(keras.callbacks.Callback):
    """After each epoch write the history, its curves, the last model, and the best one when it is the best.

    Parameters
    ----------
    folder : RunFolder
        Where to write.
    rows : list of dict
        History of the epochs before, when a run goes on.
    """

    def __init__(self, folder: RunFolder, rows: list[dict]):
        super().__init__()
        self.folder = folder
        self.rows = list(rows)
        self._started = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Write everything of this epoch."""
        row = {"epoch": epoch + 1, "seconds": round(time.monotonic() - self._started, 2)}
        row |= {name: float(value) for name, value in (logs or {}).items()}
        watched = "val_loss" if "val_loss" in row else "loss"
        require_finite(row[watched], watched, f"epoch {epoch + 1}")
        best = min((old.get(watched, math.inf) for old in self.rows), default=math.inf)
        self.rows.append(row)
        # The last model comes last: a run that is killed in between goes on from the one before, does this epoch
        # again, and writes the same history and best model again.
        self.folder.write_history(self.rows)
        if row[watched] < best:
            save_model(self.model, self.folder.best_model, separate=False)
        save_model(self.model, self.folder.last_model, separate=False)


def require_finite(value: float, what: str, when: str) -> None:
    """Raise an ArithmeticError with the remedy unless a loss is finite."""
    if not math.isfinite(value):
        raise ArithmeticError(
            f"The {what} must stay finite. Received: {value} at {when}. Lower the learning rate or the losses' weights."
        )


class StopOnNaN(keras.callbacks.Callback):
    """Stop before a loss that is not finite reaches the weights that are kept."""

    def on_train_batch_end(self, batch, logs=None):
        """Raise when the loss is not finite."""
        require_finite((logs or {}).get("loss", 0.0), "loss", f"step {batch}")


class ProgressReport(keras.callbacks.Callback):
    """Show on stderr how far the training is and what it has reached: a bar, or a line an epoch."""

    def __init__(self):
        super().__init__()
        self._bar = None

    def on_train_begin(self, logs=None):
        """Open the bar if a person is watching."""
        if sys.stderr.isatty():
            self._bar = new_bar()
            self._bar.start()

    def on_epoch_begin(self, epoch, logs=None):
        """Begin the epoch's bar."""
        if self._bar:
            name = f"Epoch {epoch + 1}/{self.params['epochs']}"
            self._task = self._bar.add_task(name, total=self.params["steps"])

    def on_train_batch_end(self, batch, logs=None):
        """Advance the bar."""
        if self._bar:
            self._bar.advance(self._task)

    def on_epoch_end(self, epoch, logs=None):
        """Say what the epoch reached."""
        parts = [f"{name} {value:.4g}" for name, value in (logs or {}).items()]
        line = f"Epoch {epoch + 1}/{self.params['epochs']}: {', '.join(parts)}"
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

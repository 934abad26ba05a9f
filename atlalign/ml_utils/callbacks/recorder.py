"""What is kept of each epoch."""

import math
import time

import keras

from atlalign.ml_utils.callbacks.averaging import AveragedWeights
from atlalign.ml_utils.checkpoint import TrainingState, save_checkpoint
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
    averaged : AveragedWeights
        Lends the weights that the best model is saved with.
    patience : int, optional
        Stop after so many epochs without a lower validation loss.
    seconds : float
        What an interrupted epoch had taken before.
    """

    def __init__(
        self,
        folder: RunFolder,
        rows: list[dict],
        averaged: AveragedWeights,
        patience: int | None = None,
        seconds: float = 0.0,
    ):
        super().__init__()
        self.folder = folder
        self.rows = list(rows)
        self._averaged = averaged
        self._patience = patience
        self._seconds_before = seconds
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds that the epoch under way has taken."""
        return time.monotonic() - self._started + self._seconds_before

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Write everything of this epoch."""
        row = {"epoch": epoch + 1, "seconds": round(self.seconds, 2)}
        self._seconds_before = 0.0
        row |= {name: float(value) for name, value in (logs or {}).items()}
        watched = "val_loss" if "val_loss" in row else "loss"
        before = [old.get(watched, math.inf) for old in self.rows]
        self.rows.append(row)
        # The last model comes last: a run that is killed in between goes on from the one before, does this epoch
        # again, and writes the same history and best model again.
        self.folder.write_history(self.rows)
        if row[watched] < min(before, default=math.inf):
            with self._averaged.in_place():
                save_model(self.model, self.folder.best_model, separate=False)
        save_checkpoint(self.model, self.folder.last_model, TrainingState(epoch + 1))
        if self._patience is not None and epochs_since_best([*before, row[watched]]) >= self._patience:
            self.model.stop_training = True


class StopOnNaN(keras.callbacks.Callback):
    """Stop before a loss that is not finite reaches the weights that are kept."""

    def on_train_batch_end(self, batch, logs=None):
        """Raise when the loss is not finite."""
        require_finite((logs or {}).get("loss", 0.0), "loss", f"step {batch}")

    def on_epoch_end(self, epoch, logs=None):
        """Raise when the validation loss is not finite."""
        require_finite((logs or {}).get("val_loss", 0.0), "val_loss", f"epoch {epoch + 1}")


def require_finite(value: float, what: str, when: str) -> None:
    """Raise an ArithmeticError with the remedy unless a loss is finite."""
    if not math.isfinite(value):
        raise ArithmeticError(
            f"The {what} must stay finite. Received: {value} at {when}. Lower the learning rate or the losses' weights."
        )


def epochs_since_best(losses: list[float]) -> int:
    """Return how many epochs came after the one with the lowest loss.

    Examples
    --------
    >>> epochs_since_best([3.0, 1.0, 2.0, 1.5])
    2
    """
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0

"""What a person sees while a network is trained."""

import sys
import time

import keras

from atlalign._progress import new_bar

_MUCH_WAITING = 0.05  # of the time; above it more workers help


class ProgressReport(keras.callbacks.Callback):
    """Show on stderr how far the training is and what it has reached: a bar, or a line an epoch.

    Attributes
    ----------
    epochs : int, optional
        Of the whole run, where a call of Keras does not do all of them.
    """

    def __init__(self):
        super().__init__()
        self.epochs: int | None = None
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
            self._name = self._name_of(epoch)
            self._task = self._bar.add_task(self._name, total=self.params["steps"])

    def on_train_batch_end(self, batch, logs=None):
        """Advance the bar and show the losses so far."""
        if self._bar:
            parts = [f"{name.removesuffix('_loss')} {value:.3g}" for name, value in losses_in(logs or {}).items()]
            self._bar.update(self._task, advance=1, description=f"{self._name} {' '.join(parts)}")

    def on_epoch_end(self, epoch, logs=None):
        """Say what the epoch reached."""
        line = f"{self._name_of(epoch)}: {in_words(logs or {})}{self._minutes_left(epoch)}"
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

    def _name_of(self, epoch: int) -> str:
        return f"Epoch {epoch + 1}/{self.epochs or self.params['epochs']}"

    def _minutes_left(self, epoch: int) -> str:
        # Of this call, not the run: one that finishes a begun epoch does not know how long a whole one takes.
        remaining = self.params["epochs"] - epoch - 1
        if not remaining or self._first_epoch is None:
            return ""
        minutes = (time.monotonic() - self._began) / (epoch + 1 - self._first_epoch) * remaining / 60
        return f" (about {minutes:.0f} min left)" if minutes >= 1 else " (less than a minute left)"


def in_words(logs: dict) -> str:
    """Return what a person wants to know of an epoch; ``history.csv`` has the rest.

    Examples
    --------
    >>> logs = {"loss": 3.391, "dvf_loss": 3.2, "val_loss": 3.5, "val_tissue_endpoint_error_um": 257.3}
    >>> in_words({**logs, "val_endpoint_error_um": 301.0, "val_dice_depth_2": 0.9, "val_dice_depth_8": 0.751})
    'loss 3.39, validation: loss 3.5, error in tissue 257 um, Dice 0.75 (depth 8)'
    >>> in_words({"loss": 0.5, "waiting_share": 0.31})
    'loss 0.5, waited for data 31 % of the time'
    """
    validation = [f"loss {logs['val_loss']:.3g}"] if "val_loss" in logs else []
    errors = {
        "val_tissue_endpoint_error_um": "error in tissue",
        "val_endpoint_error_um": "error",
        "val_position_error_um": "error of the position",
    }
    known = [name for name in errors if name in logs]
    if known:
        validation.append(f"{errors[known[0]]} {logs[known[0]]:.0f} um")
    depths = [int(name.rpartition("_")[2]) for name in logs if name.startswith("val_dice_depth_")]
    if depths:
        validation.append(f"Dice {logs[f'val_dice_depth_{max(depths)}']:.2f} (depth {max(depths)})")
    parts = [f"loss {logs['loss']:.3g}"] if "loss" in logs else []
    if validation:
        parts.append(f"validation: {', '.join(validation)}")
    if logs.get("waiting_share", 0) > _MUCH_WAITING:
        parts.append(f"waited for data {logs['waiting_share']:.0%} of the time".replace("%", " %"))
    return ", ".join(parts)


def losses_in(logs: dict) -> dict:
    """Return the losses among the logs of a step: the total first.

    Examples
    --------
    >>> losses_in({"dvf_endpoint_error": 2.0, "dvf_loss": 3.0, "loss": 4.0})
    {'loss': 4.0, 'dvf_loss': 3.0}
    """
    parts = {name: value for name, value in logs.items() if name.endswith("_loss")}
    return {"loss": logs["loss"], **parts} if "loss" in logs else parts

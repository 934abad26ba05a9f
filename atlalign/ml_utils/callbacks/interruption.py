"""Interruptions within an epoch: by a person, or by a clock that says when to save."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from atlalign.ml_utils.callbacks.recorder import RunRecorder
from atlalign.ml_utils.checkpoint import TrainingState, save_checkpoint


class Interruption(keras.callbacks.Callback):
    """Save within an epoch, and end the training in order after Ctrl-C.

    Ctrl-C lets the step under way end, saves, and then raises KeyboardInterrupt; a second one raises it at once.

    Parameters
    ----------
    recorder : RunRecorder
        Knows the folder and the time that the epoch has taken.
    state : TrainingState, optional
        Where an earlier run stopped within an epoch: its steps are counted and its metrics are put back.
    minutes : float, optional
        Save at least this often.
    any_process : callable
        Whether any of the processes that train together says so: they must save, and stop, after the same step.
    """

    def __init__(
        self,
        recorder: RunRecorder,
        state: TrainingState | None = None,
        minutes: float | None = None,
        any_process: Callable[[bool], bool] = bool,
    ):
        super().__init__()
        self._any_process = any_process
        self._recorder = recorder
        self._resumed = state
        self._period = None if minutes is None else 60 * minutes
        self._stop = False
        self._handler: Any = None
        self._steps_before = 0

    def on_train_begin(self, logs=None):
        """Take Ctrl-C."""
        # Python delivers signals to the main thread only.
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._take)

    def on_train_end(self, logs=None):
        """Give Ctrl-C back."""
        self.close()

    def close(self):
        """Give Ctrl-C back, also after an error."""
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock, and count the steps that an earlier run did of this epoch."""
        self._epoch, self._saved = epoch, time.monotonic()
        self._steps_before = 0 if self._resumed is None else self._resumed.step

    def on_train_batch_end(self, batch, logs=None):
        """Save and stop if it was asked for; save if it is time."""
        if self._resumed is not None:
            self._add_to_metrics(self._resumed.metrics)
            self._resumed = None
        if batch + 1 >= self.params["steps"]:
            return  # the epoch is about to be validated and saved whole
        stop = self._any_process(self._stop)
        due = self._period is not None and self._any_process(time.monotonic() - self._saved > self._period)
        if stop or due:
            model = self.model
            metrics = [np.array(keras.ops.convert_to_numpy(variable)) for variable in model.metrics_variables]
            state = TrainingState(self._epoch, self._steps_before + batch + 1, self._recorder.seconds, metrics)
            save_checkpoint(model, self._recorder.folder.last_model, state)
            self._saved = time.monotonic()
        self._end_if(stop)

    def on_epoch_end(self, epoch, logs=None):
        """Stop if it was asked for during the validation; the epoch has been saved."""
        self._end_if(self._any_process(self._stop))

    def _add_to_metrics(self, gathered) -> None:
        """Add what an earlier run's metrics had gathered of this epoch: they are all sums and counts.

        Not before the first step, since a loaded model has no metrics until then.
        """
        for variable, values in zip(self.model.metrics_variables, gathered, strict=True):
            variable.assign_add(values)

    def _take(self, number, frame):
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True

    def _end_if(self, stop: bool) -> None:
        if stop:
            self.close()
            raise KeyboardInterrupt

"""A run's numbers and previews for TensorBoard, on every Keras backend."""

import time
from typing import Any

import keras

from atlalign.errors import MissingExtraError
from atlalign.run_folder import RunFolder


class TensorBoardLog(keras.callbacks.Callback):
    """Write each epoch's numbers, and ``preview.png``, to ``tensorboard/`` in the run folder.

    `keras.callbacks.TensorBoard` writes through TensorFlow; this one needs TensorBoard alone.

    Parameters
    ----------
    folder : RunFolder
        Where to write.

    Raises
    ------
    MissingExtraError
        If TensorBoard is not installed.
    """

    def __init__(self, folder: RunFolder):
        super().__init__()
        try:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise MissingExtraError("TensorBoard logs", "tensorboard") from None
        self._new_writer = EventFileWriter
        self._folder = folder
        self._writer: Any = None

    def on_train_begin(self, logs=None):
        """Open the file of events."""
        if self._writer is None:
            self._writer = self._new_writer(str(self._folder.tensorboard))

    def on_epoch_end(self, epoch, logs=None):
        """Write what the epoch reached."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in (logs or {}).items()]
        if self._folder.preview.exists():
            image = Summary.Image(encoded_image_string=self._folder.preview.read_bytes())
            values.append(Summary.Value(tag="preview", image=image))
        self._writer.add_event(Event(wall_time=time.time(), step=epoch + 1, summary=Summary(value=values)))
        self._writer.flush()

    def on_train_end(self, logs=None):
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

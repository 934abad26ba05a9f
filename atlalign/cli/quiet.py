"""Start Keras without the start-up messages of its backend, which are not the user's business."""

import os
import sys
import tempfile


def load_keras() -> None:
    """Import Keras; what its backend says meanwhile is shown only when the import fails.

    TensorFlow writes to the file descriptor, below Python's `sys.stderr`, before any of its settings is read.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import keras

            if keras.backend.backend() != "jax":  # JAX must find its other processes before its first tensor
                keras.ops.zeros(1)  # the first tensor makes the backend look for devices, aloud
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)

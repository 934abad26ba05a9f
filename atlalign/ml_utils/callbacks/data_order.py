"""Which data an epoch gets."""

import keras


class DataOrder(keras.callbacks.Callback):
    """Tell a generator the number of the epoch, on which its order and its augmentation depend.

    Keras itself also ends an "epoch" before the first one, so that the generator's own count is of no use to a training
    that is resumed.

    Parameters
    ----------
    generator : SupervisedGenerator
        What the network learns from.
    """

    def __init__(self, generator):
        super().__init__()
        self._generator = generator

    def on_epoch_begin(self, epoch, logs=None):
        """Set the number, before the first batch is asked for."""
        self._generator.epoch = epoch

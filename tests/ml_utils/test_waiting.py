"""The share of the time that a training waits for data."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from atlalign.ml_utils.batches import BatchGenerator
from atlalign.ml_utils.callbacks import WaitingTime, waiting


class Numbers:
    """A source whose sample is its own number."""

    shape, atlas = (1, 1), None

    def __len__(self):
        return 6

    def batch(self, indexes, seeds):
        values = np.asarray(indexes, np.float32)[:, None]
        return values, values


class NumberBatches(BatchGenerator):
    """Batches of numbers."""

    def _inputs_and_targets(self, inputs, targets):
        return inputs, targets


@pytest.mark.parametrize(
    ("ready", "share"),
    [
        pytest.param({0: 1.0, 1: 11.0}, 0.0, id="before each step"),
        pytest.param({0: 14.0, 1: 29.0}, 0.6, id="late in each step"),
        pytest.param({}, 0.0, id="unknown"),
    ],
)
def test_a_step_waits_until_its_batch_is_ready(monkeypatch, ready, share):
    # the epoch lasts from 10 to 30, its steps from 10 to 18 and from 21 to 29
    clock = iter([10.0, 10.0, 18.0, 21.0, 29.0, 30.0])
    monkeypatch.setattr(waiting.time, "monotonic", lambda: next(clock))
    callback, logs = WaitingTime(SimpleNamespace(ready_at=dict(ready))), {}
    callback.on_epoch_begin(0)
    for batch in range(2):
        callback.on_train_batch_begin(batch)
        callback.on_train_batch_end(batch)
    callback.on_epoch_end(0, logs)
    assert logs["waiting_share"] == pytest.approx(share)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_steps_of_a_training_find_when_their_batches_were_ready(workers):
    data = NumberBatches(Numbers(), 2, shuffle=True, random_state=0, workers=workers)
    seen = []

    class Steps(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append(batch)

        def on_train_batch_end(self, batch, logs=None):
            assert batch in data.ready_at

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    model.fit(data, epochs=2, verbose=0, shuffle=False, callbacks=[Steps()])
    assert seen == [0, 1, 2, 0, 1, 2]

"""What the tests of losses share: random images and fields, gradients on any backend."""

import keras
import numpy as np
import pytest

from atlalign.ml_utils.losses import ALL_DVF_LOSSES, ALL_IMAGE_LOSSES


def _without_weights(table):
    return [name for name in table.singles if not name.startswith("perceptual_loss")]


# The perceptual losses need weights from the network; test_lpips.py tests them.
IMAGE_LOSSES = _without_weights(ALL_IMAGE_LOSSES)
DVF_LOSSES = _without_weights(ALL_DVF_LOSSES)


def images(seed=0, shape=(2, 24, 30, 1), dtype="float32"):
    rng = np.random.default_rng(seed)
    return rng.random(shape).astype(dtype), rng.random(shape).astype(dtype)


def fields(seed=0, shape=(2, 24, 30, 2), dtype="float32"):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, shape).astype(dtype), rng.normal(0, 3, shape).astype(dtype)


# Many operations of Keras compute in float32 on JAX, whatever they are given.
HAS_FLOAT64 = keras.backend.backend() != "jax"
ROUNDING = 1e-9 if HAS_FLOAT64 else 1e-5


def check_gradient(function, variable):
    """Compare the gradient with finite differences: along a random direction, or, in float32, along itself."""
    gradient = gradient_of(function, variable)
    assert np.abs(gradient).max() > 0
    direction = np.random.default_rng(5).normal(size=variable.shape) if HAS_FLOAT64 else np.sign(gradient)
    step, tolerance = (1e-6, 1e-4) if HAS_FLOAT64 else (1e-3, 2e-2)
    values = [float(function(variable + sign * step * direction)) for sign in (1, -1)]
    assert (gradient * direction).sum() == pytest.approx((values[0] - values[1]) / (2 * step), rel=tolerance, abs=1e-8)


def formula_of(loss):
    """The loss as a function that keeps float64, which Keras's own call does not."""
    return getattr(loss, "loss", loss)


def gradient_of(function, variable):
    """Gradient of a scalar function of one array, on whatever backend Keras runs."""
    return value_and_gradient(function, variable)[1]


def value_and_gradient(function, variable, compiled=None):
    """Value and gradient of a scalar function of one array; `compiled` is None (eager), "graph" or "xla"."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def run(tensor):
            with tf.GradientTape() as tape:
                tape.watch(tensor)
                value = function(tensor)
            return value, tape.gradient(value, tensor)

        if compiled:
            run = tf.function(run, jit_compile=compiled == "xla")
        value, gradient = run(tf.constant(variable))
        return value.numpy(), gradient.numpy()
    if backend == "jax":
        import jax

        run = jax.value_and_grad(function)
        value, gradient = (jax.jit(run) if compiled else run)(variable)
        return np.asarray(value), np.asarray(gradient)
    import torch

    tensor = torch.tensor(variable, requires_grad=True)
    value = function(tensor)
    value.backward()
    return value.detach().numpy(), tensor.grad.numpy()

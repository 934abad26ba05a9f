"""What the tests of sampling and of layers share: every way in which Keras runs a function, and gradients."""

import keras
import numpy as np

from atlalign.base import DisplacementField

# Called at once; inside the graph of a model, whose batch size is not known; inside one that XLA compiles. JAX compiles
# every graph, and torch makes none.
MODES = {"tensorflow": ("eager", "graph", "xla"), "jax": ("eager", "graph")}.get(keras.backend.backend(), ("eager",))


def as_numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def smooth_field(seed, amplitude=4.0, shape=(23, 31)):
    return DisplacementField.generate(shape, approach="microsoft", alpha=amplitude * 20, sigma=4, random_state=seed)


def off_grid_field(rng, shape, reach=2):
    """A field in float64 at least 0.2 px from whole pixels, where the interpolation has a kink."""
    return rng.integers(-reach, reach, shape) + rng.uniform(0.2, 0.8, shape)


def run(function, *arrays, mode="eager"):
    """Value of a function of arrays, the way `mode` says, as NumPy."""
    return as_numpy(_in_mode(function, arrays, mode)(*_tensors(arrays)))


def gradients(function, *arrays, mode="eager"):
    """Gradients of a scalar function of arrays to each of them, the way `mode` says, as NumPy."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def differentiate(*tensors):
            with tf.GradientTape() as tape:
                tape.watch(tensors)
                value = function(*tensors)
            return tape.gradient(value, tensors)
    elif backend == "jax":
        import jax

        differentiate = jax.grad(function, argnums=tuple(range(len(arrays))))
    else:

        def differentiate(*tensors):
            for tensor in tensors:
                tensor.requires_grad_(True)
            function(*tensors).backward()
            return [tensor.grad for tensor in tensors]

    return [as_numpy(gradient) for gradient in _in_mode(differentiate, arrays, mode)(*_tensors(arrays))]


def assert_gradients_are_differences(function, *arrays, mode="eager", step=1e-5, atol=1e-7):
    """Compare the gradient of a function of float64 arrays with central differences, along random directions.

    A direction has every component, so that a single wrong one shows.
    """
    rng = np.random.default_rng(0)
    for i, gradient in enumerate(gradients(function, *arrays, mode=mode)):
        assert gradient.dtype == np.float64
        for _ in range(3):
            direction = rng.choice([-1.0, 1.0], arrays[i].shape)
            ahead, behind = (
                float(run(function, *arrays[:i], arrays[i] + s * direction, *arrays[i + 1 :])) for s in (step, -step)
            )
            expected = (ahead - behind) / (2 * step)
            np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-7, atol=atol)


def _tensors(arrays):
    return [keras.ops.convert_to_tensor(array) for array in arrays]


def _in_mode(function, arrays, mode):
    backend = keras.backend.backend()
    if mode == "eager":
        return function
    if backend == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    signature = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]
    return tf.function(function, input_signature=signature, autograph=False, jit_compile=mode == "xla")

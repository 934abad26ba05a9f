"""Sampling on TensorFlow: on a CPU, kernels compiled by XLA inside whatever graph.

Without XLA each of some forty operations passes over memory once, which takes an order of magnitude longer. So inside a
graph the kernels run compiled, on one image of the batch at a time: the images go in parallel, and one compilation
serves every size of batch. Eagerly, where a few images are sampled once as a rule, plain operations take less time than
the compilation would. On a GPU plain operations are fast, and XLA needs a toolchain that not everyone has.
"""

from functools import lru_cache

from atlalign.ml_utils._sampling.kernels import Kernels, Primitives

_PARALLEL_IMAGES = 16


def sample(images, coordinates, border_mode: str, relative: bool):
    """Return the images at the positions; see `atlalign.ml_utils._sampling.kernels`."""
    import tensorflow as tf

    compiled = images.dtype in (tf.float32, tf.float64) and not tf.config.get_visible_devices("GPU")
    if tf.executing_eagerly() or not compiled:
        return Kernels(border_mode, relative).sample(images, coordinates)

    def run(kernel, *tensors):
        return _run_compiled(kernel, border_mode, relative, tensors)

    @tf.custom_gradient
    def sample_images(images, coordinates):
        def gradients(upstream):
            to_both = (run(f"{to}_gradient", images, coordinates, upstream) for to in ("image", "coordinate"))
            reason = "inside a graph, sampling has no second derivative; call it eagerly"
            return tuple(tf.raw_ops.PreventGradient(input=gradient, message=reason) for gradient in to_both)

        return run("sample", images, coordinates), gradients

    return sample_images(images, coordinates)


def _run_compiled(kernel, border_mode, relative, tensors):
    """Run a kernel on each image of the batch."""
    import tensorflow as tf

    images, coordinates = tensors[:2]
    packed = kernel == "coordinate_gradient" and images.dtype == tf.float32
    shape = {
        "sample": (*coordinates.shape[1:3], images.shape[3]),
        "image_gradient": images.shape[1:],
        "coordinate_gradient": coordinates.shape[1:3] if packed else coordinates.shape[1:],
    }[kernel]
    signature = tuple((tuple(tensor.shape[1:]), tensor.dtype) for tensor in tensors)
    compiled = _compiled_kernel(kernel, border_mode, relative, signature)
    result = tf.map_fn(
        lambda one: compiled(*one),
        tensors,
        fn_output_signature=tf.TensorSpec(shape, tf.uint64 if packed else images.dtype),
        parallel_iterations=_PARALLEL_IMAGES,
    )
    return tf.bitcast(result, tf.float32) if packed else result


@lru_cache
def _compiled_kernel(kernel, border_mode, relative, signature):
    """Return a compiled function of one image and its coordinates.

    One for each `signature`, since TensorFlow warns of functions that it traces for many shapes.
    """
    import tensorflow as tf

    primitives = Primitives(take_rows=_take_rows, join=_join)
    function = getattr(Kernels(border_mode, relative, primitives), kernel)

    @tf.function(jit_compile=True)
    def run(*one):
        return function(*(tensor[None] for tensor in one))[0]

    return run


def _take_rows(tables, rows):
    import tensorflow as tf

    return tf.gather(tables, rows, batch_dims=1)


def _join(x, y):
    """Return two float32 as one 64-bit integer: XLA computes it in one loop, but stacked ones in several."""
    import tensorflow as tf

    if x.dtype != tf.float32:
        return tf.stack([x, y], axis=-1)
    low, high = (tf.cast(tf.bitcast(part, tf.uint32), tf.uint64) for part in (x, y))
    return tf.bitwise.bitwise_or(low, tf.bitwise.left_shift(high, tf.constant(32, tf.uint64)))

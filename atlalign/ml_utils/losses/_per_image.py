"""Losses that are means over the images of a batch; on TensorFlow, on a CPU, compiled by XLA inside whatever graph.

A loss made of sums over windows, or of differences between neighbours, is tens of operations, each of which passes over
memory once. So inside a graph the value and its gradient are computed together by one compiled function, on one image
of the batch at a time: the images go in parallel, and one compilation serves every size of batch. Eagerly, where a
value is wanted once as a rule, plain operations take less time than the compilation would. On a GPU plain operations
are fast, and XLA needs a toolchain that not everyone has. This file alone knows TensorFlow.
"""

from functools import lru_cache

import keras
from keras import ops

_PARALLEL_IMAGES = 16


def mean_over_images(formula, *batches, **parameters):
    """Return the mean of ``formula(*batches, **parameters)``, which is one value an image.

    Parameters
    ----------
    formula : callable
        A function at the top of a module: of batches (n, h, w, c), returns (n,).
    *batches : tensor (n, h, w, c)
        Images or fields of one shape and one floating dtype; the last is the prediction.
    **parameters
        What else the formula takes, hashable.

    Returns
    -------
    tensor ()
        The mean.
    """
    if keras.backend.backend() == "tensorflow" and _is_worth_compiling():
        return _compiled_mean(formula, tuple(parameters.items()), batches)
    return ops.mean(formula(*batches, **parameters))


def _is_worth_compiling():
    import tensorflow as tf

    return not tf.executing_eagerly() and not tf.config.get_visible_devices("GPU")


def _compiled_mean(formula, parameters, batches):
    import tensorflow as tf

    def run(which):
        one = _compiled_formula(formula, parameters, which)
        dtype = batches[which].dtype
        return tf.map_fn(
            lambda images: one(*images),
            batches,
            fn_output_signature=(tf.TensorSpec((), dtype), tf.TensorSpec(batches[which].shape[1:], dtype)),
            parallel_iterations=_PARALLEL_IMAGES,
        )

    @tf.custom_gradient
    def mean(*batches):
        values, of_prediction = run(len(batches) - 1)

        def gradient(upstream):
            share = upstream / tf.cast(tf.shape(values)[0], upstream.dtype)
            # TensorFlow drops from the graph those that nobody asks for.
            of_others = [run(which)[1] for which in range(len(batches) - 1)]
            return [share * one for one in (*of_others, of_prediction)]

        return tf.reduce_mean(values), gradient

    return mean(*batches)


@lru_cache
def _compiled_formula(formula, parameters, which):
    """Return a compiled function of one image of each batch: the value, and its gradient to the one at `which`."""
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def run(*images):
        batches = [image[None] for image in images]
        with tf.GradientTape() as tape:
            tape.watch(batches[which])
            value = formula(*batches, **dict(parameters))[0]
        return value, tape.gradient(value, batches[which])[0]

    return run

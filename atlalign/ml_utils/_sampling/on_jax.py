"""Sampling on JAX: compiled, with gradients that gather once and scatter once."""

from functools import lru_cache

from atlalign.ml_utils._sampling.kernels import Kernels, Primitives


def sample(images, coordinates, border_mode: str, relative: bool):
    """Return the images at the positions; see `atlalign.ml_utils._sampling.kernels`."""
    return _sampler(border_mode, relative)(images, coordinates)


@lru_cache
def _sampler(border_mode, relative):
    import jax

    kernels = Kernels(border_mode, relative, Primitives(_take_rows, _add_rows))

    @jax.custom_vjp
    def sample_images(images, coordinates):
        return kernels.sample(images, coordinates)

    def forward(images, coordinates):
        return sample_images(images, coordinates), (images, coordinates)

    def backward(saved, upstream):
        tensors = *saved, upstream
        return kernels.image_gradient(*tensors), kernels.coordinate_gradient(*tensors)

    sample_images.defvjp(forward, backward)
    return jax.jit(sample_images)


def _take_rows(tables, rows):
    import jax

    # The kernels keep rows within the table, so that JAX need not.
    return jax.vmap(lambda table, row: table.at[row].get(mode="promise_in_bounds"))(tables, rows)


def _add_rows(rows, values, n_rows):
    import jax

    def add(row, value):
        sums = jax.numpy.zeros((n_rows, value.shape[-1]), value.dtype)
        return sums.at[row].add(value, mode="promise_in_bounds")

    return jax.vmap(add)(rows, values)

"""Time exact bilinear samplers of a batch of images, with their gradients, against each other in one run.

Each line is a sampler and the way it runs: "plain" in an ordinary graph, "compiled alone" by XLA inside an ordinary
graph, "all compiled" with everything around it. Then the median time in milliseconds, the processor time of all
threads, the time relative to four plain gathers (less is better), and what the first call took beyond a later one:
tracing and compiling. Last the largest error of a value or of a component of a gradient against double precision; it is
large where a position that is rounded in single precision crosses a whole pixel, at which gradients jump.

    python scripts/benchmark_samplers.py --backend jax --channels 2 --json samplers.json

Samplers:
    four gathers   one gather for each of the four pixels, differentiated by the backend
    packed         the 2 x 2 neighbourhoods packed into channels first, then one gather, differentiated by the backend
    analytic       four gathers; one scatter for the image's gradient, and the field's from the same four pixels
    atlalign       what the package does: on TensorFlow, analytic, image by image; on JAX, analytic
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Sampler = Callable[[Any, Any], Any]
Row = dict[str, float | str]

WHAT = ("forward", "and field gradient", "and both gradients")


def four_gathers(border_mode: str) -> Sampler:
    """Make the sampler that leaves its gradients to the backend."""
    from atlalign.ml_utils._sampling.kernels import Kernels

    return Kernels(border_mode, relative=True).sample


def packed(border_mode: str) -> Sampler:
    """Make the sampler that gathers whole neighbourhoods."""
    from keras import ops

    from atlalign.ml_utils._sampling.kernels import take_rows
    from atlalign.ml_utils.sampling import pixel_grid

    def sample(images, fields):
        _, height, width, channels = images.shape
        framed = ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
        first, last = (-1.0, 0.0) if border_mode == "constant" else (0.0, -1.0)
        shifted = [framed[:, j : j + height + 1, i : i + width + 1] for j in (0, 1) for i in (0, 1)]
        table = ops.reshape(ops.concatenate(shifted, axis=-1), (-1, (height + 1) * (width + 1), 4 * channels))
        points_xy = fields + pixel_grid(fields.shape[1:3], fields.dtype)
        x = ops.clip(points_xy[..., 0], first, width + last)
        y = ops.clip(points_xy[..., 1], first, height + last)
        column, row = ops.minimum(ops.floor(x), width - 1), ops.minimum(ops.floor(y), height - 1)
        cells = ops.cast(row + 1, "int32") * (width + 1) + ops.cast(column + 1, "int32")
        x, y = (x - column)[..., None], (y - row)[..., None]
        pixels = take_rows(table, cells)
        top_left, top_right, bottom_left, bottom_right = (
            pixels[..., i * channels : (i + 1) * channels] for i in range(4)
        )
        top, bottom = top_left * (1 - x) + top_right * x, bottom_left * (1 - x) + bottom_right * x
        return top * (1 - y) + bottom * y

    return sample


def analytic(border_mode: str) -> Sampler:
    """Make the sampler with gradients of its own, on the whole batch at once."""
    from keras import ops

    from atlalign.ml_utils._sampling.kernels import Kernels

    kernels = Kernels(border_mode, relative=True)

    @ops.custom_gradient
    def sample(images, fields):
        def gradients(upstream):
            tensors = images, fields, upstream
            return kernels.image_gradient(*tensors), kernels.coordinate_gradient(*tensors)

        return kernels.sample(images, fields), gradients

    return sample


def atlalign(border_mode: str) -> Sampler:
    """Make the sampler of the package."""
    from atlalign.ml_utils.sampling import bilinear_warp

    return lambda images, fields: bilinear_warp(images, fields, border_mode)


SAMPLERS = {"four gathers": four_gathers, "packed": packed, "analytic": analytic, "atlalign": atlalign}


def tensorflow_runs(sampler: Sampler, arrays: list[np.ndarray], name: str):
    """Yield how it runs, and a function of no arguments for each of `WHAT`, on TensorFlow."""
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    signature = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]

    def functions(sampler, jit_compile):
        def run(n_gradients, images, fields, upstream):
            wanted = (fields, images)[:n_gradients]
            with tf.GradientTape() as tape:
                tape.watch(wanted)
                value = sampler(images, fields)
            return value, *(tape.gradient(value, wanted, upstream) if wanted else ())

        for n_gradients in range(3):
            graph = tf.function(
                lambda *tensors, n=n_gradients: run(n, *tensors), input_signature=signature, jit_compile=jit_compile
            )
            yield lambda graph=graph: [tensor.numpy() for tensor in graph(*tensors)]

    if name == "atlalign":
        yield "compiled alone", functions(sampler, False)
    else:
        yield "plain", functions(sampler, False)
        yield "compiled alone", functions(tf.function(sampler, jit_compile=True), False)
    yield "all compiled", functions(sampler, True)


def jax_runs(sampler: Sampler, arrays: list[np.ndarray], name: str):
    """Yield how it runs, and a function of no arguments for each of `WHAT`, on JAX."""
    import jax

    tensors = [jax.numpy.asarray(array) for array in arrays]

    def run(n_gradients, images, fields, upstream):
        if n_gradients == 0:
            return (sampler(images, fields),)
        if n_gradients == 1:
            value, backward = jax.vjp(lambda fields: sampler(images, fields), fields)
            return value, *backward(upstream)
        value, backward = jax.vjp(sampler, images, fields)
        return value, *backward(upstream)[::-1]

    def functions():
        for n_gradients in range(3):
            graph = jax.jit(lambda *tensors, n=n_gradients: run(n, *tensors))
            yield lambda graph=graph: [np.asarray(tensor) for tensor in graph(*tensors)]

    yield "all compiled", functions()


def measure(function: Callable[[], list[np.ndarray]], repeats: int) -> tuple[Row, list[np.ndarray]]:
    """Return the times of a function, in milliseconds, and what it gave."""
    start = time.perf_counter()
    outputs = function()
    first = time.perf_counter() - start
    function()
    wall, processor = [], []
    for _ in range(repeats):
        start, start_processor = time.perf_counter(), time.process_time()
        function()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    median = float(np.median(wall))
    times: Row = {
        "ms": 1e3 * median,
        "processor_ms": 1e3 * float(np.median(processor)),
        "first_ms": 1e3 * max(first - median, 0.0),
    }
    return times, outputs


def make_arrays(batch: int, shape: tuple[int, int], channels: int) -> list[np.ndarray]:
    """Draw images, smooth fields and the gradient that arrives from above."""
    from atlalign.zoo import integrate_velocity, random_velocity

    rng = np.random.default_rng(0)
    fields = [integrate_velocity(random_velocity(shape, amplitude=8, sigma=20, random_state=rng)) for _ in range(batch)]
    images, upstream = rng.random((2, batch, *shape, channels), dtype=np.float32)
    return [images, np.stack(fields), upstream]


def rows(backend: str, arrays: list[np.ndarray], border_mode: str, repeats: int) -> list[Row]:
    """Measure every sampler in every way."""
    runs = {"tensorflow": tensorflow_runs, "jax": jax_runs}[backend]
    double = [array.astype(np.float64) for array in arrays]
    expected = next(iter(runs(four_gathers(border_mode), double, "four gathers")))[1]
    truth = list(expected)[-1]()
    found: list[Row] = []
    for name, make in SAMPLERS.items():
        for how, functions in runs(make(border_mode), arrays, name):
            for what, function in zip(WHAT, functions, strict=True):
                times, outputs = measure(function, repeats)
                errors = [float(np.abs(output - t).max()) for output, t in zip(outputs, truth, strict=False)]
                found.append({"sampler": name, "how": how, "what": what, **times, "error": max(errors)})
    for row in found:
        row["ratio"] = float(row["ms"]) / next(float(base["ms"]) for base in found if base["what"] == row["what"])
    return found


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=("tensorflow", "jax"), default="tensorflow", help="(default: tensorflow)")
    parser.add_argument("--batch", type=int, default=8, help="images (default: 8)")
    parser.add_argument(
        "--shape", type=int, nargs=2, default=(320, 456), metavar=("H", "W"), help="px (default: 320 456)"
    )
    parser.add_argument("--channels", type=int, default=1, help="of the images (default: 1; a composed field has 2)")
    parser.add_argument("--border-mode", choices=("constant", "replicate"), default="constant")
    parser.add_argument("--repeats", type=int, default=15, help="calls that a median is of (default: 15)")
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON; - prints JSON alone")
    arguments = parser.parse_args()
    if min(arguments.batch, arguments.channels, arguments.repeats, *arguments.shape) < 1:
        parser.error("--batch, --shape, --channels and --repeats must be at least 1.")
    os.environ.update(KERAS_BACKEND=arguments.backend, JAX_ENABLE_X64="1", TF_CPP_MIN_LOG_LEVEL="3")

    arrays = make_arrays(arguments.batch, tuple(arguments.shape), arguments.channels)
    found = rows(arguments.backend, arrays, arguments.border_mode, arguments.repeats)
    if arguments.json == "-":
        json.dump(found, sys.stdout, indent=2)
        return
    print(f"{'':50} {'ms':>8} {'processor':>10} {'ratio':>6} {'first call':>10} {'error':>8}")
    for row in found:
        print(f"{row['sampler']:13} {row['how']:15} {row['what']:20}", end=" ")
        print(f"{row['ms']:8.1f} {row['processor_ms']:10.1f} {row['ratio']:6.2f} {row['first_ms']:10.0f}", end=" ")
        print(f"{row['error']:8.0e}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

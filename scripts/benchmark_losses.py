"""Time the losses of atlalign beside the mean squared error, and ways to filter beside each other.

Each line is the median time of a value and its gradient to the prediction, inside one compiled training step as Keras
would run it, and its ratio to that of `mse` on the same images. All are timed in turn, so that what else the machine
does falls on all alike. Ratios matter, not milliseconds.

    python scripts/benchmark_losses.py --json ratios.json
    KERAS_BACKEND=jax python scripts/benchmark_losses.py --only ncc
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

from atlalign.ml_utils.losses import ALL_DVF_LOSSES, ALL_IMAGE_LOSSES
from atlalign.ml_utils.losses._windows import gaussian_mean

Step = Callable[[], object]
WINDOWS = (5, 9, 12, 20)


def pair(shape: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw two batches that are about half alike."""
    rng = np.random.default_rng(0)
    first, second = rng.random((2, *shape), dtype=np.float32)
    return first, (first + second) / 2


def make_step(loss: Callable, y_true: np.ndarray, y_pred: np.ndarray, jit_compile: bool) -> Step:
    """Return a call that computes the value and its gradient."""
    formula = getattr(loss, "loss", loss)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=jit_compile)
        def run(truth, prediction):
            with tf.GradientTape() as tape:
                tape.watch(prediction)
                value = formula(truth, prediction)
            return value, tape.gradient(value, prediction)

        tensors = tf.constant(y_true), tf.constant(y_pred)
        return lambda: [tensor.numpy() for tensor in run(*tensors)[:1]]
    if backend == "jax":
        import jax

        run_jax = jax.jit(jax.value_and_grad(lambda prediction, truth: formula(truth, prediction)))
        return lambda: jax.block_until_ready(run_jax(y_pred, y_true))
    sys.exit(f"This script runs on TensorFlow and JAX. Received: KERAS_BACKEND={backend}")


def squared_correlation(sums: list, win: int):
    """Return what NCC makes of its five sums."""
    sum_i, sum_j, sum_ii, sum_jj, sum_ij = sums
    cross = sum_ij - sum_i * sum_j / win**2
    var_i = ops.maximum(sum_ii - sum_i * sum_i / win**2, 0.0)
    var_j = ops.maximum(sum_jj - sum_j * sum_j / win**2, 0.0)
    return -ops.mean(cross * cross / (var_i * var_j + 1e-5))


def products(I, J) -> list:
    """Return what NCC and SSIM sum."""
    return [I, J, I * I, J * J, I * J]


def by_convolution(shapes: Callable[[int], tuple]) -> Callable:
    """Sum each product by convolutions with ones."""

    def sums(I, J, win):
        found = products(I, J)
        for shape in shapes(win):
            found = [ops.conv(x, ops.ones((*shape, 1, 1)), padding="same") for x in found]
        return found

    return sums


def by_depthwise_convolution(I, J, win):
    """Sum all products as channels of one image."""
    stacked = ops.concatenate(products(I, J), axis=-1)
    for shape in ((win, 1), (1, win)):
        stacked = ops.depthwise_conv(stacked, ops.ones((*shape, 5, 1)), padding="same")
    return [stacked[..., i] for i in range(5)]


def by_running_sums(I, J, win):
    """Sum each product by differences of its cumulative sum."""

    def box(x):
        around = ((win - 1) // 2 + 1, win // 2)
        x = ops.cumsum(ops.pad(x, ((0, 0), around, (0, 0), (0, 0))), axis=1)
        x = x[:, win:] - x[:, :-win]
        x = ops.cumsum(ops.pad(x, ((0, 0), (0, 0), around, (0, 0))), axis=2)
        return x[:, :, win:] - x[:, :, :-win]

    return [box(x) for x in products(I, J)]


def by_pooling(I, J, win):
    """Sum each product by average pooling, but without compiling it on its own."""
    around = ((win - 1) // 2, win // 2)

    def box(x):
        x = ops.pad(x, ((0, 0), around, around, (0, 0)))
        for window in ((win, 1), (1, win)):
            x = ops.average_pool(x, window, strides=1, padding="valid")
        return x * win**2

    return [box(x) for x in products(I, J)]


BOX_FILTERS = {
    "dense convolution": by_convolution(lambda win: ((win, win),)),
    "separable convolution": by_convolution(lambda win: ((win, 1), (1, win))),
    "depthwise convolution": by_depthwise_convolution,
    "running sums": by_running_sums,
    "pooling, not compiled alone": by_pooling,
}


def ssim_by(smooth: Callable) -> Callable:
    """SSIM with another way to take weighted means."""

    def loss(I, J):
        means = [smooth(x) for x in products(I, J)]
        m_i, m_j, m_ii, m_jj, m_ij = means
        top = (2 * m_i * m_j + 1e-4) * (2 * (m_ij - m_i * m_j) + 9e-4)
        return -ops.mean(top / ((m_i**2 + m_j**2 + 1e-4) * (m_ii - m_i**2 + m_jj - m_j**2 + 9e-4)))

    return loss


def smooth_by_convolution(x):
    """Take weighted means by convolutions with one channel."""
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights = (weights / weights.sum()).astype("float32")
    for shape in ((11, 1, 1, 1), (1, 11, 1, 1)):
        x = ops.conv(x, ops.convert_to_tensor(weights.reshape(shape)), padding="valid")
    return x


def contenders(perceptual: bool) -> tuple[dict[str, Callable], dict[str, Callable]]:
    """Return what is timed on images and what on fields."""
    on_images = {
        name: loss for name, loss in ALL_IMAGE_LOSSES.singles.items() if perceptual or "perceptual" not in name
    }
    for win in WINDOWS:
        for way, sums in BOX_FILTERS.items():
            on_images[f"ncc_{win}: {way}"] = lambda I, J, win=win, sums=sums: squared_correlation(sums(I, J, win), win)
    on_images["ssim: band matrices"] = ssim_by(lambda x: gaussian_mean(x, 11, 1.5))
    on_images["ssim: separable convolution"] = ssim_by(smooth_by_convolution)
    on_fields = {
        name: loss
        for name, loss in ALL_DVF_LOSSES.singles.items()
        if name not in ALL_IMAGE_LOSSES.singles or name in ("mse", "ncc_9")
    }
    return on_images, on_fields


def measure(steps: dict[str, Step], repeats: int) -> dict[str, float]:
    """Return the median milliseconds of each, all taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(repeats):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=2, default=(320, 456), metavar=("H", "W"), help="px (320 456)")
    parser.add_argument("--batch-size", type=int, default=8, help="images (default: 8)")
    parser.add_argument("--repeats", type=int, default=9, help="calls that a median is of (default: 9)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only mse and names that contain this")
    parser.add_argument("--jit-compile", action="store_true", help="compile the whole step with XLA (always on JAX)")
    parser.add_argument("--perceptual", action="store_true", help="the perceptual losses too, which need weights")
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON")
    arguments = parser.parse_args()
    if min(arguments.batch_size, arguments.repeats, *arguments.shape) < 1:
        parser.error("all numbers must be at least 1.")

    rows = []
    for what, channels, losses in zip(("image", "field"), (1, 2), contenders(arguments.perceptual), strict=True):
        y_true, y_pred = pair((arguments.batch_size, *arguments.shape, channels))
        if what == "field":
            y_true, y_pred = 10 * y_true, 10 * y_pred
        chosen = {name: loss for name, loss in losses.items() if name == "mse" or arguments.only in name}
        steps = {name: make_step(loss, y_true, y_pred, arguments.jit_compile) for name, loss in chosen.items()}
        found = measure(steps, arguments.repeats)
        for name, ms in found.items():
            rows.append({"on": what, "loss": name, "ms": ms, "ratio_to_mse": ms / found["mse"]})
            print(f"{what}  {name:38} {ms:9.1f} ms   {ms / found['mse']:7.1f} x mse")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()

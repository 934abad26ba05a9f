"""Time both networks against their own convolutions, in one run.

The limit is the bare convolutions of the same network, on inputs of the same sizes: without bias, activation, pooling,
concatenation, sampling, loss or optimizer; forward for a prediction, forward and backward for a training step. Every
round times everything once, so that all see the same machine; medians are printed, and how far above the limit each one
is. Ratios matter, not milliseconds: run it on a quiet machine.

    python scripts/benchmark_models.py --networks local --losses mse+vector_distance ncc_9+vector_distance
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import ops

from atlalign.errors import AtlalignError
from atlalign.nn import supervised_global_model_factory, supervised_model_factory

DEFAULT_LOSSES = (
    "mse+vector_distance",
    "ncc_9+vector_distance",
    "perceptual_loss_net-lin_alex+vector_distance",
)


def compiled(function: Callable) -> Callable:
    """Return the function as one graph of the backend."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it warns that every convolution has a shape of its own
        return tf.function(function)
    import jax

    return jax.jit(function)


def pull_back(function: Callable, arguments: list, cotangent) -> list:
    """Gradients of a function of `arguments` in the direction of `cotangent`."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(arguments)
            result = function(*arguments)
        return tape.gradient(result, arguments, output_gradients=cotangent)
    import jax

    return jax.vjp(function, *arguments)[1](cotangent)


def seconds(function: Callable) -> float:
    """Time one call, to the end of its computation."""
    start = time.perf_counter()
    results = function()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.test.experimental.sync_devices()
    else:
        import jax

        jax.block_until_ready(results)
    return time.perf_counter() - start


def convolutions_of(model: keras.Model) -> list[tuple[tuple[int, ...], tuple[int, ...], str]]:
    """Shapes of the input and of the kernel of each convolution, and its padding."""
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    layers = [layer for part in (model, *inner) for layer in part.layers]
    return [
        (tuple(layer.input.shape[1:]), tuple(layer.kernel.shape), layer.padding)
        for layer in layers
        if isinstance(layer, keras.layers.Conv2D)
    ]


def make_limits(model: keras.Model, batch: int) -> tuple[Callable, Callable]:
    """Return functions that time the bare convolutions of a network: forward, and forward and backward."""
    rng = np.random.default_rng(0)

    def random(*shape):
        return ops.convert_to_tensor(rng.random(shape, dtype=np.float32))

    forwards, backwards = [], []
    for i, (input_shape, kernel_shape, padding) in enumerate(convolutions_of(model)):

        def convolve(x, kernel, padding=padding):
            return ops.conv(x, kernel, padding=padding)

        def both(x, kernel, cotangent, convolve=convolve, first=i == 0):
            if first:  # nothing learns from the gradient of the images
                return pull_back(lambda kernel: convolve(x, kernel), [kernel], cotangent)
            return pull_back(convolve, [x, kernel], cotangent)

        output_shape = (*input_shape[:2], kernel_shape[-1])
        forwards.append((compiled(convolve), ((batch, *input_shape), kernel_shape)))
        backwards.append((compiled(both), ((batch, *input_shape), kernel_shape, (batch, *output_shape))))

    def total(functions):
        # One after the other, each with arrays of its own, so that they need not all fit into memory.
        times = []
        for function, shapes in functions:
            arguments = [random(*shape) for shape in shapes]
            times.append(seconds(lambda function=function, arguments=arguments: function(*arguments)))
        return sum(times)

    return lambda: total(forwards), lambda: total(backwards)


def make_network(kind: str, shape: tuple[int, int], losses: str, inverse: bool) -> keras.Model:
    """Build one of the networks with losses such as ``"mse+vector_distance"``."""
    options = {"losses": losses.split("+"), "losses_weights": (1, 1), "shape": shape, "random_state": 0}
    if kind == "global":
        return supervised_global_model_factory(optimizer="adam", centred=True, **options)
    return supervised_model_factory(optimizer="adam", compute_inv=inverse, **options)


def make_batch(model: keras.Model, batch: int) -> tuple:
    """Random pairs, and targets for them."""
    rng = np.random.default_rng(0)
    pair = rng.random((batch, *model.inputs[0].shape[1:]), dtype=np.float32)
    fields = [rng.normal(0, 3, pair.shape).astype(np.float32) for _ in model.outputs[1:]]
    return (pair if len(model.inputs) == 1 else (pair, pair[..., ::-1])), (pair[..., :1], *fields)


def measure(kind: str, names: list[str], shape: tuple[int, int], batch: int, repeats: int, inverse: bool) -> list[dict]:
    """Time one network, with each of the losses."""
    timers: dict[str, Callable[[], float]] = {}
    rows: list[dict] = []
    for name in names:
        try:
            model = make_network(kind, shape, name, inverse)
            inputs, targets = make_batch(model, batch)
            model.train_on_batch(inputs, targets)
        except AtlalignError as error:
            rows.append({"network": kind, "what": f"step {name}", "skipped": str(error)})
            continue
        timers[f"step {name}"] = lambda model=model, inputs=inputs, targets=targets: seconds(
            lambda: model.train_on_batch(inputs, targets)
        )
    predict = compiled(lambda x: model(x, training=False))
    tensors = keras.tree.map_structure(ops.convert_to_tensor, inputs)
    forward_limit, step_limit = make_limits(model, batch)
    timers = {
        "convolutions forward": forward_limit,
        "convolutions forward and backward": step_limit,
        "forward": lambda: seconds(lambda: predict(tensors)),
        **timers,
    }
    times: dict[str, list[float]] = {what: [] for what in timers}
    for i in range(repeats + 1):
        for what, timer in timers.items():
            duration = timer()
            if i:  # the first round compiles
                times[what].append(duration)
    medians = {what: float(np.median(values)) for what, values in times.items()}
    passes = len(model.inputs)  # the local network goes through its convolutions once a field
    first_step = next((duration for what, duration in medians.items() if what.startswith("step")), None)
    measured: list[dict] = []
    for what, duration in medians.items():
        row = {"network": kind, "what": what, "ms": 1e3 * duration}
        if what == "forward" or what.startswith("step"):
            limit = "convolutions forward" if what == "forward" else "convolutions forward and backward"
            row["above_convolutions"] = duration / (passes * medians[limit])
        if what.startswith("step"):
            row["of_first_losses"] = duration / first_step
        measured.append(row)
    return measured + rows


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=("global", "local"), default=("global", "local"))
    parser.add_argument(
        "--losses",
        nargs="+",
        default=DEFAULT_LOSSES,
        metavar="IMAGE+FIELD",
        help="losses of the image and of the field; the others are compared with the first (default: %(default)s)",
    )
    parser.add_argument(
        "--shape", type=int, nargs=2, default=(320, 456), metavar=("H", "W"), help="px (default: 320 456)"
    )
    parser.add_argument("--batch", type=int, default=8, help="pairs a batch (default: 8)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that a median is of (default: 5)")
    parser.add_argument("--inverse", action="store_true", help="the local network predicts the inverse field as well")
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON; - prints JSON alone")
    arguments = parser.parse_args()
    if min(arguments.batch, arguments.repeats, *arguments.shape) < 1:
        parser.error("--shape, --batch and --repeats must be at least 1.")
    if keras.backend.backend() not in ("tensorflow", "jax"):
        parser.error("The Keras backend must be tensorflow or jax: set KERAS_BACKEND.")

    rows: list[dict] = []
    for kind in arguments.networks:
        shape, losses = tuple(arguments.shape), list(arguments.losses)
        try:
            rows += measure(kind, losses, shape, arguments.batch, arguments.repeats, arguments.inverse)
        except ValueError as error:
            parser.error(str(error))
    if arguments.json == "-":
        json.dump(rows, sys.stdout, indent=2)
        return
    height, width = arguments.shape
    print(f"{keras.backend.backend()}, batch {arguments.batch}, {height} x {width} px")
    for row in rows:
        line = f"{row['network']:7} {row['what']:50}"
        if "skipped" in row:
            print(f"{line} not measured: {row['skipped']}")
            continue
        line += f" {row['ms']:8.0f} ms"
        if "above_convolutions" in row:
            line += f"  {row['above_convolutions']:5.2f} x the convolutions"
        if "of_first_losses" in row:
            line += f"  {row['of_first_losses']:5.2f} x {arguments.losses[0]}"
        print(line)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()

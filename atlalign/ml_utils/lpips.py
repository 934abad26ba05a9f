"""LPIPS: how far two images are apart for a network that was trained to recognise things.

Zhang et al. 2018, doi 10.1109/CVPR.2018.00068. The weights are not part of the package; they are fetched with
``atlalign weights fetch lpips``.
"""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from atlalign.weights import load_lpips

_NETS = ("alex", "vgg")
_MODELS = ("net-lin", "net")
_SMALLEST = 64  # px; the deepest of five layers still sees 3 x 3 positions
_EPSILON = 1e-10
# What the networks were trained on: (2 x - 1 - shift) / scale, a channel, of an image x in [0, 1].
_SHIFT = np.array([-0.030, -0.088, -0.188])
_SCALE = np.array([0.458, 0.448, 0.450])


class _Block(NamedTuple):
    """Max-pooling with stride 2 (or none), then convolutions, each with ReLU; the last one's output is compared."""

    pool: int | None
    n_convolutions: int
    stride: int = 1
    padding: int = 1


_BLOCKS = {
    "alex": (_Block(None, 1, 4, 2), _Block(3, 1, 1, 2), _Block(3, 1), _Block(None, 1), _Block(None, 1)),
    "vgg": (_Block(None, 2), _Block(2, 2), _Block(2, 3), _Block(2, 3), _Block(2, 3)),
}


@keras.saving.register_keras_serializable(package="atlalign")
class LPIPS(keras.layers.Layer):
    """Learned perceptual distance of two batches of images, one value a pair.

    Parameters
    ----------
    net : {"alex", "vgg"}
        The network whose features are compared: AlexNet, which is small, or VGG16, which is about twelve times as
        much work.
    model : {"net-lin", "net"}
        With the learned weights of the features (version 0.1), or every feature for as much as it is.
    **kwargs
        As every Keras layer takes them. `dtype` is that of the convolutions, by default the one of the global policy;
        normalisation and distance are in float32 (or float64, if `dtype` is).

    Notes
    -----
    Input: reference and other, each (n, h, w, 1) grey or (n, h, w, 3) RGB, of one height and width, at least 64 px,
    with intensities meant for [0, 1]; the formula goes on outside. One of them may have n = 1: it is compared with
    every image of the other, and its features are computed once. Output: (n,).

    The features of five layers are divided by their length at each position. ``net-lin``: the squared differences,
    weighted by the learned non-negative weights, summed over features, averaged over positions, summed over layers.
    ``net``: 1 minus the average cosine between the features, summed over layers, computed as half the squared
    differences, which is exactly 0 for equal images. Zhang et al. 2018, doi 10.1109/CVPR.2018.00068.

    It is differentiable in both images. It has no variables: nothing of it is trained, and a model file that contains
    it holds its name and arguments, not its weights.

    Raises
    ------
    atlalign.weights.MissingWeightsError
        When first called, if the weights are not on this computer.

    Examples
    --------
    >>> LPIPS("alex").get_config()["net"]
    'alex'
    >>> LPIPS("alex")(np.zeros((1, 32, 64, 1)), np.zeros((1, 32, 64, 1)))
    Traceback (most recent call last):
    ...
    ValueError: Images for LPIPS must be (n, h, w, 1) or (n, h, w, 3) with h and w of at least 64 px.
    Received: shape=(1, 32, 64, 1)
    """

    def __init__(self, net="alex", model="net-lin", **kwargs):
        # Images are cast where they enter the convolutions; the distance must not be.
        super().__init__(**{**kwargs, "autocast": False, "trainable": False})
        check_names(net, model)
        self.net = net
        self.model = model

    def __call__(self, reference, other):
        """Return the distance of each pair, (n,)."""
        # Checked here and not in `call`, whose errors Keras rewrites to many lines.
        _check_pair(np.shape(reference), np.shape(other))
        load_lpips(self.net)
        # Keras makes float32 of double precision arrays, on some backends, unless it is told.
        reference, other = (
            ops.convert_to_tensor(x, dtype=self._distance_dtype) if isinstance(x, np.ndarray) else x
            for x in (reference, other)
        )
        return super().__call__(reference, other)

    def call(self, reference, other):
        """Return the distance of each pair, (n,); Keras calls this."""
        return self.distance(self.features(reference), self.features(other))

    def features(self, images):
        """Return what `distance` compares, for a reference that is compared many times.

        Parameters
        ----------
        images : tensor, (n, h, w, 1) or (n, h, w, 3)
            Grey or RGB.

        Returns
        -------
        tuple of 5 tensors, (n, h_i, w_i, c_i)
            Features of unit length.
        """
        _check_images(np.shape(images))
        return tuple(_unit(features, self._distance_dtype) for features in self._activations(images))

    def distance(self, reference_features, other_features):
        """Return the distance of each pair, (n,), from what `features` returned for both."""
        total = 0.0
        weights = load_lpips(self.net)
        for i, (reference, other) in enumerate(zip(reference_features, other_features, strict=True)):
            _, height, width, _ = ops.shape(other)
            # Not `ops.mean`, which on JAX rounds double precision to single.
            n_positions = ops.cast(height * width, self._distance_dtype)
            difference = ops.sum(ops.square(reference - other), axis=(1, 2)) / n_positions
            if self.model == "net-lin":
                difference = difference * ops.cast(weights[f"head_{i}"], difference.dtype)
            total = total + ops.sum(difference, axis=-1)
        return total if self.model == "net-lin" else total / 2

    def compute_output_spec(self, reference, other):
        """Return shape and dtype of the output."""
        n = other.shape[0] if reference.shape[0] == 1 else reference.shape[0]
        return keras.KerasTensor((n,), dtype=self._distance_dtype)

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "net": self.net, "model": self.model}

    @property
    def _distance_dtype(self):
        return "float64" if self.compute_dtype == "float64" else "float32"

    def _activations(self, images):
        weights = load_lpips(self.net)
        x = ops.cast(images, self.compute_dtype)
        done = 0
        for block in _BLOCKS[self.net]:
            if block.pool is not None:
                x = ops.max_pool(x, block.pool, strides=2, padding="valid")
            for _ in range(block.n_convolutions):
                if done == 0:
                    x = _convolve_scaled(x, weights["kernel_0"], block)
                else:
                    x = _convolve(x, weights[f"kernel_{done}"], block)
                x = ops.relu(x + ops.cast(weights[f"bias_{done}"], x.dtype))
                done += 1
            yield x


def check_names(net, model):
    """Raise an error unless there is such a network and such a model.

    Examples
    --------
    >>> check_names("alex", "baseline")
    Traceback (most recent call last):
    ...
    ValueError: model must be one of net-lin, net. Received: model='baseline'
    """
    if net not in _NETS:
        raise ValueError(f"net must be one of {', '.join(_NETS)}. Received: net={net!r}")
    if model not in _MODELS:
        raise ValueError(f"model must be one of {', '.join(_MODELS)}. Received: model={model!r}")


def _convolve(x, kernel, block):
    kernel = ops.cast(kernel, x.dtype)
    if block.stride == 1:  # then the paddings of the networks are those of "same"
        return ops.conv(x, kernel, padding="same")
    edge = (block.padding, block.padding)
    return ops.conv(ops.pad(x, ((0, 0), edge, edge, (0, 0))), kernel, strides=block.stride, padding="valid")


def _convolve_scaled(x, kernel, block):
    """Convolve images in [0, 1] as if they were scaled for the networks; a grey one as if copied to three channels.

    The scaling is folded into the kernel, so that a grey image needs one channel and not three. What the kernel answers
    to the scaling's constant part is an image, not a number: the networks pad with zeros after scaling.
    """
    kernel = kernel.astype(np.float64)
    factor, constant = 2 / _SCALE, -(1 + _SHIFT) / _SCALE
    of_images, of_ones = kernel * factor[:, None], (kernel * constant[:, None]).sum(axis=2, keepdims=True)
    if x.shape[-1] == 1:
        of_images = of_images.sum(axis=2, keepdims=True)
    return _convolve(x, of_images, block) + _convolve(ops.ones_like(x[:1, ..., :1]), of_ones, block)


def _unit(features, dtype):
    """Divide features by their length; where all are 0 they stay so, and so does their gradient."""
    features = ops.cast(features, dtype)
    squared = ops.sum(ops.square(features), axis=-1, keepdims=True)
    alive = squared > 0
    length = ops.sqrt(ops.where(alive, squared, ops.ones_like(squared)))
    return features * ops.where(alive, 1 / (length + _EPSILON), ops.zeros_like(squared))


def _check_pair(reference, other):
    for shape in (reference, other):
        _check_images(shape)
    known = [(a, b) for a, b in zip(reference[1:3], other[1:3], strict=True) if None not in (a, b)]
    n = {size for size in (reference[0], other[0]) if size not in (1, None)}
    if any(a != b for a, b in known) or len(n) > 1:
        raise ValueError(
            "Images for LPIPS must have one height and width, and be as many on both sides or one on one side. "
            f"Received: shapes {tuple(reference)} and {tuple(other)}"
        )


def _check_images(shape):
    sizes = tuple(shape[1:3])
    if len(shape) != 4 or shape[-1] not in (1, 3) or any(size is not None and size < _SMALLEST for size in sizes):
        raise ValueError(
            f"Images for LPIPS must be (n, h, w, 1) or (n, h, w, 3) with h and w of at least {_SMALLEST} px. "
            f"Received: shape={tuple(shape)}"
        )

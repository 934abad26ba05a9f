"""Gradient steps on one pair of images: what the networks left to be done for this very pair."""

import threading
from functools import lru_cache
from typing import NamedTuple

import cv2
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from atlalign.ml_utils.layers import BilinearInterpolation, DVFIntegration, ExtractMoving, RefineDVF
from atlalign.ml_utils.layers.base import CoordinateLayer, check_shape, register_layer
from atlalign.ml_utils.losses import ALL_IMAGE_LOSSES, MIND, NCC, bending_energy

STRIDE = 4  # px between the nodes of the velocity
_SMOOTHNESS = 4.0  # nodes
# MIND differs from image to image by a tenth of what local correlation does.
_STIFFNESS = {NCC: 10.0, MIND: 1.0}
_LEARNING_RATE = 0.15  # nodes a step, and less towards the last one


class Refined(NamedTuple):
    """What `PairRefiner` found.

    Attributes
    ----------
    velocity : ndarray, float32, shape (1, h', w', 2)
        On the coarse grid.
    losses : list of float
        The difference of the images before each step.
    """

    velocity: NDArray[np.float32]
    losses: list[float]


class PairRefiner:
    """A model of one pair of images, whose only weight is the velocity of a field on a coarse grid.

    The velocity is integrated, refined to the grid of the images, and warps the moving one. It begins at 0 for each
    pair; the compiled training step serves all pairs of a shape.

    Parameters
    ----------
    shape : (h, w)
        Shape of the images.
    loss : str
        The measure of their difference: a key of `ALL_IMAGE_LOSSES` that is a local correlation or MIND.

    Examples
    --------
    >>> y, x = np.mgrid[:48, :64].astype("float32")
    >>> reference = np.exp(-((x - 32) ** 2 + (y - 24) ** 2) / 90)
    >>> moving = np.exp(-((x - 29) ** 2 + (y - 24) ** 2) / 90)
    >>> refine = PairRefiner((48, 64), "ncc_9")
    >>> found = refine(reference, moving, 20, np.ones((48, 64), bool))
    >>> found.losses[-1] < found.losses[0]
    True
    >>> bool(-4 < refine.field(found.velocity)[24, 32, 0] < -2)
    True
    """

    def __init__(self, shape: tuple[int, int], loss: str):
        height, width = shape = check_shape(shape)
        self._in_places = InPlaces(loss)
        pair = keras.Input((height, width, 2), batch_size=1)
        velocity = SmoothVelocity((-(-height // STRIDE), -(-width // STRIDE)), _SMOOTHNESS)
        coarse = DVFIntegration()(velocity(pair))
        field = RefineDVF(shape, STRIDE)(coarse)
        registered = BilinearInterpolation()([ExtractMoving()(pair), field])
        self._velocity = velocity
        self._model = keras.Model(pair, [registered, coarse])
        self._optimizer = keras.optimizers.Adam(_LEARNING_RATE)
        self._model.compile(
            self._optimizer,
            loss=[self._in_places, bending_energy],
            loss_weights=[1.0, self._in_places.stiffness],
            jit_compile=False,  # compiling it takes longer than some sections, and its steps are no faster
        )
        self._optimizer.build(self._model.trainable_variables)
        self._variables = [*self._model.trainable_variables, *self._optimizer.variables]
        self._start = [ops.convert_to_numpy(variable).copy() for variable in self._variables]
        self._shape = shape
        self._lock = threading.Lock()

    def __call__(self, reference: NDArray, moving: NDArray, steps: int, compared: NDArray) -> Refined:
        """Take gradient steps from the identity.

        Parameters
        ----------
        reference, moving : ndarray, shape (h, w)
            In [0, 1] on a dark background.
        steps : int
            How many.
        compared : ndarray, bool, shape (h, w)
            Where the images are compared, on the reference: the measure of a pixel that sees others does not count.

        Returns
        -------
        Refined
        """
        pair = np.stack([reference, moving], axis=-1)[np.newaxis].astype(np.float32)
        side = 2 * self._in_places.reach + 1
        weight = cv2.erode(compared.astype(np.uint8), np.ones((side, side), np.uint8))
        truth = np.stack([reference, weight], axis=-1)[np.newaxis].astype(np.float32)
        straight = np.zeros(self._velocity.shape_of_weight, np.float32)
        losses = []
        with self._lock:
            for variable, value in zip(self._variables, self._start, strict=True):
                variable.assign(value)
            for step in range(steps):
                self._optimizer.learning_rate.assign(_LEARNING_RATE * (1 - step / steps))
                self._model.reset_metrics()
                logs = self._model.train_on_batch(pair, [truth, straight])
                losses.append(float(logs[1]))
            return Refined(ops.convert_to_numpy(self._velocity(pair)), losses)

    def field(self, velocity: NDArray) -> NDArray[np.float32]:
        """Return the field of a velocity, float32 (h, w, 2) px."""
        fine = RefineDVF(self._shape, STRIDE)(DVFIntegration()(ops.convert_to_tensor(velocity)))
        return ops.convert_to_numpy(fine)[0]


@lru_cache(maxsize=4)
def pair_refiner(shape: tuple[int, int], loss: str) -> PairRefiner:
    """Return the refiner of a shape and a loss, which is made and compiled once."""
    return PairRefiner(shape, loss)


@register_layer
class SmoothVelocity(CoordinateLayer):
    """A velocity that does not depend on the input: a weight, smoothed by a Gaussian.

    What the optimiser does to one node so moves its neighbourhood. Without, each node follows the noise of its own
    gradient, and large displacements take long.

    Parameters
    ----------
    shape : tuple (h, w)
        Size of the grid.
    smoothness : float
        Standard deviation of the Gaussian, in nodes.

    Notes
    -----
    Any input; output (1, h, w, 2).

    Examples
    --------
    >>> tuple(SmoothVelocity((2, 3), 1.0)(np.zeros((1, 8, 12, 2))).shape)
    (1, 2, 3, 2)
    """

    def __init__(self, shape, smoothness, **kwargs):
        super().__init__(**kwargs)
        self.shape = check_shape(shape)
        self.smoothness = float(smoothness)
        self.shape_of_weight = (1, *self.shape, 2)

    def build(self, input_shape):
        """Make the weight."""
        self.velocity = self.add_weight(name="velocity", shape=self.shape_of_weight, initializer="zeros")

    def call(self, inputs, mask=None):
        """Return the velocity, (1, h, w, 2)."""
        down, across = (ops.convert_to_tensor(_gaussian(n, self.smoothness), dtype="float32") for n in self.shape)
        height, width = self.shape
        rows = ops.matmul(down, ops.reshape(self.velocity, (height, width * 2)))
        return ops.expand_dims(ops.matmul(across, ops.reshape(rows, (height, width, 2))), 0)

    def compute_output_shape(self, input_shape):
        """Whatever comes in: (1, h, w, 2)."""
        return self.shape_of_weight

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "shape": self.shape, "smoothness": self.smoothness}


@register_layer
class InPlaces(keras.losses.Loss):
    """A local difference of images, averaged over places.

    Parameters
    ----------
    loss : str
        A key of `ALL_IMAGE_LOSSES` that is a local correlation or MIND.

    Attributes
    ----------
    reach : int
        How far a pixel's value looks, px.
    stiffness : float
        What weight bending energy should have beside it.

    Notes
    -----
    The truth is (n, h, w, 2): the reference, and the weight of each pixel; the prediction is (n, h, w, 1).

    Examples
    --------
    >>> image = np.random.default_rng(0).random((1, 32, 32, 1)).astype("float32")
    >>> truth = np.concatenate([image, np.ones_like(image)], axis=-1)
    >>> loss = InPlaces("mind")
    >>> loss.reach, float(loss(truth, image))
    (3, 0.0)
    """

    def __init__(self, loss, name="in_places", **kwargs):
        super().__init__(name=name, **kwargs)
        measure = ALL_IMAGE_LOSSES.get(loss)
        if not isinstance(measure, NCC | MIND):
            local = [key for key, value in ALL_IMAGE_LOSSES.singles.items() if isinstance(value, NCC | MIND)]
            raise ValueError(f"The loss of a refinement must be one of {', '.join(local)}. Received: {loss!r}")
        self.loss = loss
        self.stiffness = _STIFFNESS[type(measure)]
        self.reach = measure.win // 2 if isinstance(measure, NCC) else measure.radius + measure.dilation
        self._measure = measure

    def call(self, y_true, y_pred):
        """Return the value of the batch, (1,)."""
        reference, weight = y_true[..., :1], y_true[..., 1:]
        if isinstance(self._measure, NCC):
            values = -self._measure.ncc(reference, y_pred)
        else:
            values = self._measure.descriptor(reference) - self._measure.descriptor(y_pred)
            values = ops.mean(ops.square(values), axis=-1)
            inner = slice(self.reach, -self.reach)
            weight = weight[:, inner, inner]
        return ops.reshape(ops.sum(weight * values) / ops.maximum(ops.sum(weight), 1.0), (1,))

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "loss": self.loss}


def _gaussian(n: int, sigma: float) -> NDArray:
    """Return the weight of each of `n` nodes in each smoothed one, (n, n)."""
    distance = np.arange(n)[:, np.newaxis] - np.arange(n)
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)

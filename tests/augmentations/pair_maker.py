"""Labelled pairs to deform."""

import numpy as np

from atlalign.augmentations.pair import LabelledPair, Recipe
from atlalign.simulate import random_deformation

SHAPE = (64, 90)
MIDDLE = (slice(12, -12), slice(16, -16))


def smooth_image(shape=SHAPE, seed=0):
    """Broad blobs on a dark background: an image that interpolation hardly changes."""
    rng = np.random.default_rng(seed)
    y, x = (axis / size for axis, size in zip(np.mgrid[: shape[0], : shape[1]], shape, strict=True))
    image = np.zeros(shape)
    for _ in range(4):
        centre_x, centre_y = rng.uniform(0.3, 0.7, 2)
        image += rng.uniform(0.4, 1) * np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / 0.02)
    return np.uint8(255 * image / image.max())


def labelled_pair(seed=0, deformation="local", shape=SHAPE):
    label, inverse = random_deformation(shape, deformation, random_state=seed)
    return LabelledPair(smooth_image(shape, seed), label.deltas_xy, inverse.deltas_xy)


def recipe(**changes):
    return Recipe(**{"anchor": True, "p_reg": 0.5, "max_corrupted_pixels": 40, "max_trials": 5, **changes})

"""What happens to sections between the brain and the picture, where it changes what shows but not where it belongs.

Lost, torn, folded and covered tissue is painted on the undamaged section, before it is deformed: the field stays true
wherever there is tissue. Tears that open and push tissue aside are `atlalign.zoo.tear_with_gap`.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from atlalign.simulate.noise import random_curve, smooth_noise
from atlalign.simulate.tissue import TissuePlane
from atlalign.zoo.damage import missing

Rng = np.random.Generator


class Damaged(NamedTuple):
    """A damaged section.

    Parameters
    ----------
    image : ndarray, float32, (h, w)
        What it shows.
    present : ndarray, bool, (h, w)
        Where tissue is left.
    """

    image: NDArray[np.float32]
    present: NDArray[np.bool_]


def random_damage(image: NDArray, plane: TissuePlane, share: float, rng: Rng) -> Damaged:
    """Damage a section at random.

    Parameters
    ----------
    image : ndarray, float32, (h, w)
        The whole section.
    plane : TissuePlane
        What it is of.
    share : float
        How many sections are damaged in some way, in [0, 1].
    rng : numpy.random.Generator
        Where the randomness comes from.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom:100")
    >>> plane = TissuePlane(atlas.reference_plane(6000), atlas.annotation_plane(6000), atlas.structures)
    >>> whole = random_damage(plane.reference, plane, 0, np.random.default_rng(0))
    >>> bool((whole.image == plane.reference).all() and (whole.present == plane.mask).all())
    True
    """
    present = plane.mask
    if rng.random() >= share:
        return Damaged(image, present)
    image = image.copy()
    kinds = rng.choice(len(_LOSSES) + len(_MARKS), int(rng.integers(1, 3)), replace=False)
    for kind in kinds:
        if kind < len(_LOSSES):
            present = present & ~_LOSSES[kind](plane, rng)
        else:
            image = _MARKS[kind - len(_LOSSES)](image, plane, rng)
    if present.sum() < 0.2 * plane.mask.sum():  # nothing to register is left
        present = plane.mask
    return Damaged(np.where(present | ~plane.mask, image, 0).astype(np.float32), present)


def _one_hemisphere(plane: TissuePlane, rng: Rng) -> NDArray[np.bool_]:
    width = plane.shape[1]
    middle = (width - 1) / 2 if plane.midline_x is None else plane.midline_x
    edge = middle + rng.normal(0, 0.01) * width + 0.01 * width * (smooth_noise(plane.shape, 4, rng)[:, :1] - 0.5)
    left = np.arange(width)[None, :] < edge
    return left if rng.random() < 0.5 else ~left


def _lost_parts(plane: TissuePlane, rng: Rng) -> NDArray[np.bool_]:
    lost = np.zeros(plane.shape, dtype=bool)
    for _ in range(int(rng.integers(1, 3))):
        lost |= missing(plane.shape, plane.mask, rng.uniform(0.04, 0.2) * plane.shape[1], random_state=rng)
    return lost


def _holes(plane: TissuePlane, rng: Rng) -> NDArray[np.bool_]:
    return smooth_noise(plane.shape, int(rng.integers(8, 24)), rng) < rng.uniform(0.02, 0.12)


def _cut(plane: TissuePlane, rng: Rng) -> NDArray[np.bool_]:
    return random_curve(plane.shape, rng) < rng.uniform(0.002, 0.012) * plane.shape[1]


def _fold(image: NDArray, plane: TissuePlane, rng: Rng) -> NDArray:
    """Tissue that lies double shows darker or brighter along a line."""
    band = random_curve(plane.shape, rng) < rng.uniform(0.005, 0.02) * plane.shape[1]
    return np.where(band & plane.mask, image * rng.choice([rng.uniform(0.2, 0.6), rng.uniform(1.4, 2.2)]), image)


def _bubbles(image: NDArray, plane: TissuePlane, rng: Rng) -> NDArray:
    height, width = plane.shape
    blurred = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.02 * width)
    y, x = np.mgrid[:height, :width]
    for _ in range(int(rng.integers(1, 5))):
        radius = rng.uniform(0.02, 0.1) * width
        distance = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)) / radius
        image = np.where(distance < 1, rng.uniform(0.5, 1.2) * blurred, image)
        image = image + rng.uniform(0, 0.6) * (np.abs(distance - 1) < 0.1)
    return image


def _debris(image: NDArray, plane: TissuePlane, rng: Rng) -> NDArray:
    """Specks and threads, on the tissue and beside it."""
    height, width = plane.shape
    image = np.ascontiguousarray(image, dtype=np.float32)
    for _ in range(int(rng.integers(1, 12))):
        centre = rng.uniform(0, width), rng.uniform(0, height)
        size = rng.uniform(0.002, 0.03, 2) * width
        axes = tuple(max(1, round(float(length))) for length in size)
        place = (round(float(centre[0])), round(float(centre[1])))
        cv2.ellipse(image, place, axes, rng.uniform(0, 180), 0, 360, rng.uniform(0.2, 1.5), -1)
    return image


_LOSSES = (_one_hemisphere, _lost_parts, _holes, _cut)
_MARKS = (_fold, _bubbles, _debris)

"""One labelled pair: a moving image and the field that registers it."""

from dataclasses import dataclass

import cv2
import numpy as np

from atlalign.simulate.appearance import random_appearance
from atlalign.simulate.deformation import checked_shape, random_deformation

# Planes with less tissue than this share of the image (the tips of the brain) teach nothing.
_LEAST_TISSUE = 0.08


@dataclass(frozen=True)
class SimulatedPair:
    """A simulated pair, as the dataset stores it.

    Parameters
    ----------
    img : ndarray (h, w)
        Moving image, uint8.
    deltas_xy, inv_deltas_xy : ndarray (h, w, 2)
        Fields moving -> registered and back, in px.
    p : int
        Coronal position in um.
    corners_um : ndarray (4, 3)
        Atlas corners of the plane.
    """

    img: np.ndarray
    deltas_xy: np.ndarray
    inv_deltas_xy: np.ndarray
    p: int
    corners_um: np.ndarray


def simulate_pair(atlas, shape=None, deformation="both", random_state=None) -> SimulatedPair:
    """Draw a plane, a look and a deformation, and make the pair.

    Parameters
    ----------
    atlas : Atlas
        Where the planes come from.
    shape : tuple (h, w), optional
        Size of the images, which cover the whole plane; the atlas's own grid by default.
    deformation : {"affine", "local", "both"}
        See `random_deformation`.
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from.

    Raises
    ------
    ValueError
        If the deformation is unknown, or the shape too small or too large.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> pair = simulate_pair(Atlas.load("phantom"), (80, 114), random_state=0)
    >>> pair.img.shape, pair.img.dtype, pair.deltas_xy.shape
    ((80, 114), dtype('uint8'), (80, 114, 2))
    """
    rng = np.random.default_rng(random_state)
    shape = checked_shape(atlas.shape[1:] if shape is None else shape)
    plane, annotation = _random_plane(atlas, shape, rng)
    reference = atlas.reference_plane(plane, shape)
    stained = random_appearance(reference, annotation, atlas.structures, rng)
    field, inverse = random_deformation(shape, deformation, rng)
    moving = _acquire(inverse.warp(stained), rng)
    return SimulatedPair(
        img=moving,
        deltas_xy=field.deltas_xy,
        inv_deltas_xy=inverse.deltas_xy,
        p=int(plane.position_um),
        corners_um=plane.corners_um,
    )


def _random_plane(atlas, shape, rng):
    """A coronal plane with enough tissue; where the atlas has none, the fullest of those tried."""
    fullest, most = None, -1.0
    for _ in range(50):
        # Whole micrometres, as the dataset keeps them.
        plane = atlas.plane(int(rng.integers(0, int(atlas.shape_um[0]))))
        annotation = atlas.annotation_plane(plane, shape)
        tissue = (annotation > 0).mean()
        if tissue > most:
            fullest, most = (plane, annotation), tissue
        if most >= _LEAST_TISSUE:
            break
    return fullest


def _acquire(image, rng) -> np.ndarray:
    """What the microscope adds: blur, background, noise, eight bits."""
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.2, 1.0))
    background = rng.uniform(0, 0.06)
    image = background + (1 - background) * image * rng.uniform(0.7, 1.0)
    image = image + rng.normal(0, rng.uniform(0.002, 0.03), image.shape)
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)

"""Random looks of one and the same plane, so that a network learns anatomy and not a stain."""

import cv2
import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from atlalign.atlas import Structures
from atlalign.simulate.looks import mixed
from atlalign.simulate.noise import smooth_noise
from atlalign.simulate.tissue import TissuePlane


def random_appearance(
    reference: ArrayLike,
    annotation: ArrayLike,
    structures: Structures,
    random_state: int | np.random.Generator | None = None,
) -> np.ndarray:
    """Draw how a section at this plane might look under some stain and microscope.

    One of the looks of `atlalign.simulate.looks`, or two mixed: any contrast between structures, the reference's own
    texture, cell density as in Nissl, sparse expression as in in situ hybridisation, labels on faint fluorescence.
    Then it is stained unevenly, and its rim more or less than the rest.

    Parameters
    ----------
    reference : ndarray (h, w)
        Reference image in [0, 1].
    annotation : ndarray (h, w)
        Structure ids; 0 is outside the brain.
    structures : atlalign.atlas.Structures
        The hierarchy that the ids belong to.
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    ndarray (h, w)
        float32 in [0, 1], 0 outside the brain.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom")
    >>> planes = atlas.reference_plane(6000, (80, 114)), atlas.annotation_plane(6000, (80, 114))
    >>> image = random_appearance(*planes, atlas.structures, random_state=0)
    >>> image.shape, bool(image[planes[1] == 0].max() == 0)
    ((80, 114), True)
    """
    rng = np.random.default_rng(random_state)
    plane = TissuePlane(np.asarray(reference), np.asarray(annotation), structures)
    image = mixed(plane, rng)
    if rng.random() < 0.5:
        image = image * (1 - rng.uniform(0, 0.7) * smooth_noise(image.shape, int(rng.integers(2, 5)), rng))
    if rng.random() < 0.5:
        image = image + rng.uniform(0.05, 0.3) * smooth_noise(image.shape, image.shape[1] // 3, rng)
    if rng.random() < 0.25:
        depth = ndimage.distance_transform_edt(plane.mask) / image.shape[1]
        image = image * (1 + rng.uniform(-0.6, 1) * np.exp(-depth / rng.uniform(0.004, 0.03)))
    return _scale_to_tissue(image, plane.mask, rng)


def _scale_to_tissue(image: np.ndarray, tissue: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur as a thick section does, and bring the tissue's brightest places to 1, as a section's are."""
    image = np.where(tissue, image, 0).astype(np.float32)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.5) * image.shape[1] / 456 + 0.1)
    image = np.where(tissue, image, 0)
    bright = np.percentile(image[tissue], 99.5) if tissue.any() else 1
    return np.clip(image / max(bright, 1e-3), 0, 1).astype(np.float32) ** np.float32(np.exp(rng.normal(0, 0.25)))

"""Random looks of one and the same plane, so that a network learns anatomy and not a stain."""

import cv2
import numpy as np


def random_appearance(reference, annotation, structures, random_state=None) -> np.ndarray:
    """Draw how a section at this plane might look under some stain and microscope.

    Each structure is given a random brightness of its own, similar for structures that share an ancestor; that is
    mixed with the reference's own texture, which may be inverted, unevenly stained, and covered with cells.

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

    References
    ----------
    Hoffmann et al. 2022 (doi 10.1109/TMI.2021.3116879) train on images of random contrast per label.

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
    tissue = annotation > 0
    contrast = _structure_contrast(annotation, structures, rng)
    texture = reference ** rng.uniform(0.5, 1.6)
    if rng.random() < 0.3:
        texture = np.where(tissue, 1 - texture, 0)
    share = rng.beta(0.8, 0.8)
    image = share * texture + (1 - share) * contrast
    if rng.random() < 0.5:
        image = image * (1 - rng.uniform(0, 0.5) * _smooth_noise(image.shape, int(rng.integers(2, 5)), rng))
    if rng.random() < 0.5:
        image = image + rng.uniform(0.05, 0.3) * _smooth_noise(image.shape, image.shape[1] // 3, rng)
    if rng.random() < 0.2:
        image = image + _bright_cells(image.shape, rng)
    image = np.where(tissue, image, 0)
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), rng.uniform(0.3, 1.2) * image.shape[1] / 456 + 0.1)
    image = np.where(tissue, image, 0)
    return np.clip(image / max(np.percentile(image[tissue], 99.5) if tissue.any() else 1, 1e-3), 0, 1).astype(
        np.float32
    )


def _structure_contrast(annotation, structures, rng) -> np.ndarray:
    """Brightness of each pixel's structure: a part from its ancestor at a random depth, a part of its own."""
    depth = int(rng.integers(2, 7))
    own_share = rng.uniform(0.1, 0.5)
    ids, where = np.unique(annotation, return_inverse=True)
    families, family_of = np.unique(structures.at_depth(ids, depth), return_inverse=True)
    brightness = (1 - own_share) * rng.uniform(0.1, 1, len(families))[family_of]
    brightness += own_share * rng.uniform(0.1, 1, len(ids))
    return brightness[where].reshape(annotation.shape)


def _smooth_noise(shape, nodes: int, rng) -> np.ndarray:
    """Noise in [0, 1] that varies over width / nodes."""
    nodes = max(2, int(nodes))
    size = (max(2, round(nodes * shape[0] / shape[1])), nodes)
    noise = cv2.resize(rng.random(size).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(noise, 0, 1)


def _bright_cells(shape, rng) -> np.ndarray:
    """Labelled cells: bright dots, denser in some places than in others."""
    density = _smooth_noise(shape, 5, rng) * rng.uniform(0.002, 0.03)
    cells = (rng.random(shape) < density).astype(np.float32)
    return rng.uniform(1, 4) * cv2.GaussianBlur(cells, (0, 0), 0.7)

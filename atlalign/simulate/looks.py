"""What stains show of a plane: a brightness for each place, drawn anew each time.

Each look takes a `TissuePlane` and a random generator and returns float32 (h, w), about 0 to 1, on a dark background.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from atlalign.simulate.noise import cells, smooth_noise
from atlalign.simulate.tissue import TissuePlane

Rng = np.random.Generator


def contrast(plane: TissuePlane, rng: Rng) -> NDArray[np.float32]:
    """Any brightness for any structure, more alike for structures that share an ancestor.

    References
    ----------
    Hoffmann et al. 2022 (doi 10.1109/TMI.2021.3116879) train on images of random contrast per label.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom:100")
    >>> plane = TissuePlane(atlas.reference_plane(6000), atlas.annotation_plane(6000), atlas.structures)
    >>> image = contrast(plane, np.random.default_rng(0))
    >>> image.shape, bool(image[~plane.mask].max() == 0)
    ((80, 114), True)
    """
    family = plane.families(int(rng.integers(2, 7)))
    own_share = rng.uniform(0.05, 0.5)
    brightness = (1 - own_share) * rng.uniform(0.05, 1, family.max() + 1)[family]
    brightness += own_share * rng.uniform(0.05, 1, len(plane.ids))
    return plane.paint(brightness)


def reference(plane: TissuePlane, rng: Rng) -> NDArray[np.float32]:
    """The reference's own texture, paler or darker, sometimes with dark and bright exchanged."""
    texture = plane.reference ** rng.uniform(0.5, 1.8)
    return np.where(plane.mask, 1 - texture if rng.random() < 0.25 else texture, 0).astype(np.float32)


def cell_density(plane: TissuePlane, rng: Rng) -> NDArray[np.float32]:
    """A stain of cell bodies or nuclei, such as Nissl or DAPI: pale tracts and molecular layers, dense cell layers."""
    low, high = rng.uniform(0.25, 0.5), rng.uniform(0.5, 0.9)
    levels = {
        "outside": (0, 0),
        "ventricle": (0, rng.uniform(0, 0.15)),
        "tract": (0.05, rng.uniform(0.1, 0.4)),
        "pale": (0.1, rng.uniform(0.2, 0.4)),
        "grey": (low, high),
        "pyramidal": (0.1, rng.uniform(0.2, 0.5)),
        "dense": (0.7, 1.2),
    }
    own = np.array([rng.uniform(*levels[kind]) for kind in plane.kinds])
    family = plane.families(int(rng.integers(3, 7)))
    shared = np.array([own[family == number].mean() for number in range(family.max() + 1)])[family]
    grey = np.array([kind == "grey" for kind in plane.kinds])
    image = plane.paint(np.where(grey, 0.5 * (own + shared), own))
    if "pyramidal" in plane.kinds:
        field = plane.paint([kind == "pyramidal" for kind in plane.kinds]) > 0
        image = np.where(_middle_of(field), rng.uniform(0.7, 1.1), image)
    speckle = rng.normal(0, rng.uniform(0.05, 0.35), plane.shape).astype(np.float32)
    return np.clip(image * (1 + cv2.GaussianBlur(speckle, (0, 0), rng.uniform(0.4, 0.8))), 0, None)


def expression(plane: TissuePlane, rng: Rng) -> NDArray[np.float32]:
    """Few structures that hold the signal, as cells, on tissue that hardly shows: in situ hybridisation, labels."""
    family = plane.families(int(rng.integers(3, 8)))
    n_families = family.max() + 1
    strong = rng.random(n_families) < rng.uniform(0.1, 0.5)
    level = np.where(strong, rng.uniform(0.3, 1, n_families), rng.uniform(0, 0.1, n_families))[family]
    inside = np.array([kind not in ("outside", "ventricle") for kind in plane.kinds])
    density = plane.paint(level * inside)
    if rng.random() < 0.7:  # cell layers show in most genes
        layers = plane.paint([kind == "dense" for kind in plane.kinds])
        density = np.maximum(density, layers * rng.uniform(0.3, 1))
        field = plane.paint([kind == "pyramidal" for kind in plane.kinds]) > 0
        density = np.maximum(density, _middle_of(field) * rng.uniform(0.3, 1))
    dots = cells(density * rng.uniform(0.1, 0.9), rng.uniform(0.3, 0.8), rng)
    return rng.uniform(0, 0.15) * plane.mask + dots / max(dots.max(), 1e-6)


def fluorescence(plane: TissuePlane, rng: Rng) -> NDArray[np.float32]:
    """Faint tissue as in the reference, with labelled cells and fibres in some structures."""
    family = plane.families(int(rng.integers(3, 8)))
    glow = np.where(rng.random(family.max() + 1) < 0.15, rng.uniform(0.2, 1, family.max() + 1), 0)[family]
    labelled = plane.paint(glow) * smooth_noise(plane.shape, int(rng.integers(3, 8)), rng)
    dots = cells(plane.mask * smooth_noise(plane.shape, 5, rng) * rng.uniform(0.002, 0.05), 0.6, rng)
    faint = rng.uniform(0.3, 0.9) * plane.reference ** rng.uniform(0.6, 1.4)
    return (faint + labelled + rng.uniform(1, 4) * dots) * plane.mask


LOOKS = (contrast, reference, cell_density, expression, fluorescence)
_CHANCES = (0.35, 0.2, 0.25, 0.08, 0.12)


def mixed(plane: TissuePlane, rng: Rng) -> NDArray[np.float32]:
    """One of the looks, or two in random shares."""
    first, second = rng.choice(len(LOOKS), 2, p=_CHANCES)
    image = LOOKS[first](plane, rng)
    if first == second or rng.random() < 0.5:
        return image
    share = rng.uniform(0.2, 0.8)
    return share * image + (1 - share) * LOOKS[second](plane, rng)


def _middle_of(field: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the ridge along the middle of a bent band, where the cell bodies of a hippocampal field lie."""
    if not field.any():
        return field
    depth = ndimage.distance_transform_edt(field)
    reach = max(3, round(0.02 * field.shape[1]))
    return field & (depth > 0.8 * ndimage.maximum_filter(depth, 2 * reach + 1)) & (depth > 1)

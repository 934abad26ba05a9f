"""How well a registered section shows the structures that the annotation says are there, whatever its stain."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from atlalign.atlas.structures import Structures

# Layers and nuclei that stains show; deeper ones have too few pixels each for a mean grey to say anything.
VARIANCE_DEPTH = 6
# The borders between large structures, most of which some edge in the image follows.
EDGE_DEPTH = 4

# The outline, which other quantities judge, would outweigh everything else.
_RIM_UM = 200.0
_EDGE_SCALE_UM = 50.0


def inner_tissue(tissue: NDArray[np.bool_], pixel_um: tuple[float, float]) -> NDArray[np.bool_]:
    """Return the tissue without its outer 200 um; what lies beyond the image counts as outside.

    Parameters
    ----------
    tissue : ndarray, bool, shape (h, w)
    pixel_um : (across, down)
        Size of a pixel.

    Examples
    --------
    >>> inner_tissue(np.ones((5, 7), bool), (100, 100)).sum()
    np.int64(3)
    """
    depth_um = ndimage.distance_transform_edt(np.pad(tissue, 1), sampling=(pixel_um[1], pixel_um[0]))
    return depth_um[1:-1, 1:-1] > _RIM_UM


def variance_between_structures(image: NDArray, labels: NDArray, mask: NDArray[np.bool_]) -> float | None:
    """Return the share of an image's variance that lies between structures.

    The correlation ratio of the image and the structures. It asks only that each structure be even, not which grey it
    has, so that it serves for stains that the reference knows nothing of.

    Parameters
    ----------
    image : ndarray, shape (h, w)
        The registered section.
    labels : ndarray of int, shape (h, w)
        The annotation, collapsed to `VARIANCE_DEPTH` or another depth.
    mask : ndarray, bool, shape (h, w)
        The pixels that count.

    Returns
    -------
    float or None
        From 0 to 1; None of an image that is flat there.

    Examples
    --------
    >>> labels = np.repeat([[1, 2]], 5, axis=0)
    >>> variance_between_structures(np.where(labels == 1, 0.3, 0.7), labels, labels > 0)
    1.0
    """
    values = np.asarray(image, dtype=np.float64)[mask]
    total = values.var() if values.size else 0.0
    if total < 1e-12:
        return None
    where = np.unique(labels[mask], return_inverse=True)[1]
    means = np.bincount(where, values) / np.bincount(where)
    return float(min(means[where].var() / total, 1.0))


def edge_agreement(
    image: NDArray, labels: NDArray, mask: NDArray[np.bool_], pixel_um: tuple[float, float]
) -> float | None:
    """Return how well the edges in an image lie on the borders of structures.

    Pearson's correlation of the image's gradient magnitude at a scale of 50 um with the borders blurred as much.

    Parameters
    ----------
    image, labels, mask
        As in `variance_between_structures`; the labels at `EDGE_DEPTH`.
    pixel_um : (across, down)
        Size of a pixel.

    Returns
    -------
    float or None
        From -1 to 1; None where there is no edge or no border.

    Examples
    --------
    >>> labels = np.repeat([[1] * 20 + [2] * 20], 40, axis=0)
    >>> edge_agreement((labels == 2) * 1.0, labels, labels > 0, (25, 25)) > 0.9
    True
    """
    sigma = _EDGE_SCALE_UM / pixel_um[1], _EDGE_SCALE_UM / pixel_um[0]
    gradient = ndimage.gaussian_gradient_magnitude(np.asarray(image, dtype=np.float64), sigma)
    lines = ndimage.gaussian_filter(borders(labels).astype(np.float64), sigma)
    return correlation(gradient, lines, mask)


def borders(labels: NDArray) -> NDArray[np.bool_]:
    """Return the pixels beside which there is another label, (h, w).

    Examples
    --------
    >>> borders(np.array([[1, 1, 2, 2]]))
    array([[False,  True,  True, False]])
    """
    found = np.zeros(labels.shape, dtype=bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    found[:, 1:] |= across
    found[:, :-1] |= across
    found[1:] |= down
    found[:-1] |= down
    return found


def correlation(a: NDArray, b: NDArray, mask: NDArray[np.bool_]) -> float | None:
    """Return Pearson's correlation of two images over a mask, None where one of them is flat.

    Examples
    --------
    >>> correlation(np.arange(4.0), np.zeros(4), np.ones(4, bool)) is None
    True
    """
    a, b = a[mask].astype(np.float64), b[mask].astype(np.float64)
    if a.size < 2 or a.std() < 1e-9 or b.std() < 1e-9:
        return None
    return float(np.corrcoef(a, b)[0, 1])


class StructureMeasures:
    """Both measures of images on one canvas: what they share is computed once.

    Parameters
    ----------
    annotation : ndarray of int, shape (h, w)
        Structure ids.
    tissue : ndarray, bool, shape (h, w)
        The atlas's tissue, as far as it counts.
    structures : Structures
    pixel_um : (across, down)
        Size of a pixel.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom:100")
    >>> annotation = atlas.annotation_plane(6000)
    >>> measures = StructureMeasures(annotation, annotation > 0, atlas.structures, (100, 100))
    >>> variance, edges = measures(atlas.reference_plane(6000), annotation > 0)
    >>> variance > 0.7, edges > 0.1
    (True, True)
    """

    def __init__(
        self, annotation: NDArray, tissue: NDArray[np.bool_], structures: Structures, pixel_um: tuple[float, float]
    ):
        self._inner = inner_tissue(tissue, pixel_um)
        self._at = {depth: structures.at_depth(annotation, depth) for depth in (VARIANCE_DEPTH, EDGE_DEPTH)}
        self._pixel_um = pixel_um

    def __call__(self, image: NDArray, shown: NDArray[np.bool_]) -> tuple[float | None, float | None]:
        """Return variance between structures and edge agreement, where the section shows tissue at all."""
        mask = self._inner & shown
        return (
            variance_between_structures(image, self._at[VARIANCE_DEPTH], mask),
            edge_agreement(image, self._at[EDGE_DEPTH], mask, self._pixel_um),
        )

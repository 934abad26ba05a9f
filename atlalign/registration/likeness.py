"""How well a section fits a plane of the atlas, whatever its stain: what searches compare candidates by.

Three things are added up, each from 0 to 1 where all is well, after the global network has put the section right:

- local correlation: within some 500 um, do bright and dark lie where the reference has them? A stain may turn the
  brightness of the whole round without doing so to each neighbourhood, so correlation counts by its square, with its
  sign;
- edges, twice: do they run along those of the reference, whichever side is brighter?
- the overlap of the tissues, twice: does the outline agree?

Measured on real series (``scripts/benchmark_position.py``). Variance between structures, which judges registrations in
one plane well, finds planes badly: some planes explain more of the variance of anything than others do of their own
section.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from atlalign.atlas.cache import PlaneCache
from atlalign.registration.predicting import Predict, predict_batch
from atlalign.registration.quality.structure import inner_tissue
from atlalign.section.canvas import half_of

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.section import Section
    from atlalign.section.canvas import Canvas

NAME = "likeness: local correlation, edges and overlap"

# A plateau, not a peak: windows of 300 um, edges at 100 or 250 um and half or double the weights differ little.
_WINDOW_UM, _EDGE_UM = 500.0, 150.0
_EDGES, _OVERLAP = 2.0, 2.0
# Of fewer pixels there is no telling.
_LEAST_PIXELS = 50
# What is flat has no correlation; of images in [0, 1].
_FLAT = 1e-4
_SEARCH_WIDTH = 114
_CACHE_BYTES = 2**24  # all planes of a search, several times over


class Fits(NamedTuple):
    """How well a section fits each of some planes.

    Attributes
    ----------
    scores : ndarray, shape (n,)
        The likeness; higher is better.
    overlaps : ndarray, shape (n,)
        Dice of the tissues after the global step.
    """

    scores: NDArray[np.float64]
    overlaps: NDArray[np.float64]


class Likeness:
    """Compare sections with planes of an atlas.

    Parameters
    ----------
    atlas : Atlas
    predict : callable, optional
        The global network, as `atlalign.registration.predicting.predictors` returns it; without it the section is
        compared as it is placed.
    shape : (h, w), optional
        The canvas on which they are compared; by default that of the network, or a small one.

    Attributes
    ----------
    atlas, predict, shape
        As given.

    Examples
    --------
    >>> from atlalign import Atlas, Section
    >>> from atlalign.section.canvas import Canvas
    >>> atlas = Atlas.load("phantom:100")
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100)
    >>> likeness = Likeness(atlas)
    >>> canvases = [Canvas.by_tissue(section, atlas, position_um, likeness.shape) for position_um in (5000, 6000)]
    >>> worse, better = likeness(section, canvases).scores
    >>> bool(worse < better), likeness.shape
    (True, (80, 114))
    """

    def __init__(self, atlas: Atlas, predict: Predict | None = None, shape: tuple[int, int] | None = None):
        self.atlas = atlas
        self.predict = predict
        self._known = PlaneCache(_CACHE_BYTES)
        width = min(_SEARCH_WIDTH, atlas.shape[2])
        small = max(1, round(atlas.shape_um[1] / atlas.shape_um[2] * width)), width
        self.shape: tuple[int, int] = shape or getattr(predict, "shape", None) or small

    def __call__(self, section: Section | Sequence[Section], canvases: Sequence[Canvas]) -> Fits:
        """Return how well a section fits, placed in each of some ways.

        Parameters
        ----------
        section : Section or sequence of Section
            One, or as many as there are canvases.
        canvases : sequence of Canvas
            Of the shape of this.
        """
        sections = section if isinstance(section, Sequence) else [section] * len(canvases)
        pairs = list(zip(sections, canvases, strict=True))
        if not pairs:
            return Fits(np.zeros(0), np.zeros(0))
        movings = np.stack([one.normalized(at.shape, grid_to_section=at.to_section) for one, at in pairs])
        shown = np.stack([one.tissue_mask(at.shape, grid_to_section=at.to_section) for one, at in pairs])
        references = np.stack([self.atlas.reference_plane(at.plane, at.shape) for at in canvases])
        if self.predict is not None:
            fields = predict_batch(movings, references, self.predict)
            both = np.stack([movings, shown.astype(np.float32)], axis=-1)
            warped = np.stack([field.warp(one) for field, one in zip(fields, both, strict=True)])
            movings, shown = warped[..., 0], warped[..., 1] >= 0.5
        found = [self._compare(*entry) for entry in zip(movings, shown, references, canvases, strict=True)]
        scores, overlaps = np.array(found, dtype=np.float64).T
        return Fits(scores, overlaps)

    def _compare(
        self, moving: NDArray, shown: NDArray[np.bool_], reference: NDArray, canvas: Canvas
    ) -> tuple[float, float]:
        tissue, inner = self._masks(canvas)
        both = int(np.count_nonzero(tissue)) + int(np.count_nonzero(shown))
        overlap = 2 * int(np.count_nonzero(tissue & shown)) / max(1, both)
        mask = inner & shown
        if np.count_nonzero(mask) < _LEAST_PIXELS:
            return _OVERLAP * overlap, overlap
        pixel_um = float(np.sqrt(np.prod(canvas.pixel_um)))
        local = local_correlation(moving, reference, mask, _WINDOW_UM / pixel_um)
        edges = common_edges(moving, reference, mask, _EDGE_UM / pixel_um)
        return local + _EDGES * edges + _OVERLAP * overlap, overlap

    def _masks(self, canvas: Canvas) -> NDArray[np.bool_]:
        """Return the atlas's tissue, and what of it lies inside, (2, h, w): the same for every section."""

        def make() -> NDArray[np.bool_]:
            tissue = self.atlas.annotation_plane(canvas.plane, canvas.shape) > 0
            tissue &= half_of(canvas.shape, canvas.hemisphere)
            return np.stack([tissue, inner_tissue(tissue, canvas.pixel_um)])

        return self._known.get((canvas.plane, canvas.shape, canvas.hemisphere), make)


def local_correlation(a: NDArray, b: NDArray, mask: NDArray[np.bool_], sigma: float) -> float:
    """Return how far two images correlate within the neighbourhood of each pixel: the mean square, with its sign.

    Parameters
    ----------
    a, b : ndarray, shape (h, w)
    mask : ndarray, bool, shape (h, w)
        The pixels that count, in neighbourhoods too.
    sigma : float
        Size of a neighbourhood, standard deviation of a Gaussian, px.

    Returns
    -------
    float
        From -1 to 1.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((20, 30))
    >>> mask = np.ones((20, 30), bool)
    >>> local_correlation(image, 2 * image + 1, mask, 3) > 0.99, local_correlation(image, -image, mask, 3) < -0.99
    (True, True)
    """
    weight = mask.astype(np.float32)
    first, second = a.astype(np.float32), b.astype(np.float32)
    moments = np.stack([weight, first, second, first * first, second * second, first * second], axis=-1)
    moments[..., 1:] *= weight[..., np.newaxis]
    total, *sums = np.moveaxis(cv2.GaussianBlur(moments, (0, 0), sigma)[mask], -1, 0)
    mean_a, mean_b, square_a, square_b, product = (one / np.maximum(total, 1e-6) for one in sums)
    variances = [np.maximum(square - mean**2, 0) + _FLAT for square, mean in ((square_a, mean_a), (square_b, mean_b))]
    covariance = product - mean_a * mean_b
    return float((covariance * np.abs(covariance) / (variances[0] * variances[1])).mean())


def common_edges(a: NDArray, b: NDArray, mask: NDArray[np.bool_], sigma: float) -> float:
    """Return how far the edges of two images run along each other, whichever side of each is brighter.

    Edges count by how steep they are beside the mean of their image.

    Parameters
    ----------
    a, b : ndarray, shape (h, w)
    mask : ndarray, bool, shape (h, w)
        The pixels that count.
    sigma : float
        How far the images are blurred before, px.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((20, 30))
    >>> mask = np.ones((20, 30), bool)
    >>> along, across = (common_edges(image, other, mask, 1) for other in (-image, image[::-1, ::-1]))
    >>> bool(along > 2 * across)
    True
    """
    gradients = []
    for image in (a, b):
        smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma)
        gradient = np.stack([cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)], axis=-1)[mask]
        gradients.append(gradient / max(float(np.linalg.norm(gradient, axis=-1).mean()), 1e-6))
    product = (gradients[0] * gradients[1]).sum(axis=-1)
    steep = [(gradient**2).sum(axis=-1) + 1 for gradient in gradients]
    return float((product**2 / (steep[0] * steep[1])).mean())

"""Deforming one labelled pair.

Convention: the label L warps the moving image m into the registered one, ``L.warp(m)``; its inverse warps back. For a
field N with inverse I, the new moving image ``L(I).warp(m)`` has the label N, since ``N.warp(L(I).warp(m))`` is
``L(I(N)).warp(m)``, which is ``L.warp(m)``.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from skimage.feature import canny

from atlalign.base import DisplacementField
from atlalign.zoo import edge_stretching

WIDTH = 456  # px, the width of image that distances are given for; they grow with the image
RADIUS_MAX = 60.0  # px at WIDTH

_N_POINTS = 6
_ANCHOR_KEPT = 0.9  # of height and width
_ANCHOR_SPACING = 50.0  # px at WIDTH


@dataclass(frozen=True)
class Recipe:
    """How a pair is deformed, and which deformations are accepted.

    Parameters
    ----------
    anchor : bool
        Whether the new inverse is anchored.
    p_reg : float
        Probability of starting from the registered image.
    max_corrupted_pixels : int
        Fewer corrupted pixels than this are accepted, in the new label and in its inverse.
    max_trials : int
        How many deformations are tried.
    """

    anchor: bool
    p_reg: float
    max_corrupted_pixels: int
    max_trials: int


class LabelledPair:
    """A moving image and its label.

    Parameters
    ----------
    img : ndarray, uint8, (h, w)
        The moving image.
    deltas_xy, inv_deltas_xy : ndarray, (h, w, 2)
        The label, moving to registered, and its inverse, in px.

    Examples
    --------
    >>> img = np.zeros((32, 48), dtype="uint8")
    >>> img[8:24, 12:36] = 200
    >>> pair = LabelledPair(img, np.zeros((32, 48, 2)), np.zeros((32, 48, 2)))
    >>> new = pair.deform(Recipe(True, 0.5, 100, 5), np.random.default_rng(0))
    >>> error = new.label.warp(new.img).astype(int) - img
    >>> bool((abs(error) > 60).mean() < 0.02)
    True
    """

    def __init__(self, img: NDArray, deltas_xy: NDArray, inv_deltas_xy: NDArray):
        self.img = img
        self.label = DisplacementField.from_deltas_xy(deltas_xy)
        self.inverse = DisplacementField.from_deltas_xy(inv_deltas_xy)

    @cached_property
    def edges_moving(self) -> NDArray[np.bool_]:
        """Edges of the moving image."""
        return find_edges(self.img)

    @cached_property
    def edges_registered(self) -> NDArray[np.bool_]:
        """Edges of the registered image."""
        return find_edges(self.label.warp(self.img))

    def deform(self, recipe: Recipe, rng: np.random.Generator) -> "LabelledPair | None":
        """Return a deformed pair with the same registered image; None if no trial was accepted."""
        from_registered = rng.random() < recipe.p_reg
        edges = self.edges_registered if from_registered else self.edges_moving
        if not edges.any():
            return None
        scale = self.img.shape[1] / WIDTH
        for _ in range(recipe.max_trials):
            inverse = stretch_edges(edges, RADIUS_MAX * scale, draw_factor(rng), rng)
            if not from_registered:
                inverse = self.inverse(inverse)
            if recipe.anchor:
                spacing = max(1, round(_ANCHOR_SPACING * scale))
                inverse = inverse.anchor(h_kept=_ANCHOR_KEPT, w_kept=_ANCHOR_KEPT, ds_f=spacing)
            if not inverse.is_valid or _count_folded(inverse) >= recipe.max_corrupted_pixels:
                continue
            label, converged = inverse.invert()
            if label.is_valid and _count_folded(label, ~converged) < recipe.max_corrupted_pixels:
                # Both fields are final: only now is the image made, in one interpolation.
                img = self.label(inverse).warp(self.img)
                return LabelledPair(img, label.deltas_xy, inverse.deltas_xy)
        return None


def find_edges(img: NDArray) -> NDArray[np.bool_]:
    """Find the edges of an image, however dim it is.

    Parameters
    ----------
    img : ndarray, (h, w)
        Grey image.

    Returns
    -------
    ndarray, bool, (h, w)

    Examples
    --------
    >>> img = np.zeros((20, 30), dtype="uint8")
    >>> img[5:15, 8:22] = 3
    >>> bool(find_edges(img)[5].any()), bool(find_edges(0 * img).any())
    (True, False)
    """
    brightest = img.max()
    return canny(img / brightest) if brightest > 0 else np.zeros(img.shape, dtype=bool)


def draw_factor(rng: np.random.Generator, use_normal: bool = True) -> float:
    """Draw what a stretching is multiplied by: from N(0.7, 0.3), or uniformly from [0, 1).

    Examples
    --------
    >>> 0 <= draw_factor(np.random.default_rng(0), use_normal=False) < 1
    True
    """
    return float(rng.normal(0.7, 0.3) if use_normal else rng.random())


def stretch_edges(
    edges: NDArray[np.bool_], radius_max: float, factor: float, rng: np.random.Generator
) -> DisplacementField:
    """Displace 6 points of the edges (all, if there are fewer) and interpolate between them.

    Parameters
    ----------
    edges : ndarray, bool, (h, w)
        Has at least one edge pixel.
    radius_max : float
        Largest displacement in px, before it is multiplied.
    factor : float
        What the displacements are multiplied by.
    rng : numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    DisplacementField, (h, w)
        None at the corners.

    Examples
    --------
    >>> field = stretch_edges(np.eye(40, dtype=bool), 5, 0.5, np.random.default_rng(0))
    >>> bool(field.norm.max() <= 2.51)
    True
    """
    height, width = edges.shape
    deltas = edge_stretching(
        (height, width),
        edges,
        n_perturbation_points=min(_N_POINTS, int(edges.sum())),
        radius_max=radius_max,
        interpolation_method="rbf",
        interpolator_kwargs={"function": "linear"},
        random_state=rng,
    )
    return DisplacementField(*(np.float32(factor) * delta for delta in deltas))


def _count_folded(field: DisplacementField, also: NDArray[np.bool_] | None = None) -> int:
    folded = field.jacobian < 0
    return int(np.count_nonzero(folded if also is None else folded | also))

"""How far registrations of slightly varied sections scatter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atlalign._field.sampling import pixel_grid
from atlalign.base import DisplacementField
from atlalign.registration.quality.structure import VARIANCE_DEPTH, correlation
from atlalign.registration.quality.variations import Variation, draw_variations

if TYPE_CHECKING:
    from atlalign.registration.result import Registration

# A reference that correlates less with its mirror image is not to be mirrored: the networks have learnt that the left
# of the image is the animal's right. Planes of the phantom, which is not symmetric, reach 0.94 to 0.96.
_SYMMETRIC = 0.9
# Smaller structures, as a share of the tissue, are not named as where variations disagree.
_LEAST_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Where registrations of variations of a section disagree.

    Attributes
    ----------
    map_um : ndarray, float32, shape (h, w)
        On the registered grid: how far the atlas positions that the registration and its variations give to the tissue
        seen there scatter, the root of their mean squared distance from their mean, um. NaN outside the tissue.
    variations : tuple of Variation
        What was tried.
    where : str
        The structure, with its side, in which they disagree most; "" where no structure is large enough.
    """

    map_um: np.ndarray
    variations: tuple[Variation, ...]
    where: str

    @property
    def median_um(self) -> float | None:
        """Median over the tissue, None without tissue."""
        return self._percentile(50)

    @property
    def p95_um(self) -> float | None:
        """95th percentile over the tissue, None without tissue."""
        return self._percentile(95)

    def _percentile(self, percent: float) -> float | None:
        known = self.map_um[np.isfinite(self.map_um)]
        return float(np.percentile(known, percent)) if known.size else None


def disagreement(
    predict: Callable[[NDArray, NDArray], DisplacementField],
    registration: Registration,
    *,
    n: int = 6,
    mirror: bool | None = None,
    random_state: Any = 0,
) -> Disagreement:
    """Register variations of a section, and measure how far the results scatter.

    The section is varied on its canvas: shifted, turned and scaled a little, its greys bent and blurred, every other
    time mirrored together with the reference. None of this moves its tissue in the atlas, so that a registration which
    can be relied on gives the same positions each time.

    Parameters
    ----------
    predict : callable
        Takes the moving image and the reference, float32 (h, w) in [0, 1] on a dark background, and returns the whole
        `DisplacementField`: `register_images` with its models, or all steps of a `Registrar`.
    registration : Registration
        Of the section as it is.
    n : int
        How many variations; each costs as much as the registration, without reading and writing.
    mirror : bool, optional
        Whether every other variation is mirrored; by default where the reference nearly is its own mirror image.
    random_state : None, int or numpy.random.Generator
        Where the variations come from; by default the same ones each time.

    Returns
    -------
    Disagreement

    Raises
    ------
    ValueError
        If `n` is not positive.

    Examples
    --------
    >>> from atlalign import Atlas, register
    >>> atlas = Atlas.load("phantom:200")
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2), np.float32)
    >>> image = atlas.reference_plane(6000)
    >>> registration = register(image, atlas, position_um=6000, pixel_size_um=200, local_model=nothing_to_do)

    What does not look at the section cannot make good for its being moved:

    >>> def predict(moving, reference):
    ...     return DisplacementField.from_deltas_xy(nothing_to_do(reference, moving))
    >>> 50 < disagreement(predict, registration, n=3).median_um < 500
    True
    """
    canvas, atlas = registration.canvas, registration.atlas
    shape, moving, reference = canvas.shape, registration.moving, registration.reference
    if mirror is None:
        mirror = _is_symmetric(reference)
    variations = draw_variations(shape, n, mirror=mirror, random_state=random_state)
    grid = np.stack(pixel_grid(shape), axis=-1).astype(np.float64)
    seen_at = grid + registration.field.deltas_xy  # the tissue seen at each pixel, px of the canvas
    found = [grid]
    for variation in variations:
        field = predict(variation.moving(moving), variation.reference(reference))
        there = variation.points(seen_at, shape)
        moved = field.pseudo_inverse().sample(there.reshape(-1, 2)).reshape(there.shape)
        found.append(variation.mirror(there + moved, shape))
    positions_um = np.stack(found) * canvas.pixel_um
    scatter = np.sqrt(np.square(positions_um - positions_um.mean(axis=0)).sum(axis=-1).mean(axis=0))

    annotation = atlas.annotation_plane(canvas.plane, shape)
    tissue = registration.section.tissue_mask(shape, grid_to_section=canvas.to_section)
    shown = (annotation > 0) & (registration.field.warp(tissue.astype(np.float32)) >= 0.5)
    shown &= canvas.contains(grid)
    map_um = np.where(shown, scatter, np.nan).astype(np.float32)
    left = atlas.hemisphere_at(canvas.plane.grid_um(shape)) == 1
    ids = np.where(shown, atlas.structures.at_depth(annotation, VARIANCE_DEPTH), 0)
    return Disagreement(map_um, tuple(variations), _worst(map_um, ids, left, atlas.structures))


def _is_symmetric(reference: NDArray) -> bool:
    agreement = correlation(reference, reference[:, ::-1], np.ones(reference.shape, dtype=bool))
    return agreement is not None and agreement >= _SYMMETRIC


def _worst(map_um: NDArray, ids: NDArray, left: NDArray[np.bool_], structures: Any) -> str:
    """Return name and side of the structure whose median is the largest."""
    medians = {}
    least = _LEAST_SHARE * np.count_nonzero(ids)
    for identifier in np.unique(ids[ids > 0]).tolist():
        for side, half in (("left", left), ("right", ~left)):
            where = (ids == identifier) & half
            if identifier in structures and np.count_nonzero(where) >= max(least, 1):
                medians[f"{structures[identifier].name}, on the animal's {side}"] = float(np.median(map_um[where]))
    return max(medians, key=medians.__getitem__, default="")

"""Where a section lies on the canvas before any network sees it, and how much of the brain it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np

from atlalign.section import Section
from atlalign.section.canvas import Canvas, Hemisphere, half_of

if TYPE_CHECKING:
    from atlalign.atlas import Atlas

HemisphereChoice = Literal["auto", "both", "left", "right"]

# A whole section that is placed by its tissue overlaps the plane with a Dice of about 0.9; half of one that is taken
# for a whole with 0.65 to 0.8, and with 0.75 to 0.83 as the wrong half.
_WHOLE = 0.85
# By how much a half must fit better than the whole to be taken for one.
_CLEARLY = 0.1
# Of an anchored section a hemisphere is missing if no more than this share of it is covered, and more of the other.
_BARE, _COVERED = 0.2, 0.5


def check_hemisphere(hemisphere: str) -> HemisphereChoice:
    """Return the choice if there is such a one, else raise a ValueError.

    Examples
    --------
    >>> check_hemisphere("top")
    Traceback (most recent call last):
    ...
    ValueError: hemisphere must be one of auto, both, left, right: sides of the animal. Received: 'top'
    """
    if hemisphere not in get_args(HemisphereChoice):
        raise ValueError(
            f"hemisphere must be one of {', '.join(get_args(HemisphereChoice))}: sides of the animal. "
            f"Received: {hemisphere!r}"
        )
    return cast(HemisphereChoice, hemisphere)


def place(
    make_canvas: Callable[[Hemisphere], Canvas], section: Section, atlas: Atlas, hemisphere: HemisphereChoice
) -> Canvas:
    """Place a section, and find out which hemispheres it shows unless that is known.

    Parameters
    ----------
    make_canvas : callable
        Places the section as one that shows the hemispheres that it is given.
    section : Section
    atlas : Atlas
    hemisphere : {"auto", "both", "left", "right"}
        Sides of the animal.

    Returns
    -------
    Canvas
    """
    if hemisphere != "auto":
        return make_canvas(hemisphere)
    whole = make_canvas("both")
    if whole.pixel_size_source == "anchoring":
        return make_canvas(_covered_hemisphere(section, atlas, whole))
    best, most = whole, _overlap(section, atlas, whole)
    if most >= _WHOLE:
        return whole
    needed = most + _CLEARLY
    for side in ("left", "right"):
        half = make_canvas(side)
        overlap = _overlap(section, atlas, half)
        if overlap > max(needed, most):
            best, most = half, overlap
    return best


def _overlap(section: Section, atlas: Atlas, canvas: Canvas) -> float:
    """Dice of the section's tissue, as it is placed, and the atlas's in the hemispheres of the canvas."""
    tissue = section.tissue_mask(canvas.shape, grid_to_section=canvas.to_section)
    there = (atlas.annotation_plane(canvas.plane, canvas.shape) > 0) & half_of(canvas.shape, canvas.hemisphere)
    return 2 * float((tissue & there).sum()) / max(1, int(tissue.sum() + there.sum()))


def _covered_hemisphere(section: Section, atlas: Atlas, canvas: Canvas) -> Hemisphere:
    tissue = section.tissue_mask(canvas.shape, grid_to_section=canvas.to_section)
    there = atlas.annotation_plane(canvas.plane, canvas.shape) > 0
    sides = [there & half_of(canvas.shape, side) for side in ("left", "right")]
    left, right = (float(np.mean(tissue[side])) if side.any() else 0.0 for side in sides)
    if right <= _BARE and left >= _COVERED:
        return "left"
    return "right" if left <= _BARE and right >= _COVERED else "both"

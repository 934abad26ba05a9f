"""Find where along the anterior-posterior axis a section lies: candidates, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from atlalign.registration.likeness import NAME, Fits, Likeness
from atlalign.registration.quality.position import PositionSearch

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.section import Section
    from atlalign.section.canvas import Canvas

COARSE_UM = 300.0
# How many of the best coarse candidates are looked at more closely, and in which steps.
_PEAKS, _FINER_UM = 3, (100.0, 50.0)
# A plane of less tissue than this share of the fullest one's is no candidate: a tip of it fits anything small.
_LEAST_TISSUE = 0.1
# What a proposal a millimetre off costs, growing with the square; likeness is 0.2 to 0.5 lower that far from its peak.
_PRIOR_PER_MM2 = 0.05

MakeCanvas = Callable[["Section", float], "Canvas"]


def candidate_positions(atlas: Atlas, shape: tuple[int, int], step_um: float = COARSE_UM) -> NDArray[np.float64]:
    """Return the positions of coronal planes with enough tissue, evenly spaced.

    Parameters
    ----------
    atlas : Atlas
    shape : (h, w)
        Grid on which tissue is counted.
    step_um : float
        From one to the next, um.

    Returns
    -------
    ndarray, float64, shape (n,)
        Ascending, um.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> candidate_positions(Atlas.load("phantom:100"), (80, 114), 2000).tolist()
    [2000.0, 4000.0, 6000.0, 8000.0, 10000.0, 12000.0]
    """
    positions = np.arange(step_um, atlas.shape_um[0], step_um)
    areas = np.array([np.count_nonzero(atlas.annotation_plane(float(position), shape)) for position in positions])
    return positions[areas >= max(1.0, _LEAST_TISSUE * areas.max(initial=0))]


def search_position(
    section: Section,
    likeness: Likeness,
    make_canvas: MakeCanvas,
    *,
    within_um: tuple[float, float] | None = None,
    prior_um: float | None = None,
) -> PositionSearch:
    """Find the coronal plane of a section.

    Planes every 300 um are tried, then every 100 and 50 um around the best of them.

    Parameters
    ----------
    section : Section
        Upright, or with the orientation that brings it upright.
    likeness : Likeness
        What compares the section with planes.
    make_canvas : callable
        Places a section at a position, um, on a canvas of the likeness's shape.
    within_um : (float, float), optional
        First and last position to try; by default the whole atlas.
    prior_um : float, optional
        Where a network says that it lies: other places must fit better, the more the farther they are.

    Returns
    -------
    PositionSearch

    Raises
    ------
    ValueError
        If the section shows no tissue, or there is no candidate within the bounds.

    Examples
    --------
    >>> from atlalign import Atlas, Section
    >>> from atlalign.section.canvas import Canvas
    >>> atlas = Atlas.load("phantom:100")
    >>> likeness = Likeness(atlas)
    >>> def make_canvas(section, position_um):
    ...     return Canvas.by_tissue(section, atlas, position_um, likeness.shape)
    >>> section = Section(atlas.reference_plane(6200), pixel_size_um=100)
    >>> search_position(section, likeness, make_canvas, within_um=(5000, 8000)).position_um
    6200.0
    """
    candidates = candidate_positions(likeness.atlas, likeness.shape)
    if within_um is not None:
        candidates = candidates[(candidates >= within_um[0]) & (candidates <= within_um[1])]
    if not candidates.size:
        raise ValueError(
            "A search must have planes with tissue to look at. "
            f"Received: {'the whole atlas' if within_um is None else within_um}, um. Widen the bounds."
        )
    curve = dict(zip(candidates.tolist(), _scores(section, likeness, make_canvas, candidates, prior_um), strict=True))
    around = _peaks(curve)
    low, high = candidates[0], candidates[-1]
    for step_um in _FINER_UM:
        wanted = {at + sign * k * step_um for at in around for k in (1, 2) for sign in (-1, 1)}
        new = np.array(sorted(at for at in wanted - curve.keys() if low <= at <= high))
        curve |= zip(new.tolist(), _scores(section, likeness, make_canvas, new, prior_um), strict=True)
        around = [max(curve, key=curve.__getitem__)]
    positions = np.array(sorted(curve))
    return PositionSearch(positions, np.array([curve[at] for at in positions]), around[0], NAME)


def fits_at(
    section: Section, likeness: Likeness, make_canvas: MakeCanvas, positions_um: Sequence[float] | NDArray
) -> Fits:
    """Return how well a section fits the planes at some positions.

    Parameters
    ----------
    section, likeness, make_canvas
        As in `search_position`.
    positions_um : sequence of float, shape (n,)

    Returns
    -------
    Fits
    """
    return likeness(section, [make_canvas(section, float(position)) for position in positions_um])


def _scores(
    section: Section, likeness: Likeness, make_canvas: MakeCanvas, positions: NDArray, prior_um: float | None
) -> list[float]:
    scores = fits_at(section, likeness, make_canvas, positions).scores
    if prior_um is not None:
        scores = scores - _PRIOR_PER_MM2 * ((positions - prior_um) / 1000) ** 2
    return scores.tolist()


def _peaks(curve: dict[float, float]) -> list[float]:
    """Return the best positions that are better than both their neighbours, best first."""
    positions = np.array(sorted(curve))
    scores = np.array([curve[at] for at in positions])
    padded = np.pad(scores, 1, constant_values=-np.inf)
    peaks = np.flatnonzero((scores >= padded[:-2]) & (scores >= padded[2:]))
    return positions[peaks[np.argsort(-scores[peaks], kind="stable")][:_PEAKS]].tolist()

"""The tilt of a series whose positions are known to some hundreds of um, and its positions once it is tilted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from atlalign._progress import Progress, no_progress
from atlalign.plane_slopes import Tilt
from atlalign.registration.search import MakeCanvas
from atlalign.registration.tilt_search import TiltSearch, search_tilt

if TYPE_CHECKING:
    from atlalign.registration.likeness import Likeness
    from atlalign.section import Section

# What a section's position may move by to suit a tilt: a pivot off the middle of the brain looks like a shift.
_SHIFTS_UM, _FARTHEST_UM = np.array([-200.0, 0.0, 200.0]), 400.0
# By how much the whole series is moved to suit its tilt at most, and in which steps that is looked for.
_TOGETHER_UM = np.array([-500.0, -400.0, -300.0, -200.0, -100.0, 0.0, 100.0, 200.0, 300.0, 400.0, 500.0])
# What a section says against a shift at most.
_MOST_LOST = 0.3


class PlacedSection:
    """A section near its position, to be compared with tilted planes.

    Parameters
    ----------
    section : Section
    position_um : float
        Where it lies if it is coronal, um.
    likeness, make_canvas
        As in `atlalign.registration.search.search_position`.
    within_um : (float, float)
        First and last position that there is.
    """

    def __init__(
        self,
        section: Section,
        position_um: float,
        likeness: Likeness,
        make_canvas: MakeCanvas,
        within_um: tuple[float, float],
    ):
        self._section, self._likeness, self._make_canvas = section, likeness, make_canvas
        self._position_um, self._within_um = position_um, within_um
        self._shift_um = 0.0  # that suits the best tilt so far

    def scores(self, tilts: Sequence[Tilt]) -> NDArray[np.float64]:
        """Return how well it fits planes of each tilt, each where it fits best: (n,)."""
        best, shifts = _peak(self._fits(tilts, self._position_um + self._shift_um + _SHIFTS_UM))
        shift = self._shift_um + shifts[best.argmax()] * _SHIFTS_UM[-1]
        self._shift_um = float(np.clip(shift, -_FARTHEST_UM, _FARTHEST_UM))
        return best

    def lost(self, tilt: Tilt, shifts_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how much worse than at its best it fits a plane of a tilt, shifted from its position: (n,)."""
        scores = self._fits([tilt], self._position_um + shifts_um)[0]
        return np.minimum(scores.max() - scores, _MOST_LOST)

    def _fits(self, tilts: Sequence[Tilt], at_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how well it fits planes of each tilt at each position, (tilts, positions)."""
        positions = np.clip(at_um, *self._within_um).tolist()
        entries = [(section, at) for section in map(self._section.tilted, tilts) for at in positions]
        canvases = [self._make_canvas(*entry) for entry in entries]
        scores = self._likeness([section for section, _ in entries], canvases).scores
        return scores.reshape(len(tilts), len(positions))


def tilt_of(sections: Sequence[PlacedSection], progress: Progress = no_progress) -> TiltSearch:
    """Return the tilt that sections show together: see `search_tilt`. Each round goes through all of them."""

    def score(tilts: Sequence[Tilt]) -> NDArray[np.float64]:
        scores = [section.scores(tilts) for section in progress(sections, total=len(sections))]
        return np.array(scores).reshape(len(sections), len(tilts))

    return search_tilt(score)


def common_shift_um(sections: Sequence[PlacedSection], tilt: Tilt) -> float:
    """Return by how much sections together fit planes of a tilt better farther back, um.

    They were placed as if they were coronal. One shift for all of them: what the tilt cannot change is left alone.
    """
    total = np.mean([section.lost(tilt, _TOGETHER_UM) for section in sections], axis=0)
    best = int(np.clip(total.argmin(), 1, total.size - 2))
    _, where = _peak(-total[np.newaxis, best - 1 : best + 2])
    return float(_TOGETHER_UM[best] + where[0] * (_TOGETHER_UM[1] - _TOGETHER_UM[0]))


def _peak(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the tops of parabolas through three scores each, (n, 3), and where they are, from -1 to 1.

    Examples
    --------
    >>> _peak(np.array([[0.0, 2.0, 2.0], [0.0, 1.0, 2.0]]))
    (array([2.25, 2.  ]), array([0.5, 1. ]))
    """
    before, middle, after = scores.T
    linear, square = (after - before) / 2, (after + before) / 2 - middle
    bends = square < 0
    where = np.where(bends, np.clip(-linear / (2 * np.where(bends, square, -1)), -1, 1), np.sign(linear))
    return middle + linear * where + square * where**2, where

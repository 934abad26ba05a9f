"""The straight line over the section numbers on which the sections of a series lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import Akima1DInterpolator

from atlalign.registration.quality.position import PositionSearch

_GRID_UM = 25.0
# What a section loses at most by lying badly: whatever it shows alone, it can be outvoted by two others.
_MOST_LOST = 0.3
# First the whole atlas is gone through, then ever finer around the best line.
_FIRST_UM, _FINEST_UM = 100.0, 10.0


class Line(NamedTuple):
    """Positions of the sections of a series.

    Attributes
    ----------
    position_um : float
        At `number`.
    slope_um : float
        How much farther back each number is than the one before, um.
    number : float
        The middle of the series.

    Examples
    --------
    >>> Line(5000, 100, 10)([9, 10, 12]).tolist()
    [4900.0, 5000.0, 5200.0]
    """

    position_um: float
    slope_um: float
    number: float

    def __call__(self, numbers: Sequence[float] | NDArray) -> NDArray[np.float64]:
        """Return the positions, um, of sections of given numbers."""
        return self.position_um + self.slope_um * (np.asarray(numbers, dtype=np.float64) - self.number)


def fit_line(numbers: Sequence[float] | NDArray, searches: Sequence[PositionSearch | None]) -> Line:
    """Return the line on which all sections together are likeliest to lie.

    Parameters
    ----------
    numbers : sequence of float, shape (n,)
        Of the sections.
    searches : sequence of PositionSearch or None, length n
        What each section shows alone; None of those that have no say.

    Returns
    -------
    Line

    Raises
    ------
    ValueError
        If fewer than two different numbers have a say.

    Examples
    --------
    >>> def peak(at):
    ...     positions = np.arange(1000, 9001, 500)
    ...     return PositionSearch(positions, np.exp(-((positions - at) / 1000) ** 2), at)
    >>> line = fit_line([1, 2, 3, 4, 5], [peak(3000), peak(4000), peak(8000), None, peak(7000)])
    >>> line([1, 5]).round(-2).tolist()  # the third fits elsewhere, and is outvoted
    [3000.0, 7000.0]
    """
    known = [(float(number), search) for number, search in zip(numbers, searches, strict=True) if search is not None]
    along = np.array([number for number, _ in known])
    if np.unique(along).size < 2:
        raise ValueError(
            "A series must have at least two sections of different numbers that show enough tissue. "
            f"Received: {len(known)} with tissue, of {len(searches)}. Register them by position instead."
        )
    low = min(search.positions_um[0] for _, search in known)
    high = max(search.positions_um[-1] for _, search in known)
    lost = np.stack([_lost(search, low, high) for _, search in known])
    middle, half = (along.min() + along.max()) / 2, np.ptp(along) / 2
    relative = (along - middle) / half  # -1 to 1, so that the slope is half of the length of the series
    center, reach, step = np.array([(low + high) / 2, 0.0]), (high - low) / 2, _FIRST_UM
    while step >= _FINEST_UM:
        offsets = np.arange(-np.ceil(reach / step), np.ceil(reach / step) + 1) * step
        positions, slopes = (grid.ravel() for grid in np.meshgrid(center[0] + offsets, center[1] + offsets))
        total = np.zeros(positions.size)
        for place, row in zip(relative, lost, strict=True):
            index = np.rint((positions + slopes * place - low) / _GRID_UM).astype(int)
            inside = (index >= 0) & (index < row.size)
            total += np.where(inside, row[np.clip(index, 0, row.size - 1)], _MOST_LOST)
        best = int(total.argmin())
        center, reach, step = np.array([positions[best], slopes[best]]), 2 * step, step / 2
    return Line(float(center[0]), float(center[1] / half), float(middle))


def _lost(search: PositionSearch, low: float, high: float) -> NDArray[np.float64]:
    """Return how much worse than at its best a section fits, from `low` to `high` in steps of the grid."""
    grid = np.arange(low, high + _GRID_UM / 2, _GRID_UM)
    if search.positions_um.size == 1:
        return np.where(np.abs(grid - search.positions_um[0]) < _GRID_UM, 0, _MOST_LOST)
    scores = Akima1DInterpolator(search.positions_um, search.scores, method="makima")(grid)
    return np.clip(np.nanmax(scores) - np.nan_to_num(scores, nan=-np.inf), 0, _MOST_LOST)

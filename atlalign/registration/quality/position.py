"""The search for a section's position: its curve, and what is doubtful about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A second place as good as the first is another place, not its shoulder, from here on: curves of coronal sections are
# some hundreds of um wide, as neighbouring planes look alike.
_RIVAL_UM = 500.0
# Of the curve's range; a choice, no measurement: differences of a few hundredths are what the noise of a section does.
_NEARLY = 0.05


@dataclass(frozen=True, eq=False)
class PositionSearch:
    """The curve of a position search.

    Attributes
    ----------
    positions_um : ndarray, shape (n,)
        The positions that were tried, ascending.
    scores : ndarray, shape (n,)
        How alike section and plane are at each; higher is better.
    position_um : float
        The position that was chosen.
    score_name : str
        What the scores are.

    Raises
    ------
    ValueError
        If positions and scores are not two finite rows of the same length, the positions ascending.

    Examples
    --------
    >>> search = PositionSearch([1000, 2000, 3000], [0.1, 0.3, 0.6], 3000)
    >>> search.doubts()
    ['The position is at the edge of the search (3000 um of 1000 to 3000 um): search further.']
    """

    positions_um: np.ndarray
    scores: np.ndarray
    position_um: float
    score_name: str = "similarity"

    def __post_init__(self) -> None:
        positions, scores = (np.asarray(row, dtype=np.float64) for row in (self.positions_um, self.scores))
        whole = positions.ndim == 1 and positions.size > 0 and positions.shape == scores.shape
        if not (whole and np.isfinite([positions, scores]).all() and (np.diff(positions) > 0).all()):
            raise ValueError(
                "A position search must have as many finite scores as positions, and those ascending. "
                f"Received: shapes {positions.shape} and {scores.shape}. Sort both by position."
            )
        object.__setattr__(self, "positions_um", positions)
        object.__setattr__(self, "scores", scores)

    def doubts(self) -> list[str]:
        """Return a sentence for each reason to doubt the position."""
        positions, scores = self.positions_um, self.scores
        first, last = positions[[0, -1]]
        doubts = []
        best = int(np.argmin(np.abs(positions - self.position_um)))
        if best in (0, positions.size - 1):
            doubts.append(
                f"The position is at the edge of the search ({self.position_um:.0f} um of {first:.0f} to {last:.0f} "
                "um): search further."
            )
        padded = np.pad(scores, 1, constant_values=-np.inf)
        peak = (scores >= padded[:-2]) & (scores >= padded[2:])
        near = scores >= scores[best] - _NEARLY * np.ptp(scores)
        rivals = np.flatnonzero(peak & near & (np.abs(positions - self.position_um) > _RIVAL_UM))
        if rivals.size:
            rival = positions[rivals[np.argmax(scores[rivals])]]
            doubts.append(f"The section fits nearly as well at {rival:.0f} um as at {self.position_um:.0f} um.")
        return doubts

"""The common tilt of the sections of a series: two angles, from how well some of them fit tilted planes.

A brain lies askew under the blade, so that all of its sections are oblique in the same way. Around the right tilt the
likeness of a section falls off on all sides, much as a quadratic does, of which each section shows its own noisy copy.
Nine tilts are tried around the best one known, the top of the quadratic through what all sections show is taken for the
next centre, and so on until it stays. How far the top moves with the choice of the sections says how sure it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atlalign.plane_slopes import Tilt

# Of the tilts around a centre, degrees: from there to the next, first and later.
_STEPS = (5.0, 4.0, 4.0, 4.0)
# How far the search goes, and how far from a centre the next one may lie.
MOST_DEGREES, _FARTHEST_JUMP = 12.0, 8.0
# A centre that moves by less has been found.
_STAYS = 1.5
# Tilts so near to a centre make the quadratic: farther out the likeness levels off.
_NEAR_DEGREES = 6.0
# What a section says for or against a tilt at most, so that a few that fit by chance are outvoted.
_MOST_SAID = 0.15
# An angle is taken for one if the likeness falls by as much within 5 degrees (of real series by 0.01 to 0.04), if it is
# so many standard errors from 0, and at least so many degrees: less moves the rim of the widest section by no more than
# positions are off.
_LEAST_FALL, _SURE, _LEAST_DEGREES = 0.0075, 2.0, 1.0
_LEAST_SQUARE = -_LEAST_FALL / 5**2
_LEAST_SECTIONS = 5

ScoreTilts = Callable[[Sequence[Tilt]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class TiltSearch:
    """What sections of a series show together of their tilt.

    Attributes
    ----------
    tried : tuple of Tilt, length n
        In the order in which they were tried; the first is no tilt.
    scores : ndarray, shape (n,)
        The likeness of each, averaged over the sections; higher is better.
    n_sections : int
        How many sections were compared.
    estimate : Tilt
        Where the likeness is highest; 0 for an angle that it does not depend on.
    errors : Tilt
        Standard errors of its angles: how far they move with the choice of the sections. Infinite for an angle that the
        likeness does not depend on.
    tilt : Tilt
        The estimate, but 0 for an angle that may as well be none, or is less than a degree.

    Examples
    --------
    >>> found = TiltSearch((Tilt(), Tilt(4, 0)), [2.1, 2.2], 9, Tilt(3.9, -1.2), Tilt(0.4, 1.0), Tilt(3.9, 0))
    >>> found.summary
    '+3.9 degrees about DV (+3.9, standard error 0.4) and 0.0 about ML (-1.2, standard error 1.0), by 9 sections'
    """

    tried: tuple[Tilt, ...]
    scores: NDArray[np.float64]
    n_sections: int
    estimate: Tilt
    errors: Tilt
    tilt: Tilt

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", np.asarray(self.scores, dtype=np.float64))

    @property
    def summary(self) -> str:
        """What was taken, and what was found, in a line."""
        found = [
            f"({angle:+.1f}, standard error {error:.1f})" if np.isfinite(error) else "(not seen)"
            for angle, error in zip(self.estimate, self.errors, strict=True)
        ]
        dv, ml = (f"{angle:+.1f}" if angle else "0.0" for angle in self.tilt)
        return f"{dv} degrees about DV {found[0]} and {ml} about ML {found[1]}, by {self.n_sections} sections"

    def doubts(self) -> list[str]:
        """Return a sentence if the sections fit best at the edge of the search.

        Examples
        --------
        >>> TiltSearch((Tilt(), Tilt(12, 0)), [2.1, 2.2], 9, Tilt(), Tilt(0.4, 1.0), Tilt()).doubts()
        ['The sections of the series fit best at the edge of what tilts were tried (12 degrees): give --tilt.']
        """
        best = int(self.scores.argmax())
        at_edge = max(map(abs, self.tried[best])) >= MOST_DEGREES
        if not at_edge or self.scores[best] < self.scores[0] + _LEAST_FALL:
            return []
        return [
            f"The sections of the series fit best at the edge of what tilts were tried ({MOST_DEGREES:g} degrees): "
            "give --tilt."
        ]


def search_tilt(score: ScoreTilts) -> TiltSearch:
    """Find the tilt that sections show together.

    Parameters
    ----------
    score : callable
        Takes tilts, and returns how well each section fits each of them, (sections, tilts), where the position suits
        it best.

    Returns
    -------
    TiltSearch

    Examples
    --------
    >>> own = np.random.default_rng(0).normal((5, 0), 0.5, (8, 2))  # what each section shows, degrees
    >>> def score(tilts):
    ...     return 2 - 0.002 * ((np.array(tilts) - own[:, None]) ** 2).sum(axis=-1)
    >>> found = search_tilt(score)
    >>> bool(abs(found.tilt.dv - 5) < 0.5), found.tilt.ml
    (True, 0.0)
    """
    table: dict[Tilt, NDArray[np.float64]] = {}
    centre = np.zeros(2)
    for step in _STEPS:
        new = [tilt for tilt in dict.fromkeys([Tilt(), *_around(centre, step)]) if tilt not in table]
        if new:
            table |= zip(new, score(new).T, strict=True)
        n = len(table[Tilt()])
        if n < _LEAST_SECTIONS:
            return TiltSearch(tuple(table), _means(table), n, Tilt(), Tilt(np.inf, np.inf), Tilt())
        near = [tilt for tilt in table if np.abs(tilt - centre).max() <= _NEAR_DEGREES]
        said = np.stack([table[tilt] for tilt in near], axis=1)
        said = np.clip(said - np.median(said, axis=1, keepdims=True), -_MOST_SAID, _MOST_SAID)
        linear, square = _quadratic(near, said.mean(axis=0))
        is_seen = square <= _LEAST_SQUARE
        top = np.where(is_seen, _top(linear, square), near[said.mean(axis=0).argmax()])
        if step != _STEPS[0] and np.abs(top - centre).max() < _STAYS:
            break
        centre = np.clip(top.round(), centre - _FARTHEST_JUMP, centre + _FARTHEST_JUMP)
    without = np.array([_top(*_quadratic(near, np.delete(said, i, axis=0).mean(axis=0))) for i in range(n)])
    errors = np.sqrt((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    taken = is_seen & (np.abs(top) >= np.maximum(_LEAST_DEGREES, _SURE * errors))
    angles = np.where(is_seen, top, 0.0), np.where(is_seen, errors, np.inf), np.where(taken, top, 0.0)
    estimate, error, tilt = (Tilt(*pair.round(2).tolist()) for pair in angles)
    return TiltSearch(tuple(table), _means(table), n, estimate, error, tilt)


def _around(centre: NDArray[np.float64], step: float) -> list[Tilt]:
    """Return the nine tilts of a square, of which those beyond the edge of the search lie on it."""
    square = [(dv, ml) for dv in (0, -step, step) for ml in (0, -step, step)]
    return [Tilt(*np.clip(centre + corner, -MOST_DEGREES, MOST_DEGREES).tolist()) for corner in square]


def _quadratic(tilts: Sequence[Tilt], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the linear and the square coefficients of the quadratic through scores, of DV and of ML."""
    angles = np.array(tilts)
    # A brain and its mirror image are alike: the two angles do not interact.
    terms = np.column_stack([np.ones(len(angles)), angles, angles**2])
    _, *coefficients = np.linalg.lstsq(terms, scores, rcond=None)[0]
    linear, square = np.reshape(coefficients, (2, 2))
    return linear, square


def _top(linear: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angles at the top of a quadratic, which is taken to have one."""
    return np.clip(-linear / (2 * np.minimum(square, _LEAST_SQUARE / 2)), -MOST_DEGREES, MOST_DEGREES)


def _means(table: dict[Tilt, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.array([scores.mean() if scores.size else 0.0 for scores in table.values()])

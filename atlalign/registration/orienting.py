"""Find out how a section must be turned and mirrored to stand upright."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from atlalign.registration.likeness import Likeness
from atlalign.section.orientation import Orientation, Turn

if TYPE_CHECKING:
    from atlalign.section import Section
    from atlalign.section.canvas import Canvas

_MIRRORED = {"horizontal": "left and right", "vertical": "top and bottom"}
_TURNS: tuple[Turn, ...] = (0, 90, 180, 270)
# By how much another turn must be likelier than the one at hand, where each is judged at the position that fits it best
# and where all are judged at a given one. Of 42 real sections, brightfield, Nissl and two-photon, that lie right, other
# turns are at most 0.02 likelier, but 0.12 of one at the end of the medulla; at given positions up to 0.14. Of those
# that lie otherwise, nine in ten are 0.06 likelier when turned right, and half are 0.2.
_CLEARLY_TURNED, _CLEARLY_TURNED_THERE = 0.06, 0.15
# The same of mirror images, which are up to 0.08 likelier than the right ones, and as much less.
_CLEARLY_MIRRORED = 0.15
# What fits less well any way up shows too little of a slice to tell, such as sparse signal; whole sections reach 2.
_LEAST_SCORE = 1.5


@dataclass(frozen=True, eq=False)
class OrientationSearch:
    """What of the four turns, each with and without mirroring, fits a section.

    Attributes
    ----------
    orientations : tuple of Orientation
        What was tried.
    scores : ndarray, shape (n,)
        The likeness of each, at the position where it is largest.
    given : Orientation
        What the section came with.
    best : Orientation
        What it should have: `given`, unless another one fits clearly better. Coronal sections are nearly symmetric:
        that left and right are exchanged is claimed on much clearer evidence than a turn, and is mostly not seen.
    applied : bool
        Whether the registration is of the section with the `best` orientation; else it has the `given` one.

    Examples
    --------
    >>> both = Orientation(), Orientation(rotate=180)
    >>> OrientationSearch(both, [0.2, 0.9], both[0], both[1]).doubts()
    ['The section fits better turned by 180 degrees: give --rotate 180, or --auto-orient.']
    """

    orientations: tuple[Orientation, ...]
    scores: NDArray[np.float64]
    given: Orientation
    best: Orientation
    applied: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", np.asarray(self.scores, dtype=np.float64))

    @property
    def is_clear(self) -> bool:
        """Whether another orientation than the given one fits clearly better."""
        return self.best != self.given

    def as_applied(self) -> OrientationSearch:
        """Return the same for a section that has been given its best orientation."""
        return replace(self, applied=True)

    @property
    def summary(self) -> str:
        """What was found, in a few words.

        Examples
        --------
        >>> upright = Orientation()
        >>> OrientationSearch((upright,), [0.5], upright, upright).summary
        'as given'
        """
        if not self.is_clear:
            return "as given"
        changes = [f"mirrored ({_MIRRORED[self.best.flip]})"] if self.best.flip else []
        changes += [f"turned by {self.best.rotate} degrees"] if self.best.rotate else []
        return " and ".join(changes) or "as the file has it"

    def doubts(self) -> list[str]:
        """Return a sentence if the section should have been turned or mirrored, and was not."""
        if self.applied or not self.is_clear:
            return []
        options = [f"--flip {self.best.flip}"] if self.best.flip else []
        options += [f"--rotate {self.best.rotate}"] if self.best.rotate else []
        give = " ".join(options) or "no --flip and no --rotate"
        return [f"The section fits better {self.summary}: give {give}, or --auto-orient."]


def search_orientation(
    section: Section,
    likeness: Likeness,
    make_canvas: Callable[[Section, float], Canvas],
    positions_um: Sequence[float] | NDArray,
    *,
    mirror: bool = True,
) -> OrientationSearch:
    """Try the four turns of a section, each with and without mirroring.

    Parameters
    ----------
    section : Section
        Its orientation is the one that another one must beat.
    likeness, make_canvas
        As in `atlalign.registration.search.search_position`.
    positions_um : sequence of float, shape (n,)
        Where the section may lie. Each turn is judged where it fits best, its mirror image there too.
    mirror : bool
        Whether to try mirror images.

    Returns
    -------
    OrientationSearch

    Raises
    ------
    ValueError
        If the section shows no tissue.

    Examples
    --------
    >>> from atlalign import Atlas, Section
    >>> from atlalign.section.canvas import Canvas
    >>> atlas = Atlas.load("phantom:100")
    >>> likeness = Likeness(atlas)
    >>> def make_canvas(section, position_um):
    ...     return Canvas.by_tissue(section, atlas, position_um, likeness.shape)
    >>> upside_down = Section(np.rot90(atlas.reference_plane(6000), 2), pixel_size_um=100)
    >>> search_orientation(upside_down, likeness, make_canvas, [5000, 6000, 7000]).best
    Orientation(flip=None, rotate=180)
    """
    positions = [float(position) for position in positions_um]
    turned = [oriented_further(section, turn) for turn in _TURNS]
    entries = [(one, at) for one in turned for at in positions]
    table = _scores(entries, likeness, make_canvas).reshape(len(_TURNS), len(positions))
    scores = table.max(axis=1)
    if mirror:
        best_at = [positions[index] for index in table.argmax(axis=1)]
        mirrored = [oriented_further(section, turn, mirror=True) for turn in _TURNS]
        scores = np.append(scores, _scores(list(zip(mirrored, best_at, strict=True)), likeness, make_canvas))
        turned += mirrored
    clearly = _CLEARLY_TURNED if len(positions) > 1 else _CLEARLY_TURNED_THERE
    return _decide(tuple(one.orientation for one in turned), scores, clearly)


def common_orientation(found: Sequence[OrientationSearch]) -> OrientationSearch | None:
    """Return what sections say together that lie the same way, None where there is none, or they came differently.

    Their likenesses are averaged.

    Examples
    --------
    >>> orientations = tuple(Orientation(rotate=turn) for turn in (0, 90, 180, 270)) * 2
    >>> one = OrientationSearch(orientations, [2.0, 1.8, 2.02, 1.8] * 2, orientations[0], orientations[0])
    >>> other = OrientationSearch(orientations, [1.9, 1.8, 2.3, 1.8] * 2, orientations[0], orientations[2])
    >>> common_orientation([one, other]).best, common_orientation([])
    (Orientation(flip=None, rotate=180), None)
    """
    if len({one.given for one in found}) != 1:
        return None
    return _decide(found[0].orientations, np.mean([one.scores for one in found], axis=0), _CLEARLY_TURNED)


def _decide(tried: tuple[Orientation, ...], scores: NDArray[np.float64], clearly: float) -> OrientationSearch:
    """Choose: the first of those tried is the one at hand, and mirror images follow the turns."""
    n_turns = len(_TURNS)
    either = scores.reshape(-1, n_turns).max(axis=0)
    turn = int(either.argmax())
    if either[turn] < max(_LEAST_SCORE, either[0] + clearly):
        turn = 0
    best = turn
    if len(tried) > n_turns and scores[turn + n_turns] >= scores[turn] + _CLEARLY_MIRRORED:
        best += n_turns
    return OrientationSearch(tried, scores, tried[0], tried[best])


def oriented_further(section: Section, turn: Turn, *, mirror: bool = False) -> Section:
    """Return a section whose upright image is that of another one, turned clockwise and then mirrored.

    Examples
    --------
    >>> from atlalign import Section
    >>> section = Section(np.zeros((20, 30)), rotate=90)
    >>> oriented_further(section, 90).orientation
    Orientation(flip=None, rotate=180)
    >>> oriented_further(section, 90, mirror=True).orientation
    Orientation(flip='vertical', rotate=0)
    """
    flip, rotate = section.orientation.flip, section.orientation.rotate + turn
    if flip == "vertical":  # is a mirroring of left and right and half a turn
        flip, rotate = "horizontal", rotate + 180
    if mirror:  # what follows a turn precedes the opposite one
        flip, rotate = None if flip else "horizontal", -rotate
    rotate %= 360
    if flip and rotate == 180:
        flip, rotate = "vertical", 0
    return section.oriented(flip=flip, rotate=cast(Turn, rotate))


def _scores(
    entries: Sequence[tuple[Section, float]],
    likeness: Likeness,
    make_canvas: Callable[[Section, float], Canvas],
) -> NDArray[np.float64]:
    return likeness([one for one, _ in entries], [make_canvas(*entry) for entry in entries]).scores

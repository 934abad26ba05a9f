"""What a person says of one section: pairs of points and settings, as values that never change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from atlalign.plane import Plane

Method = Literal[
    "thin_plate_spline",
    "rbf_linear",
    "rbf_cubic",
    "rbf_quintic",
    "rbf_multiquadric",
    "rbf_inverse",
    "rbf_gaussian",
    "griddata_linear",
    "griddata_cubic",
]
State = Literal["untouched", "corrected", "rejected"]
Point = tuple[float, float]
Corners = tuple[tuple[float, float, float], ...]

METHODS: tuple[Method, ...] = get_args(Method)
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Pair:
    """One place, on the section and in the atlas.

    Convention: both points are (x, y) px of the canvas, whole numbers at pixel centres. The field of a correction
    takes `reference_xy` to `moving_xy`.

    Attributes
    ----------
    number : int
        What the pair is called; no two of a section have the same. Those that were sampled count down from -1.
    reference_xy : (float, float)
        In the atlas's slice.
    moving_xy : (float, float)
        On the section, as the canvas shows it before any field.
    automatic : bool
        Whether it was sampled from the automatic registration and nobody has moved it: it only holds what is there.
    twin : int or None
        The pair on the other side of the animal that moves along, if there is one.
    """

    number: int
    reference_xy: Point
    moving_xy: Point
    automatic: bool = False
    twin: int | None = None


@dataclass(frozen=True)
class Labels:
    """Everything that a person has said of a section.

    Attributes
    ----------
    pairs : tuple of Pair
    method : str
        How the correction is interpolated between pairs: one of `METHODS`.
    symmetric : bool
        Whether pairs that are placed are mirrored.
    hold : bool
        Whether the automatic pairs count, and so hold the registration around them.
    state : {"untouched", "corrected", "rejected"}
    note : str
    corners_um : tuple of 4 (ap, dv, ml), or None
        Where the plane lies, if a person has moved it.

    Examples
    --------
    >>> labels = Labels((Pair(1, (5.0, 4.0), (6.0, 4.0)), Pair(2, (9.0, 4.0), (9.0, 4.0), automatic=True)))
    >>> [pair.number for pair in labels.placed], labels.is_untouched
    ([1], False)
    """

    pairs: tuple[Pair, ...] = ()
    method: Method = "thin_plate_spline"
    symmetric: bool = False
    hold: bool = True
    state: State = "untouched"
    note: str = ""
    corners_um: Corners | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}. Received: {self.method!r}")
        if self.state not in STATES:
            raise ValueError(f"state must be one of {', '.join(STATES)}. Received: {self.state!r}")

    @property
    def placed(self) -> tuple[Pair, ...]:
        """The pairs that a person placed or moved."""
        return tuple(pair for pair in self.pairs if not pair.automatic)

    @property
    def counted(self) -> tuple[Pair, ...]:
        """The pairs that the correction goes through."""
        return self.pairs if self.hold else self.placed

    @property
    def is_untouched(self) -> bool:
        """Whether a person has left the registration as it is."""
        return not self.placed and self.corners_um is None

    @property
    def next_number(self) -> int:
        """A number that no pair has."""
        return max((0, *(pair.number for pair in self.pairs))) + 1

    def pair(self, number: int) -> Pair:
        """Return the pair of a number.

        Raises
        ------
        KeyError
            If there is none.
        """
        for pair in self.pairs:
            if pair.number == number:
                return pair
        raise KeyError(f"A pair must be one of the section's. Received: number {number}, which is not there.")

    def having(self, pairs: Iterable[Pair]) -> Labels:
        """Return the same labels with other pairs."""
        return replace(self, pairs=tuple(pairs))

    def replacing(self, *pairs: Pair) -> Labels:
        """Return the same labels with other pairs in place of those of the same numbers.

        Examples
        --------
        >>> labels = Labels((Pair(1, (5.0, 4.0), (6.0, 4.0)),))
        >>> labels.replacing(Pair(1, (5.0, 5.0), (6.0, 4.0))).pair(1).reference_xy
        (5.0, 5.0)
        """
        others = {pair.number: pair for pair in pairs}
        return self.having(others.get(pair.number, pair) for pair in self.pairs)

    def without(self, numbers: Iterable[int]) -> Labels:
        """Return the same labels without some pairs; their twins stay, alone.

        Examples
        --------
        >>> labels = Labels((Pair(1, (5.0, 4.0), (6.0, 4.0), twin=2), Pair(2, (9.0, 4.0), (8.0, 4.0), twin=1)))
        >>> labels.without([1]).pairs
        (Pair(number=2, reference_xy=(9.0, 4.0), moving_xy=(8.0, 4.0), automatic=False, twin=None),)
        """
        gone = set(numbers)
        kept = (pair for pair in self.pairs if pair.number not in gone)
        return self.having(replace(pair, twin=None) if pair.twin in gone else pair for pair in kept)


def corners_of(plane: Plane) -> Corners:
    """Return the corners of a plane as labels hold them.

    Examples
    --------
    >>> corners_of(Plane.coronal(500, (1000, 800, 1140)))[3]
    (500.0, 800.0, 1140.0)
    """
    return tuple((float(ap), float(dv), float(ml)) for ap, dv, ml in plane.corners_um)


def points_of(pairs: Iterable[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of pairs in the atlas and on the section, two arrays (n, 2).

    Examples
    --------
    >>> [points.tolist() for points in points_of([Pair(1, (5.0, 4.0), (6.0, 4.0))])]
    [[[5.0, 4.0]], [[6.0, 4.0]]]
    """
    several = list(pairs)
    reference = np.array([pair.reference_xy for pair in several], dtype=np.float64).reshape(-1, 2)
    moving = np.array([pair.moving_xy for pair in several], dtype=np.float64).reshape(-1, 2)
    return reference, moving

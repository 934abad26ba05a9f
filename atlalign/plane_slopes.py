"""A plane by where it meets the atlas's middle axis and how it slopes: three numbers that say which slice it is.

Convention: the middle axis runs from front to back through the centre of the atlas. A plane meets it at `position_um`
and there rises towards the back by `across` um for each um to the right of a slice (the medial-lateral axis) and by
`down` um for each um downwards (the dorsal-ventral axis). Mirroring a slice left to right changes the sign of `across`
alone.

A tilt says the same of a plane in degrees, about the two axes that a brain can be skew to the blade by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlalign.plane import Plane

# From here on, a plane is nearer to sagittal or horizontal than to coronal.
_STEEPEST_DEGREES = 45.0


class Tilt(NamedTuple):
    """How oblique a plane is: 0 and 0 where it is coronal.

    Convention: sections are upright, the animal's right on the left of the image. Their slopes are the tangents of the
    two angles: `dv` gives ``across``, `ml` gives ``down``.

    Attributes
    ----------
    dv : float
        Degrees about the dorsal-ventral axis. Positive: the animal's left lies farther back than its right.
    ml : float
        Degrees about the medial-lateral axis. Positive: the bottom of the section lies farther back than its top.

    Examples
    --------
    >>> plane = Tilt(dv=0, ml=10).plane(5400, (13200, 8000, 11400))
    >>> top_left, _, bottom_left, _ = plane.corners_um
    >>> bool(bottom_left[0] > top_left[0]), Tilt.of(plane)
    (True, Tilt(dv=0.0, ml=10.0))
    """

    dv: float = 0.0
    ml: float = 0.0

    @classmethod
    def of(cls, plane: Plane) -> Tilt:
        """Return the tilt of a plane that is nearest to coronal, to a millionth of a degree."""
        across, down = position_and_slopes(plane, (0, 0, 0))[1:]
        return cls(*(round(float(np.degrees(np.arctan(slope))), 6) + 0.0 for slope in (across, down)))

    @property
    def slopes(self) -> tuple[float, float]:
        """``across`` and ``down``, um a um."""
        across, down = np.tan(np.radians(self))
        return float(across), float(down)

    def plane(self, position_um: float, shape_um: Sequence[float]) -> Plane:
        """Return the slice of this tilt that meets the middle axis at a position: see `sloping_plane`."""
        return sloping_plane(position_um, self.slopes, shape_um)

    def __str__(self) -> str:
        return f"{self.dv:+.1f} degrees about DV, {self.ml:+.1f} about ML"


def checked_tilt(tilt: Sequence[float]) -> Tilt:
    """Return a tilt from its two angles, degrees, about the DV and the ML axis.

    Raises
    ------
    ValueError
        If they are not two numbers between -45 and 45.

    Examples
    --------
    >>> checked_tilt([3, -2])
    Tilt(dv=3.0, ml=-2.0)
    >>> checked_tilt([3])
    Traceback (most recent call last):
    ...
    ValueError: A tilt must be two angles, about DV and about ML, between -45 and 45 degrees. Received: [3].
    """
    angles = np.asarray(tilt, dtype=np.float64)
    if angles.shape != (2,) or not (np.abs(angles) < _STEEPEST_DEGREES).all():
        raise ValueError(
            f"A tilt must be two angles, about DV and about ML, between -{_STEEPEST_DEGREES:g} and "
            f"{_STEEPEST_DEGREES:g} degrees. Received: {tilt}."
        )
    return Tilt(*angles.tolist())


def position_and_slopes(plane: Plane, shape_um: Sequence[float]) -> np.ndarray:
    """Return where a plane meets the middle axis, and its two slopes.

    Parameters
    ----------
    plane : Plane
        Nearer to coronal than to sagittal or horizontal.
    shape_um : sequence of 3 float
        Extent of the atlas (ap, dv, ml), um.

    Returns
    -------
    ndarray, float64, shape (3,)
        ``position_um``, um; ``across`` and ``down``, um a um.

    Raises
    ------
    ValueError
        If the plane is not nearest to coronal.

    Examples
    --------
    >>> position_and_slopes(Plane.coronal(5400, (13200, 8000, 11400)), (13200, 8000, 11400)).tolist()
    [5400.0, 0.0, 0.0]
    """
    normal = np.cross(plane.u_um, plane.v_um)
    normal /= np.linalg.norm(normal)
    if abs(normal[0]) < np.abs(normal[1:]).max():
        raise ValueError(
            "A plane must be nearer to coronal than to sagittal or horizontal. "
            f"Received: a plane of normal (ap, dv, ml) {normal.round(3).tolist()}. Check its corners."
        )
    down, across = -normal[1:] / normal[0] + 0.0
    _, middle_dv, middle_ml = np.asarray(shape_um, dtype=np.float64) / 2
    _, origin_dv, origin_ml = plane.origin_um
    position_um = plane.origin_um[0] + down * (middle_dv - origin_dv) + across * (middle_ml - origin_ml)
    return np.array([position_um, across, down])


def sloping_plane(position_um: float, slopes: Sequence[float], shape_um: Sequence[float]) -> Plane:
    """Return the upright plane, as large as a slice, that meets the middle axis at a position.

    Parameters
    ----------
    position_um : float
        Position along the middle axis, um.
    slopes : sequence of 2 float
        ``across`` and ``down``, um a um.
    shape_um : sequence of 3 float
        Extent of the atlas (ap, dv, ml), um.

    Returns
    -------
    Plane
        Its centre is on the middle axis; its top edge is the projection of the atlas's left-right axis.

    Examples
    --------
    >>> shape_um = (13200, 8000, 11400)
    >>> sloping_plane(5400, (0, 0), shape_um) == Plane.coronal(5400, shape_um)
    True
    >>> position_and_slopes(sloping_plane(5400, (0.1, -0.05), shape_um), shape_um).round(6).tolist()
    [5400.0, 0.1, -0.05]
    """
    _, height_um, width_um = (float(extent) for extent in shape_um)
    normal = np.array([1.0, -float(slopes[1]), -float(slopes[0])])
    normal /= np.linalg.norm(normal)
    across = np.array([0.0, 0.0, 1.0]) - normal[2] * normal
    across /= np.linalg.norm(across)
    down = np.cross(across, normal)
    u, v = across * width_um, down * height_um
    return Plane(np.array([position_um, height_um / 2, width_um / 2]) - (u + v) / 2 + 0.0, u + 0.0, v + 0.0)


def tilt_degrees(slopes: np.ndarray, others: np.ndarray | Sequence[float] = (0.0, 0.0)) -> np.ndarray:
    """Return the angle between planes of given slopes, by default from the coronal plane.

    Parameters
    ----------
    slopes, others : array_like, shape (..., 2)
        ``across`` and ``down``.

    Returns
    -------
    ndarray, shape (...)
        Degrees.

    Examples
    --------
    >>> tilt_degrees([[0, 0], [1, 0], [0, -1]]).round(6).tolist()
    [0.0, 45.0, 45.0]
    """
    first, second = (np.insert(np.asarray(values, dtype=np.float64), 0, 1.0, axis=-1) for values in (slopes, others))
    # of the normals; the cross product tells small angles apart, which the cosine does not
    sine = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.degrees(np.arctan2(sine, (first * second).sum(axis=-1)))

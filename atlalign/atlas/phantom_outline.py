"""The outer form of the phantom: how wide and high it is along the brain, and how deep a point lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import PchipInterpolator

from atlalign.atlas.interpolation import trilinear

LENGTH_MM, HEIGHT_MM, WIDTH_MM = 13.2, 8.0, 11.4
_STEP_MM = 0.02
_LEFT_WIDER = 1.03
_N_ANGLES = 361


class Profile:
    """A smooth, shape-preserving curve along the brain through a few (position mm, value) knots.

    Examples
    --------
    >>> float(Profile((0, 1), (1, 3), (2, 3))(np.float32(1.5)).round(3))
    3.0
    """

    def __init__(self, *knots: tuple[float, float]):
        positions, values = np.array(knots, dtype=float).T
        self._positions = np.arange(0, LENGTH_MM + _STEP_MM, _STEP_MM)
        clipped = np.clip(self._positions, positions[0], positions[-1])
        self._values = PchipInterpolator(positions, values)(clipped)

    def __call__(self, ap_mm: np.ndarray) -> np.ndarray:
        """Return the values, float32, at positions in mm."""
        return np.interp(ap_mm, self._positions, self._values).astype(np.float32)


# Half width and heights above and below the middle of the brain, mm.
half_width = Profile(
    *((0.45, 0.0), (0.6, 0.75), (0.9, 1.2), (1.5, 1.6), (2.3, 1.8), (3.1, 2.5), (4.0, 3.35), (5.0, 4.05)),
    *((6.0, 4.5), (7.0, 4.75), (8.0, 4.8), (9.0, 4.65), (10.0, 4.3), (11.0, 3.6), (11.8, 2.7), (12.4, 1.9)),
    *((12.8, 1.3), (12.95, 0.0)),
)
dorsal_height = Profile(
    *((0.45, 0.0), (0.6, 0.6), (0.9, 0.95), (1.5, 1.25), (2.3, 1.55), (3.1, 2.15), (4.0, 2.65), (5.0, 2.95)),
    *((6.0, 3.1), (7.0, 3.15), (8.0, 3.1), (9.0, 2.95), (10.0, 2.85), (11.0, 2.85), (11.8, 2.5), (12.4, 1.7)),
    *((12.8, 0.8), (12.95, 0.0)),
)
ventral_height = Profile(
    *((0.45, 0.0), (0.6, 0.6), (0.9, 0.9), (1.5, 1.2), (2.3, 1.5), (3.1, 2.0), (4.0, 2.5), (5.0, 2.85)),
    *((6.0, 3.0), (7.0, 3.1), (8.0, 3.05), (9.0, 2.9), (10.0, 2.7), (11.0, 2.5), (11.8, 2.2), (12.4, 1.8)),
    *((12.8, 1.2), (12.95, 0.0)),
)
# The middle of the brain lies lower in front and behind than in the middle.
centre_drop = Profile((0.5, 0.35), (2.5, 0.25), (5.0, 0.0), (8.5, 0.0), (10.5, 0.15), (12.9, 0.55))
squareness = Profile((0.5, 2.0), (3.0, 2.1), (5.0, 2.3), (8.0, 2.35), (10.0, 2.3), (12.9, 2.0))
# Depth of the notches in the outline, as a share of the radius.
dorsal_notch = Profile(
    (0.5, 0.35), (2.5, 0.3), (3.5, 0.15), (5.0, 0.08), (8.0, 0.08), (9.3, 0.09), (10.5, 0.04), (12.9, 0.0)
)
ventral_notch = Profile((0.5, 0.0), (4.0, 0.0), (5.5, 0.05), (7.0, 0.1), (8.5, 0.12), (10.0, 0.05), (11.0, 0.0))
# Half of the gap between the olfactory bulbs, mm; negative where the hemispheres are joined.
ventral_gap = Profile((0.5, 0.12), (1.5, 0.09), (2.4, 0.04), (2.9, 0.0), (3.0, -5.0))
rhinal_notch = Profile((2.5, 0.0), (4.0, 0.035), (8.5, 0.04), (9.8, 0.03), (10.6, 0.0))
posterior_notch = Profile((9.0, 0.0), (10.0, 0.05), (10.7, 0.13), (11.4, 0.05), (12.2, 0.0))


@dataclass
class Frame:
    """Where points lie, in coordinates that follow the brain; all arrays broadcast together.

    Attributes
    ----------
    ap : ndarray
        Position along the brain, mm.
    x : ndarray
        Distance from the midline, mm, as it would be in the right hemisphere: the left one is wider.
    y : ndarray
        Height below the middle of the brain, mm.
    left : ndarray of bool
        Whether the point is in the animal's left hemisphere.
    angle : ndarray
        Direction from the middle of the brain: 0 at the dorsal midline, pi at the ventral one.
    depth : ndarray
        Distance below the outline, mm; negative outside the brain.
    """

    ap: np.ndarray
    x: np.ndarray
    y: np.ndarray
    left: np.ndarray
    angle: np.ndarray
    depth: np.ndarray

    def select(self, mask: np.ndarray) -> Frame:
        """Return the points where a mask is true, in one row; a single `ap` stays single."""
        ap = self.ap.reshape(1) if self.ap.size == 1 else np.broadcast_to(self.ap, mask.shape)[mask]
        x, y, left, angle, depth = (
            np.broadcast_to(values, mask.shape)[mask] for values in (self.x, self.y, self.left, self.angle, self.depth)
        )
        return Frame(ap, x, y, left, angle, depth)


def frame(ap_mm: np.ndarray, dv_mm: np.ndarray, ml_mm: np.ndarray) -> Frame:
    """Return the brain's own coordinates of points.

    Parameters
    ----------
    ap_mm, dv_mm, ml_mm : ndarray
        Atlas coordinates in mm that broadcast to the result's shape.

    Returns
    -------
    Frame

    Examples
    --------
    >>> inside = frame(np.array([7.0]), np.array([4.0]), np.array([5.0]))
    >>> bool(inside.depth[0] > 0), bool(inside.left[0])
    (True, False)
    """
    ap, dv, ml = (np.asarray(axis, dtype=np.float32) for axis in (ap_mm, dv_mm, ml_mm))
    side = ml - np.float32(WIDTH_MM / 2)
    left = side >= 0
    x = np.abs(side) / np.where(left, np.float32(_LEFT_WIDER), np.float32(1))
    y = dv - np.float32(HEIGHT_MM / 2) - centre_drop(ap)
    # Gentle bends, different in the two hemispheres, keep the form from looking drawn with a compass.
    bend_y = 0.05 * np.sin(1.7 * side + 0.9 * ap) * np.tanh(x)
    bend_x = 0.05 * np.sin(1.5 * y + 0.7 * ap + np.where(left, np.float32(0.8), np.float32(0))) * np.tanh(x)
    y = y + bend_y
    x = np.abs(x + bend_x)
    angle = np.arctan2(x, -y)
    radius, slant = _outline()
    place = (np.zeros((1,) * angle.ndim), ap / _STEP_MM, angle * np.float32((_N_ANGLES - 1) / np.pi))
    outline = trilinear(radius, place)
    depth = (outline - np.hypot(x, y)) * trilinear(slant, place)
    gap = ventral_gap(ap)
    return Frame(ap, x, y, left, angle, np.minimum(depth, x - gap))


@cache
def _outline() -> tuple[np.ndarray, np.ndarray]:
    """Return tables (1, position, angle) of the outline's radius, mm, and of the cosine of its slant.

    The cosine turns a distance along the radius into one across the outline.
    """
    ap = np.arange(0, LENGTH_MM + _STEP_MM, _STEP_MM)[:, None]
    angle = np.linspace(0, np.pi, _N_ANGLES)[None, :]
    power = squareness(ap)
    height = np.where(angle < np.pi / 2, dorsal_height(ap), ventral_height(ap))
    wide = np.sin(angle) / (half_width(ap) + 1e-3)
    high = np.abs(np.cos(angle)) / (height + 1e-3)
    radius = (wide**power + high**power) ** (-1 / power)
    shape = (
        1
        - dorsal_notch(ap) * np.exp(-((angle / 0.12) ** 2))
        - ventral_notch(ap) * np.exp(-(((angle - np.pi + 0.55) / 0.13) ** 2))
        - rhinal_notch(ap) * np.exp(-(((angle - 1.95) / 0.07) ** 2))
        - posterior_notch(ap) * np.exp(-(((angle - 1.65) / 0.14) ** 2))
    )
    radius = radius * shape
    slope = np.gradient(radius, np.pi / (_N_ANGLES - 1), axis=1)
    slant = radius / np.hypot(radius, slope)
    return radius[None].astype(np.float32), slant[None].astype(np.float32)

"""The phantom's cortical sheet: areas by direction and position, layers by depth, white matter below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlalign.atlas.phantom_outline import Frame, Profile
from atlalign.atlas.phantom_structures import GRANULAR, ID

# Layer borders as shares of the depth of the sheet: 1 | 2/3 | 4 | 5 | 6.
_LAYER_BORDERS = (0.13, 0.40, 0.52, 0.76)

thickness = Profile((2.2, 1.0), (4.0, 1.15), (6.0, 1.12), (8.0, 0.98), (10.0, 0.85), (10.8, 0.5))
# Lower end of the fissure between the hemispheres, mm below the middle of the brain.
fissure_end = Profile(
    (2.5, 1.6), (3.3, 0.9), (4.1, -0.6), (4.7, -1.95), (5.4, -2.35), (7.0, -2.6), (8.6, -2.55), (9.4, -2.4)
)
# The sheet spans these directions (degrees from the dorsal midline); it leaves the midline behind.
first_angle = Profile((9.0, 0.0), (9.5, 8.0), (10.0, 26.0), (10.5, 52.0), (10.9, 85.0))
last_angle = Profile(
    (2.5, 176.0),
    (3.6, 168.0),
    (4.6, 146.0),
    (6.0, 140.0),
    (8.0, 142.0),
    (9.4, 138.0),
    (10.2, 124.0),
    (10.9, 86.0),
)
white_matter = Profile((2.6, 0.1), (4.0, 0.24), (6.0, 0.22), (8.0, 0.2), (9.6, 0.16), (10.8, 0.05))


@dataclass
class Sheet:
    """The cortical sheet at some points.

    Attributes
    ----------
    depth : ndarray
        Distance below the cortical surface, the walls of the fissure included, mm.
    degrees : ndarray
        Direction from the middle of the brain, degrees from the dorsal midline.
    thickness : ndarray
        Thickness of the grey matter there, mm.
    medial : ndarray of bool
        Whether the nearest surface is the wall of the fissure.
    inside : ndarray of bool
        Whether the sheet spans that direction at that position.
    """

    depth: np.ndarray
    degrees: np.ndarray
    thickness: np.ndarray
    medial: np.ndarray
    inside: np.ndarray


def cortical_sheet(where: Frame) -> Sheet:
    """Return the cortical sheet's coordinates of points in the brain."""
    degrees = np.degrees(where.angle)
    fissure = np.hypot(where.x, np.maximum(where.y - fissure_end(where.ap), 0))
    depth = np.minimum(where.depth, fissure)
    # thinner towards the piriform area
    thick = thickness(where.ap) * (1 - 0.45 * ramp(degrees, 95, 135))
    inside = (degrees >= first_angle(where.ap)) & (degrees <= last_angle(where.ap)) & (where.ap > 2.35)
    # the bulbs' gap counts as outline in front of the place where the hemispheres join
    medial = fissure < where.depth + np.float32(0.13)
    return Sheet(depth, degrees, thick, medial, inside)


def paint_cortex(ids: np.ndarray, where: Frame, sheet: Sheet) -> None:
    """Paint isocortex, olfactory cortex, entorhinal area, corpus callosum and external capsule."""
    ap, degrees = where.ap, sheet.degrees
    share = sheet.depth / np.maximum(sheet.thickness, 1e-3)
    grey = sheet.inside & (share < 1)
    below = sheet.depth - sheet.thickness
    white = sheet.inside & (below >= 0) & (below < white_matter(ap) * (1 - 0.6 * ramp(degrees, 90, 125)))
    ids[white & (degrees < 62)] = ID["cc"]
    ids[white & (degrees >= 62) & (degrees < 132)] = ID["ec"]
    claustrum = (
        sheet.inside & (np.abs(below - 0.02) < 0.09) & (degrees > 100) & (degrees < 120) & (ap > 3.6) & (ap < 6.6)
    )
    ids[claustrum] = ID["CLA"]

    area = _areas(where, sheet)
    layer = np.digitize(share, _LAYER_BORDERS).astype(np.uint32) + 1
    granular = np.isin(area, list(GRANULAR))
    layer = np.where((layer == 3) & ~granular, np.uint32(4), layer)
    iso = grey & (area >= 1000)
    ids[iso] = (area + layer)[iso]

    piriform = grey & (area == ID["PIR"])
    ids[piriform] = np.where(share < 0.3, ID["PIR1"], np.where(share < 0.55, ID["PIR2"], ID["PIR3"]))[piriform]
    entorhinal = grey & (area == ID["ENT"])
    ids[entorhinal] = np.where(share < 0.2, ID["ENT1"], np.where(share < 0.52, ID["ENT2"], ID["ENT5"]))[entorhinal]
    tract = (where.depth < 0.14) & (degrees > 128) & (degrees < 142) & (ap > 2.6) & (ap < 5.2)
    ids[tract] = ID["lot"]


def _areas(where: Frame, sheet: Sheet) -> np.ndarray:
    """Return the id of the cortical area in each direction."""
    ap, degrees = where.ap, sheet.degrees
    # borders between areas run obliquely along the brain, as they do on a flat map
    oblique = ap + 0.012 * (degrees - 45)
    area = np.full(degrees.shape, ID["MO"], dtype=np.uint32)

    def put(acronym: str, mask: np.ndarray) -> None:
        area[np.broadcast_to(mask, area.shape)] = ID[acronym]

    put("SSp", (degrees > 38) & (oblique > 4.0))
    put("PTL", (degrees > 20) & (oblique > 7.0))
    put("SSs", (degrees > 78) & (oblique > 4.6))
    put("AUD", (degrees > 78) & (oblique > 7.2))
    put("VIS", (degrees > 16) & (oblique > 7.9) & (degrees < 80))
    put("TEa", (degrees > 88) & (oblique > 7.6))
    put("AI", (degrees > 98) & (oblique < 8.0))
    put("FRP", oblique < 3.0)
    put("ORB", (degrees > 92) & (ap < 3.7))
    put("ACA", (sheet.medial | (degrees < 9)) & (ap < 7.3))
    put("PL", sheet.medial & (ap < 4.6) & (where.y > -0.9 + 0.25 * (ap - 4)))
    put("RSP", (sheet.medial | (degrees < 15)) & (oblique > 6.6))
    put("PIR", (degrees > 114) & (ap > 3.2) & ~sheet.medial)
    put("ENT", (degrees > 103) & (oblique > 9.2))
    return area


def ramp(values: np.ndarray, start: float, end: float) -> np.ndarray:
    """Return values that rise smoothly from 0 at `start` to 1 at `end`."""
    t = np.clip((values - np.float32(start)) / np.float32(end - start), 0, 1)
    return t * t * (3 - 2 * t)

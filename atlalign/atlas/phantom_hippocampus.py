"""The phantom's hippocampus: a bent band with its two interlocking dense cell layers."""

from __future__ import annotations

import numpy as np

from atlalign.atlas.phantom_cortex import Sheet, ramp, white_matter
from atlalign.atlas.phantom_outline import Frame, Profile
from atlalign.atlas.phantom_structures import ID

# The band is an ellipse bent along the white matter: its middle and half-length in mm along it from the
# dorsal midline, its half-width in mm below it.
_middle = Profile((6.0, 0.9), (7.0, 1.5), (8.0, 2.1), (9.0, 3.2), (10.0, 3.6))
_half_length = Profile(
    (6.0, 0.2), (6.3, 0.85), (7.0, 1.42), (8.0, 2.05), (9.0, 2.2), (9.6, 1.6), (10.05, 0.5), (10.2, 0.05)
)
_half_width = Profile((5.9, 0.02), (6.25, 0.34), (6.9, 0.62), (8.0, 0.74), (9.0, 0.74), (9.7, 0.5), (10.2, 0.05))
_STARTS, _ENDS = 6.0, 10.15


def paint_hippocampus(ids: np.ndarray, where: Frame, sheet: Sheet, thinnest_mm: float) -> None:
    """Paint CA1, CA3, the dentate gyrus with their cell layers, the subiculum and the fimbria."""
    ap = where.ap
    if ap.max() < _STARTS or ap.min() > _ENDS:
        return
    # it thins out towards its ventral tip, above the rhinal notch
    half_width = np.maximum(_half_width(ap) * (1 - ramp(sheet.degrees, 84, 110)), 1e-3)
    half_length = np.maximum(_half_length(ap), 1e-3)
    below = sheet.depth - sheet.thickness - white_matter(ap) * np.float32(0.85)
    # along the band, -1 medial to 1 lateral; across it, 1 at the white matter to -1 inside
    along = where.x + np.float32(1.35) * np.maximum(where.y + np.float32(0.5), 0)
    q = (along - _middle(ap)) / half_length
    t = (half_width - below) / half_width
    # the base of the brain lies as deep below its own surface: only above it, and beside it, is hippocampus
    room = (ap > _STARTS) & (ap < _ENDS) & (sheet.degrees < 110)
    room &= (where.y < -0.2) | (where.x > 1.7)
    # rounded inside, flatter against the white matter
    inside = room & ((q * q + t * t < 1) | ((t > 0) & (q**4 + t**4 < 1)))
    if not inside.any():
        return
    # the fimbria hangs below the lateral end, until the band reaches far down behind
    fimbria = room & (((q - 0.76) / 0.24) ** 2 + ((t + 0.95) / 0.34) ** 2 < 1) & (ap < 8.3)
    ids[fimbria] = ID["fi"]
    rows = np.nonzero(inside)
    q, t = q[rows], t[rows]
    width = np.broadcast_to(half_width, ids.shape)[rows]
    length = np.broadcast_to(half_length, ids.shape)[rows]
    layer = np.maximum(0.06, 0.9 * thinnest_mm)

    band = np.full(q.shape, ID["CA1m"], dtype=np.uint32)
    band[q < -0.78] = ID["SUB"]
    # CA: a hairpin open towards the midline, CA1 above, CA3 below and around the lateral bend
    ca_q, ca_t, ca_a, ca_b = -0.12, 0.14, 0.80, 0.44
    band[(t < ca_t - 0.12) & (q > 0.0)] = ID["CA3m"]
    on_hairpin = np.abs(_ellipse(q - ca_q, t - ca_t, ca_a, ca_b, length, width)) < layer / 2
    # DG: a narrower hairpin open to the side that embraces the end of CA3
    dg_q, dg_t, dg_a, dg_b = -0.28, -0.36, 0.46, 0.36
    dentate = ((q - dg_q) / (dg_a + 0.16)) ** 2 + ((t - dg_t) / (dg_b + 0.22)) ** 2 < 1
    dentate &= q < dg_q + 0.42
    ca1 = on_hairpin & (t > ca_t) & (q > -0.80)
    ca3 = on_hairpin & (t <= ca_t) & (q > 0.16)
    hilus = ((q - dg_q) / dg_a) ** 2 + ((t - dg_t) / dg_b) ** 2 < 1
    granule = np.abs(_ellipse(q - dg_q, t - dg_t, dg_a, dg_b, length, width)) < 0.6 * layer
    band[dentate & ~ca3] = ID["DGm"]
    band[dentate & hilus & ~ca3] = ID["DGp"]
    band[dentate & granule & (q < dg_q + 0.40)] = ID["DGg"]
    band[ca1] = ID["CA1p"]
    band[ca3] = ID["CA3p"]
    ids[rows] = band


def _ellipse(
    q: np.ndarray, t: np.ndarray, a: float, b: float, length_mm: np.ndarray, width_mm: np.ndarray
) -> np.ndarray:
    """Return the distance from an ellipse in the band's coordinates, about mm, negative inside."""
    level = np.sqrt((q / a) ** 2 + (t / b) ** 2) + 1e-6
    slope = np.hypot(q / (a * a * length_mm), t / (b * b * width_mm)) / level + 1e-6
    return (level - 1) / slope

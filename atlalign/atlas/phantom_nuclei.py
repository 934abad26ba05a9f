"""The phantom's nuclei, tracts and ventricles: ellipsoids in the brain's own coordinates."""

from __future__ import annotations

import numpy as np

from atlalign.atlas.phantom_cortex import Sheet, white_matter
from atlalign.atlas.phantom_outline import Frame
from atlalign.atlas.phantom_structures import ID

# What fills the brain where nothing else is painted, from the front to the position given, mm.
_FILLING = ((3.55, "AONe"), (6.3, "SI"), (8.0, "LHA"), (9.75, "MRN"), (11.1, "PRN"), (99.0, "MRNm"))

# acronym, then the middle (position, distance from the midline, height) and the radii along the same axes,
# mm, and the tilt of the cross-section in degrees (positive: its top leans towards the midline).
_NUCLEI = """
AONi  3.0  1.05  0.15  0.75 0.60 0.85  10
HY    6.9  0.0   2.3   2.2  1.75 1.35   0
LHA   7.0  1.25  2.2   2.0  0.65 0.85   0
CP    5.4  2.45  0.0   2.45 1.35 1.85  18
ACB   4.55 1.35  1.55  1.05 0.95 0.80   0
OT    4.9  1.75  2.60  1.2  1.15 0.42  -8
LS    5.1  0.45 -0.55  1.45 0.55 1.30   6
MS    5.2  0.0   0.65  0.9  0.34 1.10   0
BST   5.85 0.85  1.05  0.7  0.45 0.55   0
GPe   6.35 2.15  0.55  0.85 0.50 0.90  22
CEA   6.9  2.65  1.55  0.85 0.45 0.50   0
MEA   6.9  2.25  2.45  0.95 0.50 0.50   0
EP    5.9  2.95  1.60  2.2  0.26 0.70 -25
LA    7.2  3.25  1.20  0.75 0.40 0.50   0
BLA   6.9  3.05  1.95  1.1  0.48 0.50   0
int   6.9  1.95  0.45  1.5  0.62 1.35  25
cpd   8.3  1.75  1.55  1.6  0.85 0.26  30
TH    7.25 0.9   0.10  1.40 1.75 1.40  20
TH    7.25 0.0   0.20  1.38 1.20 1.25   0
RT    6.8  1.75  0.15  1.25 0.75 1.25  24
VP    7.25 1.45  0.35  1.0  0.75 0.90  20
AV    6.25 0.85 -0.55  0.5  0.42 0.48   0
MD    7.0  0.45  0.18  0.95 0.45 0.48   0
LP    7.9  1.20 -0.60  0.9  0.70 0.50   0
LGd   7.75 2.15 -0.45  0.75 0.38 0.62  24
MG    8.55 2.05  0.25  0.6  0.45 0.50   0
LH    7.15 0.46 -0.46  0.75 0.24 0.20   0
MH    7.15 0.17 -0.46  0.75 0.12 0.24   0
RE    6.8  0.15  0.95  0.8  0.32 0.28   0
ZI    7.3  1.45  1.32  0.95 0.75 0.18  12
STN   7.6  1.75  1.62  0.4  0.42 0.17  20
MPO   5.7  0.40  2.15  0.5  0.42 0.60   0
PVH   6.4  0.18  1.65  0.42 0.17 0.36   0
VMH   7.05 0.55  2.55  0.55 0.34 0.40   0
ARH   7.2  0.18  2.90  0.8  0.20 0.22   0
MM    8.1  0.35  2.70  0.42 0.55 0.35   0
SCd   9.35 0.0  -1.50  1.10 1.70 1.60   0
IC    10.25 0.9 -1.55  0.80 1.20 1.50   0
PAG   9.1  0.0   0.05  1.30 0.62 0.70   0
SN    8.6  1.35  1.75  0.75 0.75 0.24  25
RN    8.9  0.55  1.20  0.38 0.30 0.30   0
VTA   8.7  0.35  1.85  0.6  0.38 0.26   0
IPN   9.0  0.0   2.35  0.4  0.26 0.28   0
PG    9.6  0.55  2.50  0.55 0.75 0.32   0
V     10.4 1.45  0.75  0.4  0.30 0.40   0
SOC   10.4 1.30  2.15  0.5  0.42 0.25   0
mcp   10.5 2.60  1.00  0.7  0.45 1.00  15
CN    10.8 2.85  0.55  0.6  0.40 0.75  10
VN    11.2 1.15  0.25  0.7  0.65 0.30 -10
SPV   11.5 2.00  0.95  1.3  0.38 0.60   0
VII   11.1 1.35  1.90  0.5  0.42 0.35   0
NTS   12.0 0.55  0.35  0.8  0.40 0.24   0
IO    11.9 0.42  1.98  0.6  0.45 0.20   0
py    11.2 0.35  2.30  1.5  0.32 0.16   0
aco   4.45 1.15  1.00  1.35 0.24 0.26   0
fx    6.0  0.28  0.55  0.8  0.16 0.26   0
sm    6.5  0.50 -0.50  0.5  0.12 0.12   0
opt   7.4  2.35  1.75  1.2  0.16 0.55  35
"""

# Ventricles: as above; the third one is a slit whose half-width follows `thinnest_mm`.
_VENTRICLES = """
VL    5.15 1.18 -0.70  1.25 0.17 0.95 -20
VL    8.7  3.35  0.35  1.0  0.10 0.85  12
V3    6.9  0.0   1.90  1.35 0.05 1.25   0
V3    7.3  0.0  -0.55  1.2  0.06 0.28   0
AQ    9.3  0.0  -0.05  1.5  0.13 0.20   0
V4    11.1 0.0  -0.10  1.1  0.95 0.22   0
"""


def _parse(table: str) -> list[tuple[int, tuple[float, ...]]]:
    rows = [line.split() for line in table.strip().splitlines()]
    return [(ID[acronym], tuple(float(number) for number in numbers)) for acronym, *numbers in rows]


_NUCLEI_ROWS = _parse(_NUCLEI)
_VENTRICLE_ROWS = _parse(_VENTRICLES)
_MARKER = (7.4, 2.75, 0.35, 2.6, 0.24, 0.30, 0.0)


def paint_nuclei(ids: np.ndarray, where: Frame) -> None:
    """Paint what lies inside the cortical sheet, and the marker nucleus of the left hemisphere."""
    # filling changes along oblique surfaces: no plane of the phantom differs from the next all over
    ap = where.ap + 0.12 * where.y - 0.05 * where.x
    borders = np.array([end for end, _ in _FILLING[:-1]], dtype=np.float32)
    fillings = np.array([ID[acronym] for _, acronym in _FILLING], dtype=np.uint32)
    filling = fillings[np.digitize(ap, borders)]
    beside = (where.x > 2.3 - 0.3 * where.y) & (ap > 6.0) & (ap < 9.6)
    dorsal = np.where(ap < 8.3, np.uint32(ID["CP"]), np.uint32(ID["SUB"]))
    filling = np.where(beside, np.where(where.y < 1.1, dorsal, np.uint32(ID["CTXsp"])), filling)
    commissure = (where.y < -0.6) & (where.x < 0.9) & (ap > 5.7) & (ap < 8.4)
    filling = np.where(commissure, np.uint32(ID["fx"]), filling)
    tectum = (where.y < -0.6) & (ap > 8.3) & (ap < 10.2)
    filling = np.where(tectum, np.uint32(ID["SCd"]), filling)
    np.copyto(ids, filling)
    for identifier, numbers in _NUCLEI_ROWS:
        paint_ellipsoid(ids, where, identifier, numbers)
    superficial = (ids == ID["SCd"]) & (where.depth < 0.55)
    ids[superficial] = ID["SCs"]
    bow = 0.75 + 0.2 * where.x
    crossing = (np.abs(where.ap - 5.6) < 0.14) & (np.abs(where.y - bow) < 0.11) & (where.x < 1.3)
    ids[np.broadcast_to(crossing, ids.shape)] = ID["aco"]
    paint_ellipsoid(ids, where, ID["MRK"], _MARKER, where.left)


def paint_ventricles(ids: np.ndarray, where: Frame, sheet: Sheet, thinnest_mm: float) -> None:
    """Paint the ventricles and the dense zone beside the lateral one."""
    below = sheet.depth > sheet.thickness + 0.8 * white_matter(where.ap)
    for identifier, numbers in _VENTRICLE_ROWS:
        if identifier == ID["VL"]:
            grown = (*numbers[:4], numbers[4] + max(0.05, thinnest_mm), numbers[5] + 0.05, numbers[6])
            paint_ellipsoid(ids, where, ID["SEZ"], grown, below)
        wide = max(numbers[4], 0.75 * thinnest_mm)
        within = below if identifier == ID["VL"] else None
        paint_ellipsoid(ids, where, identifier, (*numbers[:4], wide, *numbers[5:]), within)


def paint_ellipsoid(
    ids: np.ndarray,
    where: Frame,
    identifier: int,
    numbers: tuple[float, ...],
    within: np.ndarray | None = None,
) -> None:
    """Paint one ellipsoid: middle (ap, x, y) and radii (ap, x, y) in mm, tilt in degrees.

    With `within`, a mask, only where that is true.
    """
    ap, x, y, r_ap, r_x, r_y, tilt = (np.float32(number) for number in numbers)
    along = (where.ap - ap) / r_ap
    if np.abs(along).min() >= 1:
        return
    sine, cosine = np.float32(np.sin(np.radians(tilt))), np.float32(np.cos(np.radians(tilt)))
    dx, dy = where.x - x, where.y - y
    across = (dx * cosine - dy * sine) / r_x
    upright = (dx * sine + dy * cosine) / r_y
    inside = along * along + across * across + upright * upright < 1
    if within is not None:
        inside = inside & within
    ids[inside] = identifier

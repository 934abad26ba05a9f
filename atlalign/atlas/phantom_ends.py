"""The two ends of the phantom: the layered olfactory bulbs and the folded cerebellum."""

from __future__ import annotations

import numpy as np

from atlalign.atlas.phantom_outline import Frame, Profile
from atlalign.atlas.phantom_structures import ID

_BULB_ENDS = 2.6
_BULB_LAYERS = (0.17, 0.42, 0.50)
# lower border of the cerebellum, mm below the middle of the brain; far above the brain where there is none
_floor = Profile((9.75, -3.4), (10.1, -2.2), (10.6, -0.9), (11.2, -0.35), (11.9, -0.25), (12.4, -0.45), (12.7, -2.0))
_FOLD_MM = 0.62


def paint_bulb(ids: np.ndarray, where: Frame) -> None:
    """Paint the layers of the main olfactory bulb and the accessory bulb."""
    ends = _BULB_ENDS + 0.15 * where.y - 0.1 * where.x
    bulb = where.ap < ends
    if not bulb.any():
        return
    layers = np.array([ID["MOBgl"], ID["MOBopl"], ID["MOBmi"], ID["MOBgr"]], dtype=np.uint32)
    np.copyto(ids, layers[np.digitize(where.depth, _BULB_LAYERS)], where=bulb)
    core = bulb & (where.ap > 1.3) & (np.hypot((where.x - 0.85) / 0.22, (where.y + 0.0) / 0.5) < 1)
    ids[core] = ID["AONi"]
    accessory = bulb & (where.ap > 2.0) & (where.y < -0.75) & (where.x > 0.3) & (where.x < 1.1) & (where.depth < 0.5)
    ids[accessory] = ID["AOB"]


def paint_cerebellum(ids: np.ndarray, where: Frame) -> None:
    """Paint the folded cerebellar cortex, its white matter and its nuclei."""
    ap, x, y = where.ap, where.x, where.y
    floor = _floor(ap) + 0.10 * x * x
    height = floor - y
    cerebellum = (height > 0) & (ap > 9.75)
    if not cerebellum.any():
        return
    # folia: the cortex follows waves that run along the surface, deeper ones fading into white matter
    waves = 0.22 * np.sin(3.1 * x + 1.2 * ap) + 0.16 * np.sin(5.3 * x - 2.0 * ap + 1.0)
    phase = (where.depth + waves + 0.8 * (ap - 10)) / _FOLD_MM
    sheet = np.abs(phase - np.round(phase)) * 2
    surface = np.minimum(sheet * np.float32(0.5 * _FOLD_MM) * 1.15, where.depth)
    cortex = np.where(surface < 0.15, np.uint32(ID["CBXm"]), np.uint32(ID["CBXg"]))
    cortex = np.where((sheet > 0.86) & (where.depth > 0.3), np.uint32(ID["arb"]), cortex)
    np.copyto(ids, cortex, where=cerebellum)
    core = cerebellum & (height < 0.95 - 0.12 * x * x) & (np.abs(ap - 11.2) < 1.0)
    ids[core] = ID["arb"]
    nuclei = core & (np.hypot((x - 1.0) / 0.85, (height - 0.45) / 0.28) < 1)
    ids[nuclei] = ID["CBN"]

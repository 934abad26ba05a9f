"""The area of each structure on a registered section."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from atlalign.registration.result import Registration

_LEFT, _RIGHT = 1, 2

_COLUMNS = ["id", "acronym", "name", "left_area_mm2", "right_area_mm2", "total_area_mm2", "pixels"]


def structure_areas(registration: Registration) -> pd.DataFrame:
    """Measure the structures of a registered section.

    Left and right are the animal's; `registration.canvas.animal_left` says on which side of the image its
    left lies. Each structure is counted as the atlas annotates it, without what lies below it in the
    hierarchy.

    Parameters
    ----------
    registration : Registration

    Returns
    -------
    pandas.DataFrame
        Columns id, acronym, name, left_area_mm2, right_area_mm2, total_area_mm2, pixels; largest first.
    """
    counts = _pixels(registration)
    pixel_mm2 = float(np.prod(registration.canvas.section_pixel_um)) * 1e-6
    rows = []
    for identifier in {identifier for identifier, _ in counts}:
        structure = registration.atlas.structures.get(identifier)
        left, right = counts[identifier, _LEFT], counts[identifier, _RIGHT]
        rows.append(
            {
                "id": identifier,
                "acronym": structure.acronym if structure else "",
                "name": structure.name if structure else "not in the atlas's list of structures",
                "left_area_mm2": left * pixel_mm2,
                "right_area_mm2": right * pixel_mm2,
                "total_area_mm2": (left + right) * pixel_mm2,
                "pixels": left + right,
            }
        )
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return table.sort_values(["pixels", "id"], ascending=[False, True], ignore_index=True)


def _pixels(registration: Registration) -> Counter[tuple[int, int]]:
    """Count the section's pixels by structure and hemisphere."""
    counts: Counter[tuple[int, int]] = Counter()
    height, width = registration.section.shape
    for _, points_um, on_canvas in registration.atlas_points(np.arange(width), np.arange(height)):
        labels = registration.atlas.annotation_at(points_um)
        inside = on_canvas & (labels > 0)
        # An id has at most 32 bits: id and side together make one key.
        keys = labels[inside].astype(np.int64) * 4 + registration.atlas.hemisphere_at(points_um)[inside]
        for key, count in zip(*np.unique(keys, return_counts=True), strict=True):
            identifier, side = divmod(int(key), 4)
            counts[identifier, side] += int(count)
    return counts

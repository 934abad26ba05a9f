"""The area of each structure on a registered section."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from atlalign.registration.groups import Groups, check_gathering, gather

if TYPE_CHECKING:
    from atlalign.registration.result import Registration
    from atlalign.registration.saved import SavedRegistration

LEFT, RIGHT = 1, 2  # as brainglobe-atlasapi counts hemispheres

AREA_FORMAT = "%.6g"  # more digits than any outline is good for
AREA_COLUMNS = ["left_area_mm2", "right_area_mm2", "total_area_mm2"]


def structure_areas(
    registration: Registration | SavedRegistration, *, groups: Groups | None = None, depth: int | None = None
) -> pd.DataFrame:
    """Measure the structures of a registered section.

    Left and right are the animal's; `registration.canvas.animal_left` says on which side of the image its
    left lies. Each structure is counted as the atlas annotates it, without what lies below it in the
    hierarchy, unless a depth or groups are given. What is masked out has no area.

    Parameters
    ----------
    registration : Registration or SavedRegistration
    groups : mapping of str to sequence of str, optional
        Acronyms of each group; children are included. `atlalign.registration.read_groups` reads a file of them.
    depth : int, optional
        Structures deeper than this are counted as their ancestor at that depth; 0 is the root.

    Returns
    -------
    pandas.DataFrame
        Columns id, acronym, name, left_area_mm2, right_area_mm2, total_area_mm2, pixels; largest first. With `groups`
        a column group takes the place of the first three, and there is a row for each group, in their order.

    Raises
    ------
    ValueError
        If both `groups` and `depth` are given, `depth` is negative, or a structure is in two groups.
    atlalign.errors.AtlasError
        If an acronym is unknown.

    Examples
    --------
    >>> from atlalign import Atlas, Section, register
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100)
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registration = register(section, atlas, position_um=6000, local_model=nothing_to_do)
    >>> areas = structure_areas(registration, groups={"striatum": ["STR"], "pallidum": ["PAL"]})
    >>> areas["group"].tolist()
    ['striatum', 'pallidum']
    >>> bool(np.allclose(areas["total_area_mm2"], areas["pixels"] * 0.1**2))
    True
    """
    check_gathering(groups, depth, registration.atlas.structures)
    counts = registration.count_pixels()
    identifiers = sorted({identifier for identifier, _ in counts})
    rows = [[counts.get((i, side), 0) for side in (LEFT, RIGHT)] for i in identifiers]
    sides = np.array(rows, dtype=np.int64).reshape(-1, 2)
    pixel_mm2 = float(np.prod(registration.canvas.section_pixel_um)) * 1e-6
    pixels = np.column_stack([sides, sides.sum(axis=1)])
    table = pd.DataFrame(pixels * pixel_mm2, columns=AREA_COLUMNS)
    table.insert(0, "id", identifiers)
    table["pixels"] = pixels[:, 2]
    return gather_areas(table, registration, groups=groups, depth=depth)


def gather_areas(
    table: pd.DataFrame,
    registration: Registration | SavedRegistration,
    *,
    groups: Groups | None = None,
    depth: int | None = None,
) -> pd.DataFrame:
    """Gather areas of structures at a depth or in groups; see `structure_areas`.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns id, left_area_mm2, right_area_mm2, total_area_mm2, pixels.
    registration, groups, depth
        As in `structure_areas`.

    Returns
    -------
    pandas.DataFrame
    """
    gathered = gather(table, registration.atlas.structures, groups=groups, depth=depth)
    if groups is not None:
        return gathered
    return gathered.sort_values(["pixels", "id"], ascending=[False, True], ignore_index=True)

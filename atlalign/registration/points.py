"""The structure of each point of a section, and how many points each structure holds.

Convention: points of a section are (n, 2), (x, y) px at its full size, the centre of its first pixel at (0, 0). Points
of the atlas are (n, 3), (ap, dv, ml) um. Left and right are the animal's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlalign.registration.areas import AREA_COLUMNS, LEFT, RIGHT
from atlalign.registration.groups import UNLISTED, Groups, check_gathering, gather
from atlalign.registration.point_map import checked_points

if TYPE_CHECKING:
    from atlalign.atlas.structures import Structures
    from atlalign.registration.result import Registration
    from atlalign.registration.saved import SavedRegistration

_SIDES = np.array(["", "left", "right"])

_COUNT_COLUMNS = ["left_count", "right_count", "total_count"]
_DENSITY_COLUMNS = ["left_density_per_mm2", "right_density_per_mm2", "total_density_per_mm2"]


def locate_points(registration: Registration | SavedRegistration, points_xy: Any) -> pd.DataFrame:
    """Say where points of a section lie in the atlas, and in which structure.

    Parameters
    ----------
    registration : Registration or SavedRegistration
    points_xy : array_like, shape (n, 2)
        (x, y) px of the section at its full size; whole numbers are pixel centres.

    Returns
    -------
    pandas.DataFrame
        A row a point: ap_um, dv_um, ml_um; structure_id, acronym, name; hemisphere, "left" or "right" of the animal.
        What lies outside the section's image, the canvas or the atlas's structures, in a hemisphere that is absent, or
        where the section is masked out, has the id 0 and no acronym, name and hemisphere.

    Raises
    ------
    ValueError
        If the points have another shape or are not finite.

    See Also
    --------
    count_points : how many points each structure holds.

    Examples
    --------
    >>> from atlalign import Atlas, Section, register
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100)
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registration = register(section, atlas, position_um=6000, local_model=nothing_to_do)
    >>> located = locate_points(registration, [[35, 30], [78, 30], [0, 0]])
    >>> located[["acronym", "hemisphere", "ml_um"]].round(3)
      acronym hemisphere   ml_um
    0      CP      right  3550.0
    1      CP       left  7850.0
    2                       50.0
    """
    points = checked_points(points_xy, 2)
    canvas, atlas = registration.canvas, registration.atlas
    registered = registration.point_map.section_to_registered(points)
    points_um = canvas.plane.pixels_to_um(registered, canvas.shape)
    inside = on_image(points, registration.section.shape) & canvas.contains(registered)
    if registration.section.mask is not None:
        inside &= registration.section.mask.at(points)
    identifiers = np.where(inside, atlas.annotation_at(points_um), 0).astype(np.uint32)
    sides = np.where(identifiers > 0, atlas.hemisphere_at(points_um), 0)
    acronyms, names = _names(identifiers, atlas.structures)
    return pd.DataFrame(
        {
            **dict(zip(["ap_um", "dv_um", "ml_um"], points_um.T, strict=True)),
            "structure_id": identifiers,
            "acronym": acronyms,
            "name": names,
            "hemisphere": _SIDES[sides].astype(object),
        }
    )


def place_points(registration: Registration | SavedRegistration, points_um: Any) -> pd.DataFrame:
    """Say where points of the atlas lie on a section.

    Parameters
    ----------
    registration : Registration or SavedRegistration
    points_um : array_like, shape (n, 3)
        (ap, dv, ml) um. Points off the section's plane are projected onto it at right angles.

    Returns
    -------
    pandas.DataFrame
        A row a point: x, y, px of the section at its full size, which may lie outside its image; distance_um, how far
        the point is from the section's plane.

    Raises
    ------
    ValueError
        If the points have another shape or are not finite.

    Examples
    --------
    >>> from atlalign import Atlas, Section, register
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100)
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registration = register(section, atlas, position_um=6000, local_model=nothing_to_do)
    >>> place_points(registration, [[6080, 3050, 3550]]).round(3)
          x     y  distance_um
    0  35.0  30.0         80.0
    """
    points = checked_points(points_um, 3)
    xy = registration.atlas_to_section(points)
    return pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "distance_um": registration.point_map.distance_um(points)})


def count_points(
    registration: Registration | SavedRegistration,
    located: pd.DataFrame,
    *,
    groups: Groups | None = None,
    depth: int | None = None,
) -> pd.DataFrame:
    """Count points by structure and hemisphere.

    Parameters
    ----------
    registration : Registration or SavedRegistration
        Where the areas come from.
    located : pandas.DataFrame
        What `locate_points` gave, or some of its rows.
    groups : mapping of str to sequence of str, optional
        Acronyms of each group; children are included. `atlalign.registration.read_groups` reads a file of them.
    depth : int, optional
        Structures deeper than this are counted as their ancestor at that depth; 0 is the root.

    Returns
    -------
    pandas.DataFrame
        A row for each structure that is on the section, or holds a point; most points first: id, acronym, name;
        left_count, right_count, total_count; left_area_mm2 and so on; left_density_per_mm2 and so on, NaN where there
        is no area. With `groups` a column group takes the place of the first three, and there is a row for each group,
        in their order. Points outside the atlas's structures are not counted, nor are those in no group.

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
    >>> located = locate_points(registration, [[35, 30], [78, 30], [79, 30], [0, 0]])
    >>> counts = count_points(registration, located, groups={"striatum": ["STR"], "thalamus": ["TH"]})
    >>> counts[["group", "left_count", "right_count", "total_count"]]
          group  left_count  right_count  total_count
    0  striatum           2            1            3
    1  thalamus           0            0            0
    """
    check_gathering(groups, depth, registration.atlas.structures)
    return count_table(registration, tally(located), groups=groups, depth=depth)


def tally(located: pd.DataFrame) -> pd.DataFrame:
    """Count located points by structure, as the atlas annotates it, and hemisphere.

    Parameters
    ----------
    located : pandas.DataFrame
        What `locate_points` gave.

    Returns
    -------
    pandas.DataFrame, int64
        left_count, right_count and total_count, by id. Those of several tables can be added.

    Examples
    --------
    >>> tally(pd.DataFrame({"structure_id": [80, 80, 0], "hemisphere": ["left", "right", ""]}))
        left_count  right_count  total_count
    id
    80           1            1            2
    """
    inside = located[located["structure_id"] > 0]
    sides = {_COUNT_COLUMNS[i]: (inside["hemisphere"] == _SIDES[side]) for i, side in enumerate((LEFT, RIGHT))}
    table = pd.DataFrame(sides, dtype=np.int64).assign(**{_COUNT_COLUMNS[2]: 1})
    return table.groupby(inside["structure_id"].astype(np.int64).rename("id")).sum()


def count_table(
    registration: Registration | SavedRegistration,
    counts: pd.DataFrame,
    *,
    groups: Groups | None = None,
    depth: int | None = None,
) -> pd.DataFrame:
    """Put counts by structure beside areas; see `count_points`.

    Parameters
    ----------
    registration, groups, depth
        As in `count_points`.
    counts : pandas.DataFrame
        What `tally` gave, of one table or added over several.

    Returns
    -------
    pandas.DataFrame
    """
    areas = registration.structure_areas().set_index("id")[AREA_COLUMNS]
    joined = counts.join(areas, how="outer").fillna(0).astype(dict.fromkeys(_COUNT_COLUMNS, np.int64))
    table = gather(joined.rename_axis("id").reset_index(), registration.atlas.structures, groups=groups, depth=depth)
    for density, count, area in zip(_DENSITY_COLUMNS, _COUNT_COLUMNS, AREA_COLUMNS, strict=True):
        table[density] = table[count] / table[area].where(table[area] > 0)
    if groups is not None:
        return table
    order = ["total_count", "total_area_mm2", "id"]
    return table.sort_values(order, ascending=[False, False, True], ignore_index=True)


def on_image(points_xy: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return which points (n, 2) lie on an image of a shape (h, w), edges included.

    Examples
    --------
    >>> on_image(np.array([[-0.5, 0], [9.5, 0], [9.6, 0]]), (5, 10)).tolist()
    [True, True, False]
    """
    last = np.array(shape[::-1]) - 0.5
    return np.all((points_xy >= -0.5) & (points_xy <= last), axis=1)


def _names(identifiers: np.ndarray, structures: Structures) -> tuple[np.ndarray, np.ndarray]:
    """Return acronym and name of each id."""
    found, where = np.unique(identifiers, return_inverse=True)
    texts = np.empty((len(found), 2), dtype=object)
    for row, identifier in enumerate(found.tolist()):
        structure = structures.get(identifier)
        unknown = ("", UNLISTED if identifier else "")
        texts[row] = (structure.acronym, structure.name) if structure else unknown
    return texts[where, 0], texts[where, 1]

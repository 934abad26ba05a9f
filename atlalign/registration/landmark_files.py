"""Pairs of landmarks, on a section and in the atlas, as they stand in a file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from atlalign.errors import InvalidFileError
from atlalign.registration.point_map import checked_points
from atlalign.registration.point_table import PointTable, open_points

_ON_CANVAS = ("canvas_x", "canvas_y")
_SECTION = "section"
_CORNER_TO_CENTRE = 0.5  # px


@dataclass(frozen=True, eq=False)
class LandmarkPairs:
    """Places of a section, and the same places in the atlas.

    Parameters
    ----------
    section_xy : array_like, shape (n, 2)
        (x, y) px of the section.
    targets : array_like, shape (n, 3) or (n, 2)
        (ap, dv, ml) um, or (x, y) px of the canvas, on which the registered image lies.
    numbers : sequence of int, optional
        What messages call the pairs; by default they are counted from 1.

    Raises
    ------
    ValueError
        If there is no pair, the numbers of points differ, or points have another shape or are not finite.

    Examples
    --------
    >>> len(LandmarkPairs([[812, 640.5]], [[6000, 3200, 4100]]))
    1
    """

    section_xy: ArrayLike
    targets: ArrayLike
    numbers: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        targets = np.asarray(self.targets, dtype=np.float64)
        object.__setattr__(self, "section_xy", checked_points(self.section_xy, 2))
        object.__setattr__(self, "targets", checked_points(targets, 2 if targets.shape[-1:] == (2,) else 3))
        if len(self) == 0 or len(self) != len(targets):
            raise ValueError(
                "Landmarks must be pairs, at least one. "
                f"Received: {len(self)} points of the section and {len(targets)} targets. Leave out those without one."
            )
        object.__setattr__(self, "numbers", tuple(self.numbers) or tuple(range(1, len(self) + 1)))

    def __len__(self) -> int:
        return len(np.asarray(self.section_xy))


@dataclass(frozen=True)
class LandmarkTable:
    """The landmarks of one section, or of several.

    Attributes
    ----------
    path : str
        Where they were read.
    by_section : dict
        Pairs of each section that the file names; one entry, ``""``, where it names none.
    """

    path: str
    by_section: dict[str, LandmarkPairs]

    @property
    def names_sections(self) -> bool:
        """Whether the file says which section each pair is of."""
        return "" not in self.by_section

    def of(self, name: str) -> LandmarkPairs | None:
        """Return the pairs of a section, by the name of its image with or without the ending; None if it has none.

        Examples
        --------
        >>> pairs = LandmarkPairs([[8, 6]], [[6000, 3200, 4100]])
        >>> table = LandmarkTable("pairs.csv", {"s1.tif": pairs})
        >>> table.of("s1.tif") is pairs, table.of("s2.tif")
        (True, None)
        """
        if not self.names_sections:
            return self.by_section[""]
        return self.by_section.get(name) or self.by_section.get(PurePath(name).stem)


def read_landmark_pairs(path: str | os.PathLike) -> LandmarkTable:
    r"""Read a table of landmarks.

    Parameters
    ----------
    path : path-like
        A table with a header; commas, tabs or semicolons separate cells. Columns ``x`` and ``y``, px of the section
        (or QuPath's ``Centroid X px`` and ``Centroid Y px``); ``ap_um``, ``dv_um`` and ``ml_um``, or instead
        ``canvas_x`` and ``canvas_y``, px of the registered image; and for several sections ``section``, the name of
        the image. What `atlalign points` writes is such a table.

    Returns
    -------
    LandmarkTable

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    atlalign.errors.InvalidFileError
        If it is no such table, or a row lacks a number or its section.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pairs.csv"
    >>> _ = path.write_text("section,x,y,ap_um,dv_um,ml_um\ns1.tif,812,640.5,6000,3200,4100\n")
    >>> read_landmark_pairs(path).of("s1.tif").targets
    array([[6000., 3200., 4100.]])
    """
    table = open_points(path, "section")
    if table.unit != "px":
        raise InvalidFileError(
            f"Landmarks must be in px of the section. Received: {path} in um. Export Centroid X px and Centroid Y px."
        )
    names = [name.lower() for name in table.header]
    if all(name in names for name in _ON_CANVAS):
        columns = tuple(names.index(name) for name in _ON_CANVAS)
        targets = PointTable(table.path, table.header, table.delimiter, columns, "px", False)
    else:
        targets = open_points(path, "atlas")
    section_xy = np.concatenate([np.zeros((0, 2)), *(points for _, points in table.blocks())])
    section_xy -= _CORNER_TO_CENTRE if table.from_corner else 0
    there = [points for _, points in targets.blocks()]
    if not there:
        raise InvalidFileError(f"Landmarks must be pairs, at least one. Received: {path} without a row. Add some.")
    whole = LandmarkPairs(section_xy, np.concatenate(there))
    if _SECTION not in names:
        return LandmarkTable(table.path, {"": whole})
    column = names.index(_SECTION)
    sections = np.array([row[column].strip() for rows, _ in table.blocks() for row in rows])
    if (sections == "").any():
        raise InvalidFileError(
            f"Each landmark must name its section, or the table have no column {_SECTION}. "
            f"Received: {path}, row {np.flatnonzero(sections == '')[0] + 1} below the header, without one. Add it."
        )
    return LandmarkTable(table.path, {name: _of_rows(whole, sections == name) for name in dict.fromkeys(sections)})


def landmarks_of(landmarks: Any, name: str) -> LandmarkPairs | None:
    """Return the pairs of a section from whatever says them: pairs, a file, or nothing.

    Raises
    ------
    ValueError
        If the file names sections, but not this one.
    """
    if not isinstance(landmarks, str | os.PathLike):
        return landmarks
    table = read_landmark_pairs(landmarks)
    pairs = table.of(name)
    if pairs is None:
        raise ValueError(
            f"A table of landmarks must name the section. Received: {name}, which is not among the "
            f"{len(table.by_section)} in {table.path}. Rename the image, or remove the column {_SECTION}."
        )
    return pairs


def _of_rows(pairs: LandmarkPairs, rows: np.ndarray) -> LandmarkPairs:
    return replace(
        pairs,
        section_xy=np.asarray(pairs.section_xy)[rows],
        targets=np.asarray(pairs.targets)[rows],
        numbers=tuple(np.asarray(pairs.numbers)[rows].tolist()),
    )

"""A registration that was saved, read again: points, areas and atlas without the section's image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlalign.atlas import Atlas
from atlalign.errors import AtlasError, InvalidFileError
from atlalign.plane import Plane
from atlalign.registration.areas import AREA_COLUMNS, gather_areas
from atlalign.registration.files import RegistrationFiles
from atlalign.registration.groups import Groups
from atlalign.registration.point_map import PointMap
from atlalign.section.canvas import Canvas

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SavedSection:
    """What a record says of the section.

    Attributes
    ----------
    name : str
    shape : (h, w)
        Pixels down and across, at its full size.
    """

    name: str
    shape: tuple[int, int]


class SavedRegistration:
    """A result folder, for the points and areas of the section that it is of.

    Made by `read_registration`. It gives the points that the `Registration` gave that was saved: both use
    `atlalign.registration.PointMap`.

    Parameters
    ----------
    files : RegistrationFiles
        The folder.
    atlas : Atlas
        The atlas that the section was registered to.

    Attributes
    ----------
    files, atlas
        As given. `files` reads what else is in the folder, such as the labels.
    record : dict
        The content of ``registration.json``.
    section : SavedSection
        Name and shape of the section.
    canvas : Canvas
        Where the section was put before any network saw it.

    Raises
    ------
    FileNotFoundError
        If the record is missing.
    atlalign.errors.InvalidFileError
        If the record does not say what is needed.
    """

    def __init__(self, files: RegistrationFiles, atlas: Atlas):
        self.files = files
        self.atlas = atlas
        self.record = files.read_record()
        try:
            self.section, self.canvas = _section(self.record["section"]), _canvas(self.record)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _incomplete(files.record, error) from None

    @cached_property
    def point_map(self) -> PointMap:
        """The map between points of the section and points of the atlas."""
        return PointMap(self.canvas, self.files.read_field(), self.files.read_inverse_field())

    def section_to_atlas(self, points_xy: Any) -> np.ndarray:
        """Return the atlas points of points of the section.

        Parameters
        ----------
        points_xy : array_like, shape (n, 2)
            (x, y) px of the section at its full size; whole numbers are pixel centres.

        Returns
        -------
        ndarray, float64, shape (n, 3)
            (ap, dv, ml) um. Points off the canvas are extrapolated and may lie outside the atlas.

        Raises
        ------
        ValueError
            If the points have another shape or are not finite.
        """
        return self.point_map.section_to_atlas(points_xy)

    def atlas_to_section(self, points_um: Any) -> np.ndarray:
        """Return the points of the section for points of the atlas.

        Parameters
        ----------
        points_um : array_like, shape (n, 3)
            (ap, dv, ml) um. Points off the section's plane are first projected onto it at right angles.

        Returns
        -------
        ndarray, float64, shape (n, 2)
            (x, y) px of the section, which may lie outside its image.

        Raises
        ------
        ValueError
            If the points have another shape or are not finite.
        """
        return self.point_map.atlas_to_section(points_um)

    def atlas_points(self, columns: Any, rows: Any) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Go through a grid of section positions in bands of rows; see `Registration.atlas_points`."""
        return self.point_map.grid_to_atlas(columns, rows)

    def structure_areas(self, *, groups: Groups | None = None, depth: int | None = None) -> pd.DataFrame:
        """Return the area of each structure on the section, as ``areas.csv`` has it.

        Parameters
        ----------
        groups, depth
            As in `atlalign.registration.areas.structure_areas`.

        Returns
        -------
        pandas.DataFrame
            One row a structure, largest first; or one row a group, in their order.

        Raises
        ------
        FileNotFoundError
            If there is no ``areas.csv``.
        atlalign.errors.InvalidFileError
            If it is another table.
        """
        try:
            table = self.files.read_areas()[["id", *AREA_COLUMNS, "pixels"]]
            table = table.astype({"id": np.int64, "pixels": np.int64, **dict.fromkeys(AREA_COLUMNS, np.float64)})
        except (KeyError, ValueError):
            raise InvalidFileError(
                f"A table of areas must have the columns id, {', '.join(AREA_COLUMNS)} and pixels, all numbers. "
                f"Received: {self.files.areas}. Register the section again."
            ) from None
        return gather_areas(table, self, groups=groups, depth=depth)

    def __repr__(self) -> str:
        return f"SavedRegistration({self.section.name!r}, atlas={self.atlas.name!r}, folder='{self.files.folder}')"


def read_registration(
    folder: str | os.PathLike, *, atlas: Atlas | str | os.PathLike | None = None
) -> SavedRegistration:
    """Read a result folder.

    Parameters
    ----------
    folder : path-like
        What `Registration.save` or ``atlalign register`` wrote.
    atlas : Atlas, str or path-like, optional
        The atlas that the section was registered to, or what `Atlas.load` takes; for atlases that have moved. By
        default what the record names.

    Returns
    -------
    SavedRegistration

    Raises
    ------
    FileNotFoundError
        If a file of the folder is missing.
    atlalign.errors.InvalidFileError
        If a file does not hold what it should.
    atlalign.errors.AtlasError
        If the atlas cannot be loaded or is another one.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from atlalign import Section, register
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100)
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registration = register(section, atlas, position_um=6000, local_model=nothing_to_do)
    >>> saved = read_registration(registration.save(pathlib.Path(tempfile.mkdtemp()) / "s1"))
    >>> bool((saved.section_to_atlas([[35, 30]]) == registration.section_to_atlas([[35, 30]])).all())
    True
    """
    files = RegistrationFiles(folder)
    record = files.read_record()
    try:
        wanted = {key: record["atlas"][key] for key in ("name", "version", "spec", "resolution_um")}
        wanted["resolution_um"] = tuple(float(value) for value in wanted["resolution_um"])
    except (KeyError, TypeError, ValueError) as error:
        raise _incomplete(files.record, error) from None
    found = atlas if isinstance(atlas, Atlas) else _load(wanted["spec"] if atlas is None else atlas, files.record)
    received = {"name": found.name, "resolution_um": found.resolution_um, "version": found.version}
    for key, value in received.items():
        # Whoever gives a newer version of the atlas says that it will do.
        if value != wanted[key] and (key != "version" or atlas is None):
            give = "give this one" if key == "version" else "give the right one"
            raise AtlasError(
                f"The atlas must be the one that the section was registered to, of {key} {wanted[key]}. Received: "
                f"{value}, of {found.spec}. Name it with atlas= or --atlas: {give}."
            )
    return SavedRegistration(files, found)


def _load(spec: Any, record: Path) -> Atlas:
    try:
        return Atlas.load(spec)
    except AtlasError as error:
        raise AtlasError(f"{error} The record {record} names it; give the atlas if it has moved.") from None


def _section(content: dict[str, Any]) -> SavedSection:
    shape = int(content["height"]), int(content["width"])
    return SavedSection(str(content["name"]), shape)


def _canvas(record: dict[str, Any]) -> Canvas:
    content, step = record["canvas"], record["steps"][0]
    matrix = np.array(step["section_px_to_canvas_px"], dtype=np.float64)
    if matrix.shape != (2, 3) or not np.isfinite(matrix).all():
        raise ValueError(f"section_px_to_canvas_px {matrix.tolist()}")
    across, down = (float(value) for value in record["section"]["pixel_size_um"])
    return Canvas(
        plane=Plane.from_corners(content["corners_um"]),
        shape=(int(content["height"]), int(content["width"])),
        from_section=matrix,
        section_pixel_um=(across, down),
        pixel_size_source=str(record["section"]["pixel_size_source"]),
        hemisphere=content.get("hemisphere", "both"),
    )


def _incomplete(path: Path, error: Exception) -> InvalidFileError:
    return InvalidFileError(
        "A registration record must say what was registered to what, and where it lies. "
        f"Received: {path} ({type(error).__name__}: {error}). Register the section again."
    )

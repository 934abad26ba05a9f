"""A registration that was saved, read again: points, areas, quality and atlas without the section's image."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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
from atlalign.registration.mapped import MappedSection
from atlalign.registration.point_map import PointMap
from atlalign.registration.quality import Disagreement, PositionSearch, Variation
from atlalign.section.canvas import Canvas
from atlalign.section.mask import SectionMask

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
    mask : SectionMask or None
        Which pixels count, if not all of them do.
    """

    name: str
    shape: tuple[int, int]
    mask: SectionMask | None = field(default=None, compare=False)


class SavedRegistration(MappedSection):
    """A result folder, for the points and areas of the section that it is of.

    Made by `read_registration`. It gives the points that the `Registration` gave that was saved: both use
    `atlalign.registration.PointMap`.

    Parameters
    ----------
    files : RegistrationFiles
        The folder.
    atlas : Atlas
        The atlas that the section was registered to.
    record : dict, optional
        The content of ``registration.json``, where it was read already.

    Attributes
    ----------
    files, atlas, record
        As given. `files` reads what else is in the folder, such as the labels.
    section : SavedSection
        Name, shape and mask of the section.
    canvas : Canvas
        Where the section was put before any network saw it.

    Raises
    ------
    FileNotFoundError
        If the record, or the mask that it speaks of, is missing.
    atlalign.errors.InvalidFileError
        If the record does not say what is needed, or the mask is of another section.
    """

    def __init__(self, files: RegistrationFiles, atlas: Atlas, record: dict[str, Any] | None = None):
        self.files = files
        self.atlas = atlas
        self.record = files.read_record() if record is None else record
        try:
            self.section, self.canvas = _section(self.record["section"], files), _canvas(self.record)
        except InvalidFileError:
            raise
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _incomplete(files.record, error) from None

    @cached_property
    def point_map(self) -> PointMap:
        """The map between points of the section and points of the atlas."""
        return PointMap(self.canvas, self.files.read_field(), self.files.read_inverse_field())

    @cached_property
    def disagreement(self) -> Disagreement | None:
        """How far variations of the section scatter, where there were any.

        Raises
        ------
        FileNotFoundError
            If the record speaks of a map that is missing.
        atlalign.errors.InvalidFileError
            If the map is no image, or has another shape than the canvas.
        """
        content = self.record.get("disagreement")
        if content is None:
            return None
        map_um = self.files.read_disagreement()
        if map_um.shape != tuple(self.canvas.shape):
            raise InvalidFileError(
                f"A map of the disagreement must have the shape of its canvas, {tuple(self.canvas.shape)}. "
                f"Received: {self.files.disagreement} of shape {map_um.shape}. Register the section again."
            )
        try:
            variations = tuple(
                Variation(np.array(given["matrix"]), given["gamma"], given["blur_px"], given["mirrored"])
                for given in content["variations"]
            )
            return Disagreement(map_um, variations, str(content["where"]))
        except (KeyError, TypeError, ValueError) as error:
            raise _incomplete(self.files.record, error) from None

    @cached_property
    def search(self) -> PositionSearch | None:
        """How the position was found, where it was not given.

        Raises
        ------
        atlalign.errors.InvalidFileError
            If the record does not hold a search.
        """
        content = self.record.get("search")
        if content is None:
            return None
        try:
            return PositionSearch(**content)
        except (TypeError, ValueError) as error:
            raise _incomplete(self.files.record, error) from None

    def quality(self) -> dict[str, dict[str, Any]]:
        """Return the quantities that were measured, as ``quality.json`` has them; see `Registration.quality`.

        Raises
        ------
        FileNotFoundError
            If there is no ``quality.json``.
        atlalign.errors.InvalidFileError
            If it is not JSON.
        """
        return self.files.read_quality()

    def structure_areas(self, *, groups: Groups | None = None, depth: int | None = None) -> pd.DataFrame:
        """Return the area of each structure on the section, as ``structures.csv`` has it.

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
            If there is no ``structures.csv``.
        atlalign.errors.InvalidFileError
            If it is another table.
        """
        try:
            table = self.files.read_areas()[["id", *AREA_COLUMNS, "pixels"]]
            table = table.astype({"id": np.int64, "pixels": np.int64, **dict.fromkeys(AREA_COLUMNS, np.float64)})
        except (KeyError, ValueError):
            raise InvalidFileError(
                f"A table of areas must have the columns id, {', '.join(AREA_COLUMNS)} and pixels, all numbers. "
                f"Received: {self.files.structures}. Register the section again."
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
    return _registration(files, files.read_record(), atlas)


def _registration(
    files: RegistrationFiles, record: dict[str, Any], atlas: Atlas | str | os.PathLike | None
) -> SavedRegistration:
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
    return SavedRegistration(files, found, record)


def open_registrations(sections: Iterable[Any], atlas: Atlas | None = None) -> Iterator[Any]:
    """Go through registrations, read one by one where they are result folders; folders of one atlas share it.

    Parameters
    ----------
    sections : iterable of path-like, Registration or SavedRegistration
    atlas : Atlas, optional
        Of the folders; by default what their records name.

    Yields
    ------
    Registration or SavedRegistration
    """
    shared: dict[str, Atlas] = {}
    for section in sections:
        if isinstance(section, str | os.PathLike):
            files = RegistrationFiles(section)
            record = files.read_record()
            spec = str(record.get("atlas"))
            section = _registration(files, record, atlas or shared.get(spec))
            shared[spec] = section.atlas
        yield section


def _load(spec: Any, record: Path) -> Atlas:
    try:
        return Atlas.load(spec)
    except AtlasError as error:
        raise AtlasError(f"{error} The record {record} names it; give the atlas if it has moved.") from None


def _section(content: dict[str, Any], files: RegistrationFiles) -> SavedSection:
    shape = int(content["height"]), int(content["width"])
    if content.get("mask") is None:
        return SavedSection(str(content["name"]), shape)
    counts = files.read_mask()
    try:
        return SavedSection(str(content["name"]), shape, SectionMask(counts, shape))
    except ValueError as error:
        raise InvalidFileError(f"{error} The mask is {files.mask}: register the section again.") from None


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

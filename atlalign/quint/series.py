"""Read a registered series: where its sections lie in the atlas, their numbers, their markers, and their images."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from atlalign._files import require_file
from atlalign.errors import InvalidFileError
from atlalign.plane import Plane
from atlalign.plane_io import read_anchorings
from atlalign.quint.markers import Markers, read_markers, read_slices, stated_size

_NUMBER_IN_NAME = re.compile(r"_s(\d+)")  # how the tools of the QUINT workflow number sections
_LARGEST_NUMBER = 2**63
_IMAGES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}


@dataclass(frozen=True, eq=False)
class SeriesSection:
    """One section of a series.

    Attributes
    ----------
    filename : str
        The name of its image, as the series has it.
    number : int
        Its number in the series.
    plane : Plane
        What its image covers in the atlas, edge to edge, without markers.
    markers : Markers or None
        How VisuAlign refined that.
    size : (float, float) or None
        Width and height of the image as the series states them; images of other sizes must have the same proportions.
    """

    filename: str
    number: int
    plane: Plane
    markers: Markers | None = None
    size: tuple[float, float] | None = None


def read_series(
    path: str | os.PathLike, *, extent_um: tuple[float, float, float] | None = None
) -> tuple[list[SeriesSection], list[str]]:
    r"""Read a series of QuickNII, VisuAlign or DeepSlice.

    A section's number is what a JSON file states as `nr`; else what follows ``_s`` in its name, as in
    ``brain_s012.png``; else its place among the sections, from 0.

    Parameters
    ----------
    path : path-like
        A .json, .xml or .csv file. Only JSON holds markers.
    extent_um : tuple of 3 float, optional
        `Atlas.shape_um` of the atlas in which the planes will be used; see `read_anchorings`.

    Returns
    -------
    sections : list of SeriesSection
        In the order of the file.
    without_anchoring : list of str
        Names of those that a JSON file holds without an anchoring.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        As for `read_anchorings` and `read_markers`, or if a number is none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "series.csv"
    >>> header = "Filenames,ox,oy,oz,ux,uy,uz,vx,vy,vz"
    >>> _ = path.write_text(f"{header}\nbrain_s012.png,0,300,320,456,0,0,0,0,-320\n")
    >>> sections, _ = read_series(path)
    >>> sections[0].number, round(sections[0].plane.position_um)
    (12, 5700)
    """
    path = require_file(path, "series")
    planes = read_anchorings(path, extent_um=extent_um)
    entries: dict[str, dict[str, Any]] = {}
    markers: dict[str, Markers] = {}
    if path.suffix.lower() == ".json":
        entries = {str(entry.get("filename")): entry for entry in read_slices(path)}
        markers = read_markers(path)
    sections = [
        SeriesSection(
            name,
            _number(name, entries.get(name, {}), row, path),
            plane,
            markers.get(name),
            stated_size(entries.get(name, {})),
        )
        for row, (name, plane) in enumerate(planes.items())
    ]
    return sections, [name for name in entries if name not in planes]


def find_images(sections: list[SeriesSection], folder: str | os.PathLike) -> list[Path | None]:
    """Return the image of each section, None for those that the folder does not have.

    The name decides; where there is none of that name, the one file of that name with another ending, as series are
    often registered on smaller copies of the images.

    Parameters
    ----------
    sections : list of SeriesSection
    folder : path-like
        Where the images lie; folders in names of the series count for nothing.

    Raises
    ------
    NotADirectoryError
        If the folder is none.
    FileNotFoundError
        If it has no image at all of the series.
    InvalidFileError
        If a section could have several images, or two sections have the same.

    Examples
    --------
    >>> find_images([], "nowhere")
    Traceback (most recent call last):
    ...
    NotADirectoryError: The images must be in a folder. Received: nowhere. Give the folder that holds them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(
            f"The images must be in a folder. Received: {folder}. Give the folder that holds them."
        )
    by_stem: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in _IMAGES and file.is_file():
            by_stem.setdefault(file.stem, []).append(file)
    images = [_find_image(section.filename, folder, by_stem) for section in sections]
    owners: dict[Path, str] = {}
    for section, image in zip(sections, images, strict=True):
        if image is not None and owners.setdefault(image, section.filename) != section.filename:
            raise InvalidFileError(
                "Each section of a series must have its own image. "
                f"Received: {image} for {owners[image]} and {section.filename}. Rename one of the sections."
            )
    if not owners:
        raise FileNotFoundError(
            "The folder must hold images of the series, named as in it. "
            f"Received: {folder}, which has none of {len(sections)}, such as {sections[0].filename}. Check the folder."
        )
    return images


def _find_image(filename: str, folder: Path, by_stem: dict[str, list[Path]]) -> Path | None:
    name = PureWindowsPath(filename).name  # understands both kinds of slashes
    exact = folder / name
    if name and exact.is_file():
        return exact
    candidates = by_stem.get(PureWindowsPath(name).stem, [])
    if len(candidates) > 1:
        raise InvalidFileError(
            f"A section must have one image. Received: {', '.join(file.name for file in candidates)} in {folder} for "
            f"{filename}. Keep the one that is meant."
        )
    return candidates[0] if candidates else None


def _number(name: str, entry: dict[str, Any], row: int, path: Path) -> int:
    stated = entry.get("nr")
    if stated is None:
        numbers = _NUMBER_IN_NAME.findall(name)
        stated = int(numbers[-1]) if numbers else row
    is_number = isinstance(stated, int | float) and abs(stated) < _LARGEST_NUMBER
    if not is_number or stated != int(stated):
        raise InvalidFileError(
            f"A section's number must be an integer. Received: {str(stated)[:80]!r} for {name} in {path}. Correct nr."
        )
    return int(stated)

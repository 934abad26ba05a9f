"""Read where sections lie from the files of QuickNII and DeepSlice."""

from __future__ import annotations

import csv
import json
import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from atlalign._files import require_file
from atlalign.errors import InvalidFileError, one_line
from atlalign.plane import Plane

_KEYS = ("ox", "oy", "oz", "ux", "uy", "uz", "vx", "vy", "vz")

# Targets name the spacing; the edges of the Allen atlas in voxels follow from it.
_ALLEN_TARGETS: dict[str, tuple[tuple[int, int, int], float]] = {
    "10um": ((1140, 1320, 800), 10.0),
    "25um": ((456, 528, 320), 25.0),
    "50um": ((228, 264, 160), 50.0),
}
_ALLEN_EXTENT = np.array([11400.0, 13200.0, 8000.0])
_TARGET = re.compile(r"ABA_Mouse_CCFv3_2017_(10um|25um|50um)")

# Two extents that differ by less are of the same atlas: grids are rounded to whole voxels.
_SAME_EXTENT = 0.01
_MOST_VOXELS = 1e7  # along an axis

_Slice = tuple[str, Any]
_Stated = tuple[str, Any]  # what a file says of its target: the name and the resolution, "" and None for nothing


def read_anchorings(
    path: str | os.PathLike,
    *,
    target_resolution: tuple[int, int, int] | None = None,
    voxel_um: float | None = None,
    extent_um: tuple[float, float, float] | None = None,
) -> dict[str, Plane]:
    r"""Read the plane of each section of a series.

    An anchoring counts voxels of the atlas that QuickNII or DeepSlice showed, its *target*. What is not known
    of the target's grid is taken from the three keywords, of which `extent_um` is enough for a JSON file.

    Parameters
    ----------
    path : path-like
        A series of QuickNII (.json or .xml) or DeepSlice (.json, .xml or .csv).
    target_resolution : tuple of 3 int, optional
        Voxels of the target from left to right, posterior to anterior, inferior to superior. What a JSON file
        states wins, as does the grid of QuickNII's Allen atlases (10, 25 or 50 um) where a JSON file names one.
    voxel_um : float, optional
        Edge of a voxel of the target, um; that of the Allen atlases wins where the file is anchored to one.
    extent_um : tuple of 3 float, optional
        Extent (ap, dv, ml) of the atlas in which the planes will be used, um: `Atlas.shape_um`. A target of
        another extent is refused.

    Returns
    -------
    dict of str to Plane
        By file name, in the order of the file, without sections that have no anchoring.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If the file is not a series, or holds an anchoring that is not one; if its target is not known and the
        keywords do not tell; or if the target's extent differs from what they say by more than 1 %.

    Notes
    -----
    An .xml or .csv file does not name its target. Without keywords, or with the extent of the Allen mouse atlas,
    it is taken to be that atlas at 25 um, which is what DeepSlice writes for mouse; otherwise give `voxel_um`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> series = pathlib.Path(tempfile.mkdtemp()) / "series.csv"
    >>> header = "Filenames,ox,oy,oz,ux,uy,uz,vx,vy,vz,nr"
    >>> _ = series.write_text(f"{header}\na.png,0,300,320,456,0,0,0,0,-320,1\n")
    >>> round(read_anchorings(series)["a.png"].position_um)
    5700
    """
    path = require_file(path, "anchoring file")
    readers = {".json": _read_json, ".xml": _read_xml, ".csv": _read_csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidFileError(
            f"An anchoring file must end in .json, .xml or .csv. Received: {path}. Export it from QuickNII "
            "or DeepSlice as one of them."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _not_a_series(path, "bytes that are not text") from None
    slices, stated = reader(path, text)
    resolution, voxel = _grid(path, stated, target_resolution, voxel_um, extent_um)
    planes: dict[str, Plane] = {}
    for name, anchoring in slices:
        if name in planes:
            raise InvalidFileError(
                f"Each section of a series must occur once. Received: {name} twice in {path}. Remove one of them."
            )
        try:
            planes[name] = Plane.from_quicknii(
                [float(value) for value in anchoring], target_resolution=resolution, voxel_um=voxel
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidFileError(
                "An anchoring must be nine finite numbers that span a plane. "
                f"Received: that of {name!r} in {path} ({one_line(error)}). Anchor the section again."
            ) from None
    if not planes:
        raise InvalidFileError(
            f"A series must hold at least one anchored section. Received: none in {path}. Anchor its sections first."
        )
    return planes


def _grid(
    path: Path, stated: _Stated, target_resolution: Any, voxel_um: float | None, extent_um: Any
) -> tuple[Any, float]:
    """Return the voxels of the target and their edge in um, from the file first and then from the caller."""
    name, written = stated
    resolution, voxel = _allen(name, written) or (written, None)
    resolution = target_resolution if resolution is None else resolution
    voxel = voxel_um if voxel is None else voxel
    extent = None if extent_um is None else np.asarray(extent_um, dtype=np.float64)[[2, 0, 1]]
    if extent is None and target_resolution is not None and voxel_um is not None:
        extent = np.multiply(target_resolution, voxel_um)
    if resolution is None and voxel is None and not name and (extent is None or _agree(_ALLEN_EXTENT, extent)):
        resolution, voxel = _ALLEN_TARGETS["25um"]
    if resolution is None and voxel is not None:
        if extent is not None:
            resolution = np.round(extent / voxel)
        else:
            resolution = next((known for known, edge in _ALLEN_TARGETS.values() if edge == voxel), None)
    if voxel is None and resolution is not None and extent is not None:
        voxel = float(np.mean(extent / resolution))
    if resolution is None or voxel is None:
        raise InvalidFileError(
            "The grid of a series' target must be known: its voxels and their edge in um. "
            f"Received: {path}, whose target is {name or 'not named'!r}, resolution {written or 'not stated'}. "
            "Pass target_resolution=... and voxel_um=..., or extent_um=atlas.shape_um."
        )
    if extent is not None and not _agree(np.multiply(resolution, voxel), extent):
        raise InvalidFileError(
            "A series must be anchored to an atlas as large as the one that is used, within 1 %. "
            f"Received: {path} with {_text(resolution)} voxels of {voxel:g} um, for an atlas of {_text(extent)} um "
            "(left-right, posterior-anterior, inferior-superior). Use the atlas that it was anchored to."
        )
    return resolution, voxel


def _allen(name: str, resolution: Any) -> tuple[Any, float] | None:
    """Return the grid of the Allen atlas that a file names or whose resolution it states, None for others."""
    if resolution is None:
        known = _TARGET.search(name)
        return _ALLEN_TARGETS[known[1]] if known else None
    return next((grid for grid in _ALLEN_TARGETS.values() if tuple(resolution) == grid[0]), None)


def _agree(extent: Any, expected: np.ndarray) -> bool:
    return bool((np.abs(extent - expected) <= _SAME_EXTENT * expected).all())


def _text(triple: Any) -> str:
    return " x ".join(f"{value:g}" for value in triple)


def _read_json(path: Path, text: str) -> tuple[list[_Slice], _Stated]:
    try:
        series = json.loads(text)
        entries = [(entry["filename"], entry["anchoring"]) for entry in series["slices"] if entry.get("anchoring")]
    # a number of thousands of digits is a ValueError, a file that is nothing but brackets a RecursionError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _not_a_series(path, f"{type(error).__name__}: {error}") from None
    for name, anchoring in entries:
        if not isinstance(name, str) or not isinstance(anchoring, list):
            raise _not_a_series(path, "a section whose filename is no text or whose anchoring is no list")
    stated = series.get("target-resolution")
    if stated is not None and not _is_resolution(stated):
        raise InvalidFileError(
            f"target-resolution must be three positive numbers. Received: {str(stated)[:80]!r} in {path}. "
            "The Allen atlas at 25 um has [456, 528, 320]."
        )
    return entries, (str(series.get("target") or ""), stated)


def _is_resolution(stated: Any) -> bool:
    if not isinstance(stated, list) or len(stated) != 3:
        return False
    return all(isinstance(n, int | float) and 0 < n <= _MOST_VOXELS for n in stated)


def _read_xml(path: Path, text: str) -> tuple[list[_Slice], _Stated]:
    # Entities are how an XML file makes a reader expand or fetch things; a series needs none.
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise _not_a_series(path, "a DOCTYPE or ENTITY declaration")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise _not_a_series(path, str(error)) from None
    slices: list[_Slice] = []
    for element in root.iter("slice"):
        written = element.get("anchoring")
        if not written:
            continue
        values = parse_qs(written)
        slices.append((element.get("filename", ""), [values.get(key, ["missing"])[0] for key in _KEYS]))
    return slices, ("", None)


def _read_csv(path: Path, text: str) -> tuple[list[_Slice], _Stated]:
    try:
        rows = list(csv.DictReader(text.splitlines()))
    except csv.Error as error:
        raise _not_a_series(path, str(error)) from None
    if not rows or not {"Filenames", *_KEYS} <= set(rows[0]):
        raise _not_a_series(path, "no columns Filenames, " + ", ".join(_KEYS))
    return [(row["Filenames"], [row[key] for key in _KEYS]) for row in rows], ("", None)


def _not_a_series(path: Path, received: str) -> InvalidFileError:
    return InvalidFileError(
        f"{path} must be a series of QuickNII or DeepSlice. Received: {received}. Export the series again."
    )

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

from atlalign._files import require_file
from atlalign.errors import InvalidFileError
from atlalign.plane import Plane

_KEYS = ("ox", "oy", "oz", "ux", "uy", "uz", "vx", "vy", "vz")

# Targets name the spacing; the edges of the Allen atlas in voxels follow from it.
_ALLEN_TARGETS: dict[str, tuple[tuple[int, int, int], float]] = {
    "10um": ((1140, 1320, 800), 10.0),
    "25um": ((456, 528, 320), 25.0),
    "50um": ((228, 264, 160), 50.0),
}
_TARGET = re.compile(r"ABA_Mouse_CCFv3_2017_(10um|25um|50um)")

_Slice = tuple[str, Any]


def read_anchorings(
    path: str | os.PathLike,
    *,
    target_resolution: tuple[int, int, int] = (456, 528, 320),
    voxel_um: float = 25.0,
) -> dict[str, Plane]:
    r"""Read the plane of each section of a series.

    Parameters
    ----------
    path : path-like
        A series of QuickNII (.json or .xml) or DeepSlice (.json, .xml or .csv).
    target_resolution : tuple of 3 int
        Voxels of the atlas from left to right, posterior to anterior, inferior to superior. What a JSON
        file says of its target wins.
    voxel_um : float
        Edge of a voxel of the target, um. A JSON file whose target is one of QuickNII's Allen atlases (10, 25
        or 50 um) wins.

    Returns
    -------
    dict of str to Plane
        By file name, in the order of the file, without sections that have no anchoring.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If the file is not a series, or holds an anchoring that is not one.

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
    slices, target = reader(path, text, voxel_um)
    resolution, voxel = target or (target_resolution, voxel_um)
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
        except (TypeError, ValueError) as error:
            raise InvalidFileError(f"{path}: the anchoring of {name} is not valid. {error}") from None
    if not planes:
        raise InvalidFileError(
            f"A series must hold at least one anchored section. Received: none in {path}. Anchor its sections first."
        )
    return planes


def _read_json(path: Path, text: str, voxel_um: float) -> tuple[list[_Slice], tuple[Any, float] | None]:
    try:
        series = json.loads(text)
        slices = [(entry["filename"], entry["anchoring"]) for entry in series["slices"] if entry.get("anchoring")]
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise _not_a_series(path, f"{type(error).__name__}: {error}") from None
    return slices, _target(path, series, voxel_um)


def _target(path: Path, series: dict, voxel_um: float) -> tuple[Any, float] | None:
    """Return the voxels and their edge that a series states, or None where it states neither."""
    known = _TARGET.search(str(series.get("target", "")))
    stated = series.get("target-resolution")
    if stated is None:
        return _ALLEN_TARGETS[known[1]] if known else None
    valid = isinstance(stated, list) and len(stated) == 3
    if not valid or not all(isinstance(n, int | float) and n > 0 for n in stated):
        raise InvalidFileError(
            f"target-resolution must be three positive numbers. Received: {stated!r} in {path}. "
            "The Allen atlas at 25 um has [456, 528, 320]."
        )
    for resolution, voxel in _ALLEN_TARGETS.values():
        if tuple(stated) == resolution:
            return resolution, voxel
    return stated, voxel_um


def _read_xml(path: Path, text: str, voxel_um: float) -> tuple[list[_Slice], None]:
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
    return slices, None


def _read_csv(path: Path, text: str, voxel_um: float) -> tuple[list[_Slice], None]:
    rows = list(csv.DictReader(text.splitlines()))
    if not rows or not {"Filenames", *_KEYS} <= set(rows[0]):
        raise _not_a_series(path, "no columns Filenames, " + ", ".join(_KEYS))
    return [(row["Filenames"], [row[key] for key in _KEYS]) for row in rows], None


def _not_a_series(path: Path, received: str) -> InvalidFileError:
    return InvalidFileError(
        f"{path} must be a series of QuickNII or DeepSlice. Received: {received}. Export the series again."
    )

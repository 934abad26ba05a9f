"""Read VisuAlign's markers: where a person moved points of the overlaid atlas to."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atlalign._files import require_file
from atlalign.errors import InvalidFileError, one_line


@dataclass(frozen=True, eq=False)
class Markers:
    """The markers of one section.

    Convention: coordinates are (x, y) in px of an image of `size`, counted from its outer left and top edges, so that
    a marker on the bottom-right corner is at `size`. The image itself may come at any other size.

    Attributes
    ----------
    overlay_xy : ndarray, float64, (n, 2)
        Where the points lie in the atlas as the anchoring alone overlays it on the section.
    section_xy : ndarray, float64, (n, 2)
        Where the same points of the anatomy lie on the section.
    size : (float, float)
        Width and height of the image that the coordinates are of.
    """

    overlay_xy: np.ndarray
    section_xy: np.ndarray
    size: tuple[float, float]

    def __len__(self) -> int:
        return len(self.section_xy)


def read_markers(path: str | os.PathLike) -> dict[str, Markers]:
    r"""Read the markers of a series.

    Parameters
    ----------
    path : path-like
        A series of VisuAlign or QuickNII (.json).

    Returns
    -------
    dict of str to Markers
        By file name, in the order of the file, without sections that have no markers.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If the file is not a series, or a section's markers are not lists of four finite numbers each, with a positive
        `width` and `height`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> series = pathlib.Path(tempfile.mkdtemp()) / "series.json"
    >>> _ = series.write_text(
    ...     '{"slices": [{"filename": "a.png", "width": 90, "height": 60, "markers": [[40, 30, 45, 28]]}]}'
    ... )
    >>> read_markers(series)["a.png"].section_xy
    array([[45., 28.]])
    """
    path = require_file(path, "series of VisuAlign")
    markers: dict[str, Markers] = {}
    for entry in read_slices(path):
        if entry.get("markers"):
            markers[str(entry.get("filename"))] = _markers(entry, path)
    return markers


def read_slices(path: Path) -> list[dict[str, Any]]:
    """Return the sections of a series in JSON, as the file has them.

    Raises
    ------
    InvalidFileError
        If the file is no series.
    """
    try:
        slices = json.loads(path.read_text(encoding="utf-8-sig"))["slices"]
        if not isinstance(slices, list) or not all(isinstance(entry, dict) for entry in slices):
            raise TypeError("slices that are no list of sections")
    # a number of thousands of digits is a ValueError, a file that is nothing but brackets a RecursionError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidFileError(
            f"{path} must be a series of QuickNII or VisuAlign. "
            f"Received: {type(error).__name__}: {one_line(error)}. Export the series again."
        ) from None
    return slices


def stated_size(entry: dict[str, Any]) -> tuple[float, float] | None:
    """Return the width and height that a section of a series states, None where it states none.

    Examples
    --------
    >>> stated_size({"width": 90, "height": 60}), stated_size({})
    ((90.0, 60.0), None)
    """
    try:
        width, height = float(entry["width"]), float(entry["height"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if 0 < width < np.inf and 0 < height < np.inf else None


def _markers(entry: dict[str, Any], path: Path) -> Markers:
    name, size = entry.get("filename"), stated_size(entry)
    try:
        points = np.array(entry["markers"], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.array(np.nan)
    if points.ndim != 2 or points.shape[1] != 4 or not np.isfinite(points).all() or size is None:
        received = "no positive width and height" if size is None else "others"
        raise InvalidFileError(
            "A section's markers must be four finite numbers each (x and y on the overlay, x and y on the section), in "
            f"px of its width and height. Received: {received} for {name} in {path}. Save the series with VisuAlign."
        )
    return Markers(points[:, :2], points[:, 2:], size)

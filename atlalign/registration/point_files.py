"""Tables of points in, tables with their structures and counts out, whatever their length."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from atlalign._files import atomic_path, require_folder, require_no_folder
from atlalign._progress import no_progress
from atlalign.registration.areas import AREA_FORMAT
from atlalign.registration.groups import Groups, check_gathering, structures_of_groups
from atlalign.registration.point_table import PointTable, open_points
from atlalign.registration.points import count_table, locate_points, on_image, place_points, tally
from atlalign.section.pixel_size import checked_pixel_size

if TYPE_CHECKING:
    from atlalign.registration.result import Registration
    from atlalign.registration.saved import SavedRegistration

# Pixel sizes that no microscope stated: a table in um was not computed with them.
_GUESSED = ("estimated", "anchoring")

_DECIMALS = {"x": 4, "y": 4, "ap_um": 3, "dv_um": 3, "ml_um": 3, "distance_um": 3}


def convert_points(
    registration: Registration | SavedRegistration,
    points: str | os.PathLike,
    out: str | os.PathLike,
    *,
    to: str = "atlas",
    counts: str | os.PathLike | None = None,
    groups: Groups | None = None,
    depth: int | None = None,
    pixel_size_um: Any = None,
    progress: Callable = no_progress,
) -> dict[str, Any]:
    r"""Add to a table of points where they lie, and count them.

    The table is gone through in blocks, so that memory stays bounded. Outputs appear whole or not at all.

    Parameters
    ----------
    registration : Registration or SavedRegistration
    points : path-like
        The table; `atlalign.registration.point_table.open_points` says which columns it must have.
    out : path-like
        CSV file to write, UTF-8; tabs separate the cells of a ``.tsv``. All columns of the table stay as they are,
        those that have the name of a new one under another name (``x`` becomes ``x_given``).
    to : {"atlas", "section"}
        "atlas" adds what `locate_points` gives, "section" what `place_points` gives.
    counts : path-like, optional
        CSV file to write, with what `count_points` gives.
    groups, depth
        As in `count_points`.
    pixel_size_um : float or (x, y), optional
        Size of a pixel with which coordinates in um were computed; by default that of the record, where it is not a
        guess.
    progress : callable
        Wraps the iterator of blocks: ``progress(blocks, total=...)``.

    Returns
    -------
    dict
        n_points, the columns that were read, and what became of the points; `notes` says in sentences what to look at.

    Raises
    ------
    FileNotFoundError
        If the table or the folder of an output does not exist.
    ValueError
        If the arguments do not go together, an output is an input, or the pixel size that is needed is unknown.
    atlalign.errors.InvalidFileError
        If the table is not one of points.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from atlalign import Atlas, Section, register
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100)
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registration = register(section, atlas, position_um=6000, local_model=nothing_to_do)
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "cells.csv").write_text("cell,x,y\nA,35,30\nB,0,0\n")
    >>> summary = convert_points(registration, folder / "cells.csv", folder / "out.csv")
    >>> summary["n_points"], summary["n_outside"]
    (2, 1)
    >>> pd.read_csv(folder / "out.csv")[["cell", "acronym", "ap_um"]]
      cell acronym   ap_um
    0    A      CP  6000.0
    1    B     NaN  6000.0
    """
    _check_request(to, counts, groups, depth)
    outputs = [Path(path) for path in (out, counts) if path is not None]
    _check_outputs(Path(points), outputs)
    check_gathering(groups, depth, registration.atlas.structures)
    table = open_points(points, "section" if to == "atlas" else "atlas")
    size = _pixel_size(registration, table, pixel_size_um)
    result = _Result(registration, to)
    blocks = progress(table.blocks(), total=table.count_blocks())
    with ExitStack() as stack:
        temporary = [stack.enter_context(atomic_path(path)) for path in outputs]
        with temporary[0].open("w", encoding="utf-8", newline="") as file:
            delimiter = "\t" if outputs[0].suffix.lower() == ".tsv" else ","
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            writer.writerow(_header(table.header, result.columns))
            for rows, values in blocks:
                found = result.add(_to_px(values, table, size) if to == "atlas" else values)
                writer.writerows(row + new for row, new in zip(rows, _texts(found), strict=True))
        if counts is not None:
            result.counts(groups, depth).to_csv(temporary[1], index=False, float_format=AREA_FORMAT)
    return result.summary(table, groups, counted=counts is not None)


class _Result:
    """What became of the points so far."""

    def __init__(self, registration: Registration | SavedRegistration, to: str):
        self._registration = registration
        self._compute = locate_points if to == "atlas" else place_points
        self._to = to
        self.columns = list(self._compute(registration, np.empty((0, 2 if to == "atlas" else 3))).columns)
        self._n = self._n_off_image = 0
        self._farthest_um = 0.0
        self._tally = tally(pd.DataFrame({"structure_id": np.array([], dtype=np.int64), "hemisphere": []}))

    def add(self, points: np.ndarray) -> pd.DataFrame:
        """Return the new columns of points, and remember what they come to."""
        found = self._compute(self._registration, points)
        xy = points if self._to == "atlas" else found[["x", "y"]].to_numpy()
        self._n += len(points)
        self._n_off_image += int(np.count_nonzero(~on_image(xy, self._registration.section.shape)))
        if self._to == "atlas":
            self._tally = self._tally.add(tally(found), fill_value=0).astype(np.int64)
        else:
            self._farthest_um = max(self._farthest_um, float(found["distance_um"].max()))
        return found

    def counts(self, groups: Groups | None, depth: int | None) -> pd.DataFrame:
        return count_table(self._registration, self._tally, groups=groups, depth=depth)

    def summary(self, table: PointTable, groups: Groups | None, *, counted: bool) -> dict[str, Any]:
        height, width = self._registration.section.shape
        summary: dict[str, Any] = {"to": self._to, "columns": table.column_names, "n_points": self._n}
        notes = []
        if self._to == "atlas":
            n_inside = int(self._tally["total_count"].sum())
            summary |= {"n_structures": len(self._tally), "n_outside": self._n - n_inside}
            if groups is not None:
                grouped = self._tally.index.isin(
                    list(structures_of_groups(groups, self._registration.atlas.structures))
                )
                summary["n_in_no_group"] = int(self._tally["total_count"][~grouped].sum())
        else:
            summary["farthest_um"] = round(self._farthest_um, 3)
        summary["n_off_image"] = self._n_off_image
        if self._n_off_image:
            notes.append(
                f"{self._n_off_image} of {self._n} points lie outside the image of {width} x {height} px: are they of "
                "this section, at its full size?"
            )
        if counted and self._registration.canvas.pixel_size_source == "estimated":
            notes.append("Areas and densities rest on a pixel size that was estimated from the tissue's extent.")
        return summary | {"notes": notes}


def _check_request(to: str, counts: Any, groups: Any, depth: Any) -> None:
    if to not in ("atlas", "section"):
        raise ValueError(f"to must be atlas or section. Received: {to!r}. Say where the points should go.")
    if to == "section" and counts is not None:
        raise ValueError(
            f"Counts are of points of the section. Received: counts {counts} on the way to the section. Leave them out."
        )
    if counts is None and (groups is not None or depth is not None):
        received = "groups" if groups is not None else f"depth {depth}"
        raise ValueError(
            f"Groups and a depth are for counts. Received: {received} without counts. Give their file too."
        )


def _check_outputs(points: Path, outputs: list[Path]) -> None:
    for path in outputs:
        require_folder(path.parent)
        require_no_folder(path)
    names = [path.resolve() for path in (points, *outputs)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"Input and outputs must be different files. Received: {name} twice. Choose another name for one."
            )


def _pixel_size(registration: Any, table: PointTable, given: Any) -> tuple[float, float] | None:
    """Return the size of a pixel that turns the table's um into px, or None if it is in px."""
    if table.unit == "px" or not table.from_corner:
        if given is not None:
            raise ValueError(
                f"A pixel size is for points in um of the section. Received: {given} for the columns "
                f"{', '.join(table.column_names)}. Leave it out."
            )
        return None
    if given is not None:
        return checked_pixel_size(given)
    canvas = registration.canvas
    if canvas.pixel_size_source in _GUESSED:
        raise ValueError(
            f"Points in um need the pixel size that they were computed with. Received: {table.path} with "
            f"{table.column_names[0]}, of a section whose pixel size is of source '{canvas.pixel_size_source}'. "
            "Export px, or give the pixel size in um."
        )
    return canvas.section_pixel_um


def _to_px(values: np.ndarray, table: PointTable, size: tuple[float, float] | None) -> np.ndarray:
    """Return points in px from the centre of the first pixel."""
    points = values if size is None else values / size
    return points - 0.5 if table.from_corner else points


def _header(given: tuple[str, ...], new: list[str]) -> list[str]:
    """Return the names of all columns; given ones make way for new ones of their name."""
    taken, names = {*given, *new}, []
    for name in given:
        if name in new:
            while name in taken:
                name += "_given"
            taken.add(name)
        names.append(name)
    return [*names, *new]


def _texts(found: pd.DataFrame) -> Iterator[list[str]]:
    """Go through the rows of a table as texts."""
    columns = []
    for name, values in found.items():
        if name in _DECIMALS:
            decimals = _DECIMALS[str(name)]
            columns.append([f"{value:.{decimals}f}" for value in (np.round(values, decimals) + 0.0).tolist()])
        else:
            columns.append([str(value) for value in values.tolist()])
    return (list(row) for row in zip(*columns, strict=True))

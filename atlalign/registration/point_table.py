"""Tables of points as people have them: their columns found, their rows gone through in blocks."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from atlalign._files import require_file
from atlalign.errors import InvalidFileError, one_line

Space = Literal["section", "atlas"]

_ROWS_AT_ONCE = 2**15
_DELIMITERS = ",\t;"
_MICRO = "(?:µ|μ|u)m"  # the micro sign, the Greek letter, and neither

# QuPath's name of the column that says which image a row is of.
_IMAGE = "Image"


class _Names(NamedTuple):
    """Names of the columns of a point, and what they count."""

    patterns: tuple[str, ...]
    unit: Literal["px", "um"]
    from_corner: bool  # 0 is the outer edge of the first pixel, not its centre


_KNOWN: dict[Space, tuple[_Names, ...]] = {
    "section": (
        _Names(("x", "y"), "px", False),
        _Names(("centroid x px", "centroid y px"), "px", True),
        _Names((f"centroid x {_MICRO}", f"centroid y {_MICRO}"), "um", True),
    ),
    "atlas": (_Names(("ap_um", "dv_um", "ml_um"), "um", False),),
}

_WANTED: dict[Space, str] = {
    "section": "x and y (px), or QuPath's Centroid X px and Centroid Y px",
    "atlas": "ap_um, dv_um and ml_um",
}


@dataclass(frozen=True)
class PointTable:
    """A table of points: where it is, what separates its cells, and which of its columns are the coordinates.

    Attributes
    ----------
    path : str
    header : tuple of str
        Names of the columns.
    delimiter : str
        A comma, tab or semicolon.
    columns : tuple of int
        Where the coordinates are, (x, y) or (ap, dv, ml).
    unit : "px" or "um"
        What they count.
    from_corner : bool
        Whether they count from the outer corner of the first pixel, as QuPath does, and not from its centre.
    """

    path: str
    header: tuple[str, ...]
    delimiter: str
    columns: tuple[int, ...]
    unit: Literal["px", "um"]
    from_corner: bool

    @property
    def column_names(self) -> list[str]:
        """Names of the columns of the coordinates."""
        return [self.header[column] for column in self.columns]

    def count_blocks(self) -> int:
        """Return how many blocks `blocks` will give, at most: rows are counted by the ends of lines."""
        lines = 0
        with open(self.path, "rb") as file:
            while part := file.read(2**20):
                lines += part.count(b"\n")
        return max(1, -(-lines // _ROWS_AT_ONCE))

    def blocks(self) -> Iterator[tuple[list[list[str]], np.ndarray]]:
        """Go through the rows.

        Yields
        ------
        rows : list of list of str
            All cells, as they are in the file.
        points : ndarray, float64, shape (n, 2) or (n, 3)
            The coordinates.

        Raises
        ------
        atlalign.errors.InvalidFileError
            If a row has too many cells or no position, or rows are of different images.
        """
        images: set[str] = set()
        image = self.header.index(_IMAGE) if self.from_corner and _IMAGE in self.header else None
        rows: list[list[str]] = []
        numbers: list[int] = []
        for number, row in enumerate(_read(self.path, self.delimiter), start=1):
            if number == 1 or not row:
                continue
            if len(row) > len(self.header):
                raise self._refused(number, f"{len(row)} cells under a header of {len(self.header)}")
            rows.append(row + [""] * (len(self.header) - len(row)))
            numbers.append(number)
            if image is not None:
                images.add(rows[-1][image])
                if len(images) > 1:
                    raise InvalidFileError(
                        "Points must be of one section. Received: "
                        f"{self.path} with the images {' and '.join(sorted(images))}. Export each image alone."
                    )
            if len(rows) == _ROWS_AT_ONCE:
                yield rows, self._points(rows, numbers)
                rows, numbers = [], []
        if rows:
            yield rows, self._points(rows, numbers)

    def _points(self, rows: list[list[str]], numbers: list[int]) -> np.ndarray:
        try:
            points = self._parsed(rows, self._number)
        except ValueError:
            points = self._parsed(rows, self._number_or_nan)
        bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
        if bad.size:
            cells = ", ".join(rows[bad[0]][column] for column in self.columns)
            raise self._refused(numbers[bad[0]], f"{' '.join(self.column_names)}: {cells}")
        return points

    def _parsed(self, rows: list[list[str]], number: Callable[[str], float]) -> np.ndarray:
        return np.array([[number(row[column]) for column in self.columns] for row in rows], dtype=np.float64)

    def _number(self, text: str) -> float:
        # Where semicolons separate cells, it is because commas are in numbers.
        return float(text.replace(",", ".") if self.delimiter == ";" else text)

    def _number_or_nan(self, text: str) -> float:
        try:
            return self._number(text)
        except ValueError:
            return np.nan

    def _refused(self, number: int, what: str) -> InvalidFileError:
        return InvalidFileError(
            "Each row of a table of points must have a position, finite numbers. "
            f"Received: {self.path}, row {number} ({what}). Correct or remove it."
        )


def open_points(path: str | os.PathLike, space: Space) -> PointTable:
    r"""Read the header of a table of points and find the columns that say where they are.

    Parameters
    ----------
    path : path-like
        A table with a header, UTF-8 with or without a byte order mark; commas, tabs or semicolons separate cells.
    space : {"section", "atlas"}
        "section" wants x and y, in px from the centre of the first pixel, or what QuPath exports: Centroid X px and
        Centroid Y px, or the same in um, from the outer corner of the first pixel. "atlas" wants ap_um, dv_um, ml_um.
        Upper and lower case are the same.

    Returns
    -------
    PointTable

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    atlalign.errors.InvalidFileError
        If it is no such table.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "cells.tsv"
    >>> _ = path.write_text("Class\tCentroid X px\tCentroid Y px\nneuron\t10.5\t20.5\n")
    >>> table = open_points(path, "section")
    >>> table.column_names, table.from_corner
    (['Centroid X px', 'Centroid Y px'], True)
    >>> [points.tolist() for rows, points in table.blocks()]
    [[[10.5, 20.5]]]
    """
    path = str(require_file(path, "table of points"))
    headers = {mark: tuple(cell.strip() for cell in next(_read(path, mark), [])) for mark in _DELIMITERS}
    for mark, header in headers.items():
        for names in _KNOWN[space]:
            found = [_matching(header, pattern) for pattern in names.patterns]
            if all(found):
                if any(len(columns) > 1 for columns in found):
                    twice = next(columns for columns in found if len(columns) > 1)
                    raise InvalidFileError(
                        f"Each coordinate must have one column. Received: {path} with "
                        f"{' and '.join(header[column] for column in twice)}. Rename the others."
                    )
                columns = tuple(columns[0] for columns in found)
                return PointTable(path, header, mark, columns, names.unit, names.from_corner)
    header = max(headers.values(), key=len)
    raise InvalidFileError(
        f"A table of points must have the columns {_WANTED[space]}. Received: {path} with "
        f"{', '.join(header[:12]) or 'nothing'}. Rename its columns."
    )


def _matching(header: tuple[str, ...], pattern: str) -> list[int]:
    return [i for i, name in enumerate(header) if re.fullmatch(pattern, name, re.IGNORECASE)]


def _read(path: str, delimiter: str) -> Iterator[list[str]]:
    """Go through the rows of a file; its errors are ours."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(file, delimiter=delimiter)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidFileError(
            "A table of points must be text in UTF-8, its cells separated by commas, tabs or semicolons. "
            f"Received: {path} ({one_line(error)}). Export it again."
        ) from None

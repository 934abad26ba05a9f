"""Manifests: tables that say for each section of a batch where it is and what is known of it."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from atlalign._files import require_file
from atlalign.errors import InvalidFileError
from atlalign.registration.job_making import JobMaker, SectionOptions
from atlalign.registration.jobs import SectionJob
from atlalign.section.reading import is_ome_zarr

if TYPE_CHECKING:
    from atlalign.atlas import Atlas

_DELIMITERS = ",\t;"
_FAULTS_SHOWN = 10
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")

COLUMNS = (
    *("section", "position_um", "anchoring", "pixel_size_um", "channel", "flip", "rotate", "invert", "hemisphere"),
    *("mask", "out"),
)


def read_manifest(path: str | os.PathLike, atlas: Atlas, *, defaults: SectionOptions | None = None) -> list[SectionJob]:
    r"""Read the jobs of a batch.

    Parameters
    ----------
    path : path-like
        A table in UTF-8 with a header; commas, tabs or semicolons separate cells. The column ``section`` names the
        images, relative to the manifest. The others may be missing, and so may their cells: ``position_um``;
        ``anchoring``, a file of QuickNII or DeepSlice, and ``mask``, an image, both relative to the manifest;
        ``pixel_size_um``, one number or two as in ``12.4x14.2``; ``channel``; ``flip``; ``rotate``; ``invert``, yes or
        no; ``hemisphere``; ``out``, the name of the result folder.
    atlas : Atlas
        To which the sections will be registered.
    defaults : SectionOptions, optional
        What holds where a cell is empty. A position in a row takes the place of an anchoring here, and the other way
        round.

    Returns
    -------
    list of SectionJob
        One a row, in their order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If it is no such table, or rows have faults: all are named, by row. The header is row 1.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign import Atlas
    >>> folder, atlas = Path(tempfile.mkdtemp()), Atlas.load("phantom:200")
    >>> for name in ("s1.tif", "s2.tif"):
    ...     (folder / name).touch()
    >>> _ = (folder / "brain.csv").write_text("section,position_um\ns1.tif,5400\ns2.tif,\n")
    >>> [job.position_um for job in read_manifest(folder / "brain.csv", atlas)]
    [5400.0, None]
    >>> _ = (folder / "brain.csv").write_text("section,position_um\ns1.tif,54000\ns2.tif,here\n")
    >>> read_manifest(folder / "brain.csv", atlas)
    Traceback (most recent call last):
    ...
    atlalign.errors.InvalidFileError: ... row 2: position_um must satisfy ...; row 3: position_um ... 'here'...
    """
    path = require_file(path, "manifest")
    table, maker = _Table(path), JobMaker(atlas)
    faults: list[str] = []
    jobs: list[SectionJob] = []
    rows_of_names: dict[str, int] = {}
    for number, cells in table.rows():
        try:
            job = _job(path.parent, cells, maker, defaults or SectionOptions(), table.decimal_comma)
        except (ValueError, OSError) as error:
            faults.append(f"row {number}: {error}")
            continue
        first = rows_of_names.setdefault(job.out, number)
        if first != number:
            faults.append(f"row {number}: its result folder {job.out} is that of row {first}, name another in out")
        jobs.append(job)
    if faults:
        more = f"; and {len(faults) - _FAULTS_SHOWN} more" if len(faults) > _FAULTS_SHOWN else ""
        shown = "; ".join(fault.removesuffix(".") for fault in faults[:_FAULTS_SHOWN])
        raise InvalidFileError(f"A manifest must be without faults. Received: {path}, {shown}{more}.")
    if not jobs:
        raise InvalidFileError(f"A manifest must have a section in a row below the header. Received: {path}. Add some.")
    return jobs


class _Table:
    """The cells of a manifest, by row and column."""

    def __init__(self, path: Path):
        self._path = path
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
        except UnicodeDecodeError:
            raise InvalidFileError(
                f"A manifest must be a table in UTF-8. Received: {path}, which holds bytes that are none. Export it "
                "again, as CSV UTF-8."
            ) from None
        first = lines[0] if lines else ""
        self._delimiter = max(_DELIMITERS, key=first.count)
        try:
            self._rows = list(csv.reader(lines, delimiter=self._delimiter))
        except csv.Error as error:
            raise InvalidFileError(
                f"A manifest must be a table. Received: {path} ({error}). Export it again."
            ) from None
        self._header = [name.strip().lower() for name in self._rows[0]] if self._rows else []
        self._check_header()

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers may have one, as where semicolons separate cells."""
        return self._delimiter == ";"

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield number and cells of each row that is not empty, without cells that are."""
        for number, row in enumerate(self._rows[1:], start=2):
            cells = {name: cell.strip() for name, cell in zip(self._header, row, strict=False) if cell.strip()}
            extra = [cell for cell in row[len(self._header) :] if cell.strip()]
            if extra:
                cells["extra"] = extra[0]
            if cells:
                yield number, cells

    def _check_header(self) -> None:
        for name in self._header:
            if name not in COLUMNS:
                near = get_close_matches(name, COLUMNS, n=1, cutoff=0.5)
                meant = f"Did you mean {near[0]}?" if near else "Remove it."
                raise InvalidFileError(
                    f"The columns of a manifest must be among {', '.join(COLUMNS)}. Received: {name!r} in "
                    f"{self._path}. {meant}"
                )
            if self._header.count(name) > 1:
                raise InvalidFileError(
                    f"A manifest must have each column once. Received: {name} twice in {self._path}. Remove one."
                )
        if "section" not in self._header:
            raise InvalidFileError(
                f"A manifest must have a column section, with the paths of images. Received: {self._path} with "
                f"{', '.join(self._header) or 'nothing'}. Add it."
            )


def _job(
    folder: Path, cells: dict[str, str], maker: JobMaker, defaults: SectionOptions, decimal_comma: bool
) -> SectionJob:
    """Return the job of a row, or raise a ValueError that says what is wrong with it."""
    if "extra" in cells:
        raise ValueError(
            f"it has more cells than the header, among them {cells['extra']!r}. Put text with a separator in quotes"
        )
    if "section" not in cells:
        raise ValueError("it names no section. Fill in the column section, or remove the row")
    section = folder / cells["section"]
    if not is_ome_zarr(section):
        require_file(section, "section")
    read: dict[str, Callable[[str], Any]] = {
        "position_um": lambda text: _number(text, decimal_comma),
        "anchoring": lambda text: folder / text,
        "pixel_size_um": lambda text: _pixel_size(text, decimal_comma),
        "channel": _channel,
        "flip": str.lower,
        "rotate": int,
        "invert": _yes_or_no,
        "hemisphere": str.lower,
        "mask": lambda text: folder / text,
    }
    options: dict[str, Any] = {}
    for name, parse in read.items():
        if name in cells:
            try:
                options[name] = parse(cells[name])
            except ValueError as error:
                reason = error if name in ("channel", "invert") else "must be a number"
                raise ValueError(f"{name} {reason}. Received: {cells[name]!r}") from None
    if "position_um" in options and "anchoring" in options:
        raise ValueError("position_um and anchoring are both given. Leave one of them empty")
    if "position_um" in options:
        defaults = replace(defaults, anchoring=None)
    if "anchoring" in options:
        defaults = replace(defaults, position_um=None, tilt="auto", pixel_size_um=None, flip=None, rotate=0)
    return maker.make(section, replace(defaults, **options), out=_folder_name(cells.get("out", "")))


def _number(text: str, decimal_comma: bool) -> float:
    return float(text.replace(",", ".") if decimal_comma else text)


def _pixel_size(text: str, decimal_comma: bool) -> float | tuple[float, ...]:
    """Return one number, or two between which there is an x, or a comma where that is no decimal one."""
    parts = re.split("x" if decimal_comma else "[x,]", text.lower())
    size = tuple(_number(part, decimal_comma) for part in parts)
    return size[0] if len(size) == 1 else size


def _channel(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("must be a whole number, from 0")
    return int(text)


def _yes_or_no(text: str) -> bool:
    if text.lower() not in (*_YES, *_NO):
        raise ValueError("must be yes or no")
    return text.lower() in _YES


def _folder_name(text: str) -> str:
    """Return the name of a result folder, having seen that it stays in the folder of the batch."""
    path = PurePath(text)
    if text and (path.is_absolute() or ".." in path.parts or not path.name):
        raise ValueError(f"out must be a name of a folder in the folder of the results. Received: {text!r}")
    return text

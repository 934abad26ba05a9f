"""The folder of a batch: the names in it."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from atlalign._files import atomic_path
from atlalign.errors import InvalidFileError
from atlalign.registration.files import RegistrationFiles

# The quantities that stand in the table: outline, inner structure, plausibility.
NUMBERS = (
    "tissue_overlap_before",
    "tissue_overlap_after",
    "structure_ncc_before",
    "structure_ncc_after",
    "displacement_p95",
    "folded",
)
COLUMNS = (
    *("section", "out", "state", "error", "position_um", "position_from", "seconds"),
    *NUMBERS,
    *("flags", "reasons"),
)


class BatchFiles:
    """The folder of a batch.

    Parameters
    ----------
    folder : path-like
        Where the result folders are, or will be.

    Attributes
    ----------
    folder : Path
    sections : Path
        ``sections.csv``: one row a section, what became of it and its main numbers.
    report : Path
        ``report.html``: pictures, numbers and flags of all sections, where asked for.
    series : Path
        ``series.json``: where a search over a whole series found its sections, where asked for.

    Examples
    --------
    >>> BatchFiles("brain7").sections.name, BatchFiles("brain7").result("s1").folder.name
    ('sections.csv', 's1')
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.sections = self.folder / "sections.csv"
        self.report = self.folder / "report.html"
        self.series = self.folder / "series.json"

    def result(self, name: str) -> RegistrationFiles:
        """Return the result folder of a section."""
        return RegistrationFiles(self.folder / name)

    def read_sections(self) -> list[dict[str, str]]:
        """Return the rows of ``sections.csv``; none where there is no such table."""
        try:
            with self.sections.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError:
            return []
        except (csv.Error, UnicodeDecodeError) as error:
            raise _not_a_table(self.sections, error) from None
        if rows and not {"section", "out", "state"} <= set(rows[0]):
            raise _not_a_table(self.sections, "other columns")
        return rows

    def write_sections(self, rows: Iterable[dict[str, str]]) -> None:
        """Write ``sections.csv``, whole or not at all; a row need not have every column."""
        with atomic_path(self.sections) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            # Rows of earlier calls may have come with another version, and other columns.
            writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)

    def check_free(self, names: Iterable[str]) -> None:
        """Raise an error with the remedy if anything is in the way of results with these names.

        Raises
        ------
        NotADirectoryError, IsADirectoryError
        """
        for file in (self.sections, self.report, self.series):
            if file.is_dir():
                raise IsADirectoryError(
                    f"{file.name} must be a file. Received a folder: {file}. Remove it, or choose another output."
                )
        for name in names:
            check_free(self.result(name))


def check_free(files: RegistrationFiles) -> None:
    """Raise an error with the remedy if anything is in the way of a result folder.

    Raises
    ------
    NotADirectoryError
        If a file is where the folder should go.
    IsADirectoryError
        If a folder is where a file should go.
    """
    for path in (files.folder, *files.folder.parents):
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(f"The output must be a folder. Received a file: {path}. Choose another name.")
    for file in vars(files).values():
        if file not in (files.folder, files.brainglobe, files.itk) and file.is_dir():
            raise IsADirectoryError(
                f"A result must be a file. Received a folder: {file}. Remove it or choose another output."
            )


def _not_a_table(path: Path, reason: object) -> InvalidFileError:
    return InvalidFileError(
        f"{path.name} must be the table of a batch. Received: {path} ({reason}). Remove it, or choose another output."
    )

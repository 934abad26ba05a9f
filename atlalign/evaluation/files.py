"""The folder that an evaluation is saved in: the names of its files, and how they are written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atlalign._files import atomic_folder, require_no_folder
from atlalign.evaluation.result import Evaluation


class EvaluationFiles:
    """A folder of results.

    Parameters
    ----------
    folder : path-like
        Where the files are, or will be.

    Attributes
    ----------
    summary_table, pairs_table, summary, dice, errors : pathlib.Path
        ``summary.csv`` (a row a method), ``per_pair.csv`` (a row for each pair and method), ``summary.json``,
        ``dice.png`` (not without depths) and ``endpoint_error.png``.

    Examples
    --------
    >>> EvaluationFiles("scores").pairs_table.as_posix()
    'scores/per_pair.csv'
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.summary_table = self.folder / "summary.csv"
        self.pairs_table = self.folder / "per_pair.csv"
        self.summary = self.folder / "summary.json"
        self.dice = self.folder / "dice.png"
        self.errors = self.folder / "endpoint_error.png"

    def require_writable(self) -> None:
        """Raise an error with the remedy if something is in the way of the files, or they may not be written."""
        for path in (self.folder, *self.folder.parents):
            if path.exists() and not path.is_dir():
                raise NotADirectoryError(f"The output must be a folder. Received a file: {path}. Choose another name.")
        existing = next(path for path in (self.folder, *self.folder.absolute().parents) if path.exists())
        if not os.access(existing, os.W_OK):
            raise PermissionError(f"The output's folder must be writable. Received: {existing}. Choose another.")
        for path in (self.summary_table, self.pairs_table, self.summary, self.dice, self.errors):
            require_no_folder(path)

    def write(self, evaluation: Evaluation, about: Mapping[str, Any] | None = None) -> None:
        """Write everything or nothing; other files in the folder stay.

        Parameters
        ----------
        evaluation : Evaluation
            What was found.
        about : mapping, optional
            What was evaluated, for the summary.
        """
        from atlalign.evaluation.figures import draw_dice, draw_errors

        self.require_writable()
        with atomic_folder(self.folder) as folder:
            temporary = EvaluationFiles(folder)
            evaluation.summary.to_csv(temporary.summary_table)
            evaluation.per_pair.to_csv(temporary.pairs_table, index=False)
            text = json.dumps({**(about or {}), **evaluation.to_dict()}, indent=2, allow_nan=False)
            temporary.summary.write_text(text + "\n", encoding="utf-8")
            if evaluation.depths:
                draw_dice(evaluation).savefig(temporary.dice, dpi=150)
            draw_errors(evaluation).savefig(temporary.errors, dpi=150)

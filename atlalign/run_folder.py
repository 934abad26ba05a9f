"""The folder of a training run: its files' names, its history and its curves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from atlalign._files import atomic_path, require_no_folder
from atlalign.errors import InvalidFileError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class RunFolder:
    """Names, reads and writes the files of one training run.

    Parameters
    ----------
    path : path-like
        The folder.

    Attributes
    ----------
    config, provenance, history, curves, batch, preview, best_model, last_model, tensorboard : pathlib.Path
        ``config.toml``, ``provenance.json`` (packages, machine, checksums of the data), ``history.csv`` (a row an
        epoch), ``curves.png``, ``batch.png`` (what the network sees), ``preview.png`` (validation pairs before and
        after), ``best.keras`` (of the lowest validation loss), ``last.keras`` (to go on from), ``tensorboard/``.

    Examples
    --------
    >>> RunFolder("runs/global").best_model.as_posix()
    'runs/global/best.keras'
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.config = self.path / "config.toml"
        self.provenance = self.path / "provenance.json"
        self.history = self.path / "history.csv"
        self.curves = self.path / "curves.png"
        self.batch = self.path / "batch.png"
        self.preview = self.path / "preview.png"
        self.best_model = self.path / "best.keras"
        self.last_model = self.path / "last.keras"
        self.tensorboard = self.path / "tensorboard"

    def require_writable(self) -> None:
        """Raise an error with the remedy if a file is in the folder's place, or a folder in a file's."""
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"The run folder must be a folder. Received a file: {self.path}. Choose another.")
        files = (self.config, self.provenance, self.history, self.curves, self.batch, self.preview)
        for path in (*files, self.best_model, self.last_model):
            require_no_folder(path)

    def read_history(self) -> list[dict]:
        """Return one dictionary an epoch; none when nothing was trained yet."""
        if not self.history.exists():
            return []
        try:
            return pd.read_csv(self.history).to_dict("records")
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise InvalidFileError(
                f"history.csv must be the table that training writes. Received: {self.history} ({error}). "
                "Start the run again in another folder."
            ) from error

    def write_history(self, rows: list[dict]) -> None:
        """Write one row an epoch to ``history.csv``, and the curves to ``curves.png``."""
        table = pd.DataFrame(rows)
        with atomic_path(self.history) as temporary:
            table.to_csv(temporary, index=False)
        with atomic_path(self.curves) as temporary:
            _draw_curves(table).savefig(temporary, dpi=120)


def _draw_curves(table: pd.DataFrame) -> Figure:
    """One panel a quantity, training and validation in the same panel."""
    # Figure, not pyplot: no window system is asked for and no global state is left.
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    quantities = [name for name in map(str, table) if name not in ("epoch", "seconds") and not name.startswith("val_")]
    columns = min(3, len(quantities))
    rows = -(-len(quantities) // columns)
    figure = Figure(figsize=(4.5 * columns, 3.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, name in zip(panels, quantities, strict=False):
        style = ".-" if len(table) < 30 else "-"
        panel.plot(table["epoch"], table[name], style, label="training")
        if f"val_{name}" in table:
            panel.plot(table["epoch"], table[f"val_{name}"], style, label="validation")
        panel.set(title=name.replace("_", " "), xlabel="epoch", ylabel="px" if name.endswith("endpoint_error") else "")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no epoch 1.5
        panel.grid(alpha=0.3)
    panels[0].legend()
    for panel in panels[len(quantities) :]:
        panel.set_axis_off()
    return figure

"""The summary of an evaluation as a table that a person reads."""

from __future__ import annotations

import io
import math
import sys
from typing import TYPE_CHECKING, TextIO

from atlalign.evaluation.columns import Column
from atlalign.evaluation.result import Evaluation

if TYPE_CHECKING:
    import pandas as pd

_UNLIMITED = 10_000  # columns of text


def table_rows(evaluation: Evaluation) -> list[list[str]]:
    """Return the cells of the table: a row a number, a column a method; the first row is the heading.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.

    Returns
    -------
    list of list of str
        Cells are mean and standard deviation, and "-" where there is no number.
    """
    summary = evaluation.summary
    rows = [["", "better", *evaluation.methods]]
    for column in evaluation.columns:
        rows.append([column.label, column.better, *(_cell(summary.loc[name], column) for name in evaluation.methods)])
    rows.append(["seconds a section, median", "lower", *(f"{float(value):.3f}" for value in summary["seconds_median"])])
    if summary["not_found"].any():
        rows.append(["pairs without a registration", "lower", *map(str, summary["not_found"])])
    return rows


def print_table(evaluation: Evaluation, stream: TextIO | None = None) -> None:
    """Print the table: as wide and colourful as the terminal is, plain where there is none.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    stream : file-like, optional
        Where to; the standard output by default.
    """
    from rich.console import Console
    from rich.table import Table

    stream = sys.stdout if stream is None else stream
    heading, *rows = table_rows(evaluation)
    on_terminal = stream.isatty()
    title = f"{int(evaluation.summary['pairs'].iloc[0])} pairs: mean ± standard deviation"
    if not _can_show("±", stream):
        title, rows = title.replace("±", "+-"), [[cell.replace("±", "+-") for cell in row] for row in rows]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, text in enumerate(heading):
        table.add_column(text, justify="left" if number < 2 else "right", style="dim" if number == 1 else None)
    for row in rows:
        table.add_row(*row)
    if on_terminal:
        Console(file=stream, highlight=False).print(table)
        return
    plain = io.StringIO()
    Console(file=plain, width=_UNLIMITED, color_system=None, highlight=False).print(table)
    stream.writelines(f"{line.rstrip()}\n" for line in plain.getvalue().splitlines())


def _can_show(text: str, stream: TextIO) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _cell(row: pd.Series, column: Column) -> str:
    mean, std = row[f"{column.name}_mean"], row[f"{column.name}_std"]
    if math.isnan(mean):
        return "-"
    text = f"{mean:.{column.decimals}f}"
    return text if math.isnan(std) else f"{text} ± {std:.{column.decimals}f}"

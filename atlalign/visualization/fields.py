"""Two fields side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atlalign._files import atomic_path
from atlalign.base import DisplacementField

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def generate_df_plots(
    df_true: DisplacementField,
    df_pred: DisplacementField,
    filepath: str | os.PathLike | None = None,
    figsize: tuple[float, float] = (15, 15),
) -> Figure:
    """Compare a predicted field with the true one.

    Three columns, true, predicted and their difference, of four rows: both components and the length of the
    displacements, and the Jacobian, white where the field keeps areas. A red line encloses where it folds.

    Parameters
    ----------
    df_true, df_pred : DisplacementField, (h, w)
        Both fields.
    filepath : path-like or None
        Where to save the figure, in the format of the suffix; None does not.
    figsize : (float, float)
        Width and height of the figure in inches.

    Returns
    -------
    matplotlib.figure.Figure
        It is not one of pyplot's: nothing keeps it open. A notebook shows it.

    Raises
    ------
    ValueError
        If the fields have different shapes, or the format is unknown.
    FileNotFoundError
        If the folder of `filepath` does not exist.

    Examples
    --------
    >>> df_true = DisplacementField.generate((30, 40), "affine_simple", rotation=0.1)
    >>> figure = generate_df_plots(df_true, 0.9 * df_true)
    >>> [ax.get_title() for ax in figure.axes[:3]]
    ['true', 'predicted', 'predicted - true']
    """
    from matplotlib.figure import Figure

    if df_true.shape != df_pred.shape:
        raise ValueError(
            f"Both fields must have the same shape. Received: {df_true.shape} and {df_pred.shape}. Use resize_constant."
        )
    figure = Figure(figsize=figsize, layout="constrained")
    rows = {
        "delta_x (px)": (df_true.delta_x, df_pred.delta_x, "RdBu_r"),
        "delta_y (px)": (df_true.delta_y, df_pred.delta_y, "RdBu_r"),
        "length (px)": (df_true.norm, df_pred.norm, "viridis"),
        "Jacobian": (df_true.jacobian, df_pred.jacobian, "PuOr"),  # 1 keeps areas, 0 and below folds
    }
    panels = figure.subplots(len(rows), 3, sharex=True, sharey=True)
    for row, (name, (true, predicted, cmap)) in zip(panels, rows.items(), strict=True):
        difference = predicted - true
        # One scale for both fields, so that their colours compare.
        neutral = 1.0 if name == "Jacobian" else 0.0
        reach = _largest(true - neutral, predicted - neutral)
        least, largest = (0.0 if name.startswith("length") else neutral - reach), neutral + reach
        left, middle, right = row
        left.imshow(true, cmap=cmap, vmin=least, vmax=largest)
        shown = middle.imshow(predicted, cmap=cmap, vmin=least, vmax=largest)
        figure.colorbar(shown, ax=[left, middle], fraction=0.03, pad=0.01)
        limit = _largest(difference)
        shown = right.imshow(difference, cmap="RdBu_r", vmin=-limit, vmax=limit)
        figure.colorbar(shown, ax=right, fraction=0.045, pad=0.01)
        left.set_ylabel(name)
        for panel, jacobian in ((left, true), (middle, predicted)):
            if name == "Jacobian" and (jacobian <= 0).any():
                panel.contour(jacobian, levels=[0], colors="red", linewidths=1)
    for panel, title in zip(panels[0], ("true", "predicted", "predicted - true"), strict=True):
        panel.set_title(title)
    for panel in panels.flat:
        panel.set(xticks=[], yticks=[])
    if filepath is not None:
        with atomic_path(Path(filepath)) as temporary:
            figure.savefig(temporary)
    return figure


def _largest(*values: np.ndarray) -> float:
    """Return the largest size of a finite value, or something small where all are 0: a scale needs a length."""
    sizes = [float(np.abs(part[np.isfinite(part)]).max(initial=0)) for part in values]
    return max(*sizes, 1e-6)

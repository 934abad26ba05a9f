"""Figures of an evaluation."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from atlalign.evaluation.columns import dice_column
from atlalign.evaluation.result import Evaluation

_NAMES_A_ROW = 5
_SHARES_SHOWN = (0.001, 0.999)  # beyond, there are only stragglers


def draw_dice(evaluation: Evaluation) -> Figure:
    """Draw a box for each depth and method: the Dice scores of the pairs.

    Parameters
    ----------
    evaluation : Evaluation
        With at least one depth.

    Returns
    -------
    matplotlib.figure.Figure
        Not a part of pyplot: save it with its ``savefig``.
    """
    methods, depths = evaluation.methods, evaluation.depths
    figure = Figure(figsize=(max(5.0, 1.6 + 0.3 * len(methods) * len(depths)), 4.2), layout="constrained")
    axis = figure.subplots()
    width = 0.8 / len(methods)
    for number, name in enumerate(methods):
        table = evaluation.per_pair[evaluation.per_pair["method"] == name]
        scores = [table[dice_column(depth).name].dropna() for depth in depths]
        axis.boxplot(
            scores,
            positions=np.arange(len(depths)) + (number - (len(methods) - 1) / 2) * width,
            widths=0.8 * width,
            patch_artist=True,
            boxprops={"facecolor": _colour(number)},
            medianprops={"color": "black"},
            flierprops={"marker": ".", "markersize": 4},
            manage_ticks=False,
        )
    axis.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    axis.set(
        xlabel="depth in the hierarchy of structures (0: the whole brain)",
        ylabel="Dice",
        title=f"Overlap of structures, {len(evaluation.per_pair) // len(methods)} pairs",
    )
    axis.grid(axis="y", alpha=0.3)
    axis.set_axisbelow(True)
    _name_methods(figure, methods)
    return figure


def draw_errors(evaluation: Evaluation) -> Figure:
    """Draw for each method what share of the pixels inside the brain has at most which endpoint error.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.

    Returns
    -------
    matplotlib.figure.Figure
        Not a part of pyplot: save it with its ``savefig``.
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axis = figure.subplots()
    shown = []
    for number, name in enumerate(evaluation.methods):
        errors = evaluation.errors[name]
        edges, shares = errors.edges_um[:-1], errors.shares[:-1]
        axis.plot(edges, shares, color=_colour(number))
        shown += edges[(shares > _SHARES_SHOWN[0]) & (shares < _SHARES_SHOWN[1])].tolist()
    axis.set_xscale("log")
    if shown:
        axis.set_xlim(min(shown), max(shown))
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axis.set(
        xlabel="endpoint error, um",
        ylabel="pixels inside the brain with at most that error",
        title="Endpoint errors (further left is better)",
        ylim=(0, 1),
    )
    axis.grid(alpha=0.3, which="both")
    _name_methods(figure, evaluation.methods)
    return figure


def _name_methods(figure: Figure, methods: list[str]) -> None:
    n_rows = -(-len(methods) // _NAMES_A_ROW)
    figure.legend(
        handles=[Patch(facecolor=_colour(number), label=name) for number, name in enumerate(methods)],
        loc="outside lower center",
        ncols=-(-len(methods) // n_rows),
        frameon=False,
    )


def _colour(number: int) -> tuple[float, float, float, float]:
    return colormaps["tab10"](number % 10)

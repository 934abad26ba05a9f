"""Pictures of labelled pairs: what a network sees, and what it makes of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

_ARROWS = 16  # along the longer side


class PairPicture(NamedTuple):
    """What is drawn of one pair.

    Parameters
    ----------
    reference, moving, registered : ndarray (h, w)
        Images in [0, 1].
    deltas_xy : ndarray (h, w, 2)
        The field that registers it, px.
    title : str
        Stands above the row.
    """

    reference: NDArray
    moving: NDArray
    registered: NDArray
    deltas_xy: NDArray
    title: str = ""


def draw_pairs(pairs: Sequence[PairPicture], registered: str = "registered") -> Figure:
    """Draw a row a pair: reference, moving, registered, both overlays and the field.

    In an overlay the reference is magenta and the other image green; where they agree it is grey.

    Parameters
    ----------
    pairs : sequence of PairPicture
        Of one image size.
    registered : str
        What the registered image is called: the truth, or a network's.

    Returns
    -------
    matplotlib.figure.Figure
        Not a part of pyplot: save it with its ``savefig``.

    Examples
    --------
    >>> image = np.zeros((32, 48))
    >>> figure = draw_pairs([PairPicture(image, image, image, np.zeros((32, 48, 2)), "section 1")])
    >>> [axis.get_title() for axis in figure.axes[:3]]
    ['reference', 'moving', 'registered']
    """
    titles = ("reference", "moving", registered, "before", "after", "displacement, px")
    height, width = pairs[0].reference.shape
    panel = 2.4
    figure = Figure(
        figsize=(panel * len(titles), (panel * height / width + 0.3) * len(pairs) + 0.3), layout="constrained"
    )
    rows = figure.subplots(len(pairs), len(titles), squeeze=False)
    for pair, axes in zip(pairs, rows, strict=True):
        grey = (pair.reference, pair.moving, pair.registered)
        for axis, image in zip(axes[:3], grey, strict=True):
            axis.imshow(np.clip(image, 0, 1), cmap="gray", vmin=0, vmax=1)
        for axis, image in zip(axes[3:5], grey[1:], strict=True):
            axis.imshow(overlay(pair.reference, image))
        _draw_field(axes[5], pair.deltas_xy)
        axes[0].set_ylabel(pair.title)
        for axis in axes:
            axis.set(xticks=[], yticks=[])
    for axis, title in zip(rows[0], titles, strict=True):
        axis.set_title(title)
    return figure


def overlay(reference: NDArray, other: NDArray) -> NDArray[np.float64]:
    """Lay two grey images over each other: the first magenta, the second green.

    Parameters
    ----------
    reference, other : ndarray (h, w)
        In [0, 1]; each is stretched to its own range.

    Returns
    -------
    ndarray (h, w, 3)
        RGB in [0, 1].

    Examples
    --------
    >>> overlay(np.array([[0.0, 1.0]]), np.array([[0.0, 0.5]])).tolist()
    [[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]]
    """
    first, second = (_stretch(image) for image in (reference, other))
    return np.stack([first, second, first], axis=-1)


def _stretch(image: NDArray) -> NDArray:
    low, high = float(image.min()), float(image.max())
    return np.zeros(image.shape) if high <= low else (image - low) / (high - low)


def _draw_field(axis: Axes, deltas_xy: NDArray) -> None:
    height, width = deltas_xy.shape[:2]
    shown = axis.imshow(np.hypot(deltas_xy[..., 0], deltas_xy[..., 1]), cmap="viridis")
    axis.figure.colorbar(shown, ax=axis, shrink=0.8)
    step = max(1, max(height, width) // _ARROWS)
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    arrows = deltas_xy[y, x]
    axis.quiver(
        x, y, arrows[..., 0], arrows[..., 1], color="white", angles="xy", scale_units="xy", scale=1, width=0.004
    )
    axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))

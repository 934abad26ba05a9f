"""The pictures of a report, each as a data URI."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from atlalign.registration.overlay import draw_outlines
from atlalign.registration.quality.structure import borders
from atlalign.report.views import enlarge

if TYPE_CHECKING:
    from atlalign.atlas.structures import Structures
    from atlalign.registration.quality import PositionSearch

_QUALITY = 85  # of JPEG: a section of a report stays below a megabyte
_SQUARES = 8  # of the checkerboard, across
_TINT = (0.72, 0.88, 1.0)  # of the reference's squares, so that one sees whose they are
_FOLDS = (230, 30, 30)
_NOTHING = (238, 240, 242)  # where a map has no value


class HeatMap(NamedTuple):
    """A map in colours, and what they mean.

    Attributes
    ----------
    picture : ndarray, uint8, shape (h, w, 3)
    most : float
        Value of the brightest colour; the darkest is 0. It is 0 where all is.
    colours : list of str
        Of the scale, from 0 to `most`, as CSS has them.
    """

    picture: NDArray[np.uint8]
    most: float
    colours: list[str]


def data_uri(picture: NDArray[np.uint8]) -> str:
    """Return a picture (h, w) or (h, w, 3) as a URI that holds all of it, a JPEG.

    Examples
    --------
    >>> data_uri(np.zeros((8, 8, 3), np.uint8))[:27]
    'data:image/jpeg;base64,/9j/'
    """
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def draw_checkerboard(registered: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw squares of the registered section and the reference in turn, those of the reference tinted blue.

    Parameters
    ----------
    registered, reference : ndarray, float32, shape (h, w)
        In [0, 1].

    Returns
    -------
    ndarray, uint8, shape (h, w, 3)

    Examples
    --------
    >>> board = draw_checkerboard(np.ones((16, 16), np.float32), np.zeros((16, 16), np.float32))
    >>> board[0, :6, 0].tolist()
    [255, 255, 0, 0, 255, 255]
    """
    side = max(1, round(registered.shape[1] / _SQUARES))
    rows, columns = np.indices(registered.shape) // side
    first = ((rows + columns) % 2 == 0)[..., np.newaxis]
    grey, blue = (_stretched(image)[..., np.newaxis] for image in (registered, reference))
    return np.rint(np.where(first, grey * np.ones(3), blue * _TINT) * 255).astype(np.uint8)


def draw_with_outlines(picture: NDArray, annotation: NDArray, structures: Structures) -> NDArray[np.uint8]:
    """Draw the outlines of structures on a picture, grey in [0, 1] or 8-bit RGB.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom:200")
    >>> annotation = atlas.annotation_plane(6000)
    >>> draw_with_outlines(np.zeros(annotation.shape, np.float32), annotation, atlas.structures).max() > 0
    np.True_
    """
    if picture.ndim == 2:
        grey = np.rint(_stretched(picture) * 255).astype(np.uint8)
        picture = np.repeat(grey[..., np.newaxis], 3, axis=2)
    return draw_outlines(picture, annotation, structures)


def draw_map(values: NDArray, annotation: NDArray, colours: str, marked: NDArray[np.bool_] | None = None) -> HeatMap:
    """Draw a map of values from 0 up, with thin outlines; NaN is left pale.

    Parameters
    ----------
    values : ndarray, shape (h, w)
    annotation : ndarray of int, shape (h, w)
        The values inside its tissue make the scale.
    colours : str
        Name of a colour map of Matplotlib.
    marked : ndarray, bool, shape (h, w), optional
        Pixels to show in red.

    Examples
    --------
    >>> heat = draw_map(np.full((4, 4), 30.0), np.ones((4, 4), int), "viridis")
    >>> heat.most, len(heat.colours)
    (30.0, 9)
    """
    import matplotlib

    known = np.isfinite(values)
    of_tissue = values[known & (annotation > 0)]
    most = float(np.percentile(of_tissue, 99)) if of_tissue.size else 0.0
    table = matplotlib.colormaps[colours]
    picture = np.rint(table(np.clip(np.nan_to_num(values) / (most or 1.0), 0, 1))[..., :3] * 255).astype(np.uint8)
    picture[~known] = _NOTHING
    lines = borders(annotation)
    picture[lines] = np.rint(0.55 * picture[lines] + 0.45 * np.where(known[lines][:, None], 255, 120)).astype(np.uint8)
    if marked is not None:
        picture[marked] = _FOLDS
    steps = np.rint(table(np.linspace(0, 1, 9))[:, :3] * 255).astype(int)
    return HeatMap(picture, most, [f"rgb({red},{green},{blue})" for red, green, blue in steps.tolist()])


def draw_curve(search: PositionSearch) -> str:
    """Draw the curve of a position search as a data URI, an SVG.

    Examples
    --------
    >>> from atlalign.registration.quality import PositionSearch
    >>> draw_curve(PositionSearch([1000, 2000, 3000], [0.1, 0.6, 0.3], 2000))[:26]
    'data:image/svg+xml;base64,'
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11}):
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        axis = figure.subplots()
        axis.plot(search.positions_um / 1000, search.scores, marker="o", markersize=3, color="#0b5cad", linewidth=1.5)
        axis.axvline(search.position_um / 1000, color="#e0a800", linewidth=2)
        axis.set(xlabel="position along the anterior-posterior axis, mm", ylabel=search.score_name.partition(":")[0])
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#d9dee3", linewidth=0.7)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def at_most(picture: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Return a picture with a longer side of at most so many px.

    Examples
    --------
    >>> at_most(np.zeros((100, 400, 3), np.uint8), 200).shape
    (50, 200, 3)
    """
    if max(picture.shape[:2]) <= longest:
        return picture
    return enlarge(picture, _scaled(picture.shape, round(picture.shape[1] * longest / max(picture.shape[:2]))))


def _scaled(shape: Sequence[int], width: int) -> tuple[int, int]:
    return max(1, round(shape[0] * width / shape[1])), max(1, width)


def _stretched(image: NDArray[np.float32]) -> NDArray[np.float32]:
    high = float(np.percentile(image, 99.5))
    return np.clip(image / (high if high > 0 else 1.0), 0, 1)

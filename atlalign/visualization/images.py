"""Images to look at: grids, and annotations in colour."""

from collections.abc import Mapping
from colorsys import hsv_to_rgb
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray

Color = tuple[int, int, int]

_GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, are far from each other


def create_grid(shape: tuple[int, int], grid_spacing: int = 20, grid_thickness: int = 3) -> NDArray[np.float32]:
    """Make an image of a grid, to see what a field does by warping it.

    Parameters
    ----------
    shape : (h, w)
        Size of the image.
    grid_spacing : int
        Pixels from the start of one line to the start of the next.
    grid_thickness : int
        Width of the lines in pixels.

    Returns
    -------
    ndarray, float32, (h, w)
        1 on the lines, 0 between them.

    Raises
    ------
    ValueError
        If a number is no positive integer, or lines as thick as the spacing leave nothing between them.

    Examples
    --------
    >>> create_grid((4, 6), grid_spacing=3, grid_thickness=1).astype(int)
    array([[1, 1, 1, 1, 1, 1],
           [1, 0, 0, 1, 0, 0],
           [1, 0, 0, 1, 0, 0],
           [1, 1, 1, 1, 1, 1]])
    """
    numbers = {"height": shape[0], "width": shape[1], "grid_spacing": grid_spacing, "grid_thickness": grid_thickness}
    for name, number in numbers.items():
        if not isinstance(number, Integral) or number < 1:
            raise ValueError(f"{name} must be an integer of at least 1. Received: {number!r}.")
    if grid_thickness >= grid_spacing:
        raise ValueError(f"grid_thickness must be below grid_spacing, {grid_spacing}. Received: {grid_thickness}.")
    on_row, on_column = (np.arange(size) % grid_spacing < grid_thickness for size in shape)
    return (on_row[:, np.newaxis] | on_column[np.newaxis, :]).astype(np.float32)


def create_segmentation_image(
    segmentation_array: ArrayLike, colors_dict: Mapping[int, Color] | None = None
) -> tuple[NDArray[np.uint8], dict[int, Color]]:
    """Colour an annotation.

    Parameters
    ----------
    segmentation_array : array-like of an integer dtype, (h, w)
        Structure ids.
    colors_dict : dict of int to (r, g, b), or None
        Colours of structures, 0..255. Those that it lacks, and all of them for None, get a colour that depends on the
        id alone; 0, outside, becomes black. `Structures.colors` makes a picture in the colours of the atlas.

    Returns
    -------
    img : ndarray, uint8, (h, w, 3)
        The picture, RGB.
    colors : dict of int to (r, g, b)
        The colour of each id in the picture.

    Raises
    ------
    TypeError
        If the annotation is not of an integer dtype.
    ValueError
        If a colour is not three numbers from 0 to 255.

    Examples
    --------
    >>> img, colors = create_segmentation_image([[0, 7, 9]], {7: (10, 20, 30)})
    >>> img[0, :2].tolist(), sorted(colors)
    ([[0, 0, 0], [10, 20, 30]], [0, 7, 9])
    """
    annotation = np.asarray(segmentation_array)
    if annotation.dtype.kind not in "iu":
        raise TypeError(f"An annotation must be of an integer dtype. Received: {annotation.dtype}. Use astype.")
    given = dict(colors_dict or {})
    for label, color in given.items():
        if np.shape(color) != (3,) or not all(isinstance(part, Integral) and 0 <= part <= 255 for part in color):
            raise ValueError(f"A colour must be three integers from 0 to 255. Received: {color!r} for {label}.")
    present, where = np.unique(annotation, return_inverse=True)
    colors = {label: given.get(label, _color_of(label)) for label in present.tolist()}
    palette = np.array(list(colors.values()), dtype=np.uint8).reshape(-1, 3)
    return palette[where].reshape(*annotation.shape, 3), colors


def _color_of(label: int) -> Color:
    if label == 0:
        return (0, 0, 0)
    hue = label * _GOLDEN % 1
    saturation, value = 0.45 + 0.5 * (label * _GOLDEN**2 % 1), 0.65 + 0.35 * (label * _GOLDEN**3 % 1)
    red, green, blue = (round(255 * part) for part in hsv_to_rgb(hue, saturation, value))
    return red, green, blue

"""The pictures of the page as arrays: warped images, outlines, structures under the pointer, grid and folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.ndimage import find_objects
from skimage.measure import find_contours

from atlalign._field.sampling import pixel_grid
from atlalign.base import DisplacementField

if TYPE_CHECKING:
    from atlalign.atlas.structures import Structures

_LONGEST = 912  # px of a picture, unless its canvas is larger
_GRID_LINES = 24  # across
_SMOOTHING = 0.8  # px: of outlines
_MARGIN = 3  # px
_LEAST_LUMINANCE = 140  # of an outline: it has to be seen on black

NOTHING, GRID, FOLD = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Outlines:
    """Structures of a plane as lines.

    Attributes
    ----------
    lines : list of ndarray, float64, (n, 2)
        Points (x, y) px of the canvas.
    colours : list of str
        One for each line, as CSS has it.
    """

    lines: list[np.ndarray]
    colours: list[str]

    def moved(self, field: DisplacementField) -> Outlines:
        """Return the outlines where a field takes them: those of the atlas's slice, on the section."""
        if not self.lines:
            return self
        ends = np.cumsum([len(line) for line in self.lines])[:-1]
        return Outlines(np.split(field.transform_points(np.concatenate(self.lines)), ends), self.colours)


def picture_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the size in which a canvas is shown: a multiple of its own.

    Examples
    --------
    >>> picture_shape((320, 456)), picture_shape((2000, 3000))
    ((640, 912), (2000, 3000))
    """
    times = max(1, round(_LONGEST / max(shape)))
    return shape[0] * times, shape[1] * times


def picture_maps(field: DisplacementField, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel of a larger picture takes its value from, x and y of the same picture, float32 (h, w)."""
    x, y = pixel_grid(shape)
    times_x, times_y = shape[1] / field.shape[1], shape[0] / field.shape[0]
    size = (shape[1], shape[0])
    return (
        x + cv2.resize(field.delta_x, size, interpolation=cv2.INTER_LINEAR) * np.float32(times_x),
        y + cv2.resize(field.delta_y, size, interpolation=cv2.INTER_LINEAR) * np.float32(times_y),
    )


def warp_picture(picture: np.ndarray, maps: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return a picture, uint8 (h, w), warped; black outside.

    Examples
    --------
    >>> shift = DisplacementField.generate((4, 6), "affine_simple", translation_x=1)
    >>> warp_picture(np.arange(24, dtype=np.uint8).reshape(4, 6), picture_maps(shift, (4, 6)))[0].tolist()
    [1, 2, 3, 4, 5, 0]
    """
    return cv2.remap(picture, *maps, interpolation=cv2.INTER_LINEAR)


def find_outlines(labels: np.ndarray, structures: Structures) -> Outlines:
    """Return the outlines of labels, uint32 (h, w), each in its structure's colour, lightened where it is dark.

    Steps from pixel to pixel are smoothed.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> structures = Atlas.load("phantom:100").structures
    >>> found = find_outlines(np.pad(np.full((6, 8), next(iter(structures)), np.uint32), 5), structures)
    >>> [((line.min(axis=0) + line.max(axis=0)) / 2).round(3).tolist() for line in found.lines]
    [[8.5, 7.5]]
    """
    identifiers, index = np.unique(np.pad(labels, _MARGIN), return_inverse=True)
    index = index.reshape(labels.shape[0] + 2 * _MARGIN, labels.shape[1] + 2 * _MARGIN)
    lines: list[np.ndarray] = []
    colours: list[str] = []
    for number, (identifier, box) in enumerate(zip(identifiers, find_objects(index + 1), strict=True)):
        if identifier == 0:
            continue
        rows, columns = (slice(max(0, part.start - _MARGIN), part.stop + _MARGIN) for part in box)
        mask = (index[rows, columns] == number).astype(np.float32)
        mask = cv2.GaussianBlur(mask, (0, 0), _SMOOTHING)
        structure = structures.get(int(identifier))
        colour = "#{:02x}{:02x}{:02x}".format(*_light(structure.rgb if structure else (255, 255, 255)))
        for contour in find_contours(mask, 0.5):
            offset = np.array([columns.start - _MARGIN, rows.start - _MARGIN])
            lines.append(contour[:, ::-1] + offset)
            colours.append(colour)
    return Outlines(lines, colours)


def find_structures(labels: np.ndarray, structures: Structures) -> tuple[np.ndarray, list[str]]:
    """Return which name each pixel of labels has, uint16 (h, w), and the names; no structure has none.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> structures = Atlas.load("phantom:100").structures
    >>> index, names = find_structures(np.array([[0, 80]], np.uint32), structures)
    >>> [names[i] for i in index[0]]
    ['', 'CP · caudoputamen']
    """
    identifiers, index = np.unique(labels, return_inverse=True)
    known = [structures.get(int(i)) for i in identifiers]
    names = [f"{structure.acronym} · {structure.name}" if structure else "" for structure in known]
    return index.reshape(labels.shape).astype(np.uint16), names


def draw_grid(maps: tuple[np.ndarray, np.ndarray], folds: np.ndarray) -> np.ndarray:
    """Draw the section's own square grid as the warp leaves it, and where it folds.

    Parameters
    ----------
    maps : (x, y)
        As `picture_maps` returns them.
    folds : ndarray, bool, shape (h', w')
        Of the canvas.

    Returns
    -------
    ndarray, uint8, shape (h, w)
        `NOTHING`, `GRID` or `FOLD`.
    """
    height, width = maps[0].shape
    step = width / _GRID_LINES
    grid = np.zeros((height, width), dtype=np.uint8)
    for positions in maps:
        cells = np.floor(positions / np.float32(step)).astype(np.int16)
        grid[:, 1:][cells[:, 1:] != cells[:, :-1]] = GRID
        grid[1:][cells[1:] != cells[:-1]] = GRID
    grid = cv2.dilate(grid, np.ones((2, 2), np.uint8)).astype(np.uint8)  # so that a smaller copy of it has no gaps
    if folds.any():
        folded = cv2.resize(folds.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        grid[folded > 0] = FOLD
    return grid


def _light(rgb: tuple[int, int, int]) -> tuple[int, ...]:
    colour = np.array(rgb, dtype=np.float64)
    luminance = float(colour @ (0.299, 0.587, 0.114))
    mix = np.clip((_LEAST_LUMINANCE - luminance) / max(255 - luminance, 1e-6), 0, 1)
    return tuple(int(value) for value in np.rint(colour + mix * (255 - colour)))

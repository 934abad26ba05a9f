"""Which pixels of a section count: the mask that a person drew."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from atlalign._files import require_file
from atlalign.errors import InvalidFileError
from atlalign.section._grey import transparent
from atlalign.section._pixels import ArrayPixels, Pixels
from atlalign.section.reading import is_ome_zarr, open_pixels
from atlalign.section.resampling import compose_affine, resample, resize_affine

# px; a larger mask is halved until it has fewer: what a person draws is no finer.
_MOST_PIXELS = 2**25
_ROWS_AT_ONCE = 1024


class SectionMask:
    """What counts of a section, and what is masked out.

    Parameters
    ----------
    counts : ndarray, bool, shape (h', w')
        True where a pixel counts. It covers the section's image edge to edge, as the image is stored, but may be
        coarser or finer.
    shape : (h, w)
        Of the section at its full resolution.

    Raises
    ------
    ValueError
        If the two have other proportions, by more than a pixel of the mask; or nothing counts.

    Examples
    --------
    >>> mask = SectionMask(np.array([[True, False]]), (4, 8))
    >>> mask.at([[0, 0], [3.4, 3], [3.6, 3], [9, 0]]).tolist()
    [True, True, False, False]
    >>> mask.grid([0, 7], [1]).tolist()
    [[True, False]]
    """

    def __init__(self, counts: NDArray[np.bool_], shape: tuple[int, int]):
        height, width = counts.shape
        # levels of pyramids are rounded up or down
        apart = min(abs(height - width * shape[0] / shape[1]), abs(width - height * shape[1] / shape[0]))
        if apart > 1:
            raise ValueError(
                "A mask must have the section's height and width, or the same proportions. "
                f"Received: a mask of shape {(height, width)} for a section of shape {tuple(shape)}. "
                "Draw it on the section's own image, as the file has it."
            )
        if not counts.any():
            raise ValueError(
                "A mask must be 255 where tissue counts. Received: a mask that is 0 everywhere. Draw it again."
            )
        self.counts = counts
        self.shape = shape

    @property
    def masked_out(self) -> float:
        """Share of the image that does not count, from 0 to 1."""
        return 1 - float(np.count_nonzero(self.counts)) / self.counts.size

    def at(self, points_xy: Any) -> NDArray[np.bool_]:
        """Return which points (n, 2), px of the section, lie where it counts; none outside its image do."""
        x, y = np.asarray(points_xy, dtype=np.float64).T
        (rows, on_y), (columns, on_x) = self._index(y, 0), self._index(x, 1)
        return self.counts[rows, columns] & on_x & on_y

    def grid(self, columns: Any, rows: Any) -> NDArray[np.bool_]:
        """Return which points of a grid count, (h, w), by x of its columns and y of its rows, px of the section."""
        (row, on_y), (column, on_x) = self._index(rows, 0), self._index(columns, 1)
        return self.counts[row[:, None], column] & on_x & on_y[:, None]

    def hides(self, shape: tuple[int, int], grid_to_section: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return where a grid shows what is masked out; where it shows nothing of the section it does not.

        Parameters
        ----------
        shape : (h, w)
        grid_to_section : ndarray, shape (2, 3)
            From px of the grid to px of the section.

        Returns
        -------
        ndarray, bool, shape (h, w)
        """
        to_mask = compose_affine(resize_affine(self.shape, self.counts.shape), grid_to_section)
        return resample((~self.counts).astype(np.float32), to_mask, shape) >= 0.5

    def _index(self, values: Any, axis: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the mask's row or column of each y or x, and which of them lie on the image, edges included."""
        size, length = self.shape[axis], self.counts.shape[axis]
        values = np.asarray(values, dtype=np.float64)
        index = np.floor((values + 0.5) * (length / size))
        on = (values >= -0.5) & (values <= size - 0.5)
        return np.clip(index, 0, length - 1).astype(np.intp), on


def open_mask(mask: Any, shape: tuple[int, int]) -> SectionMask:
    """Return the mask of a section from a file or an array.

    Parameters
    ----------
    mask : path-like, array_like or SectionMask
        An image: not 0 where tissue counts. Of several channels any may be; where it is transparent it is 0.
    shape : (h, w)
        Of the section at its full resolution. The mask has this shape, or that of any smaller or larger copy.

    Returns
    -------
    SectionMask
        On a coarser grid where the image has more than 33 million pixels.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If the file is no image.
    ValueError
        If the image has another shape, or is 0 everywhere.

    Examples
    --------
    >>> open_mask(np.eye(4), (40, 40)).masked_out
    0.75
    """
    if isinstance(mask, SectionMask):
        return SectionMask(mask.counts, shape)
    if isinstance(mask, str | os.PathLike):
        try:
            counts = _counts(open_pixels(mask if is_ome_zarr(mask) else require_file(mask, "mask")))
        except InvalidFileError as error:
            raise InvalidFileError(f"A mask must be an image. {error}") from None
    else:
        array = np.asarray(mask)
        if array.ndim not in (2, 3):
            raise ValueError(
                "A mask must be an image (h, w), not 0 where tissue counts, or its path. "
                f"Received: {type(mask).__name__} of shape {array.shape}. Give one value for each pixel."
            )
        counts = _counts(ArrayPixels(array != 0 if array.dtype.kind in "iu" else array, "a mask"))
    return SectionMask(counts, shape)


def _counts(pixels: Pixels) -> NDArray[np.bool_]:
    """Return where an image is not 0: of its finest level that is small enough, or of a level made coarser."""
    sizes = [height * width for height, width in pixels.level_shapes]
    level = next((i for i, size in enumerate(sizes) if size <= _MOST_PIXELS), len(sizes) - 1)
    height, width = pixels.level_shapes[level]
    factor = 1
    while height * width > _MOST_PIXELS * factor**2:
        factor *= 2
    rows = -(-max(_ROWS_AT_ONCE, pixels.rows_at_once(level)) // factor) * factor
    bands = []
    with pixels.open() as read:
        for top in range(0, height, rows):
            band = _not_zero(read(level, 0, top, width, min(rows, height - top)))
            if factor > 1:
                size = (-(-width // factor), -(-band.shape[0] // factor))
                coarse = cv2.resize(band.astype(np.float32), size, interpolation=cv2.INTER_AREA)
                band = coarse >= 0.5
            bands.append(band)
    return np.concatenate(bands)


def _not_zero(image: NDArray) -> NDArray[np.bool_]:
    if image.ndim == 2:
        return np.not_equal(image, 0)
    found: NDArray[np.bool_] = np.any(image[..., :3], axis=2)
    outside = transparent(image)
    return found if outside is None else found & ~outside

"""The pixels of a section, in memory or in a file, on one level of resolution or several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from atlalign import _damage
from atlalign.errors import AtlalignError, InvalidFileError
from atlalign.section.pixel_size import PixelSize

# (level, x, y, width, height) -> (height, width) or (height, width, channels)
Reader = Callable[[int, int, int, int, int], np.ndarray]

_DTYPES = (np.uint8, np.uint16, np.float32, np.float64)

# What is done to a section multiplies its values by the square of a number of pixels; larger ones would overflow.
_LARGEST = 1e24

# Bytes of a band of rows that is read at once while an image is reduced.
_BAND_BYTES = 2**26


class Pixels(ABC):
    """Where a section's pixels come from.

    Attributes
    ----------
    name : str
        What messages call the section.
    level_shapes : tuple of (h, w)
        Of the levels of a pyramid, the finest first; one where there is no pyramid.
    pixel_size : PixelSize or None
        Of the finest level, if the file states it.
    """

    name: str
    level_shapes: tuple[tuple[int, int], ...]
    pixel_size: PixelSize | None = None

    @contextmanager
    @abstractmethod
    def open(self) -> Iterator[Reader]:
        """Yield what reads a window of a level, in its native byte order and checked."""

    @abstractmethod
    def rows_at_once(self, level: int) -> int:
        """Return how many rows of a level are stored together."""

    def read(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Read one window."""
        with self.open() as read:
            return read(level, x, y, width, height)

    def read_reduced(self, level: int, window: tuple[int, int, int, int], factor: int) -> np.ndarray:
        """Read a window (x, y, width, height) averaged over squares of `factor` px, band by band.

        Pixel (0, 0) averages the window's first square; a last one that is cut off is completed by its edge.
        """
        x, y, width, height = window
        if factor == 1:
            return self.read(level, x, y, width, height)
        bands = []
        with self.open() as read:
            a_row = read(level, x, y, width, 1).nbytes
            rows = max(self.rows_at_once(level), min(512, _BAND_BYTES // a_row))
            rows = max(1, rows // factor) * factor
            for top in range(y, y + height, rows):
                band = read(level, x, top, width, min(rows, y + height - top))
                bands.append(_block_means(band, factor))
        return np.concatenate(bands)


class ArrayPixels(Pixels):
    """An image that lies in memory."""

    def __init__(self, image: Any, name: str, pixel_size: PixelSize | None = None):
        self.name = name
        self.image = checked_image(np.asarray(image), name)
        self.level_shapes = (self.image.shape[:2],)
        self.pixel_size = pixel_size

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """Yield what cuts windows out."""
        yield lambda level, x, y, width, height: self.image[y : y + height, x : x + width]

    def rows_at_once(self, level: int) -> int:
        """Return one: there is nothing to decode."""
        return 1


class FilePixels(Pixels):
    """Levels that lie in a file, and are read from it whenever they are wanted.

    A file is opened anew for every use: nothing stays open, and a section can be sent to another process.
    """

    def __init__(self, path: Path, kind: str):
        self.path = path
        self.name = path.name
        self.kind = kind

    @abstractmethod
    def _open_file(self) -> Any:
        """Return a context manager that yields a Reader of pixels as they are stored."""

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """Yield a Reader whose errors say what is wrong with the file."""
        with self._open_file() as stored:

            def read(level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
                with naming_damage(self.path, self.kind):
                    window = stored(level, x, y, width, height)
                try:
                    return checked_image(window, self.name)
                except ValueError as error:
                    raise InvalidFileError(str(error)) from None

            yield read


def naming_damage(path: Path, kind: str) -> AbstractContextManager[None]:
    """Turn what a reader raises on a damaged file into an error that names the file."""
    return _damage.naming_damage(
        "A section must be a whole, readable image.",
        f"{path}, a damaged {kind}",
        "Export it again.",
        passed=(AtlalignError, MemoryError),
    )


def file_in_memory(path: Path, image: np.ndarray, pixel_size: PixelSize | None) -> ArrayPixels:
    """Return the pixels of a file that was read whole."""
    try:
        return ArrayPixels(image, path.name, pixel_size)
    except ValueError as error:
        raise InvalidFileError(str(error)) from None


def pick_channel(image: np.ndarray, channel: int | None) -> np.ndarray:
    """Return one channel of an image (h, w) or (h, w, c), all of it where none is wanted."""
    return image if image.ndim == 2 or channel is None else np.ascontiguousarray(image[..., channel])


def require_channel(channel: int | None, count: int, path: Path) -> None:
    """Refuse a channel that the file does not have."""
    if channel is not None and not 0 <= channel < count:
        raise InvalidFileError(
            f"channel must satisfy 0 <= channel < {count} for {path}. Received: {channel}. Choose another."
        )


def checked_image(image: np.ndarray, name: str) -> np.ndarray:
    """Return an image, or a part of one, as sections keep it, having seen that it is one.

    Raises
    ------
    ValueError
        If it is not grey or RGB(A), of another dtype, empty, or has values that are not finite or are enormous.
    """
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (3, 4)):
        raise ValueError(
            "A section must be one 2D image, grey (h, w) or RGB(A) (h, w, 3 or 4). "
            f"Received: {name} of shape {image.shape}. Give one plane."
        )
    if image.size == 0:
        raise ValueError(
            f"A section must have at least one pixel. Received: {name}, shape {image.shape}. Check the file."
        )
    native = image.dtype.newbyteorder("=")
    if native not in _DTYPES:
        raise ValueError(
            "A section must be of dtype uint8, uint16, float32 or float64. "
            f"Received: {name} of dtype {image.dtype}. Convert it to 8 or 16 bit."
        )
    image = np.ascontiguousarray(image, dtype=native)
    n_bad = 0 if image.dtype.kind != "f" else np.count_nonzero(~(np.abs(image) <= _LARGEST))
    if n_bad:
        raise ValueError(
            f"A section's pixels must be finite numbers, at most {_LARGEST:g} in size. "
            f"Received: {name}, {n_bad} of whose values are NaN, infinite or larger. Replace them."
        )
    return image


def _block_means(image: np.ndarray, factor: int) -> np.ndarray:
    height, width = image.shape[:2]
    bottom, right = -height % factor, -width % factor
    if bottom or right:
        image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    size = (image.shape[1] // factor, image.shape[0] // factor)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

"""Windows of a page of a TIFF file, from the strips or tiles that they touch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from atlalign.errors import InvalidFileError

# Bytes of one strip or tile. What compresses a whole slide into one strip must be decoded as a whole.
_LARGEST_SEGMENT = 2**30

_JPEGS = (6, 7, 34892, 33007)

# Rows of an image that is stored without compression, which can be read from any of them to any other.
_PLAIN_ROWS = 256


def segment_rows(page: Any) -> int:
    """Return how many rows of a page are stored together."""
    key = page.keyframe
    if _is_plain(page):
        return _PLAIN_ROWS
    return int(key.tilelength if key.is_tiled else min(key.rowsperstrip, key.imagelength))


def read_window(page: Any, x: int, y: int, width: int, height: int) -> np.ndarray:
    """Read a window of a page of one plane.

    Parameters
    ----------
    page : TiffPage or TiffFrame
        Of an open file.
    x, y, width, height : int
        The window, px, inside the page.

    Returns
    -------
    ndarray, shape (height, width, samples)
        As they are stored, samples last.
    """
    return (_read_plain if _is_plain(page) else _read_segments)(page, x, y, width, height)


def require_small_segments(page: Any, path: Path) -> None:
    """Refuse a page of which no part can be read without decoding more than memory holds."""
    key = page.keyframe
    if _is_plain(page):
        return
    samples = key.samplesperpixel if key.planarconfig == 1 else 1
    across = key.tilewidth if key.is_tiled else key.imagewidth
    n_bytes = segment_rows(page) * across * samples * key.dtype.itemsize
    if n_bytes > _LARGEST_SEGMENT:
        raise InvalidFileError(
            f"A compressed TIFF must be stored in tiles or strips of at most {_LARGEST_SEGMENT // 2**20} MiB each. "
            f"Received: {path}, with one of {n_bytes // 2**20} MiB. {tiling_remedy(path)}"
        )


def tiling_remedy(path: Path) -> str:
    """Return the sentence that says how a file becomes one that is read by tiles."""
    target = f"{path.stem}.ome.tif"
    return (
        f"Convert it to a tiled pyramid: vips tiffsave '{path.name}' '{target}' --tile --pyramid --compression "
        f"deflate --bigtiff, or: bfconvert -tilex 512 -tiley 512 -pyramid-resolutions 6 -pyramid-scale 2 "
        f"'{path.name}' '{target}'"
    )


def _is_plain(page: Any) -> bool:
    """Say whether rows lie one after the other as they are in memory."""
    return bool(not page.keyframe.is_tiled and page.keyframe.bitspersample % 8 == 0 and page.is_final)


def _read_plain(page: Any, x: int, y: int, width: int, height: int) -> np.ndarray:
    key = page.keyframe
    planes, _, length, image_width, samples = key.shaped
    dtype = key.dtype.newbyteorder(page.parent.byteorder)
    row = image_width * samples
    parts = []
    handle = page.parent.filehandle
    for plane in range(planes):
        handle.seek(page.dataoffsets[0] + (plane * length + y) * row * dtype.itemsize)
        data = handle.read(height * row * dtype.itemsize)
        parts.append(np.frombuffer(data, dtype).reshape(height, image_width, samples)[:, x : x + width])
    return np.concatenate(parts, axis=-1)


def _read_segments(page: Any, x: int, y: int, width: int, height: int) -> np.ndarray:
    key = page.keyframe
    planes, _, length, image_width, samples = key.shaped
    rows, columns = (key.tilelength, key.tilewidth) if key.is_tiled else (segment_rows(page), image_width)
    down, across = -(-length // rows), -(-image_width // columns)
    result = np.full((height, width, planes * samples), key.nodata, dtype=key.dtype)
    for plane in range(planes):
        target = result[..., plane * samples : (plane + 1) * samples]
        for row in range(y // rows, (y + height - 1) // rows + 1):
            for column in range(x // columns, (x + width - 1) // columns + 1):
                segment = _decode(page, (plane * down + row) * across + column)
                if segment is not None:
                    _paste(segment, target, column * columns - x, row * rows - y)
    return result


def _decode(page: Any, index: int) -> np.ndarray | None:
    """Return a decoded strip or tile, (rows, columns, samples), None where nothing is stored."""
    key = page.keyframe
    offset, count = page.dataoffsets[index], page.databytecounts[index]
    if count == 0:
        return None
    handle = page.parent.filehandle
    handle.seek(offset)
    data = handle.read(count)
    tables = {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader} if key.compression in _JPEGS else {}
    segment = key.decode(data, index, **tables)[0]
    return None if segment is None else segment[0]


def _paste(segment: np.ndarray, target: np.ndarray, left: int, top: int) -> None:
    """Write what of a segment, whose first pixel is (left, top) of the target, falls into it."""
    bottom, right = min(top + segment.shape[0], target.shape[0]), min(left + segment.shape[1], target.shape[1])
    x, y = max(left, 0), max(top, 0)
    target[y:bottom, x:right] = segment[y - top : bottom - top, x - left : right - left]

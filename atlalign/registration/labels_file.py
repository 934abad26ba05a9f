"""The structure of each pixel of a section as a TIFF, tile by tile: that of a whole slide need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from atlalign.section.resampling import resize_affine

if TYPE_CHECKING:
    from atlalign.registration.result import Registration

_TILE = 256

# px; larger images of ids are slow to write and to open, and no atlas is as fine.
_MOST_PIXELS = 2**26

# Labels are so even that more than the least effort makes files hardly smaller.
_COMPRESSION: dict[str, Any] = {"compression": "zlib", "compressionargs": {"level": 1}}


def labels_shape(level_shapes: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """Return height and width of the labels of a section.

    Its own where it has at most 67 million pixels; else the finest of its levels, or of the halves, quarters, ... of
    its size, that has no more.

    Parameters
    ----------
    level_shapes : tuple of (h, w)
        Of the section, the finest first.

    Examples
    --------
    >>> labels_shape(((8000, 8000),)), labels_shape(((40000, 30000),)), labels_shape(((40000, 30000), (10000, 6000)))
    ((8000, 8000), (5000, 3750), (10000, 6000))
    """
    shapes = list(level_shapes)
    height, width = level_shapes[0]
    while height * width > _MOST_PIXELS:
        height, width = (height + 1) // 2, (width + 1) // 2
    small = [shape for shape in [*shapes, (height, width)] if shape[0] * shape[1] <= _MOST_PIXELS]
    return max(small, key=lambda shape: shape[0] * shape[1])


def write_labels(path: Path, registration: Registration) -> tuple[int, int]:
    """Write the labels of a section, uint32, and return their height and width: see `labels_shape`."""
    shape = labels_shape(registration.section.level_shapes)
    height, width = shape
    to_section = resize_affine(shape, registration.section.shape)
    columns, rows = (
        to_section[axis, axis] * np.arange(n) + to_section[axis, 2] for axis, n in ((0, width), (1, height))
    )

    def tiles() -> Iterator[np.ndarray]:
        for y in range(0, height, _TILE):
            band = np.zeros((_TILE, -(-width // _TILE) * _TILE), dtype=np.uint32)
            found = registration.labels_at(columns, rows[y : y + _TILE])
            band[: len(found), :width] = found
            yield from np.split(band, band.shape[1] // _TILE, axis=1)

    tifffile.imwrite(
        path,
        tiles(),
        shape=shape,
        dtype=np.uint32,
        tile=(_TILE, _TILE),
        photometric="minisblack",
        **_COMPRESSION,
    )
    return shape

"""Read the image file of a section, as one plane of grey or colour."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from atlalign._files import require_file
from atlalign.errors import InvalidFileError
from atlalign.section._bioio import BioioPixels
from atlalign.section._pictures import open_picture
from atlalign.section._pixels import Pixels
from atlalign.section._tiff import open_tiff

# Names are no guide: cameras and scanners write TIFF files called .jpg. The first bytes tell.
_SIGNATURES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
    b"ZISRAWFILE": "CZI",
}

# One of them lies in the folder of every Zarr group, of version 2 or 3 of the format.
_ZARR_FILES = (".zattrs", ".zgroup", "zarr.json")


def is_ome_zarr(path: str | os.PathLike) -> bool:
    """Say whether a folder is an image, and not a folder of images.

    Examples
    --------
    >>> is_ome_zarr(".")
    False
    """
    return Path(path).is_dir() and any((Path(path) / name).is_file() for name in _ZARR_FILES)


def open_pixels(path: str | os.PathLike, *, channel: int | None = None) -> Pixels:
    """Open a section's file, and see that it holds one 2D image.

    The pixels come as they are stored: an EXIF orientation is not applied, so that coordinates are those of
    other tools that read the same file. PNG and JPEG are decoded here; of other files parts are read when they
    are wanted.

    Parameters
    ----------
    path : path-like
        A PNG, JPEG, TIFF or CZI file, whose content counts, not its name; or an OME-Zarr folder. The last two need
        the extra ``bioio``.
    channel : int or None
        The channel to take of an image of several, counted from 0, as the file stores it. None takes grey and
        RGB(A) whole and converts CMYK of 8 bits to RGB. Four channels of a TIFF are RGBA only if it says so.

    Returns
    -------
    Pixels
        Its levels, finest first, and what the file says of the size of a pixel.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If the file is no image, is truncated, is a stack, has no such channel, is in a colour space that is not
        read, or is too large to be decoded as a whole and cannot be read in parts.
    MissingExtraError
        If it is OME-Zarr or CZI, and bioio is not installed.

    Examples
    --------
    >>> import tempfile, tifffile
    >>> path = Path(tempfile.mkdtemp()) / "section.tif"
    >>> tifffile.imwrite(path, np.zeros((4, 6), np.uint16))
    >>> open_pixels(path).level_shapes
    ((4, 6),)
    """
    if is_ome_zarr(path):
        return BioioPixels(Path(path), "OME-Zarr", channel)
    path = require_file(path, "section")
    with path.open("rb") as file:
        start = file.read(10)
    kind = next((kind for signature, kind in _SIGNATURES.items() if start.startswith(signature)), None)
    if kind is None:
        raise InvalidFileError(
            "A section must be a PNG, JPEG, TIFF, CZI or OME-Zarr image. "
            f"Received: {path}, which holds none of them, whatever its name. Export it again as TIFF."
        )
    if kind == "CZI":
        return BioioPixels(path, kind, channel)
    return open_tiff(path, channel) if kind == "TIFF" else open_picture(path, kind, channel)


def read_image(path: str | os.PathLike, *, channel: int | None = None) -> np.ndarray:
    """Read one 2D image whole, at its full resolution.

    Parameters
    ----------
    path, channel
        As in `open_pixels`.

    Returns
    -------
    ndarray, shape (h, w), (h, w, 3) or (h, w, 4)
        In the file's own depth.

    Examples
    --------
    >>> import tempfile, tifffile
    >>> path = Path(tempfile.mkdtemp()) / "section.tif"
    >>> tifffile.imwrite(path, np.zeros((4, 6), np.uint16))
    >>> read_image(path).shape
    (4, 6)
    """
    pixels = open_pixels(path, channel=channel)
    height, width = pixels.level_shapes[0]
    return pixels.read(0, 0, 0, width, height)

"""PNG and JPEG files, which are decoded as a whole."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from atlalign.errors import InvalidFileError
from atlalign.section._pixels import ArrayPixels, file_in_memory, naming_damage, pick_channel, require_channel
from atlalign.section._segments import tiling_remedy
from atlalign.section.pixel_size import from_density

# What Pillow's modes become where NumPy would not see grey or colour in them.
_CONVERTED = {"1": "L", "LA": "RGBA", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB"}

# Half a gigabyte of colour, and as much again while it is decoded.
_MOST_PIXELS = 150_000_000

# Called by name: Image.open refuses large pictures by a rule of its own.
_OPENERS = {"PNG": PngImageFile, "JPEG": JpegImageFile}


def open_picture(path: Path, kind: str, channel: int | None) -> ArrayPixels:
    """Decode a picture.

    Parameters
    ----------
    path : Path
    kind : {"PNG", "JPEG"}
    channel : int or None
        The one to take of its colours.

    Raises
    ------
    InvalidFileError
        If it is damaged, has no such channel, or is, by its header, too large to be decoded.
    """
    with warnings.catch_warnings(), naming_damage(path, kind):
        warnings.simplefilter("ignore")
        with _OPENERS[kind](str(path)) as picture:
            _require_size(picture.size, path, kind)
            size = from_density(picture.info.get("dpi"), kind)
            image = _decode(picture, path)
    require_channel(channel, image.shape[2] if image.ndim == 3 else 1, path)
    return file_in_memory(path, pick_channel(image, channel), size)


def _require_size(size: tuple[int, int], path: Path, kind: str) -> None:
    if size[0] * size[1] > _MOST_PIXELS:
        raise InvalidFileError(
            f"A {kind} section, which can only be decoded as a whole, must have at most {_MOST_PIXELS} pixels. "
            f"Received: {path} of {size[0]} x {size[1]}. {tiling_remedy(path)}"
        )


def _decode(picture: Image.Image, path: Path) -> np.ndarray:
    picture.load()
    if picture.mode == "P":
        return np.asarray(picture.convert("RGBA" if "transparency" in picture.info else "RGB"))
    if picture.format == "PNG" and _is_deep_colour(path):
        return _read_deep_png(path)
    return np.asarray(picture.convert(_CONVERTED.get(picture.mode, picture.mode)))


def _is_deep_colour(path: Path) -> bool:
    """Say whether a PNG holds colour in 16 bits, which Pillow would cut down to 8."""
    with path.open("rb") as file:
        header = file.read(26)
    return header[24] == 16 and header[25] != 0


def _read_deep_png(path: Path) -> np.ndarray:
    image = np.asarray(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED))
    return image[..., [2, 1, 0, 3][: image.shape[2]]]

"""Read the image file of a section: PNG, JPEG or TIFF, as one plane of grey or colour."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from atlalign._files import require_file
from atlalign.errors import InvalidFileError, one_line

# Names are no guide: cameras and scanners write TIFF files called .jpg. The first bytes tell.
_SIGNATURES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
}

# What Pillow's modes become where NumPy would not see grey or colour in them.
_CONVERTED = {"1": "L", "LA": "RGBA", "PA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB"}

_CHANNEL_AXES = "SCQI"

_PHOTOMETRIC = tifffile.PHOTOMETRIC
# How a TIFF may state what its samples mean where they are grey, RGB or an index as they stand.
_PLAIN = {
    _PHOTOMETRIC.MINISWHITE,
    _PHOTOMETRIC.MINISBLACK,
    _PHOTOMETRIC.RGB,
    _PHOTOMETRIC.PALETTE,
    _PHOTOMETRIC.MASK,
    _PHOTOMETRIC.LINEAR_RAW,
}
_ALPHA = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)


def read_image(path: str | os.PathLike, *, channel: int | None = None) -> np.ndarray:
    """Read one 2D image.

    The pixels come as they are stored: an EXIF orientation is not applied, so that coordinates are those of
    other tools that read the same file.

    Parameters
    ----------
    path : path-like
        A PNG, JPEG or TIFF file; its content counts, not its name.
    channel : int or None
        The channel to take of an image of several, counted from 0, as the file stores it. None takes grey and
        RGB(A) whole and converts CMYK of 8 bits to RGB. Four channels of a TIFF are RGBA only if it says so.

    Returns
    -------
    ndarray, shape (h, w), (h, w, 3) or (h, w, 4)
        In the file's own depth.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If the file is no image, is truncated, is a stack, has no such channel, or is in a colour space that is
        not read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "section.tif"
    >>> tifffile.imwrite(path, np.zeros((4, 6), np.uint16))
    >>> read_image(path).shape
    (4, 6)
    """
    path = require_file(path, "section")
    with path.open("rb") as file:
        start = file.read(4)
    kind = next((kind for signature, kind in _SIGNATURES.items() if start.startswith(signature)), None)
    if kind is None:
        raise InvalidFileError(
            "A section must be a PNG, JPEG or TIFF image. "
            f"Received: {path}, which holds none of them, whatever its name. Export it again as TIFF."
        )
    if kind == "TIFF":
        return _read_tiff(path, channel)
    return _pick(_read_picture(path, kind), "YXS", channel, path)


def _read_picture(path: Path, kind: str) -> np.ndarray:
    try:
        # Pillow warns of a large picture, and refuses one twice as large: the error is enough.
        with _quietly(), Image.open(path, formats=(kind,)) as picture:
            picture.load()
            if picture.mode == "P":
                transparent = "transparency" in picture.info
                return np.asarray(picture.convert("RGBA" if transparent else "RGB"))
            if picture.format == "PNG" and _is_deep_colour(path):
                return _read_deep_png(path)
            return np.asarray(picture.convert(_CONVERTED.get(picture.mode, picture.mode)))
    except Image.DecompressionBombError:
        raise InvalidFileError(
            f"A {kind} section must have at most {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels. "
            f"Received: a larger one, {path}. Save it as a TIFF, or smaller."
        ) from None
    # A damaged file makes Pillow raise OSError, SyntaxError, ValueError, struct.error or zlib.error.
    except Exception as error:
        raise _not_an_image(path, kind, error) from None


def _is_deep_colour(path: Path) -> bool:
    """Say whether a PNG holds colour in 16 bits, which Pillow would cut down to 8."""
    with path.open("rb") as file:
        header = file.read(26)
    return header[24] == 16 and header[25] != 0


def _read_deep_png(path: Path) -> np.ndarray:
    image = np.asarray(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED))
    return image[..., [2, 1, 0, 3][: image.shape[2]]]


def _read_tiff(path: Path, channel: int | None) -> np.ndarray:
    try:
        with _quietly(), tifffile.TiffFile(path) as tif:
            series = tif.series[0]
            kept = [i for i, axis in enumerate(series.axes) if series.shape[i] > 1 or axis in "YX"]
            shape = tuple(series.shape[i] for i in kept)
            axes = "".join(series.axes[i] for i in kept)
            page = tif.pages.first
            _require_plane(axes, shape, channel, path, four=_has_four_colours(page))
            if channel is None:
                _require_colours(page, path)
            _require_whole(tif, path)
            image = series.asarray().reshape(shape)
            colour_map = page.colormap
            if axes == "YX" and colour_map is not None:
                # A colour map holds 16 bits a channel whatever the depth of the index.
                colours = (np.moveaxis(colour_map, 0, -1) >> 8).astype(np.uint8)
                image, axes = colours[image], "YXS"
            if page.photometric == _PHOTOMETRIC.SEPARATED and channel is None:
                image = np.asarray(Image.fromarray(_channels_last(image, axes), "CMYK").convert("RGB"))
                axes = "YXS"
    except InvalidFileError:
        raise
    # A damaged file makes tifffile and its decoders raise a dozen unrelated classes.
    except Exception as error:
        raise _not_an_image(path, "TIFF", error) from None
    return _pick(image, axes, channel, path)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep what readers print of odd tags off the screen: what matters is an error, and raised."""
    logger = logging.getLogger("tifffile")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def _has_four_colours(page: tifffile.TiffPage) -> bool:
    """Say whether four samples of a pixel are RGBA or CMYK, and not four channels of a microscope."""
    rgba = page.photometric == _PHOTOMETRIC.RGB and page.extrasamples[:1] in [(alpha,) for alpha in _ALPHA]
    return rgba or page.photometric == _PHOTOMETRIC.SEPARATED


def _require_colours(page: tifffile.TiffPage, path: Path) -> None:
    """Refuse samples that are neither grey nor RGB and that are not converted."""
    if page.photometric in _PLAIN:
        return
    if page.photometric == _PHOTOMETRIC.YCBCR and page.compression == tifffile.COMPRESSION.JPEG:
        return  # decoded to RGB
    if page.photometric == _PHOTOMETRIC.SEPARATED and page.samplesperpixel == 4 and page.dtype == np.uint8:
        return
    name = getattr(page.photometric, "name", page.photometric)
    raise InvalidFileError(
        "A TIFF section must hold grey, RGB, or CMYK of 8 bits. "
        f"Received: {path} with {name} of {page.dtype}. Save it as RGB, or choose a channel (--channel)."
    )


def _require_plane(axes: str, shape: tuple[int, ...], channel: int | None, path: Path, *, four: bool) -> None:
    others = [(axis, n) for axis, n in zip(axes, shape, strict=True) if axis not in "YX"]
    if len(others) > 1 or "Y" not in axes or "X" not in axes or (others and others[0][0] not in _CHANNEL_AXES):
        raise InvalidFileError(
            "A section must be one 2D image. "
            f"Received: {path} of shape {shape} (axes {axes}). Save the plane to register as its own file."
        )
    if others and channel is None and (others[0][0] != "S" or others[0][1] not in ((3, 4) if four else (3,))):
        raise InvalidFileError(
            "A section must be one 2D image, grey or RGB(A). "
            f"Received: {path} of shape {shape} (axes {axes}). If its {others[0][1]} planes are channels, "
            f"choose one with channel=0..{others[0][1] - 1} (--channel); if it is a stack, save one plane."
        )


def _require_whole(tif: tifffile.TiffFile, path: Path) -> None:
    """Refuse a TIFF whose data end early: uncompressed strips would come back as zeros."""
    page = tif.pages.first
    end = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    if end > path.stat().st_size:
        raise _not_an_image(path, "TIFF", ValueError(f"truncated: {path.stat().st_size} of {end} bytes"))


def _pick(image: np.ndarray, axes: str, channel: int | None, path: Path) -> np.ndarray:
    """Bring the channels last, and take the one that is wanted."""
    image = _channels_last(image, axes)
    if channel is None:
        return image
    count = image.shape[2] if image.ndim == 3 else 1
    if not 0 <= channel < count:
        raise InvalidFileError(
            f"channel must satisfy 0 <= channel < {count} for {path}. Received: {channel}. Choose another."
        )
    return image[..., channel] if image.ndim == 3 else image


def _channels_last(image: np.ndarray, axes: str) -> np.ndarray:
    if image.ndim == 3:
        image = np.moveaxis(image, next(i for i, axis in enumerate(axes) if axis not in "YX"), -1)
    return np.ascontiguousarray(image)


def _not_an_image(path: Path, kind: str, error: Exception) -> InvalidFileError:
    reason = one_line(error)
    return InvalidFileError(
        f"A section must be a whole, readable image. Received: {path}, a damaged {kind} ({reason}). Export it again."
    )

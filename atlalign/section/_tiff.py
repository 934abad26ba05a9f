"""TIFF files: plain, OME-TIFF and the pyramids of slide scanners, read by strips and tiles."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from PIL import Image

from atlalign.errors import InvalidFileError
from atlalign.section._pixels import (
    ArrayPixels,
    FilePixels,
    Pixels,
    Reader,
    file_in_memory,
    naming_damage,
    pick_channel,
    require_channel,
)
from atlalign.section._segments import read_window, require_small_segments, segment_rows, tiling_remedy
from atlalign.section.pixel_size import PixelSize, of_tiff

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

# Bytes of an image whose parts cannot be told apart in the file.
_LARGEST_WHOLE = 2**31


class _Level(NamedTuple):
    """One level: its series, and the axes of more than one element."""

    series: tifffile.TiffPageSeries
    axes: str
    shape: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int]:
        return self.shape[self.axes.index("Y")], self.shape[self.axes.index("X")]

    @property
    def others(self) -> tuple[int, ...]:
        return tuple(n for axis, n in zip(self.axes, self.shape, strict=True) if axis not in "YX")


def open_tiff(path: Path, channel: int | None) -> Pixels:
    """Open a TIFF file, and see that it holds a section.

    Parameters
    ----------
    path : Path
    channel : int or None
        The one to take of several.

    Returns
    -------
    Pixels
        In the file; in memory where the file does not say where a part of the image lies.

    Raises
    ------
    InvalidFileError
        If it is damaged, a stack, in a colour space that is not read, has no such channel, or is so large and so
        stored that it cannot be read in parts.
    """
    with naming_damage(path, "TIFF"), _opened(path) as tif:
        first = _level(tif.series[0])
        page = first.series.keyframe
        _require_plane(first, channel, path, four=_has_four_colours(page))
        require_channel(channel, (first.others or (1 if page.colormap is None else 3,))[0], path)
        if channel is None:
            _require_colours(page, path)
        levels = [level for level in _levels(tif.series, first) if _page(level, channel, tif) is not None]
        for level in levels:
            stored = _page(level, channel, tif)
            _require_whole(stored, path)
            require_small_segments(stored, path)
        size = of_tiff(tif)
        if levels and levels[0] == first:
            return TiffPixels(path, channel, levels, size)
        return _whole(first, channel, path, size)


class TiffPixels(FilePixels):
    """The levels of a TIFF file."""

    def __init__(self, path: Path, channel: int | None, levels: list[_Level], pixel_size: PixelSize | None):
        super().__init__(path, "TIFF")
        self.channel = channel
        self.level_shapes = tuple(level.size for level in levels)
        self.pixel_size = pixel_size
        self._rows = [segment_rows(level.series.keyframe) for level in levels]

    def rows_at_once(self, level: int) -> int:
        """Return the height of a tile or strip."""
        return self._rows[level]

    @contextmanager
    def _open_file(self) -> Iterator[Reader]:
        with _opened(self.path) as tif:
            with naming_damage(self.path, self.kind):
                by_size = {level.size: level for level in _levels(tif.series, _level(tif.series[0]))}
                levels = [by_size[shape] for shape in self.level_shapes]

            def stored(level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
                page: Any = _page(levels[level], self.channel, tif)
                samples = read_window(page, x, y, width, height)
                return _coloured(samples[..., 0] if samples.shape[2] == 1 else samples, page.keyframe, self.channel)

            yield stored


@contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a file without the warnings about odd tags: what matters is an error, and raised."""
    logger = logging.getLogger("tifffile")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with naming_damage(path, "TIFF"):
                tif = tifffile.TiffFile(path)
            with tif:
                yield tif
    finally:
        logger.disabled = before


def _level(series: tifffile.TiffPageSeries) -> _Level:
    kept = [i for i, axis in enumerate(series.axes) if series.shape[i] > 1 or axis in "YX"]
    return _Level(series, "".join(series.axes[i] for i in kept), tuple(series.shape[i] for i in kept))


def _levels(series: list[tifffile.TiffPageSeries], first: _Level) -> list[_Level]:
    """Return the first series and its smaller copies, finest first.

    A file may say that it is a pyramid, or just hold images of which each is as large as the first divided by a
    whole number.
    """
    found = {first.size: first}
    for level in map(_level, first.series.levels[1:]):
        if _is_smaller(level, first):
            found.setdefault(level.size, level)
    for level in map(_level, series[1:]):
        if _is_smaller(level, first):
            factor = round(first.size[1] / level.size[1])
            if all(abs(whole / factor - n) <= 1 for whole, n in zip(first.size, level.size, strict=True)):
                found.setdefault(level.size, level)
    return sorted(found.values(), key=lambda level: -level.size[0] * level.size[1])


def _is_smaller(level: _Level, first: _Level) -> bool:
    """Say whether a level has the kind of pixels and, to whole pixels, the proportions of a larger one."""
    if level.axes != first.axes or level.others != first.others or level.series.dtype != first.series.dtype:
        return False
    (height, width), (full_height, full_width) = level.size, first.size
    down, across = full_height / height, full_width / width
    return min(down, across) >= 1.5 and abs(across / down - 1) <= 1 / width + 1 / height


def _page(level: _Level, channel: int | None, tif: tifffile.TiffFile) -> Any:
    """Return the page that holds a level, or the channel of it that is wanted; None where no single page does."""
    series, n_pages = level.series, len(level.series)
    if n_pages == 1:
        page, channels = series[0], level.others
    elif channel is not None and level.others == (n_pages,):
        page, channels = series[channel], ()
    else:
        return None
    if page is None or page.keyframe is None or page.parent is not tif:
        return None
    planes, depth, length, width, samples = page.keyframe.shaped
    if depth != 1 or (length, width) != level.size or planes * samples != (channels or (1,))[0]:
        return None
    return page


def _whole(level: _Level, channel: int | None, path: Path, size: PixelSize | None) -> ArrayPixels:
    """Decode all of an image, as tifffile does with what is stored in other ways."""
    if level.series.nbytes > _LARGEST_WHOLE:
        raise InvalidFileError(
            "A TIFF section larger than 2 GiB must be stored in pages, tiles or strips that can be read alone. "
            f"Received: {path} of {level.series.nbytes // 2**20} MiB. {tiling_remedy(path)}"
        )
    _require_whole(level.series.keyframe, path)
    image = level.series.asarray().reshape(level.shape)
    if image.ndim == 3:
        image = np.moveaxis(image, next(i for i, axis in enumerate(level.axes) if axis not in "YX"), -1)
    return file_in_memory(path, _coloured(np.ascontiguousarray(image), level.series.keyframe, channel), size)


def _coloured(image: np.ndarray, key: tifffile.TiffPage, channel: int | None) -> np.ndarray:
    """Return stored samples, (h, w) or (h, w, c), as grey or colour, or the channel that is wanted."""
    if image.ndim == 2 and key.colormap is not None:
        # A colour map holds 16 bits a channel whatever the depth of the index.
        image = (np.moveaxis(key.colormap, 0, -1) >> 8).astype(np.uint8)[image]
    if key.photometric == _PHOTOMETRIC.SEPARATED and channel is None:
        return np.asarray(Image.fromarray(np.ascontiguousarray(image), "CMYK").convert("RGB"))
    return pick_channel(image, channel)


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


def _require_plane(level: _Level, channel: int | None, path: Path, *, four: bool) -> None:
    axes, shape = level.axes, level.shape
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


def _require_whole(page: Any, path: Path) -> None:
    """Refuse a TIFF whose data end early: uncompressed strips would come back as zeros."""
    end = max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    if end > path.stat().st_size:
        with naming_damage(path, "TIFF"):
            raise ValueError(f"truncated: {path.stat().st_size} of {end} bytes")

"""OME-Zarr folders and CZI files, through the optional package bioio."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from atlalign.errors import InvalidFileError, MissingExtraError
from atlalign.section._pixels import FilePixels, Reader, naming_damage, pick_channel, require_channel
from atlalign.section.pixel_size import PixelSize, from_metadata

# Chunks are read by dask; bands of this many rows touch each of the usual ones once.
_ROWS = 512


class BioioPixels(FilePixels):
    """The levels of an image that bioio reads.

    Parameters
    ----------
    path : Path
        An OME-Zarr folder or a CZI file.
    kind : {"OME-Zarr", "CZI"}
    channel : int or None
        The one to take of several.

    Raises
    ------
    MissingExtraError
        If bioio is not installed.
    InvalidFileError
        If the image cannot be read, is a stack, or has no such channel.
    """

    def __init__(self, path: Path, kind: str, channel: int | None):
        super().__init__(path, kind)
        self.channel = channel
        with naming_damage(path, kind), self._opened() as image:
            self._require_plane(image)
            shapes = []
            for level in image.resolution_levels:
                image.set_resolution_level(level)
                shapes.append((int(image.dims.Y), int(image.dims.X)))
            image.set_resolution_level(image.resolution_levels[0])  # that of the size of a pixel
            self.pixel_size = _pixel_size(image)
        self.level_shapes = tuple(shapes)

    def rows_at_once(self, level: int) -> int:
        """Return the height of a usual chunk."""
        return _ROWS

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            from bioio import BioImage
        except ImportError:
            raise MissingExtraError("OME-Zarr and CZI sections", "bioio") from None
        # Its other reader of CZI gives the first colour for all three.
        options: dict[str, Any] = {"use_aicspylibczi": False} if self.kind == "CZI" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with naming_damage(self.path, self.kind):
                image = BioImage(self.path, **options)
            yield image

    @contextmanager
    def _open_file(self) -> Iterator[Reader]:
        with self._opened() as image:

            def stored(level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
                colour = self._samples(image) > 1
                channel = 0 if self.channel is None or colour else self.channel
                image.set_resolution_level(image.resolution_levels[level])
                window = image.get_image_data(
                    "YXS" if colour else "YX", T=0, Z=0, C=channel, Y=slice(y, y + height), X=slice(x, x + width)
                )
                if colour and self.kind == "CZI":
                    window = window[..., ::-1]  # stored as blue, green, red
                return pick_channel(window, self.channel)

            yield stored

    def _samples(self, image: Any) -> int:
        return int(image.dims.S) if "S" in image.dims.order else 1

    def _require_plane(self, image: Any) -> None:
        dims = image.dims
        samples, channels = self._samples(image), int(dims.C)
        if dims.T > 1 or dims.Z > 1 or (samples > 1 and channels > 1):
            raise InvalidFileError(
                "A section must be one 2D image. "
                f"Received: {self.path} of {dims}. Save the plane to register as its own file."
            )
        count = max(samples, channels)
        require_channel(self.channel, count, self.path)
        if self.channel is None and (channels > 1 or samples not in (1, 3, 4)):
            raise InvalidFileError(
                "A section must be one 2D image, grey or RGB(A). "
                f"Received: {self.path} of {count} channels. Choose one with channel=0..{count - 1} (--channel)."
            )


def _pixel_size(image: Any) -> PixelSize | None:
    sizes = image.physical_pixel_sizes
    properties = getattr(image, "dimension_properties", None)
    unit = getattr(getattr(properties, "X", None), "unit", None)
    return from_metadata(sizes.X, sizes.Y, "um" if unit is None else str(unit), "bioio")

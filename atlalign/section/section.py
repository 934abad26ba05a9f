"""A section: the image of a slice of tissue as it comes from the microscope."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from atlalign.errors import InvalidFileError
from atlalign.section.reading import read_image
from atlalign.section.resampling import compose_affine, resample, resize_affine
from atlalign.section.tissue import Tissue, find_tissue

_DTYPES = (np.uint8, np.uint16, np.float32, np.float64)

# The share of the tissue, in percent, that is allowed to be brighter than 1 in the model image.
_SATURATED = 0.5

# um; from far below what light resolves to far above any section
_PIXEL_SIZES = (1e-3, 1e5)

# What is done to a section multiplies its values by the square of a number of pixels; larger ones would overflow.
_LARGEST = 1e24


class Section:
    """A section's image, what its pixels measure, and where its tissue is.

    Colour counts by its luminance. Where an image is transparent (alpha below half) there is no tissue: such
    pixels take the colour black or white, whichever is nearer to what borders on them.

    Parameters
    ----------
    image : array_like, shape (h, w), (h, w, 3) or (h, w, 4)
        Grey, RGB or RGBA; uint8, uint16, float32, float64 or bool; of any range; either polarity.
    pixel_size_um : float or (x, y), optional
        Size of a pixel across and down, um.
    name : str
        What messages and records call the section.

    Raises
    ------
    ValueError
        If the image has another shape or dtype, no pixel, NaN, infinite or enormous values, or the pixel size
        is not between 0.001 and 100 000 um.

    Examples
    --------
    >>> image = np.full((60, 80), 250, np.uint8)
    >>> image[20:40, 10:50] = 100
    >>> section = Section(image, pixel_size_um=25)
    >>> section.shape, section.pixel_size_um, section.tissue.polarity
    ((60, 80), (25.0, 25.0), 'bright')
    """

    def __init__(self, image: Any, pixel_size_um: Any = None, *, name: str = "section"):
        self.image = _checked_image(np.asarray(image), name)
        self.pixel_size_um = None if pixel_size_um is None else checked_pixel_size(pixel_size_um)
        self.name = name

    @classmethod
    def read(cls, path: str | os.PathLike, *, pixel_size_um: Any = None, channel: int | None = None) -> Section:
        """Read a PNG, JPEG or TIFF file.

        Parameters
        ----------
        path : path-like
            The image.
        pixel_size_um : float or (x, y), optional
            Size of a pixel across and down, um.
        channel : int or None
            The channel to take of an image of several, counted from 0.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        InvalidFileError
            If the file is no image, is truncated, is a stack, has no such channel, or holds NaN, infinite or
            enormous values.

        Examples
        --------
        >>> Section.read("nowhere.tif")
        Traceback (most recent call last):
        ...
        FileNotFoundError: The section must be an existing file. Received: nowhere.tif. Check the path.
        """
        size = None if pixel_size_um is None else checked_pixel_size(pixel_size_um)
        image = read_image(path, channel=channel)
        try:
            return cls(image, size, name=Path(path).name)
        except ValueError as error:
            raise InvalidFileError(str(error)) from None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.image.shape[:2]

    @cached_property
    def grey(self) -> np.ndarray:
        """Luminance, (h, w): uint8, uint16 or float32."""
        image = self.image
        if image.dtype == np.float64:
            image = image.astype(np.float32)
        if image.ndim == 2:
            return image
        grey = cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_RGB2GRAY)
        outside = self._outside
        if outside is not None:
            grey[outside] = _level_outside(grey, outside)
        return grey

    @cached_property
    def tissue(self) -> Tissue:
        """Background, polarity and tissue mask."""
        return find_tissue(self.grey, outside=self._outside)

    @property
    def tissue_box(self) -> tuple[float, float, float, float]:
        """Outer edges (left, top, right, bottom) of the tissue, px.

        Raises
        ------
        ValueError
            If no tissue was found.
        """
        box = self.tissue.box
        if box is None:
            raise ValueError(
                "A section must show tissue that differs from its background. "
                f"Received: {self.name}, where none was found. Check the file, or choose another channel."
            )
        return box

    def normalized(
        self, shape: tuple[int, int] | None = None, *, grid_to_section: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the section as the networks see it: background 0, tissue up to 1.

        A bright background is inverted; the tissue's 99.5th percentile becomes 1; what lies well outside the
        tissue is set to 0.

        Parameters
        ----------
        shape : (h, w), optional
            Shape of the output; by default the section's own.
        grid_to_section : ndarray, shape (2, 3), optional
            From px of the output to px of the section; by default the output covers the section edge to edge.

        Returns
        -------
        ndarray, float32, shape (h, w)
            In [0, 1].

        Examples
        --------
        >>> image = np.full((60, 80), 250, np.uint8)
        >>> image[20:40, 10:50] = 100
        >>> model_image = Section(image).normalized()
        >>> model_image[30, 30].item(), model_image[5, 5].item()
        (1.0, 0.0)
        """
        shape = self.shape if shape is None else shape
        if grid_to_section is None:
            grid_to_section = resize_affine(shape, self.shape)
        background = self.tissue.background
        grey = resample(self.grey, grid_to_section, shape, fill=background).astype(np.float32)
        signal = background - grey if self.tissue.polarity == "bright" else grey - background
        mask = self.tissue_mask(shape, grid_to_section=grid_to_section)
        if not mask.any():
            return np.zeros(shape, dtype=np.float32)
        white = np.percentile(signal[mask], 100 - _SATURATED)
        # The mask may shave a pale rim off the tissue: keep a margin.
        radius = max(1, round(0.01 * max(shape)))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        near = cv2.dilate(mask.astype(np.uint8), kernel)
        return np.clip(signal / max(white, 1e-6), 0, 1).astype(np.float32) * near

    def tissue_mask(
        self, shape: tuple[int, int] | None = None, *, grid_to_section: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the tissue mask on a grid.

        Parameters
        ----------
        shape, grid_to_section
            As in `normalized`.

        Returns
        -------
        ndarray, bool, shape (h, w)

        Examples
        --------
        >>> image = np.zeros((60, 80), np.uint8)
        >>> image[20:40, 10:50] = 100
        >>> bool(Section(image).tissue_mask()[30, 30])
        True
        """
        shape = self.shape if shape is None else shape
        if grid_to_section is None:
            grid_to_section = resize_affine(shape, self.shape)
        mask = self.tissue.mask
        to_mask = compose_affine(resize_affine(self.shape, mask.shape), grid_to_section)
        return resample(mask.astype(np.float32), to_mask, shape) >= 0.5

    @cached_property
    def _outside(self) -> np.ndarray | None:
        """Transparent pixels, (h, w), None where there are none."""
        if self.image.ndim == 2 or self.image.shape[2] == 3:
            return None
        alpha = self.image[..., 3]
        opaque = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
        outside = alpha < opaque / 2
        return outside if outside.any() else None

    def __repr__(self) -> str:
        size, dtype = self.pixel_size_um, self.image.dtype
        return f"Section({self.name!r}, shape={self.shape}, dtype={dtype}, pixel_size_um={size})"


def checked_pixel_size(pixel_size_um: Any) -> tuple[float, float]:
    """Return a pixel size as (x, y) in um.

    Examples
    --------
    >>> checked_pixel_size(25), checked_pixel_size((12.5, 14))
    ((25.0, 25.0), (12.5, 14.0))
    """
    low, high = _PIXEL_SIZES
    try:
        size = np.broadcast_to(np.asarray(pixel_size_um, dtype=np.float64), (2,))
    except (TypeError, ValueError):
        size = np.array([np.nan])
    if not ((size >= low) & (size <= high)).all():
        raise ValueError(
            f"pixel_size_um must be one number from {low:g} to {high:g}, or two (across, down). "
            f"Received: {pixel_size_um}. Give the size of the image's pixels in micrometres."
        )
    return float(size[0]), float(size[1])


def _checked_image(image: np.ndarray, name: str) -> np.ndarray:
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
    if image.ndim == 3 and image.shape[2] == 4 and not image[..., 3].any():
        raise ValueError(
            f"A section must have an opaque pixel. Received: {name}, wholly transparent. Export it opaque."
        )
    return image


def _level_outside(grey: np.ndarray, outside: np.ndarray) -> float:
    """Return the grey of transparent pixels: a loose cut-out borders on background, a tight one on tissue."""
    inside = grey[~outside]
    rim = grey[~outside & (cv2.dilate(outside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)]
    black, white = float(inside.min()), float(inside.max())
    level = float(np.median(rim))
    return white if white - level < level - black else black

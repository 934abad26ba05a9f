"""A section: the image of a slice of tissue as it comes from the microscope."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import cv2
import numpy as np

from atlalign.errors import InvalidFileError
from atlalign.plane_slopes import Tilt, checked_tilt
from atlalign.section import _levels
from atlalign.section._grey import level_outside, luminance, transparent
from atlalign.section._image import SectionImage
from atlalign.section._pixels import ArrayPixels, Pixels
from atlalign.section.mask import SectionMask, open_mask
from atlalign.section.orientation import Flip, Orientation, Turn
from atlalign.section.pixel_size import checked_pixel_size
from atlalign.section.reading import open_pixels
from atlalign.section.resampling import compose_affine, resample, resize_affine
from atlalign.section.tissue import Tissue, find_tissue

# The share of the tissue, in percent, that is allowed to be brighter than 1 in the model image.
_SATURATED = 0.5


class Section(SectionImage):
    """A section's image, what its pixels measure, and where its tissue is.

    All coordinates are px of the image as it is stored, at its full resolution, however the section must be
    mirrored or turned: that is for the map to the canvas. A large file is not read as a whole: `image` is a level
    of its pyramid, or the average of squares of its pixels, and everything else reads what it needs.

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
    flip : {None, "horizontal", "vertical"}
        How the image must be mirrored to be upright, dorsal up, with the animal's right on the left.
    rotate : {0, 90, 180, 270}
        By how many degrees it must then be turned clockwise.
    invert : bool, optional
        Whether the background is bright, and is inverted for the networks; by default that is found out.
    mask : path-like or array_like, optional
        An image that is 0 where the section does not count: see `with_mask`.

    Attributes
    ----------
    image : ndarray, shape (h', w'), (h', w', 3) or (h', w', 4)
        The image at the working resolution: as it is up to some 33 million pixels, with a longer side of 2048 px
        or more where it is larger.
    pixel_size_um : (float, float) or None
        Size of a pixel at full resolution across and down, if it is given or the file states it.
    pixel_size_source : str or None
        What says so: "given", or a part of the file, such as "OME-XML".
    orientation : Orientation
        `flip` and `rotate`.
    tilt : Tilt
        How far from coronal it was cut: not at all, unless `tilted` says so.
    mask : SectionMask or None
        Which pixels count, if not all of them do.
    name : str

    Raises
    ------
    ValueError
        If the image has another shape or dtype, no pixel, NaN, infinite or enormous values, the pixel size is not
        between 0.001 and 100 000 um, or `flip` or `rotate` is something else.

    Examples
    --------
    >>> image = np.full((60, 80), 250, np.uint8)
    >>> image[20:40, 10:50] = 100
    >>> section = Section(image, pixel_size_um=25)
    >>> section.shape, section.pixel_size_um, section.tissue.polarity
    ((60, 80), (25.0, 25.0), 'bright')
    """

    def __init__(
        self,
        image: Any,
        pixel_size_um: Any = None,
        *,
        name: str = "section",
        flip: Flip | None = None,
        rotate: Turn = 0,
        invert: bool | None = None,
        mask: Any = None,
    ):
        self.orientation = Orientation(flip, rotate)
        self.tilt = Tilt()
        self._pixels = image if isinstance(image, Pixels) else ArrayPixels(image, name)
        self._polarity: Literal["bright", "dark"] | None = None if invert is None else "bright" if invert else "dark"
        self.name = name
        stated = self._pixels.pixel_size
        self.pixel_size_um = stated.um if stated else None
        self.pixel_size_source = stated.source if stated else None
        if pixel_size_um is not None:
            self.pixel_size_um, self.pixel_size_source = checked_pixel_size(pixel_size_um), "given"
        if isinstance(self._pixels, ArrayPixels):
            self.image, self._image_to_section = self._pixels.image, np.eye(2, 3)
        else:
            self.image, self._image_to_section = _levels.read_working(self._pixels)
        if self.image.ndim == 3 and self.image.shape[2] == 4 and not self.image[..., 3].any():
            raise ValueError(
                f"A section must have an opaque pixel. Received: {name}, wholly transparent. Export it opaque."
            )
        self.mask: SectionMask | None = None if mask is None else open_mask(mask, self.shape)

    @classmethod
    def read(
        cls,
        path: str | os.PathLike,
        *,
        pixel_size_um: Any = None,
        channel: int | None = None,
        flip: Flip | None = None,
        rotate: Turn = 0,
        invert: bool | None = None,
        mask: Any = None,
    ) -> Section:
        """Read a PNG, JPEG or TIFF file, the pyramid of a slide scanner, or with the extra bioio OME-Zarr or CZI.

        Parameters
        ----------
        path : path-like
            The image.
        pixel_size_um : float or (x, y), optional
            Size of a pixel across and down, um; by default what the file states, if anything.
        channel : int or None
            The channel to take of an image of several, counted from 0.
        flip, rotate, invert, mask
            As in `Section`.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the mask is not one of this section: see `with_mask`.
        InvalidFileError
            If the file is no image, is truncated, is a stack, has no such channel, is too large and stored so that
            it can only be decoded whole, or holds NaN, infinite or enormous values.
        MissingExtraError
            If it is OME-Zarr or CZI, and bioio is not installed.

        Examples
        --------
        >>> Section.read("nowhere.tif")
        Traceback (most recent call last):
        ...
        FileNotFoundError: The section must be an existing file. Received: nowhere.tif. Check the path.
        """
        size = None if pixel_size_um is None else checked_pixel_size(pixel_size_um)
        Orientation(flip, rotate)  # refused before the file is read
        pixels = open_pixels(path, channel=channel)
        try:
            section = cls(pixels, size, name=pixels.name, flip=flip, rotate=rotate, invert=invert)
        except ValueError as error:
            raise InvalidFileError(str(error)) from None
        return section if mask is None else section.with_mask(mask)

    def with_mask(self, mask: Any) -> Section:
        """Return the same section, of which only a part counts.

        What is masked out is no tissue: it is background to the networks, moves nothing, gets no labels and is not
        measured. The image itself stays as it is.

        Parameters
        ----------
        mask : path-like, array_like or SectionMask, optional
            An image of the section's height and width, or the same proportions, not 0 where the section counts. It lies
            on the image as that is stored, whatever `orientation` says. None lifts the mask.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        InvalidFileError
            If the file is no image.
        ValueError
            If the mask has other proportions, or is 0 everywhere.

        Examples
        --------
        >>> image = np.zeros((60, 80), np.uint8)
        >>> image[20:40, 10:70] = 200
        >>> left = np.zeros((60, 80)); left[:, :40] = 1
        >>> section = Section(image)
        >>> [round(edge) for edge in section.tissue_box], [round(edge) for edge in section.with_mask(left).tissue_box]
        ([10, 20, 70, 40], [10, 20, 40, 40])
        """
        other = copy.copy(self)
        other.__dict__.pop("tissue", None)
        other.mask = None if mask is None else open_mask(mask, self.shape)
        return other

    def oriented(self, flip: Flip | None = None, rotate: Turn = 0) -> Section:
        """Return the same section, to be mirrored and turned in another way; no pixel is read or moved.

        Examples
        --------
        >>> upside_down = Section(np.zeros((60, 80), np.uint8)).oriented(rotate=180)
        >>> upside_down.orientation, upside_down.shape
        (Orientation(flip=None, rotate=180), (60, 80))
        """
        other = copy.copy(self)
        other.orientation = Orientation(flip, rotate)
        return other

    def tilted(self, tilt: Sequence[float]) -> Section:
        """Return the same section, cut at two angles from coronal; no pixel is read or moved.

        Where it is placed by its position, it is placed on the plane of this tilt.

        Parameters
        ----------
        tilt : Tilt or sequence of 2 float
            Degrees about the dorsal-ventral and about the medial-lateral axis: see `atlalign.plane_slopes.Tilt`.

        Raises
        ------
        ValueError
            If these are not two angles between -45 and 45 degrees.

        Examples
        --------
        >>> Section(np.zeros((60, 80), np.uint8)).tilted((3, -2)).tilt
        Tilt(dv=3.0, ml=-2.0)
        """
        other = copy.copy(self)
        other.tilt = checked_tilt(tilt)
        return other

    @cached_property
    def grey(self) -> np.ndarray:
        """Luminance of `image`, (h', w'): uint8, uint16 or float32."""
        return self._grey(self.image)

    def _grey(self, image: np.ndarray) -> np.ndarray:
        grey, outside = luminance(image), transparent(image)
        if outside is not None:
            grey[outside] = self._level_outside
        return grey

    @cached_property
    def _outside(self) -> np.ndarray | None:
        return transparent(self.image)

    @cached_property
    def _level_outside(self) -> float:
        return 0.0 if self._outside is None else level_outside(luminance(self.image), self._outside)

    @cached_property
    def tissue(self) -> Tissue:
        """Background, polarity and tissue mask."""
        hidden = None if self.mask is None else self.mask.hides(self.grey.shape, self._image_to_section)
        found = find_tissue(self.grey, outside=self._outside, hidden=hidden, polarity=self._polarity)
        return replace(found, shape=self.shape)

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
                f"Received: {self.name}, where none was found{'' if self.mask is None else ' that its mask leaves'}. "
                f"Check the file{'' if self.mask is None else ' and the mask'}, or choose another channel."
            )
        return box

    def normalized(
        self, shape: tuple[int, int] | None = None, *, grid_to_section: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the section as the networks see it: background 0, tissue up to 1.

        A bright background is inverted; the tissue's 99.5th percentile becomes 1; what lies well outside the
        tissue is set to 0, and so is what is masked out.

        Parameters
        ----------
        shape : (h, w), optional
            Shape of the output; by default that of `image`.
        grid_to_section : ndarray, shape (2, 3), optional
            From px of the output to px of the section; by default the output covers the section edge to edge, as
            it is stored.

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
        shape = self.image.shape[:2] if shape is None else shape
        if grid_to_section is None:
            grid_to_section = resize_affine(shape, self.shape)
        background = self.tissue.background
        image, grid_to_image = self._image_for(shape, grid_to_section)
        grey = self.grey if image is self.image else self._grey(image)
        grey = resample(grey, grid_to_image, shape, fill=background).astype(np.float32)
        signal = background - grey if self.tissue.polarity == "bright" else grey - background
        mask = self.tissue_mask(shape, grid_to_section=grid_to_section)
        if not mask.any():
            return np.zeros(shape, dtype=np.float32)
        white = np.percentile(signal[mask], 100 - _SATURATED)
        # The mask may shave a pale rim off the tissue: keep a margin.
        radius = max(1, round(0.01 * max(shape)))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        near = cv2.dilate(mask.astype(np.uint8), kernel)
        if self.mask is not None:
            near[self.mask.hides(shape, grid_to_section)] = 0
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
        shape = self.image.shape[:2] if shape is None else shape
        if grid_to_section is None:
            grid_to_section = resize_affine(shape, self.shape)
        mask = self.tissue.mask
        to_mask = compose_affine(resize_affine(self.shape, mask.shape), grid_to_section)
        found = resample(mask.astype(np.float32), to_mask, shape) >= 0.5
        return found if self.mask is None else found & ~self.mask.hides(shape, grid_to_section)

    def __repr__(self) -> str:
        size, dtype = self.pixel_size_um, self.image.dtype
        return f"Section({self.name!r}, shape={self.shape}, dtype={dtype}, pixel_size_um={size})"

"""The size of a pixel, as it is given and as image files state it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Any, NamedTuple

import numpy as np
import tifffile

# um; from far below what light resolves to far above any section
_PIXEL_SIZES = (1e-3, 1e5)

_INCH_UM = 25_400.0

# Units as OME-XML, ImageJ, OME-Zarr and bioio write them.
_UNITS_UM = {
    "nm": 1e-3,
    "nanometer": 1e-3,
    "um": 1.0,
    "\u00b5m": 1.0,  # the micro sign
    "\u03bcm": 1.0,  # the Greek letter
    "\\u00b5m": 1.0,  # as ImageJ escapes it
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "in": _INCH_UM,
    "inch": _INCH_UM,
    "m": 1e6,
    "meter": 1e6,
}

# What screens and printers have; whole multiples of it up to 1200 dots per inch say nothing of a microscope.
_PRINT_STEPS_DPI = (50.0, 72.0, 96.0)
_PRINT_LIMITS_DPI = (254.0, 1210.0)


class PixelSize(NamedTuple):
    """The size of a pixel, and what says so.

    Attributes
    ----------
    um : (float, float)
        Across and down, um.
    source : str
        "given", or what of the file holds it: "OME-XML", "ImageJ", "Aperio", "TIFF resolution", "PNG", "JPEG" or
        "bioio".
    """

    um: tuple[float, float]
    source: str


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


def from_metadata(across: Any, down: Any, unit: Any, source: str) -> PixelSize | None:
    """Return the pixel size that a file states with its unit, None if what it states is none.

    Parameters
    ----------
    across, down : float or str or None
        Size of a pixel; where only one is stated the pixel is square.
    unit : str
        A unit of length.
    source : str
        What holds it.

    Examples
    --------
    >>> from_metadata("0.65", None, "um", "OME-XML")
    PixelSize(um=(0.65, 0.65), source='OME-XML')
    >>> from_metadata(1.0, 1.0, "pixel", "ImageJ") is None
    True
    """
    scale = _UNITS_UM.get(str(unit).strip().lower())
    across = down if across is None else across
    down = across if down is None else down
    try:
        size = checked_pixel_size((float(across) * scale, float(down) * scale))  # type: ignore[operator]
    except (TypeError, ValueError):
        return None
    return PixelSize(size, source)


def from_density(dots_per_inch: Any, source: str) -> PixelSize | None:
    """Return the pixel size that a density means, None where it is that of a screen or a print.

    Programs that know nothing of a section write 72, 96, 300 or the like. Densities below 254 dots per inch, and
    whole multiples of 50, 72 or 96 up to 1200, are taken for such.

    Parameters
    ----------
    dots_per_inch : (x, y) or None
        Dots per inch across and down.
    source : str
        What holds it.

    Examples
    --------
    >>> from_density((96, 96), "JPEG") is None
    True
    >>> from_density((2540, 2540), "PNG")
    PixelSize(um=(10.0, 10.0), source='PNG')
    """
    try:
        density = np.array([float(value) for value in dots_per_inch], dtype=np.float64)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if density.shape != (2,) or not (np.isfinite(density) & (density > 0)).all():
        return None
    lowest, highest = _PRINT_LIMITS_DPI
    for value in density:
        # files round what they state, JPEG to whole dots a centimetre
        steps = [abs(value - step * round(value / step)) <= 2.54 / 2 for step in _PRINT_STEPS_DPI]
        if value < lowest * (1 - 1e-6) or (value < highest and any(steps)):
            return None
    across, down = _INCH_UM / density
    return from_metadata(across, down, "um", source)


def of_tiff(tif: tifffile.TiffFile) -> PixelSize | None:
    """Return the pixel size that an open TIFF file states for its first image, None if it states none.

    The OME-XML counts first, then what ImageJ, Aperio's scanners and the TIFF's own resolution say.
    """
    page = tif.pages.first
    if tif.is_ome and tif.ome_metadata:
        return _of_ome_xml(tif.ome_metadata)
    aperio = re.search(r"\bMPP\s*=\s*([0-9.]+)", page.description) if tif.is_svs else None
    if aperio is not None:
        return from_metadata(aperio[1], None, "um", "Aperio")
    try:
        x, y = page.resolution
        unit = getattr(page.resolutionunit, "name", "NONE")
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not (x > 0 and y > 0):
        return None
    if tif.is_imagej:
        unit = str((tif.imagej_metadata or {}).get("unit", ""))
        if unit.lower() not in ("inch", "in", "cm"):
            return from_metadata(1 / x, 1 / y, unit, "ImageJ")
    a_inch = {"INCH": 1.0, "IN": 1.0, "CENTIMETER": 2.54, "CM": 2.54, "MILLIMETER": 25.4, "MICROMETER": 25_400.0}
    scale = a_inch.get(unit.upper())
    return None if scale is None else from_density((x * scale, y * scale), "TIFF resolution")


def _of_ome_xml(text: str) -> PixelSize | None:
    try:
        pixels = ElementTree.fromstring(text).find(".//{*}Pixels")
    except ElementTree.ParseError:
        return None
    if pixels is None:
        return None
    unit_x, unit_y = (pixels.get(f"PhysicalSize{axis}Unit", "um") for axis in "XY")
    across = from_metadata(pixels.get("PhysicalSizeX"), None, unit_x, "OME-XML")
    down = from_metadata(pixels.get("PhysicalSizeY"), None, unit_y, "OME-XML")
    if across is None or down is None:
        return across or down
    return PixelSize((across.um[0], down.um[1]), "OME-XML")

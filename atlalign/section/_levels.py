"""Which level of a section's pixels is read for what."""

from __future__ import annotations

import numpy as np

from atlalign.section._pixels import Pixels
from atlalign.section.resampling import apply_affine, compose_affine, resize_affine

# px of the longer side, from which on previews are as sharp as they get; the networks need less.
_WORKING = 2048

# px; what is larger is averaged down to the working resolution while it is read.
_WHOLE = 2**25

# A level may be coarser than a grid by this much, since the sizes of levels are rounded.
_TOLERANCE = 1.01


def read_working(pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """Read the level nearest the working resolution, and not coarser, if there is one.

    Returns
    -------
    image : ndarray, (h, w) or (h, w, c)
    to_section : ndarray, (2, 3)
        From its px to px of the section.
    """
    fine = [level for level, shape in enumerate(pixels.level_shapes) if max(shape) >= _WORKING]
    level = fine[-1] if fine else 0
    height, width = pixels.level_shapes[level]
    factor = 1
    while height * width > _WHOLE and max(height, width) >= 2 * factor * _WORKING:
        factor *= 2
    return _read(pixels, level, (0, 0, width, height), factor)


def read_for(pixels: Pixels, points_xy: np.ndarray, shrink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read what an interpolation at given points needs, from the coarsest level that is fine enough.

    Parameters
    ----------
    pixels : Pixels
    points_xy : ndarray, shape (..., 2)
        Where it interpolates, px of the section.
    shrink : ndarray, shape (2,)
        Distance of neighbouring points along x and y, px of the section.

    Returns
    -------
    image, to_section
        As from `read_working`; a window that holds the points.
    """
    shape = pixels.level_shapes[0]
    scales = [np.divide(shape, level)[::-1] for level in pixels.level_shapes]
    wanted = np.maximum(shrink, 1) * _TOLERANCE
    level = max(i for i, scale in enumerate(scales) if i == 0 or (scale <= wanted).all())
    factor = 2 ** int(max(0, np.floor(np.log2((wanted / scales[level]).min()))))
    points = apply_affine(resize_affine(shape, pixels.level_shapes[level]), points_xy).reshape(-1, 2)
    limits = np.array(pixels.level_shapes[level][::-1])
    # Whole squares, and one around them, so that the border of the window is not taken for that of the section.
    low = np.clip((np.floor(points.min(axis=0) / factor) - 2) * factor, 0, limits - 1)
    low = (low // factor * factor).astype(int)
    high = np.clip((np.ceil(points.max(axis=0) / factor) + 3) * factor, low + 1, limits).astype(int)
    return _read(pixels, level, (low[0], low[1], *(high - low)), factor)


def _read(pixels: Pixels, level: int, window: tuple[int, int, int, int], factor: int) -> tuple[np.ndarray, np.ndarray]:
    image = pixels.read_reduced(level, window, factor)
    middle = (factor - 1) / 2
    to_level = np.array([[factor, 0, window[0] + middle], [0, factor, window[1] + middle]])
    return image, compose_affine(resize_affine(pixels.level_shapes[level], pixels.level_shapes[0]), to_level)


def grid_points(shape: tuple[int, int], grid_to_section: np.ndarray, deltas_xy: np.ndarray | None = None) -> np.ndarray:
    """Return the px of the section at which a grid interpolates, (h, w, 2); its corners where nothing displaces it."""
    if deltas_xy is None:
        x, y = np.meshgrid([0, shape[1] - 1], [0, shape[0] - 1])
        return apply_affine(grid_to_section, np.stack([x, y], axis=-1))
    y, x = np.indices(shape, dtype=np.float64)
    return apply_affine(grid_to_section, np.stack([x, y], axis=-1) + deltas_xy)


def grid_step(grid_to_section: np.ndarray) -> np.ndarray:
    """Return the distance of a grid's neighbouring pixels along x and y of the section, px, (2,)."""
    return np.linalg.norm(grid_to_section[:, :2], axis=1)


def is_fine_enough(to_section: np.ndarray, grid_to_section: np.ndarray) -> bool:
    """Say whether an image is at least as fine as a grid, or as the section itself."""
    return bool((grid_step(to_section) <= np.maximum(grid_step(grid_to_section), 1) * _TOLERANCE).all())


def checked_window(
    window: tuple[int, int, int, int] | None, level: int, shapes: tuple[tuple[int, int], ...]
) -> tuple[int, int, int, int]:
    """Return a window (x, y, width, height) of a level, all of it for None, if it lies inside."""
    if not 0 <= level < len(shapes):
        raise ValueError(
            f"level must satisfy 0 <= level < {len(shapes)}, the section's number of levels. Received: {level}. "
            "Level 0 is the section at its full resolution."
        )
    height, width = shapes[level]
    x, y, w, h = (0, 0, width, height) if window is None else window
    if not (0 <= x < x + w <= width and 0 <= y < y + h <= height):
        raise ValueError(
            f"window must be (x, y, width, height) inside the section of {width} x {height} px. "
            f"Received: {window}. Choose a smaller one."
        )
    return x, y, w, h

"""Draw the outlines of structures on a section."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from atlalign.section.resampling import apply_affine, resize_affine

if TYPE_CHECKING:
    from atlalign.atlas.structures import Structures
    from atlalign.registration.result import Registration
    from atlalign.section import Section

_SMALLEST, _LARGEST = 1024, 2048

# Outlines lighter than this, on their dark casing, stand out from bright and dark sections alike.
_LIGHTEST_CASING, _DARKEST_LINE = 0.55, 150


def draw_overlay(registration: Registration) -> np.ndarray:
    """Draw a section with the outlines of its structures in the atlas's colours.

    The picture keeps the section's proportions. Its longer side is the section's own, but at least 1024 px,
    so that outlines do not hide a small section, and at most 2048 px.

    Parameters
    ----------
    registration : Registration

    Returns
    -------
    ndarray, uint8, shape (h, w, 3)
        RGB.
    """
    section = registration.section
    longest = max(section.shape)
    scale = np.clip(longest, _SMALLEST, _LARGEST) / longest
    shape = (max(1, round(section.shape[0] * scale)), max(1, round(section.shape[1] * scale)))
    to_section = resize_affine(shape, section.shape)
    columns = apply_affine(to_section, np.stack([np.arange(shape[1]), np.zeros(shape[1])], axis=1))[:, 0]
    rows = apply_affine(to_section, np.stack([np.zeros(shape[0]), np.arange(shape[0])], axis=1))[:, 1]
    labels = registration.labels_at(columns, rows)
    return draw_outlines(section_picture(section, shape), labels, registration.atlas.structures)


def draw_outlines(picture: np.ndarray, labels: np.ndarray, structures: Structures) -> np.ndarray:
    """Draw the outlines of labels on a picture.

    Each structure is lined on its own side of its border, in its own colour, lightened where it is dark, on a
    dark casing.

    Parameters
    ----------
    picture : ndarray, uint8, shape (h, w, 3)
        RGB.
    labels : ndarray, uint32, shape (h, w)
        Structure ids; 0 has no outline.
    structures : Structures
        Their colours.

    Returns
    -------
    ndarray, uint8, shape (h, w, 3)
    """
    border = np.zeros(labels.shape, dtype=bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    border[:, 1:] |= across
    border[:, :-1] |= across
    border[1:] |= down
    border[:-1] |= down
    line = border & (labels > 0)
    result = picture.astype(np.float32)
    casing = cv2.dilate(border.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    result[casing] *= 1 - _LIGHTEST_CASING
    identifiers, where = np.unique(labels[line], return_inverse=True)
    result[line] = _colours(identifiers, structures)[where]
    return np.rint(result).astype(np.uint8)


def section_picture(section: Section, shape: tuple[int, int]) -> np.ndarray:
    """Return a section as an 8-bit RGB picture, its contrast stretched unless it is in 8-bit colour.

    Parameters
    ----------
    section : Section
    shape : (h, w)
        Shape of the picture, which shows the whole section.

    Returns
    -------
    ndarray, uint8, shape (h, w, 3)
    """
    to_section = resize_affine(shape, section.shape)
    deltas_xy = None
    if (to_section[:, 2] < 0).any():
        # A finer picture reaches half a pixel beyond the outermost centres: their own value is there, not black.
        across, down = (
            np.clip(
                np.arange(n), -to_section[i, 2] / to_section[i, i], (size - 1 - to_section[i, 2]) / to_section[i, i]
            )
            - np.arange(n)
            for i, (n, size) in enumerate(zip(shape[::-1], section.shape[::-1], strict=True))
        )
        deltas_xy = np.stack(np.meshgrid(across, down), axis=-1)
    small = section.resample(shape, to_section, deltas_xy=deltas_xy)
    colour = small.ndim == 3
    small = small[..., :3] if colour else small
    if not (colour and small.dtype == np.uint8):
        low, high = np.percentile(small, (0.1, 99.8))
        small = np.clip((small - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    return small if colour else np.repeat(small[..., np.newaxis], 3, axis=2)


def _colours(identifiers: np.ndarray, structures: Structures) -> np.ndarray:
    """Return an RGB row for each id, mixed with white until it is light enough."""
    white = np.full(3, 255.0)
    rows = [structures[int(i)].rgb if int(i) in structures else white for i in identifiers]
    rgb = np.array(rows, dtype=np.float64).reshape(-1, 3)
    luminance = rgb @ (0.299, 0.587, 0.114)
    mix = np.clip((_DARKEST_LINE - luminance) / np.maximum(255 - luminance, 1e-6), 0, 1)[:, None]
    return rgb + mix * (white - rgb)

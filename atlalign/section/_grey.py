"""The luminance of a section's image, and what its transparent pixels count as."""

from __future__ import annotations

import cv2
import numpy as np


def luminance(image: np.ndarray) -> np.ndarray:
    """Return the grey of an image, (h, w): uint8, uint16 or float32; of float64 in single precision."""
    if image.dtype == np.float64:
        image = image.astype(np.float32)
    if image.ndim == 2:
        return image
    return cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_RGB2GRAY)


def transparent(image: np.ndarray) -> np.ndarray | None:
    """Return the transparent pixels, bool (h, w), None where there are none."""
    if image.ndim == 2 or image.shape[2] == 3:
        return None
    alpha = image[..., 3]
    opaque = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
    outside = alpha < opaque / 2
    return outside if outside.any() else None


def level_outside(grey: np.ndarray, outside: np.ndarray) -> float:
    """Return the grey of transparent pixels: a loose cut-out borders on background, a tight one on tissue."""
    inside = grey[~outside]
    rim = grey[~outside & (cv2.dilate(outside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)]
    black, white = float(inside.min()), float(inside.max())
    level = float(np.median(rim))
    return white if white - level < level - black else black

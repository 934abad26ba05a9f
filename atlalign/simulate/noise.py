"""Random patterns that the looks of sections are made of."""

import cv2
import numpy as np
from numpy.typing import NDArray


def smooth_noise(shape: tuple[int, int], nodes: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return noise in [0, 1], (h, w), that varies over width / `nodes`.

    Examples
    --------
    >>> noise = smooth_noise((20, 30), 3, np.random.default_rng(0))
    >>> noise.shape, bool(noise.min() >= 0), bool(noise.max() <= 1)
    ((20, 30), True, True)
    """
    nodes = max(2, int(nodes))
    size = (max(2, round(nodes * shape[0] / shape[1])), nodes)
    noise = cv2.resize(rng.random(size).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(noise, 0, 1)


def cells(density: NDArray, size_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return dots, (h, w), that are as many in each place as `density`, the share of pixels that hold one, says.

    Examples
    --------
    >>> dots = cells(np.full((40, 50), 0.1), 0.5, np.random.default_rng(0))
    >>> bool(0.05 < dots.mean() < 0.15)
    True
    """
    dots = (rng.random(density.shape) < density).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(dots, (0, 0), size_px), dtype=np.float32)


def random_curve(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the distance of each pixel, (h, w), from a random smooth curve through the image, in px.

    Examples
    --------
    >>> float(random_curve((20, 30), np.random.default_rng(0)).min()) < 2
    True
    """
    height, width = shape
    angle = rng.uniform(0, np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)
    centre = np.array([width, height]) * rng.uniform(0.25, 0.75, 2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    along = (x - centre[0]) * direction[0] + (y - centre[1]) * direction[1]
    across = (y - centre[1]) * direction[0] - (x - centre[0]) * direction[1]
    bend = rng.uniform(0, 0.06) * width * np.sin(along / width * rng.uniform(2, 10) + rng.uniform(0, 2 * np.pi))
    return np.abs(across - bend)

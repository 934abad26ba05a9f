"""Find the tissue of a section: background level, polarity and mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

# Tissue is a coarse thing: it is found on a copy of at most this many pixels a side.
_LONGEST = 512


@dataclass(frozen=True, eq=False)
class Tissue:
    """What was found of the tissue in a grey image.

    Attributes
    ----------
    background : float
        Grey level of the background.
    polarity : {"bright", "dark"}
        Whether the background is brighter or darker than the tissue.
    mask : ndarray, bool, shape (h', w')
        Tissue on a reduced grid that covers the image edge to edge.
    shape : (h, w)
        Shape of the image itself.
    """

    background: float
    polarity: Literal["bright", "dark"]
    mask: np.ndarray
    shape: tuple[int, int]

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """Outer edges (left, top, right, bottom) of the tissue in px of the image, None without tissue."""
        box = mask_box(self.mask)
        if box is None:
            return None
        scale_x, scale_y = self.shape[1] / self.mask.shape[1], self.shape[0] / self.mask.shape[0]
        left, right = ((edge + 0.5) * scale_x - 0.5 for edge in box[::2])
        top, bottom = ((edge + 0.5) * scale_y - 0.5 for edge in box[1::2])
        return left, top, right, bottom

    @property
    def touches_border(self) -> list[str]:
        """The sides of the image, of left, right, top and bottom, along which the tissue is cut off."""
        sides = {
            "left": self.mask[:, 0],
            "right": self.mask[:, -1],
            "top": self.mask[0],
            "bottom": self.mask[-1],
        }
        return [name for name, edge in sides.items() if edge.mean() > 0.02]


def find_tissue(
    grey: np.ndarray,
    *,
    outside: np.ndarray | None = None,
    hidden: np.ndarray | None = None,
    polarity: Literal["bright", "dark"] | None = None,
) -> Tissue:
    """Find background, polarity and tissue of a grey image.

    The background is the commonest level along the image's border; the tissue is what differs from it on the
    side on which most of the image differs, smoothed, with holes filled and without small pieces.

    Parameters
    ----------
    grey : ndarray, shape (h, w)
        uint8, uint16 or float32.
    outside : ndarray, bool, shape (h, w), optional
        Pixels known to hold no tissue.
    hidden : ndarray, bool, shape (h, w), optional
        Pixels that do not count, whatever they hold: not even a hole in the tissue that is filled reaches there.
    polarity : {"bright", "dark"}, optional
        Whether the background is brighter or darker than the tissue, where that is known.

    Returns
    -------
    Tissue

    Examples
    --------
    >>> image = np.full((60, 80), 250, np.uint8)
    >>> image[20:40, 10:50] = 100
    >>> tissue = find_tissue(image)
    >>> tissue.polarity, tissue.background, [round(edge) for edge in tissue.box]
    ('bright', 250.0, [10, 20, 50, 40])
    """
    small = _reduce(grey)
    border = _border(small)
    background = _background(small, border)
    low, high = np.percentile(small, (0.5, 99.5))
    deviation = small - background
    masked = None if hidden is None else _reduce(hidden.astype(np.float32)) > 0.5
    far = np.where(np.abs(deviation) > 0.05 * (high - low), deviation, 0)
    if masked is not None:
        far[masked] = 0
    if polarity is None:
        polarity = "bright" if far.sum() < 0 else "dark"
    signal = -deviation if polarity == "bright" else deviation
    # Tissue along the border deviates to one side, a frame of another white often to the other.
    away = (border - background) * (1 if polarity == "bright" else -1)
    one_side = np.median(away[away > 0]) if (away > 0).any() else 0.0
    noise = 1.4826 * float(min(one_side, np.median(np.abs(away))))
    signal = np.clip(signal, 0, None)
    if outside is not None:
        signal[_reduce(outside.astype(np.uint8)) > 0.5] = 0
    if masked is not None:
        signal[masked] = 0
    mask = _mask(signal, noise)
    if masked is not None:
        mask &= ~masked
    shape = (int(grey.shape[0]), int(grey.shape[1]))
    return Tissue(background, polarity, mask, shape)


def mask_box(mask: np.ndarray) -> tuple[float, float, float, float] | None:
    """Return the outer edges (left, top, right, bottom) of a mask in its own px, None if it is empty.

    Examples
    --------
    >>> mask_box(np.array([[False, False], [False, True]]))
    (0.5, 0.5, 1.5, 1.5)
    """
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if columns.size == 0:
        return None
    return float(columns[0] - 0.5), float(rows[0] - 0.5), float(columns[-1] + 0.5), float(rows[-1] + 0.5)


def _reduce(grey: np.ndarray) -> np.ndarray:
    height, width = grey.shape
    shrink = max(1.0, max(height, width) / _LONGEST)
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _border(small: np.ndarray) -> np.ndarray:
    rim = max(1, round(0.02 * min(small.shape)))
    frame = np.ones(small.shape, dtype=bool)
    frame[rim:-rim, rim:-rim] = False
    return small[frame]


def _background(small: np.ndarray, border: np.ndarray) -> float:
    """Return the commonest level along the border."""
    low, high = np.percentile(small, (0.1, 99.9))
    if high <= low:
        return float(np.median(border))
    inside = np.clip(border, low, high)
    counts, edges = np.histogram(inside, bins=64, range=(low, high))
    # Noise may spread one level over two bins.
    peak = int(np.argmax(np.convolve(counts, [1, 2, 1], mode="same")))
    near = inside[(inside >= edges[max(peak - 1, 0)]) & (inside <= edges[min(peak + 2, 64)])]
    return float(np.median(near))


def _mask(signal: np.ndarray, noise: float) -> np.ndarray:
    radius = max(1.0, max(signal.shape) / 256)
    smooth = ndimage.gaussian_filter(signal, radius)
    if smooth.max() <= max(3 * noise, 1e-6):
        return np.zeros(signal.shape, dtype=bool)
    # The square root lifts pale tissue beside a strong stain, and Otsu's threshold of it parts the two where
    # there is such a stain: half of that is still well above an even background.
    root = np.sqrt(smooth)
    threshold = max((0.65 * threshold_otsu(root)) ** 2, 2 * noise)
    mask = smooth > threshold
    # The smoothing has moved the edge outwards: in the rim of what is not thin, less of it decides.
    width = round(2 * radius)
    core = ndimage.binary_erosion(mask, iterations=width, border_value=1)
    rim = mask & ~core & ndimage.binary_dilation(core, iterations=width + 1)
    mask[rim] = ndimage.gaussian_filter(signal, radius / 3)[rim] > threshold
    structure = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    margin = 4 * width
    mask = np.pad(mask, margin)
    mask = ndimage.binary_fill_holes(ndimage.binary_closing(mask, structure))
    mask = ndimage.binary_opening(mask, structure)[margin:-margin, margin:-margin]
    pieces, count = ndimage.label(mask)
    if count == 0:
        return mask
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    return (areas >= 0.1 * areas.max())[pieces]

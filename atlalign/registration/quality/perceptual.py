"""LPIPS of a registration, where its weights are at hand."""

import numpy as np
from numpy.typing import NDArray

from atlalign.metrics import perceptual_loss_img
from atlalign.weights.lpips import lpips_paths

# AlexNet is a twelfth of the work of VGG16, and agrees with people as well.
_NET = "alex"
_SMALLEST = 64  # px a side: what LPIPS takes


def can_measure_lpips(shape: tuple[int, int]) -> bool:
    """Return whether images of a shape can be measured: weights on this computer, and large enough.

    Examples
    --------
    >>> can_measure_lpips((40, 60))
    False
    """
    return min(shape) >= _SMALLEST and lpips_paths()[_NET].is_file()


def measure_lpips(reference: NDArray[np.float32], image: NDArray[np.float32]) -> float:
    """Return the perceptual distance of two images (h, w) in [0, 1]; starts Keras.

    Examples
    --------
    >>> measure_lpips(np.zeros((80, 114), np.float32), np.zeros((80, 114), np.float32))   # doctest: +SKIP
    0.0
    """
    return float(perceptual_loss_img(reference, np.clip(image, 0, 1), net=_NET))

"""What the classical methods accept as an image."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_SIDE = 16


def as_grey(img: ArrayLike, name: str) -> NDArray[np.float32]:
    """Return a grey image as float32 in [0, 1], or refuse what cannot be registered.

    Parameters
    ----------
    img : array-like, (h, w)
        uint8, or float in [0, 1]; at least 16 pixels high and wide, and of more than one value.
    name : str
        What the caller calls it.

    Returns
    -------
    ndarray, float32, (h, w)
        In C order.

    Raises
    ------
    ValueError
        If the image is another.

    Examples
    --------
    >>> img = np.zeros((16, 20), dtype="uint8")
    >>> img[3, 5] = 51
    >>> as_grey(img, "fixed_img")[3, 4:6]
    array([0. , 0.2], dtype=float32)
    """
    img = np.asarray(img)
    if img.ndim != 2:
        raise ValueError(
            f"{name} must be a grey image (h, w). Received: shape {img.shape}. Average its channels first."
        )
    if min(img.shape) < MIN_SIDE:
        raise ValueError(
            f"{name} must be at least {MIN_SIDE} pixels high and wide. Received: shape {img.shape}. Enlarge it."
        )
    if img.dtype == np.uint8:
        img = img / np.float32(255)
    elif img.dtype.kind != "f" or not (np.isfinite(img).all() and img.min() >= 0 and img.max() <= 1):
        raise ValueError(
            f"{name} must be uint8, or float in [0, 1]. "
            f"Received: {img.dtype} in [{img.min()}, {img.max()}]. Scale it first."
        )
    if img.min() == img.max():
        raise ValueError(
            f"{name} must show something. Received: an image that is {img.min():.3g} everywhere. Look at its file."
        )
    return np.ascontiguousarray(img, dtype=np.float32)


def grey_levels(img: ArrayLike) -> float:
    """Return what 1.0 of `as_grey` is in the image as it was given.

    Examples
    --------
    >>> grey_levels(np.zeros((2, 2), dtype="uint8")), grey_levels(np.zeros((2, 2)))
    (255.0, 1.0)
    """
    return 255.0 if np.asarray(img).dtype == np.uint8 else 1.0

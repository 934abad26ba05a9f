"""Warping images: what `DisplacementField.warp` does once the sampling positions are known."""

from numbers import Real

import cv2
import numpy as np
from numpy.typing import NDArray

from atlalign._field.sampling import REMAP_LIMIT

INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}
BORDER_MODES = {
    "constant": cv2.BORDER_CONSTANT,
    "replicate": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT,
    "wrap": cv2.BORDER_WRAP,
    "reflect_101": cv2.BORDER_REFLECT_101,
    "transparent": cv2.BORDER_REPLICATE,  # and the pixels outside are put back afterwards
}
# The layouts that remap interpolates at the exact coordinate; any other goes one channel at a time.
_EXACT_CHANNELS = (1, 3, 4)
_OUTPUT_DTYPES = {"uint8": "uint8", "uint16": "uint16", "float32": "float32", "float64": "float32"}
_FARTHEST = 1e8  # px; remap overflows beyond, and no image reaches so far


def warp_image(img: NDArray, x: NDArray, y: NDArray, *, interpolation: str, border_mode: str, c: float) -> NDArray:
    """Sample an image at positions.

    Parameters
    ----------
    img : ndarray, uint8, uint16, float32 or float64, (h, w) or (h, w, channels)
        What is sampled.
    x, y : ndarray, float32, (h_out, w_out)
        Positions in pixels of `img`.
    interpolation, border_mode, c
        As `atlalign.base.DisplacementField.warp` takes them.

    Returns
    -------
    ndarray, (h_out, w_out) or (h_out, w_out, channels)
        float32 where `img` is float64, else the dtype of `img`.

    Raises
    ------
    KeyError
        If the interpolation or the border mode is unknown.
    ValueError
        If `img` has another dtype or shape.
    TypeError
        If `c` is no real number.

    Examples
    --------
    >>> img = np.array([[0, 100]], dtype="uint8")
    >>> half = np.float32([[0.5]]), np.float32([[0.0]])
    >>> warp_image(img, *half, interpolation="linear", border_mode="constant", c=0)
    array([[50]], dtype=uint8)
    """
    flag = _look_up(interpolation, INTERPOLATIONS, "interpolation")
    border = _look_up(border_mode, BORDER_MODES, "border_mode")
    if not isinstance(c, Real):
        raise TypeError(f"c must be a real number. Received: {c!r}. Give the value of pixels outside the image.")
    img = _check_image(img, x.shape)

    x = np.clip(x, -_FARTHEST, _FARTHEST)
    y = np.clip(y, -_FARTHEST, _FARTHEST)
    fill = (float(c),) * 4

    def remap(part: NDArray) -> NDArray:
        return cv2.remap(np.ascontiguousarray(part), x, y, flag, borderMode=border, borderValue=fill)

    if img.ndim == 2:
        warped = remap(img)
    elif img.shape[2] in _EXACT_CHANNELS:
        warped = remap(img).reshape(*x.shape, img.shape[2])
    else:
        warped = np.stack([remap(img[..., i]) for i in range(img.shape[2])], axis=-1)

    if border_mode == "transparent":
        height, width = img.shape[:2]
        outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
        beneath = np.full_like(warped, c)
        rows, columns = min(height, x.shape[0]), min(width, x.shape[1])
        beneath[:rows, :columns] = img[:rows, :columns]
        warped[outside] = beneath[outside]
    return warped


def _look_up(name: str, table: dict, what: str) -> int:
    if name not in table:
        raise KeyError(f"{what} must be one of {', '.join(table)}. Received: {name!r}.")
    return table[name]


def _check_image(img: NDArray, shape_out: tuple[int, ...]) -> NDArray:
    img = np.asarray(img)
    if img.ndim not in (2, 3) or 0 in img.shape:
        raise ValueError(
            f"img must be (h, w) or (h, w, channels) and hold pixels. Received: shape {img.shape}. "
            "Warp the images of a batch one by one."
        )
    if img.dtype.name not in _OUTPUT_DTYPES:
        raise ValueError(
            f"img must be one of {', '.join(_OUTPUT_DTYPES)}. Received: {img.dtype}. "
            "Convert it with astype, or use warp_annotation for labels."
        )
    if max(*img.shape[:2], *shape_out) >= REMAP_LIMIT:
        raise ValueError(
            f"The sides of img and of the field must be shorter than {REMAP_LIMIT} px. "
            f"Received: {img.shape[:2]} and {shape_out}. Downsample the image or warp it in parts."
        )
    return img.astype(_OUTPUT_DTYPES[img.dtype.name], copy=False)

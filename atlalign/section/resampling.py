"""Affine maps between pixel grids, and resampling along them without aliasing.

Convention: a map is a (2, 3) matrix that takes points (x, y) of one grid, in px with whole numbers at pixel
centres, to points of another.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

_FARTHEST = 1e8  # px; cv2.remap overflows beyond, and no image reaches so far
_LONGEST = 32766  # px; cv2.remap counts pixels in 16 bits, in what it reads and in what it writes


def apply_affine(matrix: np.ndarray, points_xy: Any) -> np.ndarray:
    """Return the images of points.

    Parameters
    ----------
    matrix : ndarray, shape (2, 3)
    points_xy : array_like, shape (..., 2)

    Returns
    -------
    ndarray, float64, shape (..., 2)

    Examples
    --------
    >>> apply_affine(np.array([[2.0, 0, 1], [0, 3, 0]]), [[1, 1]])
    array([[3., 3.]])
    """
    return np.asarray(points_xy, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]


def invert_affine(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse map, (2, 3).

    Examples
    --------
    >>> invert_affine(np.array([[2.0, 0, 1], [0, 4, 0]]))
    array([[ 0.5 ,  0.  , -0.5 ],
           [ 0.  ,  0.25,  0.  ]])
    """
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]]) + 0.0


def compose_affine(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the map that applies `inner`, then `outer`, (2, 3).

    Examples
    --------
    >>> compose_affine(np.array([[2.0, 0, 0], [0, 2, 0]]), np.array([[1.0, 0, 5], [0, 1, 0]]))
    array([[ 2.,  0., 10.],
           [ 0.,  2.,  0.]])
    """
    return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def resize_affine(shape_from: tuple[int, ...], shape_to: tuple[int, ...]) -> np.ndarray:
    """Return the map between two grids that cover the same image edge to edge, (2, 3).

    Examples
    --------
    >>> resize_affine((10, 10), (20, 10))
    array([[1. , 0. , 0. ],
           [0. , 2. , 0.5]])
    """
    scale_x, scale_y = shape_to[1] / shape_from[1], shape_to[0] / shape_from[0]
    return np.array([[scale_x, 0, scale_x / 2 - 0.5], [0, scale_y, scale_y / 2 - 0.5]])


def resize_image(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return an image on another grid that covers it edge to edge, averaged where that is coarser.

    Examples
    --------
    >>> resize_image(np.array([[0.0, 2.0], [4.0, 6.0]], dtype="float32"), (1, 1)).tolist()
    [[3.0]]
    """
    if image.shape[:2] == tuple(shape):
        return image
    interpolation = cv2.INTER_AREA if shape[0] < image.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(image, (int(shape[1]), int(shape[0])), interpolation=interpolation)


def resample(
    image: np.ndarray,
    grid_to_image: np.ndarray,
    shape: tuple[int, int],
    *,
    deltas_xy: np.ndarray | None = None,
    fill: float = 0.0,
) -> np.ndarray:
    """Interpolate an image once on another grid, averaging where the grid is coarser.

    Where the map shrinks the image along one of its axes, the image is first averaged over areas of exactly
    that size along that axis, so that nothing aliases; what remains is one linear interpolation.

    Parameters
    ----------
    image : ndarray, shape (h, w) or (h, w, c)
        uint8, uint16, float32 or float64.
    grid_to_image : ndarray, shape (2, 3)
        From px of the output to px of `image`.
    shape : (h, w)
        Shape of the output.
    deltas_xy : ndarray, shape (h, w, 2), optional
        Displacement of each output pixel, px of the output, before `grid_to_image`.
    fill : float
        Value outside the image.

    Returns
    -------
    ndarray, shape (h, w) or (h, w, c)
        With the dtype of `image`.

    Examples
    --------
    >>> checker = np.indices((4, 4)).sum(axis=0) % 2 * 100.0
    >>> resample(checker, resize_affine((2, 2), (4, 4)), (2, 2))
    array([[50., 50.],
           [50., 50.]])
    """
    if image.ndim == 3 and image.shape[2] not in (3, 4):
        # cv2.remap rounds the coordinates of other numbers of channels to 1/32 px.
        channels = [
            resample(image[..., i], grid_to_image, shape, deltas_xy=deltas_xy, fill=fill) for i in range(image.shape[2])
        ]
        return np.stack(channels, axis=-1)
    shrink = np.maximum(np.linalg.norm(grid_to_image[:, :2], axis=1), 1.0)
    height, width = image.shape[:2]
    small_shape = (max(1, round(height / shrink[1])), max(1, round(width / shrink[0])))
    source = np.ascontiguousarray(image)
    if small_shape != (height, width):
        source = cv2.resize(source, small_shape[::-1], interpolation=cv2.INTER_AREA)
    if source.dtype == np.float64:
        # cv2.remap rounds the coordinates of double precision images to 1/32 px.
        source = source.astype(np.float32)
    to_source = compose_affine(resize_affine((height, width), small_shape), grid_to_image)
    y, x = np.indices(shape, dtype=np.float64)
    if deltas_xy is not None:
        x, y = x + deltas_xy[..., 0], y + deltas_xy[..., 1]
    points = np.clip(apply_affine(to_source, np.stack([x, y], axis=-1)), -_FARTHEST, _FARTHEST)
    result = np.empty((*shape, *source.shape[2:]), dtype=source.dtype)
    _interpolate(source, points, fill, result)
    return result.astype(image.dtype, copy=False)


def _interpolate(source: np.ndarray, points: np.ndarray, fill: float, result: np.ndarray) -> None:
    """Write the values of an image at points (h, w, 2) into `result`, in tiles where cv2.remap needs them."""
    if max(source.shape[:2]) > _LONGEST and points.size:
        # Only the part that the points touch counts, and a margin that keeps the fill out of it.
        limits = np.array(source.shape[1::-1])
        low = np.clip(np.floor(points.min(axis=(0, 1))) - 1, 0, limits - 1).astype(int)
        high = np.clip(np.floor(points.max(axis=(0, 1))) + 3, low + 1, limits).astype(int)
        source = source[low[1] : high[1], low[0] : high[0]]
        points = points - low
    if max(source.shape[:2] + points.shape[:2]) > _LONGEST:
        axis = int(np.argmax(points.shape[:2]))
        halves = (np.array_split(array, 2, axis=axis) for array in (points, result))
        for part, written in zip(*halves, strict=True):
            _interpolate(source, part, fill, written)
        return
    x, y = (np.ascontiguousarray(points[..., i], dtype=np.float32) for i in (0, 1))
    # a tuple of four, one for each channel that there can be
    result[...] = cv2.remap(
        source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(fill,) * 4
    ).reshape(result.shape)

"""Random deformations with their exact inverses."""

from collections.abc import Sequence
from operator import index
from typing import Any

import cv2
import numpy as np

from atlalign._field.sampling import pixel_grid, sample_grid
from atlalign.base import DisplacementField
from atlalign.zoo import integrate_velocity

DEFORMATIONS = ("affine", "local", "both")

# What sections on slides show: turned, stretched and shifted by this much at most, and mostly by less.
_ROTATION = np.deg2rad(20)
_LOG_SCALE = np.log(1.35)
_SHEAR = 0.1
_SHIFT = 0.15  # of the image's width or height
# Nodes across the image and standard deviation, as a share of the width, of each scale of the local deformation.
_LOCAL_SCALES = ((4, 0.020), (8, 0.010), (16, 0.004))

_MARGIN = 0.15  # of the width or height, along each border

_LEAST_SIZE = 16  # px; nothing of a brain shows in less
_MOST_PIXELS = 2**28  # larger is a slip of the pen: one field of that size is 2 GiB


class Deformation:
    """A deformation of the plane that is known at every position, inside the image and outside.

    Parameters
    ----------
    matrix : ndarray (3, 3)
        The affine part, in px.
    local, local_inverse : DisplacementField
        The local part and its inverse; both fade to 0 at the border.

    Notes
    -----
    The deformed image is the original one at `original_points` of each of its pixels, and the original is the deformed
    one at `deformed_points`; each undoes the other.
    """

    def __init__(self, matrix: np.ndarray, local: DisplacementField, local_inverse: DisplacementField):
        self._matrix = matrix
        self._inverse_matrix = np.linalg.inv(matrix)
        self._local = local
        self._local_inverse = local_inverse

    def then(self, matrix: np.ndarray) -> "Deformation":
        """Return this deformation followed by an affine one, (2, 3) or (3, 3) in px."""
        square = np.vstack([matrix[:2], [0, 0, 1]])
        return Deformation(square @ self._matrix, self._local, self._local_inverse)

    def fields(self, shape: tuple[int, int]) -> tuple[DisplacementField, DisplacementField]:
        """Return the field that warps the deformed image back, and the one that deforms, on a grid of pixels."""
        grid = np.stack(pixel_grid(shape), axis=-1)
        deltas = (points(grid) - grid for points in (self.deformed_points, self.original_points))
        field, inverse = (DisplacementField.from_deltas_xy(delta) for delta in deltas)
        return field, inverse

    def deformed_points(self, points_xy: np.ndarray) -> np.ndarray:
        """Return where positions (..., 2) of the original image are in the deformed one, px."""
        return transform_affine(self._matrix, _displace(self._local, points_xy))

    def original_points(self, points_xy: np.ndarray) -> np.ndarray:
        """Return where positions (..., 2) of the deformed image are in the original one, px."""
        return _displace(self._local_inverse, transform_affine(self._inverse_matrix, points_xy))


def draw_deformation(
    shape: Sequence[int],
    deformation: str = "both",
    random_state: int | np.random.Generator | None = None,
    *,
    local_strength: float = 1.0,
) -> Deformation:
    """Draw a deformation; see `random_deformation`, which gives it as two fields.

    Examples
    --------
    >>> deformation = draw_deformation((64, 96), "both", random_state=0)
    >>> points_xy = np.array([[48.0, 32.0], [-10.0, 5.0]])
    >>> bool(abs(deformation.original_points(deformation.deformed_points(points_xy)) - points_xy).max() < 0.02)
    True
    """
    if deformation not in DEFORMATIONS:
        raise ValueError(f"deformation must be one of {', '.join(DEFORMATIONS)}. Received: {deformation!r}")
    shape = checked_shape(shape)
    rng = np.random.default_rng(random_state)
    matrix = _random_affine(shape, rng) if deformation != "local" else np.eye(3)
    velocity = np.zeros((*shape, 2), np.float32) if deformation == "affine" else _random_velocity(shape, rng)
    velocity *= np.float32(local_strength)
    flows = [velocity, velocity] if deformation == "affine" else [integrate_velocity(v) for v in (velocity, -velocity)]
    return Deformation(matrix, *(DisplacementField.from_deltas_xy(flow) for flow in flows))


def random_deformation(
    shape: Sequence[int],
    deformation: str = "both",
    random_state: int | np.random.Generator | None = None,
    *,
    local_strength: float = 1.0,
) -> tuple[DisplacementField, DisplacementField]:
    """Draw a deformation of the plane and its inverse.

    Parameters
    ----------
    shape : tuple (h, w)
        Size of the fields, at least 16 px each way.
    deformation : {"affine", "local", "both"}
        Affine: rotation, scale of each axis, shear and shift. Local: a smooth, fold-free deformation of several
        scales, the flow of a random velocity field. Both: ``affine(local)``.
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from.
    local_strength : float
        What the velocity of the local part is multiplied by. At 1 a point moves by some 2.5 % of the width, as in
        sections that were handled badly; at 0.4 as in good ones.

    Returns
    -------
    field, inverse : DisplacementField
        `field` warps the deformed image back; `inverse` deforms. Both in px.

    Raises
    ------
    ValueError
        If the deformation is unknown, or the shape too small or too large.

    Examples
    --------
    >>> field, inverse = random_deformation((64, 96), "affine", random_state=0)
    >>> bool(abs(field(inverse).norm[24:40, 36:60]).max() < 1e-3)
    True
    """
    drawn = draw_deformation(shape, deformation, random_state, local_strength=local_strength)
    return drawn.fields(checked_shape(shape))


def checked_shape(shape: Any) -> tuple[int, int]:
    """Return the size of an image to simulate as two integers.

    Examples
    --------
    >>> checked_shape([32, 48])
    (32, 48)
    >>> checked_shape((0, 0))
    Traceback (most recent call last):
    ...
    ValueError: shape must be two sizes (h, w) of at least 16 px, 268435456 px in all at most. Received: shape=(0, 0)
    """
    try:
        height, width = (index(size) for size in shape)
    except (TypeError, ValueError):
        height, width = 0, 0
    if min(height, width) < _LEAST_SIZE or height * width > _MOST_PIXELS:
        raise ValueError(
            f"shape must be two sizes (h, w) of at least {_LEAST_SIZE} px, {_MOST_PIXELS} px in all at most. "
            f"Received: shape={shape}"
        )
    return height, width


def transform_affine(matrix: np.ndarray, points_xy: np.ndarray) -> np.ndarray:
    """Map positions (..., 2) by a matrix (2, 3) or (3, 3).

    Examples
    --------
    >>> transform_affine(np.eye(2, 3) * 2, np.array([3.0, 4.0])).tolist()
    [6.0, 8.0]
    """
    return points_xy @ matrix[:2, :2].T + matrix[:2, 2]


def _displace(field: DisplacementField, points_xy: np.ndarray) -> np.ndarray:
    """Add a field, sampled at the positions."""
    x, y = (np.ascontiguousarray(points_xy[..., i], dtype=np.float32) for i in (0, 1))
    if x.ndim != 2:
        return points_xy + field.sample(points_xy.reshape(-1, 2)).reshape(points_xy.shape)
    delta = [sample_grid(values, x, y) for values in (field.delta_x, field.delta_y)]
    return points_xy + np.stack(delta, axis=-1)


def _random_affine(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    height, width = shape
    angle = _ROTATION * rng.triangular(-1, 0, 1)
    scale = np.exp(_LOG_SCALE * rng.triangular(-1, 0, 1, 2))
    shear = _SHEAR * rng.triangular(-1, 0, 1)
    shift = _SHIFT * rng.triangular(-1, 0, 1, 2) * (width, height)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = rotation @ np.array([[1, shear], [0, 1]]) @ np.diag(scale)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix[:2, 2] = centre + shift - matrix[:2, :2] @ centre
    return matrix


def _random_velocity(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    height, width = shape
    velocity = np.zeros((height, width, 2), np.float32)
    for nodes, spread in _LOCAL_SCALES:
        size = (max(2, round(nodes * height / width)), nodes)
        noise = rng.normal(0, spread * width, (*size, 2)).astype(np.float32)
        for i in range(2):
            velocity[..., i] += cv2.resize(
                np.ascontiguousarray(noise[..., i]), (width, height), interpolation=cv2.INTER_CUBIC
            )
    # Around the brain nothing shows where the field goes; there it fades out instead of being noise to learn.
    return velocity * np.outer(_fade(height), _fade(width))[..., None]


def _fade(size: int) -> np.ndarray:
    """Window that rises from 0 at both ends to 1 within the margin."""
    from_the_end = np.minimum(np.arange(size), np.arange(size)[::-1]) / (_MARGIN * size)
    return np.sin(np.pi / 2 * np.clip(from_the_end, 0, 1)).astype(np.float32) ** 2

"""Affine, projective and patch-wise constant fields."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Deltas = tuple[NDArray[np.float32], NDArray[np.float32]]


def affine(shape: tuple[int, int], matrix: ArrayLike | None = None) -> Deltas:
    """Make the field of an affine transformation.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    matrix : array-like, (2, 3) or (3, 3), or None
        Takes (x, y, 1) in pixels of the output, from the centre of the top-left pixel, to (x, y) of the
        input. None is the identity. The last row of a 3 x 3 matrix is (0, 0, 1).

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.

    Raises
    ------
    ValueError
        If the matrix has another shape, another last row, or is not finite.

    Examples
    --------
    >>> delta_x, delta_y = affine((2, 3), [[2, 0, 0], [0, 1, 5]])
    >>> delta_x[0], delta_y[0]
    (array([0., 1., 2.], dtype=float32), array([5., 5., 5.], dtype=float32))
    """
    matrix = np.eye(3) if matrix is None else np.asarray(matrix, dtype=np.float64)
    if matrix.shape not in ((2, 3), (3, 3)) or not np.isfinite(matrix).all():
        raise ValueError(f"matrix must be a finite (2, 3) or (3, 3) array. Received: {matrix.tolist()}.")
    if matrix.shape == (3, 3) and not np.array_equal(matrix[2], [0, 0, 1]):
        raise ValueError(
            f"The last row of an affine matrix must be (0, 0, 1). Received: {matrix[2].tolist()}. Use projective."
        )
    x, y = _axes(shape)
    delta_x = (matrix[0, 0] - 1) * x + (matrix[0, 1] * y + matrix[0, 2])
    delta_y = matrix[1, 0] * x + ((matrix[1, 1] - 1) * y + matrix[1, 2])
    return delta_x.astype(np.float32), delta_y.astype(np.float32)


def affine_simple(
    shape: tuple[int, int],
    scale_x: float = 1,
    scale_y: float = 1,
    rotation: float = 0,
    translation_x: float = 0,
    translation_y: float = 0,
    shear: float = 0,
    apply_centering: bool = True,
) -> Deltas:
    """Make the field of an affine transformation given by its parts.

    The parts describe the way from output to input: `scale_x` = 1.9 shows 1.9 times more of the input (the
    picture shrinks), `translation_x` = 5 moves the picture 5 pixels to the left.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    scale_x, scale_y : float
        Factors from output to input coordinates.
    rotation, shear : float
        Angles in radians; a positive rotation takes the x axis towards the y axis (down).
    translation_x, translation_y : float
        Pixels.
    apply_centering : bool
        Whether the origin is the centre of the image, ((w - 1) / 2, (h - 1) / 2), or its top-left pixel.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.

    Examples
    --------
    >>> delta_x, _ = affine_simple((1, 3), scale_x=1.9)
    >>> delta_x
    array([[-0.9,  0. ,  0.9]], dtype=float32)
    """
    matrix = np.array(
        [
            [scale_x * np.cos(rotation), -scale_y * np.sin(rotation + shear), translation_x],
            [scale_x * np.sin(rotation), scale_y * np.cos(rotation + shear), translation_y],
        ],
        dtype=np.float64,
    )
    if apply_centering:
        height, width = shape
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        matrix[:, 2] += centre - matrix[:, :2] @ centre
    return affine(shape, matrix)


def projective(shape: tuple[int, int], matrix: ArrayLike | None = None) -> Deltas:
    """Make the field of a projective transformation.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    matrix : array-like, (3, 3), or None
        Takes homogeneous (x, y, 1) in pixels of the output to homogeneous (x, y, w) of the input. None is the
        identity.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels; not finite on the line that the matrix sends to infinity.

    Raises
    ------
    ValueError
        If the matrix has another shape or is not finite.

    Examples
    --------
    >>> delta_x, _ = projective((1, 3), [[1, 0, 0], [0, 1, 0], [1, 0, 1]])
    >>> delta_x.round(3)
    array([[ 0.   , -0.5  , -1.333]], dtype=float32)
    """
    matrix = np.eye(3) if matrix is None else np.asarray(matrix, dtype=np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise ValueError(f"matrix must be a finite (3, 3) array. Received: {matrix.tolist()}.")
    x, y = _axes(shape)
    f_x, f_y, scale = (row[0] * x + (row[1] * y + row[2]) for row in matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (f_x / scale - x).astype(np.float32), (f_y / scale - y).astype(np.float32)


def patch_shift(
    shape: tuple[int, int],
    ul: tuple[int, int] = (10, 10),
    height: int = 100,
    width: int = 120,
    shift_size: int = 30,
    shift_direction: str = "D",
) -> Deltas:
    """Show in one rectangle of the image what lies some way off; leave the rest as it is.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    ul : (row, column)
        Upper left pixel of the rectangle that changes.
    height, width : int
        Its size in pixels.
    shift_size : int
        How far off the pixels lie that it shows.
    shift_direction : {"U", "D", "L", "R"}
        In which direction they lie: up, down, left or right.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.

    Raises
    ------
    IndexError
        If the rectangle, or what it shows, leaves the image.
    ValueError
        If the direction is unknown.

    Examples
    --------
    >>> _, delta_y = patch_shift((4, 3), ul=(0, 1), height=2, width=1, shift_size=2)
    >>> delta_y
    array([[0., 2., 0.],
           [0., 2., 0.],
           [0., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    directions = {"U": (0, -1), "D": (0, 1), "L": (-1, 0), "R": (1, 0)}
    if shift_direction not in directions:
        raise ValueError(f"shift_direction must be one of U, D, L, R. Received: {shift_direction!r}.")
    shift_x, shift_y = (shift_size * part for part in directions[shift_direction])
    row, column = ul
    for top, left in ((row, column), (row + shift_y, column + shift_x)):
        if top < 0 or left < 0 or top + height > shape[0] or left + width > shape[1]:
            raise IndexError(
                f"The patch and what it shows must lie in the image of shape {tuple(shape)}. "
                f"Received: rows {top} to {top + height}, columns {left} to {left + width}. "
                "Change ul, height, width or shift_size."
            )
    delta_x, delta_y = np.zeros((2, *shape), dtype=np.float32)
    delta_x[row : row + height, column : column + width] = shift_x
    delta_y[row : row + height, column : column + width] = shift_y
    return delta_x, delta_y


def _axes(shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    height, width = shape
    return np.arange(width, dtype=np.float64)[np.newaxis, :], np.arange(height, dtype=np.float64)[:, np.newaxis]

"""Variations of a section that change nothing about where its tissue lies in the atlas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from atlalign.section.resampling import apply_affine, invert_affine, resample

# How far a section is moved, standard deviations: as the tissue's middle and size are found, which simulated sections
# share (`atlalign.simulate.placing`), and a turn that eyes overlook.
_SHIFT, _LOG_SCALE, _TURN = 0.01, 0.03, np.deg2rad(2)
# How its looks change: a little, as between two exposures or two depths of focus.
_LOG_GAMMA, _MOST_BLUR_PX = 0.2, 1.0


@dataclass(frozen=True, eq=False)
class Variation:
    """A movement on the canvas and a change of looks.

    Attributes
    ----------
    matrix : ndarray, shape (2, 3)
        From px of the canvas to px of the varied canvas, before it is mirrored.
    gamma : float
        Exponent of the greys.
    blur_px : float
        Standard deviation of a Gaussian blur.
    mirrored : bool
        Whether left and right of section and reference are swapped.

    Examples
    --------
    >>> image = np.zeros((6, 8), np.float32); image[2, 3] = 1
    >>> right = Variation(np.array([[1.0, 0, 2], [0, 1, 0]]), 1.0, 0.0, mirrored=True)
    >>> np.argwhere(right.moving(image)).tolist()
    [[2, 2]]
    >>> right.points([[3, 2]], (6, 8))
    array([[2., 2.]])
    """

    matrix: np.ndarray
    gamma: float
    blur_px: float
    mirrored: bool

    def moving(self, moving: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a moving image varied, (h, w) in [0, 1]."""
        varied = resample(moving, invert_affine(self.matrix), moving.shape) ** np.float32(self.gamma)
        if self.blur_px:
            varied = ndimage.gaussian_filter(varied, self.blur_px)
        return self.reference(np.clip(varied, 0, 1))

    def reference(self, reference: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the reference that goes with it, (h, w): as it is, or mirrored."""
        return np.ascontiguousarray(reference[:, ::-1]) if self.mirrored else reference

    def points(self, points_xy: Any, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return where points (..., 2) of the canvas lie in the varied image."""
        return self.mirror(apply_affine(self.matrix, points_xy), shape)

    def mirror(self, points_xy: Any, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return points (..., 2) of the reference for those of the varied one; its own inverse."""
        points = np.array(points_xy, dtype=np.float64)
        if self.mirrored:
            points[..., 0] = shape[1] - 1 - points[..., 0]
        return points


def draw_variations(
    shape: tuple[int, int], n: int, *, mirror: bool = False, random_state: Any = None
) -> list[Variation]:
    """Draw variations: small shifts, turns and changes of size, gamma and blur, every other one mirrored if wanted.

    Parameters
    ----------
    shape : (h, w)
        Shape of the canvas.
    n : int
        How many; at least 1.
    mirror : bool
        Whether the first, third, ... are mirrored.
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from.

    Raises
    ------
    ValueError
        If `n` is not positive.

    Examples
    --------
    >>> [variation.mirrored for variation in draw_variations((80, 114), 3, mirror=True, random_state=0)]
    [True, False, True]
    """
    if n < 1:
        raise ValueError(f"There must be at least 1 variation. Received: {n}. Leave variations out instead.")
    rng = np.random.default_rng(random_state)
    middle = (np.array([shape[1], shape[0]]) - 1) / 2
    variations = []
    for number in range(n):
        angle, scale = rng.normal(0, _TURN), np.exp(rng.normal(0, _LOG_SCALE))
        cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        shift = rng.normal(0, _SHIFT * shape[1], 2)
        gamma, blur = np.exp(rng.normal(0, _LOG_GAMMA)), rng.uniform(0, _MOST_BLUR_PX)
        matrix = np.column_stack([turn, middle - turn @ middle + shift])
        variations.append(Variation(matrix, float(gamma), float(blur), mirror and number % 2 == 0))
    return variations

"""How a section's image must be mirrored and turned to stand upright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from atlalign.section.resampling import compose_affine

Flip = Literal["horizontal", "vertical"]
Turn = Literal[0, 90, 180, 270]


@dataclass(frozen=True)
class Orientation:
    """First a mirroring, then a turn: from the image as the file has it to the section upright.

    Upright means dorsal up, with the animal's right on the left. No pixel is moved: points of the section are
    always px of the file, and this is a part of the map from them to the canvas.

    Parameters
    ----------
    flip : {None, "horizontal", "vertical"}
        Whether left and right, or top and bottom, change places.
    rotate : {0, 90, 180, 270}
        Degrees by which the image is then turned clockwise.

    Raises
    ------
    ValueError
        If one of them is something else.

    Examples
    --------
    >>> quarter = Orientation(rotate=90)
    >>> quarter.upright_shape((20, 30))
    (30, 20)
    >>> quarter.to_upright((20, 30)) @ [0, 0, 1]  # the first pixel comes to the top right
    array([19.,  0.])
    """

    flip: Flip | None = None
    rotate: Turn = 0

    def __post_init__(self) -> None:
        if self.flip is not None and self.flip not in get_args(Flip):
            raise ValueError(
                f'flip must be None, "horizontal" or "vertical". Received: {self.flip!r}. '
                "Mirror left and right with horizontal, top and bottom with vertical."
            )
        if self.rotate not in get_args(Turn):
            raise ValueError(
                f"rotate must be 0, 90, 180 or 270 degrees clockwise. Received: {self.rotate!r}. "
                "Turn the image by hand if it lies otherwise."
            )

    @property
    def is_upright(self) -> bool:
        """Whether nothing is to be done."""
        return self.flip is None and self.rotate == 0

    def upright_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the upright image of one of `shape`."""
        return (shape[1], shape[0]) if self.rotate % 180 else shape

    def to_upright(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the map from px of an image of `shape` (h, w) to px of the upright image, (2, 3)."""
        height, width = shape
        matrix = np.eye(2, 3)
        if self.flip == "horizontal":
            matrix[0] = (-1, 0, width - 1)
        elif self.flip == "vertical":
            matrix[1] = (0, -1, height - 1)
        for _ in range(self.rotate // 90):
            # what was a row, counted from the bottom, becomes a column
            matrix = compose_affine(np.array([[0.0, -1, height - 1], [1, 0, 0]]), matrix)
            height, width = width, height
        return matrix

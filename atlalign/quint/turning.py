"""Turn a section upright, as a person does who registers it by its position."""

from __future__ import annotations

from itertools import product

import numpy as np

from atlalign.section import Section
from atlalign.section.resampling import compose_affine


def turn_upright(section: Section, to_canvas: np.ndarray) -> tuple[Section, np.ndarray]:
    """Mirror a section, and turn it by a multiple of 90 degrees, so that it lies as on the canvas.

    Of the eight ways the one is taken that leaves the smallest rotation to be made; no pixel is interpolated.

    Parameters
    ----------
    section : Section
    to_canvas : ndarray, (2, 3)
        From px of the section to px of an upright canvas whose left is the animal's right.

    Returns
    -------
    section : Section
        The one that was passed, if it lies well already.
    to_original : ndarray, (2, 3)
        From px of the turned section to px of the one that was passed.

    Examples
    --------
    >>> section = Section(np.arange(6, dtype="uint8").reshape(2, 3))
    >>> turned, to_original = turn_upright(section, np.array([[-1.0, 0, 2], [0, 1, 0]]))  # mirrored
    >>> turned.image
    array([[2, 1, 0],
           [5, 4, 3]], dtype=uint8)
    """
    directions = to_canvas[:, :2] / np.linalg.norm(to_canvas[:, :2], axis=0)
    mirrored, turns = max(
        product((False, True), range(4)),
        key=lambda way: np.trace(directions @ _to_original(way[0], way[1], section.shape)[:, :2]),
    )
    if not mirrored and turns == 0:
        return section, np.eye(2, 3)
    image = section.image[:, ::-1] if mirrored else section.image
    size = section.pixel_size_um
    if size is not None and turns % 2:
        size = size[1], size[0]
    turned = Section(np.rot90(image, turns), size, name=section.name)
    return turned, _to_original(mirrored, turns, section.shape)


def _to_original(mirrored: bool, turns: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the map from px of the image that was mirrored and then turned anticlockwise, to those of the original."""
    height, width = shape
    matrix = np.array([[-1.0, 0, width - 1], [0, 1, 0]]) if mirrored else np.eye(2, 3)
    for _ in range(turns):
        # column y of what is turned becomes row y, counted from the other end
        matrix = compose_affine(matrix, np.array([[0.0, -1, width - 1], [1, 0, 0]]))
        height, width = width, height
    return matrix

"""Put a section upright, as a person does who registers it by its position."""

from __future__ import annotations

from itertools import product
from typing import get_args

import numpy as np

from atlalign.section import Section
from atlalign.section.orientation import Orientation, Turn
from atlalign.section.resampling import invert_affine


def turn_upright(section: Section, to_canvas: np.ndarray) -> Section:
    """Mirror a section, and turn it by a multiple of 90 degrees, so that it lies as on the canvas.

    Of the eight ways the one is taken that leaves the smallest rotation to be made; no pixel is moved.

    Parameters
    ----------
    section : Section
    to_canvas : ndarray, (2, 3)
        From px of the section to px of an upright canvas whose left is the animal's right.

    Returns
    -------
    Section
        The same pixels; its `orientation` says how it is turned.

    Examples
    --------
    >>> section = Section(np.arange(6, dtype="uint8").reshape(2, 3))
    >>> turn_upright(section, np.array([[-1.0, 0, 2], [0, 1, 0]])).orientation
    Orientation(flip='horizontal', rotate=0)
    """
    directions = to_canvas[:, :2] / np.linalg.norm(to_canvas[:, :2], axis=0)

    def agreement(way: Orientation) -> float:
        return float(np.trace(directions @ invert_affine(way.to_upright(section.shape))[:, :2]))

    best = max((Orientation(*way) for way in product((None, "horizontal"), get_args(Turn))), key=agreement)
    return section.oriented(best.flip, best.rotate)

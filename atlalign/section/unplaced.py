"""The view of a section of which nobody knows yet where it lies: by its tissue alone.

Neither the size of a pixel nor the plane is known, so the tissue's box is centred and brought to a fixed size, the same
scale both ways. What a network learns from and what it is asked about later look alike because both are made here.
"""

from __future__ import annotations

import numpy as np

from atlalign.section.resampling import apply_affine, compose_affine, invert_affine
from atlalign.section.section import Section

# Share of the view's height or width, whichever it fills more, that the tissue's box takes.
FILLED = 0.9


def view_to_section(section: Section, shape: tuple[int, int]) -> np.ndarray:
    """Return the map from px of the view to px of the section, (2, 3).

    Parameters
    ----------
    section : Section
        Its `orientation` says how it is brought upright.
    shape : (h, w)
        Shape of the view.

    Raises
    ------
    ValueError
        If the section shows no tissue.

    Examples
    --------
    >>> image = np.zeros((200, 300), np.uint8)
    >>> image[40:100, 20:80] = 200
    >>> view_to_section(Section(image), (80, 114)).round(1)   # 60 px of the section are 72 of the view
    array([[ 0.8,  0. ,  2.4],
           [ 0. ,  0.8, 36.6]])
    """
    to_upright = section.orientation.to_upright(section.shape)
    corners = apply_affine(to_upright, np.reshape(section.tissue_box, (2, 2)))
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = np.array([shape[1], shape[0]])
    scale = float(((high - low) / size).max()) / FILLED
    shift = (low + high) / 2 - scale * (size - 1) / 2
    return compose_affine(invert_affine(to_upright), np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]))


def unplaced_view(section: Section, shape: tuple[int, int], change: np.ndarray | None = None) -> np.ndarray:
    """Return a section as a network sees it that is to say where it lies.

    Parameters
    ----------
    section : Section
    shape : (h, w)
        Shape of the view.
    change : ndarray, shape (2, 3), optional
        From px of the view to px of what it would show without a change, such as `mirrored_view`.

    Returns
    -------
    ndarray, float32, shape (h, w)
        As `Section.normalized`: in [0, 1], background 0.

    Raises
    ------
    ValueError
        If the section shows no tissue.

    Examples
    --------
    >>> image = np.zeros((200, 300), np.uint8)
    >>> image[40:100, 20:80] = 200
    >>> view = unplaced_view(Section(image), (80, 114))
    >>> [int(axis.sum()) for axis in ((view > 0.5).any(axis=0), (view > 0.5).any(axis=1))]
    [72, 72]
    """
    to_section = view_to_section(section, shape)
    if change is not None:
        to_section = compose_affine(to_section, change)
    return section.normalized(shape, grid_to_section=to_section)


def mirrored_view(shape: tuple[int, int]) -> np.ndarray:
    """Return the change of a view that exchanges left and right, (2, 3).

    Examples
    --------
    >>> mirrored_view((80, 114)).tolist()
    [[-1.0, 0.0, 113.0], [0.0, 1.0, 0.0]]
    """
    return np.array([[-1.0, 0.0, shape[1] - 1.0], [0.0, 1.0, 0.0]])

"""Where a simulated section lies in the image before it is registered."""

import numpy as np
from numpy.typing import NDArray

from atlalign.section.tissue import mask_box
from atlalign.simulate.deformation import Deformation

PLACEMENTS = ("anywhere", "tissue")

# How far off the tissue's box and size are found, as a share of the image's width.
_SHIFT_ERROR, _SCALE_ERROR = 0.01, 0.03
# Of half of the sections nobody knows the pixel size; it is estimated from the box.
_UNKNOWN_SIZE = 0.5


def check_placement(place_by: str) -> str:
    """Return the placement if there is such a one, else raise a ValueError.

    Examples
    --------
    >>> check_placement("hand")
    Traceback (most recent call last):
    ...
    ValueError: place_by must be one of anywhere, tissue. Received: 'hand'
    """
    if place_by not in PLACEMENTS:
        raise ValueError(f"place_by must be one of {', '.join(PLACEMENTS)}. Received: {place_by!r}")
    return place_by


def place_by_tissue(
    deformation: Deformation, present: NDArray[np.bool_], tissue: NDArray[np.bool_], rng: np.random.Generator
) -> Deformation:
    """Bring the deformed section to where registration puts it first: box on box, and in size if that is not known.

    Parameters
    ----------
    deformation : Deformation
        From the reference's grid to the section.
    present, tissue : ndarray, bool, (h, w)
        Tissue that the section has kept, and that the reference has.
    rng : numpy.random.Generator
        Where the errors of finding the tissue come from.

    Returns
    -------
    Deformation
        The same, followed by a shift and a scale.

    Examples
    --------
    >>> from atlalign.simulate.deformation import draw_deformation
    >>> tissue = np.zeros((60, 90), bool); tissue[20:40, 30:60] = True
    >>> shift = draw_deformation((60, 90), "affine", random_state=0)
    >>> placed = place_by_tissue(shift, tissue, tissue, np.random.default_rng(0))
    >>> bool(abs(placed.deformed_points(np.array([[44.5, 29.5]])) - [44.5, 29.5]).max() < 6)
    True
    """
    rows, columns = np.nonzero(present)
    points = deformation.deformed_points(np.column_stack([columns, rows]).astype(np.float64))
    found = np.array([points.min(axis=0) - 0.5, points.max(axis=0) + 0.5])
    # A section that is one hemisphere is placed as such: by what is there of it.
    whole = present.sum() > 0.6 * tissue.sum()
    wanted = np.array(mask_box(tissue if whole else present), dtype=np.float64).reshape(2, 2)
    scale = np.exp(rng.normal(0, _SCALE_ERROR))
    if rng.random() < _UNKNOWN_SIZE:
        scale *= np.sqrt(np.prod((wanted[1] - wanted[0]) / (found[1] - found[0])))
    shift = wanted.mean(axis=0) - scale * found.mean(axis=0)
    shift += rng.normal(0, _SHIFT_ERROR * tissue.shape[1], 2)
    return deformation.then(np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]))

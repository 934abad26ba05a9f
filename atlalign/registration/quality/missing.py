"""Parts of the atlas's tissue that a section does not show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atlalign.section.tissue import mask_box

# Of thirteen whole sections of four stains, as their tissue or their anchoring places them, each half is covered to
# 67 percent or more.
_COVERED, _WELL_COVERED = 0.5, 0.67
# The tissue's width by its height, relative to the atlas's: 0.84 to 1.09 on the same sections, 0.5 of one hemisphere.
_ASPECT = 0.7


class Missing(NamedTuple):
    """What a section does not show of the plane.

    Attributes
    ----------
    parts : list of str
        Such as "left half", of the animal.
    reasons : list of str
        A sentence for each part, and one if the tissue's proportions say that a half must be missing somewhere.
    """

    parts: list[str]
    reasons: list[str]


def find_missing(
    placed: NDArray[np.bool_], registered: NDArray[np.bool_], atlas_tissue: NDArray[np.bool_], left: NDArray[np.bool_]
) -> Missing:
    """Find the halves and quarters of the atlas's tissue that a section shows less than half of.

    Parameters
    ----------
    placed, registered : ndarray, bool, shape (h, w)
        The section's tissue on the canvas, before and after registration.
    atlas_tissue : ndarray, bool, shape (h, w)
        The atlas's tissue, as far as the section is expected to show it.
    left : ndarray, bool, shape (h, w)
        The animal's left hemisphere.

    Returns
    -------
    Missing

    Examples
    --------
    >>> tissue = np.ones((8, 8), bool)
    >>> left = np.arange(8) >= 4 + np.zeros((8, 1))
    >>> missing = find_missing(tissue & ~left, tissue & ~left, tissue, left)
    >>> missing.parts
    ['left half']
    >>> missing.reasons[0]
    'The left half of the section is missing: its tissue covers 0 percent of that of the plane there.'
    """
    parts, reasons = [], []
    gone = np.zeros(atlas_tissue.shape, dtype=bool)
    for name, where in _regions(atlas_tissue, left).items():
        expected = atlas_tissue & where & ~gone
        # A quarter of which a half is gone already has been said.
        if np.count_nonzero(expected) < max(1, 0.5 * np.count_nonzero(atlas_tissue & where)):
            continue
        covered = _share(registered, expected)
        # Of a section that lies elsewhere altogether nobody can say which part is missing.
        if covered < _COVERED and _share(registered, atlas_tissue & ~gone & ~where) >= _WELL_COVERED:
            gone |= where
            parts.append(name)
            reasons.append(
                f"The {name} of the section is missing: its tissue covers {100 * covered:.0f} percent of that of the "
                "plane there."
            )
    if not parts:
        reasons += _proportions(placed, atlas_tissue)
    return Missing(parts, reasons)


def _regions(atlas_tissue: NDArray[np.bool_], left: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Halves first, then quarters; sides are the animal's."""
    rows = np.flatnonzero(atlas_tissue.any(axis=1))
    if rows.size == 0:
        return {}
    upper = np.zeros(atlas_tissue.shape, dtype=bool)
    upper[: (rows[0] + rows[-1] + 1) // 2] = True
    sides, ends = {"left": left, "right": ~left}, {"upper": upper, "lower": ~upper}
    halves = {f"{name} half": where for name, where in (*sides.items(), *ends.items())}
    quarters = {f"{end} {side} quarter": ends[end] & sides[side] for end in ends for side in sides}
    # One hemisphere alone has no other half that could be missing.
    return {name: where for name, where in {**halves, **quarters}.items() if (atlas_tissue & where).any()}


def _proportions(placed: NDArray[np.bool_], atlas_tissue: NDArray[np.bool_]) -> list[str]:
    found, wanted = mask_box(placed), mask_box(atlas_tissue)
    if found is None or wanted is None:
        return []
    aspect = _width_by_height(found) / _width_by_height(wanted)
    if _ASPECT <= aspect <= 1 / _ASPECT:
        return []
    narrow = "narrow" if aspect < 1 else "flat"
    percent = 100 * min(aspect, 1 / aspect)
    return [
        f"The tissue is too {narrow} for the plane: {percent:.0f} percent of the expected proportion. Half of the "
        "section may be missing, or the position is wrong."
    ]


def _share(mask: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    total = int(np.count_nonzero(of))
    return np.count_nonzero(mask & of) / total if total else 0.0


def _width_by_height(box: tuple[float, float, float, float]) -> float:
    left, top, right, bottom = box
    return (right - left) / (bottom - top)

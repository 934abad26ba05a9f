"""Part d: landmarks on pairs of stains of other organs.

Both images of a pair are laid on one grid, centred, at one scale, as a section is normalised: grey, background 0. The
field takes the target's landmarks to the moving image; how far they end from the moving image's own, relative to the
diagonal of the target image, is the relative target registration error (rTRE).
"""

import csv
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accuracy.measures import mean_known
from accuracy.methods import Method
from accuracy.progress import say
from atlalign import DisplacementField
from atlalign.landmarks import read_landmarks, target_registration_error
from atlalign.metrics import percent_nonpositive_jacobian
from atlalign.section import Section
from atlalign.section.resampling import apply_affine, invert_affine

_SAME_PERCENT = 1e-4  # of the diagonal; nearer by less is rounding
_CIMA_SCALE = 0.1  # its landmarks are pixels of images ten times as large
_CIMA_USER = "user-PS_scale-50pc"  # who marked all five stains


class MarkedPair(NamedTuple):
    """Two images with the same places marked, each (n, 2) in its own pixels."""

    family: str
    name: str
    target: Path
    moving: Path
    points_target: NDArray
    points_moving: NDArray


def find_pairs(folder: Path) -> list[MarkedPair]:
    """Return the pairs of BIRL's table, and all pairs of the five stains of CIMA's lesion."""
    pairs = []
    birl = folder / "birl"
    with (birl / "pairs-imgs-lnds_mix.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            target, moving, at_target, at_moving = (
                birl / row[f"{which} {what}"].removeprefix("data-images/")
                for what in ("image", "landmarks")
                for which in ("Target", "Source")
            )
            family = "artificial" if moving.stem.startswith("artificial") else moving.parent.parent.name.strip("_")
            points = _common(read_landmarks(at_target), read_landmarks(at_moving))
            pairs.append(MarkedPair(f"BIRL {family}", moving.stem, target, moving, *points))
    images = sorted((folder / "cima" / "dataset" / "lung-lesion_3" / "scale-5pc").glob("*.jpg"))
    marks = folder / "cima" / "annotations" / "lung-lesion_3" / _CIMA_USER
    for target, moving in combinations(images, 2):
        points = _common(*(read_landmarks(marks / f"{path.stem}.csv") * _CIMA_SCALE for path in (target, moving)))
        pairs.append(MarkedPair("CIMA lung lesion", f"{target.stem} {moving.stem}", target, moving, *points))
    return pairs


def grids_to_images(shapes: Sequence[tuple[int, int]], grid: tuple[int, int]) -> list[NDArray]:
    """Return the maps, (2, 3) each, from px of a grid to px of images laid on it, centred and at one scale.

    Parameters
    ----------
    shapes : sequence of (h, w)
        Of the images; the scale is the largest at which all fit.
    grid : (h, w)
        Of the grid.

    Examples
    --------
    >>> grids_to_images([(20, 40), (20, 20)], (10, 20))[1].tolist()
    [[2.0, 0.0, -9.5], [0.0, 2.0, 0.5]]
    """
    step = max(max(height / grid[0], width / grid[1]) for height, width in shapes)
    maps = []
    for height, width in shapes:
        middle, centre = ((width - 1) / 2, (height - 1) / 2), ((grid[1] - 1) / 2, (grid[0] - 1) / 2)
        shift = np.subtract(middle, np.multiply(step, centre))
        maps.append(np.column_stack([np.eye(2) * step, shift]))
    return maps


def measure_landmarks(pairs: Sequence[MarkedPair], methods: Sequence[Method]) -> dict[str, Any]:
    """Return the numbers of part d.

    Parameters
    ----------
    pairs : sequence of MarkedPair
    methods : sequence of Method

    Returns
    -------
    dict
        "methods": of each the median rTRE in percent, averaged over the pairs of each family, and over all pairs the
        median and the mean of their medians, and the share of landmarks that came nearer; "pairs": of each pair its
        numbers.
    """
    rows = []
    for number, pair in enumerate(pairs, start=1):
        row: dict[str, Any] = {"family": pair.family, "pair": pair.name, "methods": {}}
        sections = [Section.read(path) for path in (pair.target, pair.moving)]
        diagonal = float(np.hypot(*sections[0].shape))
        for method in methods:
            to_images = grids_to_images([section.shape for section in sections], method.shape)
            reference, moving = (
                section.normalized(method.shape, grid_to_section=to_image)
                for section, to_image in zip(sections, to_images, strict=True)
            )
            points = [
                apply_affine(invert_affine(to_image), at)
                for to_image, at in zip(to_images, (pair.points_target, pair.points_moving), strict=True)
            ]
            deltas_xy = method(reference, moving)
            relative = 100 * to_images[0][0, 0] / diagonal
            after = target_registration_error(DisplacementField.from_deltas_xy(deltas_xy), *points) * relative
            before = np.linalg.norm(points[0] - points[1], axis=1) * relative
            row["methods"][method.name] = {
                "median": float(np.median(after)),
                "nearer": float((after < before - _SAME_PERCENT).mean()),
                "folded_percent": float(percent_nonpositive_jacobian(deltas_xy)),
            }
        rows.append(row)
        say(f"d: pair {number} of {len(pairs)}, {pair.family}")
    return {"methods": {method.name: _summary(method, rows) for method in methods}, "pairs": rows}


def _common(first: NDArray, second: NDArray) -> tuple[NDArray, NDArray]:
    """Return the rows that two tables share: the first ones."""
    n = min(len(first), len(second))
    return first[:n], second[:n]


def _summary(method: Method, rows: list[dict[str, Any]]) -> dict[str, Any]:
    mine = [row["methods"][method.name] for row in rows]
    medians = [score["median"] for score in mine]
    families = sorted({row["family"] for row in rows})
    return {
        "families": {
            family: mean_known([row["methods"][method.name]["median"] for row in rows if row["family"] == family])
            for family in families
        },
        "median": float(np.median(medians)),
        "mean": float(np.mean(medians)),
        "nearer": mean_known([score["nearer"] for score in mine]),
        "folded_percent": mean_known([score["folded_percent"] for score in mine]),
        **method.costs(),
    }

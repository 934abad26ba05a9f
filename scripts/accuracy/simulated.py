"""Part a: simulated pairs, whose fields are known exactly.

Every method gets the same reference and moving image. Errors are those of the field (moving -> registered) at pixels
of the reference plane's tissue that the section has kept and whose true source lies in the moving image; what a
dataset's sections have lost is not known, and counts.
Structures are compared on the moving image, where the inverse fields put them. Dice at a depth weighs structures by
their share, as the published protocol does; that of the major structures is the plain mean of those that the plane has
at least 0.1 mm2 of. Median, 95th percentile and mean are over the pixels of all pairs, each pair counting the same.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from accuracy.measures import (
    LEAST_MM2,
    MAJOR_STRUCTURES,
    distribution,
    endpoint_errors_um,
    evenly,
    is_shown,
    mean_known,
    members_of,
    structure_dice,
)
from accuracy.methods import Method, as_canvas
from accuracy.progress import say
from atlalign import DisplacementField
from atlalign.atlas import Atlas
from atlalign.evaluation import spread
from atlalign.metrics import dice_per_depth, percent_nonpositive_jacobian
from atlalign.pairs import PairSource
from atlalign.plane import Plane
from atlalign.simulate import simulate_pair

DEPTHS = (2, 4, 6, 8)
SEED = 1809_1862  # of this benchmark alone: its looks and deformations are seen by no training run
_PIXELS_A_PAIR = 4096  # each pair counts the same in the distribution over all


class TruePair(NamedTuple):
    """Two images and what is known of them."""

    name: str
    plane: Plane
    reference: NDArray
    moving: NDArray
    deltas_xy: NDArray
    inv_deltas_xy: NDArray
    present: NDArray | bool


def held_out_pairs(atlas: Atlas, shape: tuple[int, int], n: int) -> Iterator[TruePair]:
    """Yield simulated pairs at reserved positions; the same ones each time."""
    for stream in range(n):
        pair = simulate_pair(atlas, shape, random_state=np.random.default_rng([SEED, stream]), planes="held-out")
        plane = Plane.from_corners(pair.corners_um)
        reference = atlas.reference_plane(plane, shape)
        fields = pair.deltas_xy, pair.inv_deltas_xy
        yield TruePair(f"stream {stream}", plane, reference, pair.img, *fields, pair.present)


def stored_pairs(path: Path, atlas: Atlas, n: int) -> Iterator[TruePair]:
    """Yield pairs of a dataset, spread evenly over it."""
    source = PairSource([path], atlas)
    for index in spread(np.arange(len(source)), n):
        pair = source.pair(int(index))
        fields = pair.deltas_xy, pair.inv_deltas_xy
        yield TruePair(f"sample {index}", source.plane(int(index)), pair.reference, pair.moving, *fields, True)


def measure_pairs(pairs: Iterator[TruePair], n: int, atlas: Atlas, methods: Sequence[Method]) -> dict[str, Any]:
    """Return the numbers of part a.

    Parameters
    ----------
    pairs : iterator of TruePair
        What `held_out_pairs` or `stored_pairs` yields.
    n : int
        How many, for the progress lines.
    atlas : Atlas
    methods : sequence of Method

    Returns
    -------
    dict
        "methods": of each its summary; "pairs": of each pair its name, position and numbers.
    """
    members = members_of(atlas.structures)
    errors: dict[str, list[NDArray]] = {method.name: [] for method in methods}
    rows = []
    for number, pair in enumerate(pairs, start=1):
        reference, moving = as_canvas(pair.reference), as_canvas(pair.moving)
        truth = _Truth(pair, atlas, members)
        row: dict[str, Any] = {"pair": pair.name, "position_um": pair.plane.position_um, "methods": {}}
        for method in methods:
            deltas_xy = method(reference, moving)
            pixels = endpoint_errors_um(pair.deltas_xy, deltas_xy, truth.pixel_um)[truth.judged]
            errors[method.name].append(evenly(pixels, _PIXELS_A_PAIR))
            row["methods"][method.name] = {**distribution(pixels), **truth.overlap(deltas_xy)}
        rows.append(row)
        best = min(row["methods"].items(), key=lambda item: item[1]["median"])
        say(f"a: pair {number} of {n}, {row['position_um']:.0f} um; best {best[0]}, median {best[1]['median']:.0f} um")
    return {"methods": {method.name: _summary(method, rows, errors[method.name]) for method in methods}, "pairs": rows}


class _Truth:
    """What a prediction of one pair is compared with."""

    def __init__(self, pair: TruePair, atlas: Atlas, members: dict[str, NDArray]):
        height, width = pair.reference.shape
        self.pixel_um = pair.plane.width_um / width, pair.plane.height_um / height
        self._annotation = atlas.annotation_plane(pair.plane, (height, width))
        self.judged = (self._annotation > 0) & is_shown(pair.deltas_xy) & pair.present
        self._labels = DisplacementField.from_deltas_xy(pair.inv_deltas_xy).warp_annotation(self._annotation)
        self._structures = atlas.structures
        self._members = members
        self._least = LEAST_MM2 / (self.pixel_um[0] * self.pixel_um[1] * 1e-6)

    def overlap(self, deltas_xy: NDArray) -> dict[str, Any]:
        found = DisplacementField.from_deltas_xy(deltas_xy).pseudo_inverse().warp_annotation(self._annotation)
        per_depth = dice_per_depth(self._labels, found, self._structures, DEPTHS)
        return {
            "folded_percent": float(percent_nonpositive_jacobian(deltas_xy)),
            "dice_depth": {str(depth): float(score) for depth, score in zip(DEPTHS, per_depth, strict=True)},
            "dice_structures": structure_dice(self._labels, found, self._members, self._least),
        }


def _summary(method: Method, rows: list[dict[str, Any]], errors: list[NDArray]) -> dict[str, Any]:
    mine = [row["methods"][method.name] for row in rows]
    structures = [score["dice_structures"] for score in mine]
    return {
        **distribution(np.concatenate(errors)),
        "median_of_pair_medians": float(np.nanmedian([score["median"] for score in mine])),
        "folded_percent": mean_known([score["folded_percent"] for score in mine]),
        "pairs_with_folds": sum(score["folded_percent"] > 0 for score in mine),
        "dice_depth": {str(depth): mean_known([score["dice_depth"][str(depth)] for score in mine]) for depth in DEPTHS},
        "dice_major": mean_known([mean_known(list(scores.values())) for scores in structures]),
        "dice_structures": {
            name: mean_known([scores[name] for scores in structures if name in scores]) for name in MAJOR_STRUCTURES
        },
        **method.costs(),
    }

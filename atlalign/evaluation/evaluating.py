"""Methods, side by side, on pairs whose true fields are known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from atlalign._progress import no_progress
from atlalign.base import DisplacementField
from atlalign.evaluation.distribution import ErrorDistribution
from atlalign.evaluation.measures import brain_errors_um, measure
from atlalign.evaluation.methods import identity
from atlalign.evaluation.prediction import Method, Prediction, as_prediction
from atlalign.evaluation.result import Evaluation
from atlalign.evaluation.samples import locate, require_sound
from atlalign.metrics.overlap import require_depths

if TYPE_CHECKING:
    from atlalign.pairs import Pair, PairSource

DEPTHS = (0, 2, 4, 6, 8)
_SMALLEST_SIDE = 7  # px, of the windows of SSIM


def evaluate_methods(
    methods: Mapping[str, Method],
    source: PairSource,
    *,
    indexes: ArrayLike | None = None,
    depths: Sequence[int] = DEPTHS,
    progress: Callable[..., Any] = no_progress,
    check_progress: Callable[..., Any] = no_progress,
) -> Evaluation:
    """Evaluate methods by the protocol of Krepl et al. 2021, doi 10.3389/fninf.2021.691918.

    Every method sees every pair, one pair after the other; each is called once more at the start, so that what it
    prepares is not in its time.

    Parameters
    ----------
    methods : mapping of str to callable
        Names, and functions of (reference, moving), float32 (h, w) in [0, 1]. A function returns the field that warps
        `moving` onto `reference`: ndarray (h, w, 2) px or DisplacementField; or the field and its inverse or None; or a
        `Prediction`. None means that it found no registration: the pair then counts as not moved. "identity", which
        moves nothing, stands before all others.
    source : PairSource
        The pairs.
    indexes : array-like of int (n,), optional
        Which of them; all by default.
    depths : sequence of int
        Depths of the hierarchy, 0 the root's, at which Dice is computed.
    progress, check_progress : callable
        Wrap the pairs, while they are evaluated and before, while they are checked.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If there are no pairs, the images are smaller than 7 px, or a depth is not one.
    InvalidFileError
        If a pair has a fault; nothing was evaluated then.
    AtlalignError
        If a method returns something else than a finite field of the images' shape.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.pairs import PairSource
    >>> from atlalign.simulate import simulate_dataset
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> simulate_dataset(path, "phantom:100", n=3, shape=(32, 48), random_state=0)
    >>> def half_a_pixel(reference, moving):
    ...     return np.full((*reference.shape, 2), 0.5)
    >>> evaluation = evaluate_methods({"half a pixel": half_a_pixel}, PairSource([path]), depths=(0, 4))
    >>> evaluation.methods, len(evaluation.per_pair)
    (['identity', 'half a pixel'], 6)
    >>> bool(evaluation.summary.loc["identity", "dice_depth_0_mean"] < 1)
    True
    """
    chosen = np.arange(len(source)) if indexes is None else np.asarray(indexes, dtype=np.int64)
    if not len(chosen):
        raise ValueError("An evaluation needs at least one pair. Received: none. Give a dataset that has some.")
    require_depths(depths)
    if min(source.shape) < _SMALLEST_SIDE:
        raise ValueError(
            f"Evaluated images must be at least {_SMALLEST_SIDE} px high and wide. Received: {source.shape}. "
            "Make the dataset with a larger --shape."
        )
    places = locate(source, chosen)
    require_sound(places, check_progress)
    named = {"identity": identity, **methods}
    errors = {name: ErrorDistribution() for name in named}
    rows: list[dict[str, Any]] = []
    first = source.pair(int(chosen[0]))
    for method in named.values():
        method(first.reference, first.moving)
    for index, (path, sample) in progress(list(zip(chosen, places, strict=True))):
        plane, atlas, pair = source.plane(index), source.atlas_of(index), source.pair(index)
        inverse_true = DisplacementField.from_deltas_xy(pair.deltas_xy).pseudo_inverse()
        about = {
            "file": str(path),
            "sample": sample,
            "image_id": int(source.image_ids[index]),
            "dataset_id": int(source.dataset_ids[index]),
            "position_um": plane.position_um,
        }
        for name, method in named.items():
            prediction, found, seconds = _ask(name, method, pair)
            numbers = measure(pair, plane, atlas, prediction, depths, inverse_true)
            rows.append({"method": name, **about, "found": found, "seconds": seconds, **numbers})
            errors[name].add(brain_errors_um(pair, plane, atlas, prediction))
    return Evaluation(pd.DataFrame(rows), tuple(depths), errors)


def _ask(name: str, method: Method, pair: Pair) -> tuple[Prediction, bool, float]:
    """Return what a method finds, whether it found anything, and how long it took."""
    started = time.perf_counter()
    answer = method(pair.reference, pair.moving)
    seconds = time.perf_counter() - started
    prediction = as_prediction(answer, pair.moving.shape, name)
    if prediction is None:
        return identity(pair.reference, pair.moving), False, seconds
    return prediction, True, seconds

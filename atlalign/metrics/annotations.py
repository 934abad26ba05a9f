"""How well predicted annotations overlap the true ones, label by label."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.metrics._checks import mean_of_known, paired_annotations
from atlalign.metrics.overlap import LabelCounts

__all__ = ["dice_score", "iou_score"]


def iou_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    k: float | None = 0,
    disable_check: bool = False,
    excluded_labels: Iterable[float] | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """Measure the intersection over union of a label, or of all.

    Parameters
    ----------
    y_true, y_pred : array-like of numbers, (n, h, w)
        Labels.
    k : int, float or None
        The label. None averages over the labels of each sample, weighted by the share that each has of the truth: a
        label that only the prediction has, has none.
    disable_check : bool
        Do not refuse a `k` that no sample has; its score is then NaN.
    excluded_labels : iterable of numbers, optional
        With ``k=None``, labels that do not count: neither they nor their pixels of the truth.

    Returns
    -------
    average : float
        Over the samples that have a score; NaN where none has.
    per_sample : ndarray, float64, (n,)
        From 0 to 1; NaN where neither image has the label, or no pixel of the truth counts.

    Raises
    ------
    TypeError, ValueError
        If the annotations are not as above and of one shape, or no sample has the label.

    Examples
    --------
    >>> true, pred = np.array([[[1, 1, 2, 2]]]), np.array([[[1, 1, 1, 2]]])
    >>> iou_score(true, pred, k=2)
    (0.5, array([0.5]))
    >>> round(iou_score(true, pred, k=None)[0], 6)  # 1/2 of 2/3 and 1/2 of 1/2
    0.583333
    """
    return _score(y_true, y_pred, k, disable_check, excluded_labels, LabelCounts.iou, lambda s, a, b: s / (a + b - s))


def dice_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    k: float | None = 0,
    disable_check: bool = False,
    excluded_labels: Iterable[float] | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """Measure the Dice score of a label, or of all: twice the intersection over the sum of both areas.

    Parameters
    ----------
    y_true, y_pred : array-like of numbers, (n, h, w)
        Labels.
    k, disable_check, excluded_labels
        As `iou_score` takes them.

    Returns
    -------
    average : float
        Over the samples that have a score; NaN where none has.
    per_sample : ndarray, float64, (n,)
        From 0 to 1; NaN where neither image has the label, or no pixel of the truth counts.

    Raises
    ------
    TypeError, ValueError
        If the annotations are not as above and of one shape, or no sample has the label.

    See Also
    --------
    dice_per_depth : at several depths of the hierarchy at once.

    Examples
    --------
    >>> true, pred = np.array([[[1, 1, 2, 2]]]), np.array([[[1, 1, 1, 2]]])
    >>> dice_score(true, pred, k=1)
    (0.8, array([0.8]))
    >>> dice_score(true, pred, k=None, excluded_labels=[2])
    (0.8, array([0.8]))
    """
    return _score(y_true, y_pred, k, disable_check, excluded_labels, LabelCounts.dice, lambda s, a, b: 2 * s / (a + b))


def _score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    k: float | None,
    disable_check: bool,
    excluded_labels: Iterable[float] | None,
    of_labels: Callable[[LabelCounts], NDArray[np.float64]],
    of_areas: Callable[[NDArray, NDArray, NDArray], NDArray[np.float64]],
) -> tuple[float, NDArray[np.float64]]:
    true, pred = paired_annotations(y_true, y_pred)
    if k is None:
        excluded = list(excluded_labels) if excluded_labels is not None else []
        counts = [LabelCounts.of(*pair) for pair in zip(true, pred, strict=True)]
        per_sample = np.array([count.average(of_labels(count), excluded) for count in counts])
    else:
        is_true, is_pred = true == k, pred == k
        area_true, area_pred = (mask.sum(axis=(1, 2), dtype=np.float64) for mask in (is_true, is_pred))
        absent = area_true + area_pred == 0
        if not disable_check and absent.all():
            raise ValueError(
                f"The label k must occur in y_true or y_pred. Received: k={k!r}. k=None averages over all."
            )
        shared = (is_true & is_pred).sum(axis=(1, 2), dtype=np.float64)
        with np.errstate(invalid="ignore"):
            per_sample = np.where(absent, np.nan, of_areas(shared, area_true, area_pred))
    return float(mean_of_known(per_sample)), per_sample

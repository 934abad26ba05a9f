"""How well two annotations overlap, at any depth of the hierarchy, from one count of which labels meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from atlalign.atlas import Structures
from atlalign.metrics._checks import paired_annotations
from atlalign.utils import find_labels_dic

__all__ = ["dice_per_depth", "overlap_per_depth"]

Hierarchy = Structures | Mapping[str, Any]


@dataclass(frozen=True)
class LabelCounts:
    """How many pixels each label has in two annotations, and how many pixels each pair of labels shares.

    Attributes
    ----------
    labels : ndarray, (k,)
        The labels of either annotation, and perhaps others, in no order.
    pairs : ndarray of int, (m, 2)
        Places in `labels` of a true and a predicted label that meet.
    pixels : ndarray of int, (m,)
        How many pixels of each pair there are.

    Examples
    --------
    >>> counts = LabelCounts.of(np.array([[7, 7, 9]]), np.array([[7, 9, 9]]))
    >>> counts.labels, counts.dice()
    (array([7, 9]), array([0.66666667, 0.66666667]))
    """

    labels: NDArray
    pairs: NDArray[np.intp]
    pixels: NDArray[np.int64]

    @classmethod
    def of(cls, true: NDArray, pred: NDArray) -> LabelCounts:
        """Count two annotations of one shape."""
        places, labels = pd.factorize(np.concatenate([true.ravel(), pred.ravel()]))
        return cls.of_places(np.asarray(labels), places[: true.size], places[true.size :])

    @classmethod
    def of_places(cls, labels: NDArray, true: NDArray[np.intp], pred: NDArray[np.intp]) -> LabelCounts:
        """Count two annotations that hold places in `labels`."""
        codes, pixels = np.unique(true * len(labels) + pred, return_counts=True)
        return cls(labels, np.stack(np.divmod(codes, len(labels)), axis=-1), pixels)

    def collapsed(self, labels: NDArray) -> LabelCounts:
        """Count as if each label were the one in its place in `labels`, so that several may become one."""
        places, merged = pd.factorize(labels)
        return LabelCounts(np.asarray(merged), places[self.pairs], self.pixels)

    @property
    def true_pixels(self) -> NDArray:
        """Pixels of each label in the truth."""
        return np.bincount(self.pairs[:, 0], weights=self.pixels, minlength=len(self.labels))

    @property
    def pred_pixels(self) -> NDArray:
        """Pixels of each label in the prediction."""
        return np.bincount(self.pairs[:, 1], weights=self.pixels, minlength=len(self.labels))

    @property
    def shared_pixels(self) -> NDArray:
        """Pixels of each label in both at once."""
        same = self.pairs[:, 0] == self.pairs[:, 1]
        return np.bincount(self.pairs[same, 0], weights=self.pixels[same], minlength=len(self.labels))

    def dice(self) -> NDArray[np.float64]:
        """Twice the shared pixels over the sum of both, of each label; 0 of one that neither has."""
        return 2 * self.shared_pixels / np.maximum(self.true_pixels + self.pred_pixels, 1)

    def iou(self) -> NDArray[np.float64]:
        """Shared pixels over those of either, of each label; 0 of one that neither has."""
        shared = self.shared_pixels
        return shared / np.maximum(self.true_pixels + self.pred_pixels - shared, 1)

    def average(self, scores: NDArray[np.float64], excluded_labels: Iterable[float]) -> float:
        """Average scores of labels, weighted by the true pixels; NaN where no true pixel counts."""
        excluded = np.isin(self.labels, np.asarray(list(excluded_labels)))
        weights = np.where(excluded, 0.0, self.true_pixels)
        total = weights.sum()
        return float(scores @ weights / total) if total > 0 else float("nan")

    def scores(
        self, structures: Hierarchy, depths: Sequence[int], excluded_labels: Iterable[float]
    ) -> dict[str, NDArray[np.float64]]:
        """Average "iou" and "dice" at each depth of the hierarchy: float64 (n_depths,) each."""
        found: dict[str, list[float]] = {"iou": [], "dice": []}
        for depth in depths:
            counts = self.collapsed(collapse(self.labels, structures, depth))
            found["iou"].append(counts.average(counts.iou(), excluded_labels))
            found["dice"].append(counts.average(counts.dice(), excluded_labels))
        return {name: np.array(values) for name, values in found.items()}


def overlap_per_depth(
    annotation_true: ArrayLike,
    annotation_pred: ArrayLike,
    structures: Hierarchy,
    depths: Sequence[int],
    *,
    excluded_labels: Iterable[int] = (0,),
) -> dict[str, NDArray[np.float64]]:
    """Measure IoU and Dice of annotations at several depths of the hierarchy at once.

    Parameters
    ----------
    annotation_true, annotation_pred : array-like of int, (h, w) or (n, h, w)
        Structure ids at the finest level.
    structures : Structures, or dict
        The hierarchy: `Atlas.structures`, or what `atlalign.data.segmentation_collapsing_labels` reads.
    depths : sequence of int
        Steps from the root; 0 makes every structure the root.
    excluded_labels : iterable of int
        Ids, as they are at the depth, that do not count; 0 is what lies outside the brain.

    Returns
    -------
    dict of str to ndarray, float64, (n_depths,) or (n, n_depths)
        "iou" and "dice", from 0 to 1: averages over structures, weighted by the share of each in the truth. NaN where
        the truth has no pixel that counts.

    Raises
    ------
    TypeError, ValueError
        If the annotations are not as above and of one shape, or a depth or the hierarchy is not one.

    Examples
    --------
    >>> hierarchy = {"id": 1, "children": [{"id": 2, "children": []}, {"id": 3, "children": []}]}
    >>> scores = overlap_per_depth([[2, 2, 3, 0]], [[2, 3, 3, 0]], hierarchy, depths=(0, 1))
    >>> scores["dice"], scores["iou"]
    (array([1.        , 0.66666667]), array([1. , 0.5]))
    """
    true, pred = paired_annotations(annotation_true, annotation_pred, dimensions=(2, 3))
    require_depths(depths)
    excluded = list(excluded_labels)
    pairs = zip(true.reshape(-1, *true.shape[-2:]), pred.reshape(-1, *pred.shape[-2:]), strict=True)
    scores = [LabelCounts.of(*pair).scores(structures, depths, excluded) for pair in pairs]
    shape = (*true.shape[:-2], len(depths))
    return {name: np.reshape([score[name] for score in scores], shape) for name in ("iou", "dice")}


def dice_per_depth(
    annotation_true: ArrayLike,
    annotation_pred: ArrayLike,
    structures: Hierarchy,
    depths: Sequence[int],
    *,
    excluded_labels: Iterable[int] = (0,),
) -> NDArray[np.float64]:
    """Measure Dice of annotations at several depths of the hierarchy at once.

    Parameters
    ----------
    annotation_true, annotation_pred : array-like of int, (h, w) or (n, h, w)
        Structure ids at the finest level.
    structures, depths, excluded_labels
        As `overlap_per_depth` takes them.

    Returns
    -------
    ndarray, float64, (n_depths,) or (n, n_depths)
        What `overlap_per_depth` calls "dice".

    Raises
    ------
    TypeError, ValueError
        As `overlap_per_depth` does.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> planes = np.stack([atlas.annotation_plane(position) for position in (5000, 6000)])
    >>> dice_per_depth(planes, planes, atlas.structures, depths=(0, 2))
    array([[1., 1.],
           [1., 1.]])
    """
    scores = overlap_per_depth(annotation_true, annotation_pred, structures, depths, excluded_labels=excluded_labels)
    return scores["dice"]


def require_depths(depths: Sequence[int]) -> None:
    """Refuse depths that are none.

    Examples
    --------
    >>> require_depths([0, -1])
    Traceback (most recent call last):
    ...
    ValueError: Depths must be integers of at least 0, the root's. Received: [0, -1].
    """
    if not all(isinstance(depth, Integral) and depth >= 0 for depth in depths):
        raise ValueError(f"Depths must be integers of at least 0, the root's. Received: {depths!r}.")


def collapse(labels: NDArray, structures: Hierarchy, depth: int) -> NDArray:
    """Return each label's ancestor at a depth; labels that are not deeper stay.

    Examples
    --------
    >>> collapse(np.array([3, 1]), {"id": 1, "children": [{"id": 3, "children": []}]}, 0)
    array([1, 1])
    """
    if isinstance(structures, Structures):
        return structures.at_depth(labels, depth)
    return find_labels_dic(labels, structures, depth)

"""The annotation of a section's plane, warped onto the section by true and predicted inverse fields."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from atlalign.base import DisplacementField
from atlalign.metrics.overlap import Hierarchy, LabelCounts, collapse

_OUTSIDE = (0,)


class WarpedAnnotations:
    """A plane's annotation on the section, as the truth and as a prediction have it.

    Parameters
    ----------
    annotation : ndarray of int, (h, w)
        Structure ids in reference space, at the finest level.
    structures : Structures or dict
        Their hierarchy.
    inverse_true, inverse_pred : DisplacementField, (h, w)
        Fields that warp reference space into moving space.

    Examples
    --------
    >>> still, shift = (DisplacementField.generate((1, 4), "affine_simple", translation_x=x) for x in (0, 1))
    >>> warped = WarpedAnnotations(np.array([[7, 7, 9, 9]]), {"id": 7}, still, shift)
    >>> warped.at_depth(0)
    (array([[7, 7, 9, 9]]), array([[7, 9, 9, 9]]))
    >>> warped.scores([0])["dice"].round(3)
    array([0.733])
    """

    def __init__(
        self,
        annotation: NDArray,
        structures: Hierarchy,
        inverse_true: DisplacementField,
        inverse_pred: DisplacementField,
    ):
        # Places in a short list of labels are warped, so that each depth costs a look-up in that list.
        places, labels = pd.factorize(annotation.ravel())
        self._labels = np.asarray(labels)
        self._structures = structures
        self._true, self._pred = (
            inverse.warp_annotation(places.reshape(annotation.shape)) for inverse in (inverse_true, inverse_pred)
        )

    def at_depth(self, depth: int) -> tuple[NDArray, NDArray]:
        """Return the true and the predicted annotation, (h, w) each, collapsed to a depth."""
        labels = collapse(self._labels, self._structures, depth)
        return labels[self._true], labels[self._pred]

    def scores(self, depths: Sequence[int]) -> dict[str, NDArray[np.float64]]:
        """Return "iou" and "dice" at each depth, without what lies outside the brain."""
        counts = LabelCounts.of_places(self._labels, self._true, self._pred)
        return counts.scores(self._structures, depths, _OUTSIDE)

"""Where the annotation of a section's plane comes from: an atlas, or a bare volume and its hierarchy."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atlalign.atlas import Atlas
from atlalign.metrics.overlap import Hierarchy
from atlalign.plane import Plane

_VOLUME_SPACING_UM = 25  # of a bare volume, which does not say


class AtlasAnnotation:
    """The annotation of an atlas.

    Examples
    --------
    >>> source = AtlasAnnotation(Atlas.load("phantom", spacing_um=100))
    >>> source.plane(20000, (8, 9)).shape
    (8, 9)
    """

    def __init__(self, atlas: Atlas):
        self._atlas = atlas
        self.structures: Hierarchy = atlas.structures

    def plane(self, p: Plane | float | None, shape: tuple[int, int]) -> NDArray:
        """Return the ids of a plane; of the last one beyond it, as a dataset's positions are read."""
        if not isinstance(p, Plane):
            p = min(require_position(p), self._atlas.shape_um[0] - self._atlas.resolution_um[0] / 2)
        return self._atlas.annotation_plane(p, shape)


class VolumeAnnotation:
    """The annotation of a bare volume, whose planes are 25 um apart and of the size of the fields.

    Examples
    --------
    >>> VolumeAnnotation(np.arange(12).reshape(3, 2, 2), {"id": 7}).plane(30, (2, 2))
    array([[4, 5],
           [6, 7]])
    """

    def __init__(self, volume: NDArray, structures: Hierarchy):
        if np.ndim(volume) != 3 or 0 in np.shape(volume) or volume.dtype.kind not in "iu":
            raise ValueError(
                "avol must be structure ids (n_ap, h, w). "
                f"Received: {np.asarray(volume).dtype} of shape {np.shape(volume)}. "
                "atlalign.data.annotation_volume reads one."
            )
        self._volume = volume
        self.structures = structures

    def plane(self, p: Plane | float | None, shape: tuple[int, int]) -> NDArray:
        """Return the ids of a plane; of the last one beyond it, as a dataset's positions are read."""
        if self._volume.shape[1:] != shape:
            raise ValueError(
                f"The planes of avol must have the size of the fields, {shape[0]} x {shape[1]}. "
                f"Received: shape {self._volume.shape}. atlas= takes any size."
            )
        return np.asarray(self._volume[min(int(require_position(p) // _VOLUME_SPACING_UM), len(self._volume) - 1)])


def annotation_source(
    atlas: Atlas | None, avol: NDArray | None, collapsing_labels: Mapping[str, Any] | None
) -> AtlasAnnotation | VolumeAnnotation:
    """Return the source that the arguments describe, which must be one.

    Examples
    --------
    >>> annotation_source(None, np.ones((1, 2, 3), int), None)
    Traceback (most recent call last):
    ...
    ValueError: depths need the annotation: atlas=, or avol= and collapsing_labels=. Received: avol.
    Atlas.load makes an atlas.
    """
    if atlas is not None and avol is None and collapsing_labels is None:
        if not isinstance(atlas, Atlas):
            raise TypeError(f"atlas must be an Atlas. Received: {atlas!r:.80}. Make one with Atlas.load.")
        return AtlasAnnotation(atlas)
    if atlas is None and avol is not None and collapsing_labels is not None:
        return VolumeAnnotation(avol, collapsing_labels)
    given = {"atlas": atlas, "avol": avol, "collapsing_labels": collapsing_labels}
    received = " and ".join(name for name, value in given.items() if value is not None)
    raise ValueError(
        "depths need the annotation: atlas=, or avol= and collapsing_labels=. "
        f"Received: {received or 'none of them'}. Atlas.load makes an atlas."
    )


def require_position(p: Plane | float | None) -> float:
    """Return a position in um that is a number of at least 0.

    Examples
    --------
    >>> require_position(5400)
    5400.0
    """
    if not isinstance(p, Real) or not 0 <= p < np.inf:
        raise ValueError(f"p must be the position of the section in um, a number of at least 0. Received: {p!r}.")
    return float(p)

"""A plane of an atlas, as the looks and the damage of sections need it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Where stains of cells show them densely packed, by acronym; the phantom's are among them.
_DENSE = {"DG-sg", "DGg", "CA1p", "CA3p", "PIR2", "NLOT2", "MH", "MOBmi", "MOBgr", "CBXgr", "isl"}
_PYRAMIDAL = {"CA1", "CA2", "CA3"}
_TRACTS = {"fiber tracts", "fiber"}
_VENTRICLES = {"VS"}
_PALE_NAMES = ("layer 1", "molecular layer", "plexiform layer")


@dataclass(frozen=True, eq=False)
class TissuePlane:
    """What an atlas says of a plane.

    Parameters
    ----------
    reference : ndarray, float32, (h, w)
        In [0, 1].
    annotation : ndarray of int, (h, w)
        Structure ids; 0 is outside the brain.
    structures : atlalign.atlas.Structures
        The hierarchy that the ids belong to.
    midline_x : float, optional
        Column of the plane that parts left and right, px; the middle by default.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom:100")
    >>> plane = TissuePlane(atlas.reference_plane(6000), atlas.annotation_plane(6000), atlas.structures)
    >>> sorted(set(plane.kinds))
    ['dense', 'grey', 'outside', 'pale', 'tract', 'ventricle']
    """

    reference: NDArray
    annotation: NDArray
    structures: Any
    midline_x: float | None = None

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Where there is brain."""
        return self.annotation > 0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.annotation.shape[0], self.annotation.shape[1]

    @cached_property
    def ids(self) -> NDArray:
        """The ids that occur, sorted."""
        return self._found[0]

    @cached_property
    def kinds(self) -> list[str]:
        """Of each of `ids` what it is made of: outside, tract, ventricle, dense, pyramidal, pale or grey."""
        return [self._kind(int(identifier)) for identifier in self.ids]

    def paint(self, values: ArrayLike) -> NDArray[np.float32]:
        """Return an image (h, w) with one value a structure, 0 outside; the values are in the order of `ids`."""
        return np.asarray(values, dtype=np.float32)[self._found[1]] * self.mask

    def families(self, depth: int) -> NDArray:
        """Return a number for each of `ids`; those with the same ancestor at that depth share it."""
        return np.unique(self.structures.at_depth(self.ids, depth), return_inverse=True)[1]

    @cached_property
    def _found(self) -> tuple[NDArray, NDArray]:
        ids, where = np.unique(self.annotation, return_inverse=True)
        return ids, where.reshape(self.annotation.shape)

    def _kind(self, identifier: int) -> str:
        if identifier == 0:
            return "outside"
        if identifier not in self.structures:
            return "grey"
        structure = self.structures[identifier]
        acronyms = {structure.acronym, *(parent.acronym for parent in self.structures.ancestors(identifier))}
        known = (("tract", _TRACTS), ("ventricle", _VENTRICLES), ("dense", _DENSE), ("pyramidal", _PYRAMIDAL))
        for kind, names in known:
            if acronyms & names:
                # A field of the hippocampus whose layers the atlas tells apart needs no layer painted into it.
                return "grey" if kind == "pyramidal" and structure.acronym not in names else kind
        return "pale" if any(part in structure.name.lower() for part in _PALE_NAMES) else "grey"

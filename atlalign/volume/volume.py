"""Registered sections as a volume: sections in their order, and interpolation of the planes between them.

Section numbers are plane indices: number i lies where plane i of the atlas does. On the 25 um grid, whose 528 planes
are the default here, that is ``position_um // 25``.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.base import DisplacementField
from atlalign.volume.between_sections import (
    SPLINE_DEGREES,
    STEPS,
    Fill,
    interpolate_linear,
    interpolate_spline,
    interpolate_steps,
)

if TYPE_CHECKING:
    from atlalign.atlas import Atlas

__all__ = ["CoronalInterpolator", "GappedVolume", "Volume", "VolumeSection"]

_KINDS = ("linear", "slinear", *STEPS, *SPLINE_DEGREES)


class VolumeSection(NamedTuple):
    """One section of a `Volume`.

    Attributes
    ----------
    ref : ndarray, (h, w), or None
        The reference image; None where the volume knows none.
    mov : ndarray, (h, w)
        The moving image.
    reg : ndarray, (h, w)
        The registered image.
    dvf : DisplacementField, (h, w)
        The field that makes `reg` of `mov`.
    """

    ref: NDArray | None
    mov: NDArray
    reg: NDArray
    dvf: DisplacementField


class Volume:
    """Sections of one brain with the fields that register them, in the order of their numbers.

    Parameters
    ----------
    sn : sequence of int, (n,)
        Section numbers (plane indices), in any order, each once.
    mov_imgs : sequence of ndarray, (h, w) each
        Moving images, in the order of `sn`, of a dtype that `DisplacementField.warp` takes.
    dvfs : sequence of DisplacementField, (h, w) each
        Their fields, moving to registered.
    reference : Atlas, or ndarray (n_planes, h, w), optional
        Where the reference images come from: the atlas, whose planes are taken at the size of the fields, or a stack
        with plane i at index i.

    Raises
    ------
    ValueError
        If the lengths differ, there is no section, or a number is repeated, no integer, or not in the reference.

    Examples
    --------
    >>> images = [np.full((4, 6), 20, "uint8"), np.full((4, 6), 10, "uint8")]
    >>> shift = DisplacementField.generate((4, 6), "affine_simple", translation_x=5)
    >>> volume = Volume([9, 3], images, [DisplacementField.generate((4, 6)), shift])
    >>> volume.sn, [int(img[0, 0]) for img in volume.sorted_mov]
    ((3, 9), [10, 20])
    >>> volume[3].reg[0].tolist()
    [10, 0, 0, 0, 0, 0]
    """

    def __init__(
        self,
        sn: Sequence[int],
        mov_imgs: Sequence[NDArray],
        dvfs: Sequence[DisplacementField],
        *,
        reference: Atlas | NDArray | None = None,
    ):
        if not len(sn) == len(mov_imgs) == len(dvfs):
            raise ValueError(
                "sn, mov_imgs and dvfs must have one entry a section. "
                f"Received: {len(sn)}, {len(mov_imgs)} and {len(dvfs)}. Leave out sections that lack one."
            )
        if not all(isinstance(number, Integral) for number in sn):
            raise ValueError(f"Section numbers must be integers. Received: {list(sn)}. Round them to planes.")
        order = _order(np.asarray(sn))
        self.sn: tuple[int, ...] = tuple(int(sn[i]) for i in order)
        self._mov = [np.asarray(mov_imgs[i]) for i in order]
        self._dvfs = [dvfs[i] for i in order]
        self._reference: Any = reference
        if reference is not None:
            _require_planes(np.asarray(self.sn), reference.shape[0])

    def __len__(self) -> int:
        return len(self.sn)

    @property
    def sorted_dvfs(self) -> list[DisplacementField]:
        """The fields, by section number."""
        return list(self._dvfs)

    @property
    def sorted_mov(self) -> list[NDArray]:
        """The moving images, by section number."""
        return list(self._mov)

    @property
    def sorted_ref(self) -> list[NDArray]:
        """The reference images, by section number; a ValueError without `reference`."""
        if self._reference is None:
            raise ValueError("A volume needs reference= to know its reference images. Received: None. Give an Atlas.")
        return [self._reference_image(i) for i in range(len(self))]

    @property
    def sorted_reg(self) -> list[NDArray]:
        """The registered images, by section number."""
        return [dvf.warp(mov) for dvf, mov in zip(self._dvfs, self._mov, strict=True)]

    def __getitem__(self, key: int) -> VolumeSection:
        """Return the section of a number, or raise a KeyError."""
        if key not in self.sn:
            raise KeyError(f"A section number must be one of {self.sn}. Received: {key!r}.")
        i = self.sn.index(key)
        ref = None if self._reference is None else self._reference_image(i)
        return VolumeSection(ref, self._mov[i], self._dvfs[i].warp(self._mov[i]), self._dvfs[i])

    def _reference_image(self, i: int) -> NDArray:
        if hasattr(self._reference, "reference_plane"):
            middle_um = (self.sn[i] + 0.5) * self._reference.resolution_um[0]
            return self._reference.reference_plane(middle_um, shape=self._dvfs[i].shape)
        return self._reference[self.sn[i]]


class GappedVolume:
    """Images at some of the planes of a volume.

    Parameters
    ----------
    sn : sequence of float, (n,)
        Section numbers (plane indices), in any order, each once. A section between two planes has a fraction.
    imgs : array-like, (n, h, w)
        Their images, of real numbers; NaN where nothing is known.

    Attributes
    ----------
    sn : ndarray, float64, (n,)
        Section numbers, sorted.
    imgs : ndarray, float32 or float64, (n, h, w)
        The images in that order; float64 where they came so.
    shape : (h, w)
        Size of the images.

    Raises
    ------
    ValueError
        If the lengths differ, a number is repeated or not finite, or the images are not grey and of one size.

    Examples
    --------
    >>> GappedVolume([7, 2], [np.ones((4, 6)), np.zeros((4, 6))]).sn
    array([2., 7.])
    """

    def __init__(self, sn: ArrayLike, imgs: ArrayLike):
        numbers = np.asarray(sn)
        shapes = sorted({np.shape(img) for img in imgs})  # type: ignore[union-attr]
        if numbers.ndim != 1 or len(numbers) != len(imgs) or len(shapes) != 1 or len(shapes[0]) != 2:  # type: ignore[arg-type]
            raise ValueError(
                "imgs must hold one (h, w) image a section, all of one size. "
                f"Received: {numbers.size} sections and images of shapes {shapes}. Resize them, or take one channel."
            )
        order = _order(numbers)
        stack = np.asarray([imgs[i] for i in order])  # type: ignore[index]
        if stack.dtype.kind not in "fiub" or stack.size == 0:
            raise ValueError(f"imgs must hold real numbers. Received: {stack.dtype} of shape {stack.shape}.")
        self.sn = numbers[order].astype(np.float64)
        self.imgs = stack.astype(np.float64 if stack.dtype == np.float64 else np.float32, copy=False)
        self.shape: tuple[int, int] = (stack.shape[1], stack.shape[2])


class CoronalInterpolator:
    """Interpolate, pixel by pixel, the planes between sections.

    Parameters
    ----------
    kind : str
        How a value follows from those on both sides, as `scipy.interpolate.interp1d` calls it: "linear" or "slinear";
        "nearest" (of two that are as near, the earlier) or "nearest-up" (the later); "previous" or "zero"; "next";
        splines, "quadratic" and "cubic", which need every pixel of every section.
    fill_value : float, (float, float) or "extrapolate"
        Value of a pixel before its first and after its last section, one for both or (before, after). "extrapolate"
        continues the lines or the splines there; the kinds that copy repeat their first and their last value.
    bounds_error : bool
        Whether it is an error that a pixel has a plane before its first or after its last section.

    Raises
    ------
    ValueError
        If the kind or the fill value is unknown.

    Notes
    -----
    A pixel that is NaN on a section is interpolated from the sections next to it that know it, so that a torn section
    leaves no hole. A pixel that no section knows is filled (by the first of two fill values); it stays NaN when
    extrapolating.

    Examples
    --------
    >>> sections = GappedVolume([1, 5], [np.zeros((2, 2)), np.full((2, 2), 8.0)])
    >>> CoronalInterpolator().interpolate(sections, n_planes=7)[:, 0, 0]
    array([0., 0., 2., 4., 6., 8., 0.])
    """

    def __init__(
        self, kind: str = "linear", fill_value: float | tuple[float, float] | str = 0, bounds_error: bool = False
    ):
        if kind not in _KINDS:
            raise ValueError(f"kind must be one of {', '.join(_KINDS)}. Received: {kind!r}.")
        self.kind = kind
        self.fill_value = fill_value
        self.bounds_error = bounds_error
        self._fill = _as_fill(fill_value)

    def interpolate(self, gv: GappedVolume, n_planes: int = 528) -> NDArray:
        """Fill the gaps of a volume.

        Parameters
        ----------
        gv : GappedVolume
            The sections.
        n_planes : int
            Planes of the result, the first with section number 0.

        Returns
        -------
        ndarray, (n_planes, h, w), the dtype of `gv.imgs`
            308 MB for 528 planes of 320 x 456 in float32. Besides it, memory for a few copies of `gv.imgs` is needed.

        Raises
        ------
        ValueError
            If a section lies outside the planes, `bounds_error` is set and a pixel is not known on both sides of a
            plane, or a spline meets NaN or too few sections.
        """
        _require_planes(gv.sn, n_planes)
        absent_at_ends = np.isnan(gv.imgs[[0, -1]]).any()
        if self.bounds_error and (gv.sn[0] > 0 or gv.sn[-1] < n_planes - 1 or absent_at_ends):
            raise ValueError(
                f"With bounds_error, sections must reach from 0 to {n_planes - 1} in every pixel. "
                f"Received: {gv.sn[0]:g} to {gv.sn[-1]:g}{', with NaN' if absent_at_ends else ''}. Use fill_value."
            )
        if self.kind in STEPS:
            return interpolate_steps(gv.sn, gv.imgs, n_planes, self._fill, self.kind)
        if self.kind not in SPLINE_DEGREES:
            return interpolate_linear(gv.sn, gv.imgs, n_planes, self._fill)
        needed = SPLINE_DEGREES[self.kind] + 1
        if len(gv.sn) < needed or np.isnan(gv.imgs).any():
            raise ValueError(
                f"kind={self.kind!r} needs at least {needed} sections and no NaN. "
                f"Received: {len(gv.sn)} sections, {int(np.isnan(gv.imgs).sum())} NaN. Use kind='linear'."
            )
        return interpolate_spline(gv.sn, gv.imgs, n_planes, self._fill, self.kind)


def _as_fill(fill_value: Any) -> Fill:
    if isinstance(fill_value, str) and fill_value == "extrapolate":
        return None
    both = fill_value if isinstance(fill_value, tuple) else (fill_value, fill_value)
    if len(both) != 2 or not all(isinstance(value, Real) for value in both):
        raise ValueError(
            f"fill_value must be a number, a tuple (before, after) or 'extrapolate'. Received: {fill_value!r}."
        )
    return float(both[0]), float(both[1])


def _order(numbers: NDArray) -> list[int]:
    """Return how to sort section numbers, or raise an error unless they are finite and each is there once."""
    if len(numbers) == 0 or numbers.dtype.kind not in "iuf" or not np.isfinite(numbers).all():
        raise ValueError(f"Section numbers must be finite, at least one. Received: {numbers.tolist()}.")
    unique, count = np.unique(numbers, return_counts=True)
    if len(unique) < len(numbers):
        raise ValueError(
            f"Each section number must occur once. Received: {unique[count > 1].tolist()} more often. Keep one of each."
        )
    return np.argsort(numbers).tolist()


def _require_planes(sn: NDArray, n_planes: int) -> None:
    if not 0 <= sn.min() <= sn.max() <= n_planes - 1:
        raise ValueError(
            f"Section numbers must be plane indices from 0 to {n_planes - 1}. Received: {sn.min():g} to {sn.max():g}. "
            "Divide positions in um by the spacing of the planes."
        )

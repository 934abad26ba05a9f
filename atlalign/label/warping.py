"""From pairs of points to the correction of a field: at once while a person drags, exactly when it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from scipy.interpolate import CloughTocher2DInterpolator, LinearNDInterpolator, RBFInterpolator, make_interp_spline

from atlalign.base import DisplacementField
from atlalign.label.labels import METHODS, Method, Pair, points_of
from atlalign.registration.point_inversion import solve_points

_KERNELS = {
    "thin_plate_spline": "thin_plate_spline",
    "rbf_linear": "linear",
    "rbf_cubic": "cubic",
    "rbf_quintic": "quintic",
    "rbf_multiquadric": "multiquadric",
    "rbf_inverse": "inverse_multiquadric",
    "rbf_gaussian": "gaussian",
}
_TRIANGLES = {"griddata_linear": LinearNDInterpolator, "griddata_cubic": CloughTocher2DInterpolator}

_NODES_ALONG = 115  # of the coarse grid along the longer side: every 4 px of 456
_CORRECTIONS = 15
_MET = 0.005  # px: nearer than this a pair counts as met
_SAME_PLACE = 0.5  # px: pairs nearer than this count as one
_ROWS_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Warp:
    """A field and its correction.

    Attributes
    ----------
    automatic : DisplacementField, (h, w)
        What is corrected: moving -> registered.
    correction : DisplacementField, (h, w)
        What comes after it: it warps the image that the automatic field made.
    pairs : tuple of Pair
        What it was made from.
    """

    automatic: DisplacementField
    correction: DisplacementField
    pairs: tuple[Pair, ...]

    @cached_property
    def field(self) -> DisplacementField:
        """Moving -> registered: ``automatic(correction)``."""
        return self.automatic(self.correction)

    @cached_property
    def folds(self) -> np.ndarray:
        """Where the whole field folds, bool (h, w)."""
        return self.field.jacobian <= 0

    @property
    def percent_without_folds(self) -> float:
        """Share of the pixels where the whole field does not fold, percent."""
        return 100.0 * (1.0 - float(self.folds.mean()))

    def residuals(self, pairs: Sequence[Pair]) -> np.ndarray:
        """Return how far the field misses each pair, px of the section on the canvas, (n,)."""
        reference, moving = points_of(pairs)
        return np.hypot(*(self.field.transform_points(reference) - moving).T)


class Warper:
    """Corrects one field, again and again.

    The correction passes through the pairs that a person placed and is zero at those that are automatic. Beyond them
    it fades to zero: a thin-plate spline and the radial basis functions at eight points of a frame of twice the size
    of the image, griddata at its four corners.

    Parameters
    ----------
    automatic : DisplacementField, (h, w)
        Moving -> registered.

    Examples
    --------
    >>> warper = Warper(DisplacementField.generate((60, 80)))
    >>> warp = warper.correct((Pair(1, (40.0, 30.0), (44.0, 31.0)),))
    >>> warp.field.sample([[40, 30]]).round(2)
    array([[4., 1.]])
    >>> bool(warp.residuals(warp.pairs).max() < 0.01)
    True
    """

    def __init__(self, automatic: DisplacementField):
        self.automatic = automatic
        self._registered: dict[tuple[float, float], np.ndarray] = {}

    @cached_property
    def _inverse(self) -> DisplacementField:
        return self.automatic.pseudo_inverse()

    def registered_points(self, moving_xy: Any) -> np.ndarray:
        """Return where the automatic field shows points of the section, (n, 2) px."""
        moving = np.asarray(moving_xy, dtype=np.float64).reshape(-1, 2)
        keys = [(float(x), float(y)) for x, y in moving]
        new = [i for i, key in enumerate(keys) if key not in self._registered]
        if new:
            targets = moving[new]
            found = solve_points(self.automatic, targets, targets + self._inverse.sample(targets))
            self._registered.update({keys[i]: point for i, point in zip(new, found, strict=True)})
        return np.array([self._registered[key] for key in keys]).reshape(-1, 2)

    def correct(self, pairs: Sequence[Pair], method: Method = "thin_plate_spline", *, quickly: bool = False) -> Warp:
        """Return the field, corrected to meet pairs.

        Parameters
        ----------
        pairs : sequence of Pair
            Possibly none: then nothing is corrected.
        method : str
            One of `atlalign.label.METHODS`.
        quickly : bool
            Interpolate from a coarse grid: within some tenths of a pixel, in a few milliseconds.

        Returns
        -------
        Warp
            Pairs that lie on one place count as one, with their mean.

        Raises
        ------
        ValueError
            If the method is unknown.
        """
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}. Received: {method!r}")
        height, width = self.automatic.shape
        places, displacements = self._displacements(pairs)
        if not len(places) or not displacements.any():
            return Warp(self.automatic, DisplacementField.generate((height, width)), tuple(pairs))
        anchors = _frame(self.automatic.shape) if method in _KERNELS else _corners(self.automatic.shape)
        anchors = anchors[np.hypot(*(anchors[:, None] - places).transpose(2, 0, 1)).min(axis=1) > _SAME_PLACE]
        points = np.concatenate([places, anchors])

        def fitted(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
            return _interpolant(method, points, np.concatenate([values, np.zeros((len(anchors), 2))]))

        if quickly and method in _KERNELS:
            deltas_xy = _coarsely(fitted(displacements), (height, width))
        elif quickly:
            deltas_xy = _at_every_pixel(fitted(displacements), (height, width))
        else:
            interpolate = self._settled(fitted, places, displacements)
            deltas_xy = _at_every_pixel(interpolate, (height, width))
        return Warp(self.automatic, DisplacementField.from_deltas_xy(deltas_xy), tuple(pairs))

    def _displacements(self, pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of pairs, and what the correction must be there: exactly zero at automatic ones."""
        reference, moving = points_of(pairs)
        automatic = np.array([pair.automatic for pair in pairs], dtype=bool)
        displacements = np.zeros_like(reference)
        if (~automatic).any():
            displacements[~automatic] = self.registered_points(moving[~automatic]) - reference[~automatic]
        return _merged(reference, displacements, automatic)

    def _settled(self, fitted: Any, places: np.ndarray, displacements: np.ndarray) -> Callable:
        """Return an interpolant whose values at the pixels, read linearly between them, meet the displacements."""
        # Between the pixels a field is linear, and so is not quite what it was made from.
        values, best, least = displacements, fitted(displacements), np.inf
        for _ in range(_CORRECTIONS):
            interpolate = fitted(values)
            miss = displacements - _read_between_pixels(interpolate, places, self.automatic.shape)
            if np.abs(miss).max() < least:
                best, least = interpolate, float(np.abs(miss).max())
            if least < _MET:
                break
            values = values + miss
        return best


def _merged(places: np.ndarray, values: np.ndarray, automatic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places that are apart: of those at one place the mean, of which an automatic one has no part."""
    kept: list[np.ndarray] = []
    sums: list[list[np.ndarray]] = []
    for i in np.argsort(automatic, kind="stable"):
        near = [k for k, place in enumerate(kept) if np.hypot(*(place - places[i])) <= _SAME_PLACE]
        if not near:
            kept.append(places[i])
            sums.append([values[i]])
        elif not automatic[i]:
            sums[near[0]].append(values[i])
    means = np.array([np.mean(some, axis=0) for some in sums]).reshape(-1, 2)
    return np.array(kept).reshape(-1, 2), means


def _interpolant(method: Method, points: np.ndarray, values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    if method in _TRIANGLES:
        return _TRIANGLES[method](points, values, fill_value=0.0)
    extent = np.ptp(points, axis=0)
    spacing = float(np.sqrt(np.prod(extent) / len(points)))
    return RBFInterpolator(points, values, kernel=_KERNELS[method], epsilon=1 / spacing)


def _read_between_pixels(interpolate: Callable, points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return what a field of that shape would give at points, from the pixels around them alone."""
    height, width = shape
    inside = np.clip(points, 0, [width - 1, height - 1])
    low = np.minimum(np.floor(inside), [max(0, width - 2), max(0, height - 2)])
    share = inside - low
    values = np.zeros_like(points)
    for right in (0, 1):
        for down in (0, 1):
            corner = np.minimum(low + np.array([right, down]), [width - 1, height - 1])
            weight = np.abs(1 - right - share[:, 0]) * np.abs(1 - down - share[:, 1])
            values += weight[:, None] * interpolate(corner)
    return values


def _at_every_pixel(interpolate: Callable, shape: tuple[int, int]) -> np.ndarray:
    height, width = shape
    field = np.empty((height, width, 2), dtype=np.float32)
    for start in range(0, height, _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, height))
        grid = np.stack(np.meshgrid(np.arange(width), rows), axis=-1).reshape(-1, 2).astype(np.float64)
        field[rows] = interpolate(grid).reshape(len(rows), width, 2)
    return field


def _coarsely(interpolate: Callable, shape: tuple[int, int]) -> np.ndarray:
    """Evaluate at nodes, and between them by a cubic spline."""
    to_rows, to_columns, nodes = _refinement(shape)
    coarse = interpolate(nodes).reshape(to_rows.shape[1], to_columns.shape[1], 2)
    return np.stack([to_rows @ coarse[..., i] @ to_columns.T for i in range(2)], axis=-1)


@lru_cache(maxsize=4)
def _refinement(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what takes values at nodes to rows and to columns of pixels, and the nodes."""
    step = max(1.0, (max(shape) - 1) / (_NODES_ALONG - 1))
    axes, matrices = [], []
    for size in shape:
        nodes = np.linspace(0, size - 1, max(4, round((size - 1) / step) + 1))
        axes.append(nodes)
        matrices.append(make_interp_spline(nodes, np.eye(len(nodes)), k=3)(np.arange(size)))
    y, x = np.meshgrid(*axes, indexing="ij")
    return matrices[0], matrices[1], np.stack([x.ravel(), y.ravel()], axis=-1)


def _frame(shape: tuple[int, int]) -> np.ndarray:
    """Return eight points around the image, half of its size away."""
    x, y = (np.array([-0.5, 0.5, 1.5]) * (size - 1) for size in (shape[1], shape[0]))
    return np.array([(i, j) for i in x for j in y if (i, j) != (x[1], y[1])])


def _corners(shape: tuple[int, int]) -> np.ndarray:
    return np.array([(x, y) for y in (0.0, shape[0] - 1.0) for x in (0.0, shape[1] - 1.0)])

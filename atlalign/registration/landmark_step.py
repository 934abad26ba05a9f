"""Make a registration meet landmarks that a person placed, with a smooth field as its last step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.interpolate import RBFInterpolator

from atlalign.base import DisplacementField
from atlalign.registration.landmark_files import LandmarkPairs
from atlalign.registration.steps import new_folds

if TYPE_CHECKING:
    from atlalign.registration.result import Registration

NAME = "landmarks"

# px: nearer than this a landmark counts as met, and farther it was not.
_MET, _MISSED = 0.005, 0.09
_CORRECTIONS = 10
_SAME_PLACE = 1e-3
# Smoothing is searched for over these powers of ten, in px^2: from nothing to no field at all.
_SMOOTHING = (-3.0, 12.0)
_BISECTIONS = 40
_SOFTER = 0.5
_FAR_FROM_PLANE_UM = 200


def with_landmarks(registration: Registration, pairs: LandmarkPairs, smoothing: float = 0.0) -> Registration:
    """Return the registration with a last step "landmarks", in place of one that it has.

    Parameters
    ----------
    registration : Registration
    pairs : LandmarkPairs
        At least one. The field bends as little as it can and fades with the distance from the landmarks: what should
        stay as it is needs landmarks of its own.
    smoothing : float
        How far landmarks may be missed, root mean square, px of the canvas. 0 meets them exactly.

    Returns
    -------
    Registration
        The step's `quality` says how far each landmark was missed before and after.

    Raises
    ------
    ValueError
        If a landmark lies outside the section or the canvas, or if met exactly they would fold the field; the message
        names the pairs. With smoothing they are instead missed by as much as is needed.

    Notes
    -----
    A thin-plate spline (Bookstein 1989, doi 10.1109/34.24792) on the canvas, fixed at eight points of a frame of twice
    its size. Targets are first projected onto the section's plane.

    Examples
    --------
    >>> from atlalign import Atlas, Section, register
    >>> atlas = Atlas.load("phantom:100")
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100)
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registration = register(section, atlas, position_um=6000, local_model=nothing_to_do)
    >>> target_um = registration.section_to_atlas([[40, 30]]) + [0, 200, 0]
    >>> corrected = with_landmarks(registration, LandmarkPairs([[40, 30]], target_um))
    >>> bool(np.abs(corrected.section_to_atlas([[40, 30]]) - target_um).max() < 1)
    True
    >>> corrected.step("landmarks").quality["landmark_error_before"]["value"]
    [200.0]
    """
    check_smoothing(smoothing)
    if NAME in [step.name for step in registration.steps]:
        registration = registration.without(NAME)
    landmarks = _Landmarks(registration, pairs)
    residual, softened = landmarks.softly(float(smoothing)) if smoothing else (landmarks.exactly(), False)
    return registration.with_step(NAME, residual, quality=landmarks.quality(residual, softened))


def check_smoothing(smoothing: Any) -> None:
    """Raise a ValueError that says what landmarks_smoothing must be if it is something else.

    Examples
    --------
    >>> check_smoothing(-1)
    Traceback (most recent call last):
    ...
    ValueError: landmarks_smoothing must be a number of px, at least 0. Received: -1. 0 meets landmarks exactly.
    """
    if not isinstance(smoothing, int | float) or not 0 <= smoothing < np.inf:
        raise ValueError(
            f"landmarks_smoothing must be a number of px, at least 0. Received: {smoothing!r}. "
            "0 meets landmarks exactly."
        )


class _Landmarks:
    """The pairs of a registration on its canvas: where they are, and where its field takes them from."""

    def __init__(self, registration: Registration, pairs: LandmarkPairs):
        canvas, points = registration.canvas, registration.point_map
        self._pairs = pairs
        self._current = registration.field
        self._pixel_um = np.array(canvas.pixel_um)
        targets = np.asarray(pairs.targets)
        on_canvas = targets.shape[1] == 2
        self._off_plane_um = np.zeros(len(pairs)) if on_canvas else points.distance_um(targets)
        self._targets = targets if on_canvas else canvas.plane.um_to_pixels(targets, canvas.shape)
        height, width = registration.section.shape
        x, y = np.asarray(pairs.section_xy).T
        on_section = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
        self._require(on_section, "inside the section's image")
        self._require(canvas.contains(self._targets), "inside the atlas's slice")
        self._moving = canvas.section_to_canvas(np.asarray(pairs.section_xy))
        self._registered = points.section_to_registered(pairs.section_xy)
        reached = np.abs(self._current.transform_points(self._registered) - self._moving).max(axis=1) < _MISSED
        self._require(reached, "where the field of the other steps has an inverse")

    def exactly(self) -> DisplacementField:
        """Return the field that meets the landmarks; a ValueError if it folds."""
        for place in (self._targets, self._registered):
            same = np.argwhere(np.triu(np.hypot(*(place[:, None] - place).T) < _SAME_PLACE, k=1))
            if len(same):
                raise self._conflict(same[0].tolist(), "which are one place in the atlas or on the section")
        displacements = self._registered - self._targets
        for _ in range(_CORRECTIONS):
            residual = self._field(displacements, 0.0)
            # Between the pixels a field is linear, and so is not quite what it was made from.
            miss = self._miss(residual)
            if np.abs(miss).max() < _MET:
                break
            displacements = displacements + miss
        folded = new_folds(self._current, residual)
        if folded.any():
            y, x = np.unravel_index(residual.jacobian.argmin(), residual.shape)
            which = self._crossing() or self._nearest(np.array([x, y]))
            raise self._conflict(which, f"which fold {np.count_nonzero(folded)} px of the field")
        if np.abs(miss).max() >= _MISSED:
            worst = self._targets[np.abs(miss).max(axis=1).argmax()]
            raise self._conflict(self._nearest(worst), "which are too near each other for px of the canvas")
        return residual

    def softly(self, smoothing: float) -> tuple[DisplacementField, bool]:
        """Return the smoothest field that misses the landmarks by no more, and whether it had to be softer."""
        displacements = self._registered - self._targets
        low, high = _SMOOTHING
        for _ in range(_BISECTIONS):
            power = (low + high) / 2
            miss = self._spline(displacements, 10**power)(self._targets) - displacements
            low, high = (power, high) if np.sqrt((miss**2).sum(axis=1).mean()) <= smoothing else (low, power)
        for power in np.arange(low, _SMOOTHING[1], _SOFTER).tolist():
            residual = self._field(displacements, 10**power)
            if not new_folds(self._current, residual).any():
                return residual, power > low
        return DisplacementField.generate(self._current.shape), True

    def quality(self, residual: DisplacementField, softened: bool) -> dict[str, dict[str, Any]]:
        """Return what is reported of the step: lists hold a value a pair."""
        before, after = (
            np.hypot(*(self._miss(field) * self._pixel_um).T).round(2).tolist()
            for field in (DisplacementField.generate(residual.shape), residual)
        )
        off_plane = float(self._off_plane_um.max())
        conflict = (
            softened and f"Landmarks are missed by up to {max(after):.0f} um: met more closely, they fold the field."
        )
        projected = off_plane > _FAR_FROM_PLANE_UM and (
            f"Landmarks lie up to {off_plane:.0f} um from the section's plane, and were projected onto it."
        )
        return {
            "landmark_error_before": _entry(before, "um"),
            "landmark_error_after": _entry(after, "um", conflict),
            "landmarks_off_plane": _entry(off_plane, "um", projected),
        }

    def _spline(self, displacements: np.ndarray, smoothing: float) -> RBFInterpolator:
        height, width = self._current.shape
        x, y = (np.array([-0.5, 0.5, 1.5]) * (size - 1) for size in (width, height))
        frame = np.array([(i, j) for i in x for j in y if (i, j) != (x[1], y[1])])
        softness = np.concatenate([np.full(len(self._targets), smoothing), np.zeros(len(frame))])
        points = np.concatenate([self._targets, frame])
        values = np.concatenate([displacements, np.zeros((len(frame), 2))])
        return RBFInterpolator(points, values, kernel="thin_plate_spline", smoothing=softness)

    def _field(self, displacements: np.ndarray, smoothing: float) -> DisplacementField:
        height, width = self._current.shape
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
        deltas_xy = self._spline(displacements, smoothing)(grid.astype(np.float64))
        return DisplacementField.from_deltas_xy(deltas_xy.reshape(height, width, 2))

    def _miss(self, residual: DisplacementField) -> np.ndarray:
        """Return by how much the whole registration misses each landmark, (n, 2) px of the section on the canvas."""
        return self._moving - self._current(residual).transform_points(self._targets)

    def _crossing(self) -> list[int]:
        """Return the two landmarks that most lie the other way round on the section, or none."""
        there, here = (place[:, None] - place for place in (self._targets, self._registered))
        along = (there * here).sum(axis=-1) / np.maximum((there**2).sum(axis=-1), 1e-9)
        np.fill_diagonal(along, 1)
        worst = np.unravel_index(along.argmin(), along.shape)
        return sorted(int(i) for i in worst) if along.min() <= 0 else []

    def _nearest(self, place: np.ndarray) -> list[int]:
        """Return the two landmarks nearest to a place of the canvas."""
        return sorted(np.hypot(*(self._targets - place).T).argsort()[:2].tolist())

    def _require(self, good: np.ndarray, where: str) -> None:
        if not good.all():
            bad = ", ".join(str(self._pairs.numbers[i]) for i in np.flatnonzero(~good))
            raise ValueError(
                f"Landmarks must lie {where}. Received: {_pairs(bad)}, which do not. Correct or remove them."
            )

    def _conflict(self, which: list[int], how: str) -> ValueError:
        names = " and ".join(str(self._pairs.numbers[i]) for i in which)
        return ValueError(
            f"Landmarks that are met exactly must not contradict each other. Received: {_pairs(names)}, {how}. "
            "Correct or remove one, or give landmarks_smoothing, how far they may be missed."
        )


def _pairs(numbers: str) -> str:
    return f"pair{'s' if ' ' in numbers else ''} {numbers}"


def _entry(value: Any, unit: str = "", flag: Any = None) -> dict[str, Any]:
    return {"value": value, "unit": unit, "flag": flag or None}

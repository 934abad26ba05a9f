"""One section under a person's hand: pairs are placed, moved, deleted, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from atlalign.label.control_points import choose_control_points
from atlalign.label.labels import Labels, Method, Pair, Point, State, corners_of
from atlalign.label.subject import Subject, mirrored
from atlalign.label.warping import Warp
from atlalign.registration.point_inversion import solve_points

_MIDLINE = 2.0  # px: a pair nearer to the middle has no twin
_MOST_UNDONE = 500


class LabelSession:
    """The labels of one section, and what follows from them.

    Every change is one step that can be undone. Labels never change: each step makes others.

    Parameters
    ----------
    subject : Subject
    labels : Labels, optional
        What was said before; by default `initial_labels`.
    on_change : callable, optional
        Called with the new labels after every change that is not a preview: who saves them loses nothing.

    Examples
    --------
    >>> from atlalign import Atlas, Section, register
    >>> from atlalign.label import SectionSubject
    >>> atlas = Atlas.load("phantom:100")
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100)
    >>> session = LabelSession(SectionSubject(register(section, atlas, position_um=6000, local_model=nothing_to_do)))
    >>> session.add((40.0, 30.0), (43.0, 30.0))
    1
    >>> session.warp.field.sample([[40, 30]]).round(1), session.labels.state
    (array([[3., 0.]]), 'corrected')
    >>> session.undo()
    >>> session.labels.pairs, session.warp.field.average_displacement
    ((), 0.0)
    """

    def __init__(
        self, subject: Subject, labels: Labels | None = None, on_change: Callable[[Labels], Any] | None = None
    ):
        self.subject = subject
        self._labels = initial_labels(subject) if labels is None else labels
        self._preview: Labels | None = None
        self._undo: list[Labels] = []
        self._redo: list[Labels] = []
        self._on_change = on_change

    @property
    def labels(self) -> Labels:
        """The labels, as they were last committed."""
        return self._labels

    @property
    def shown(self) -> Labels:
        """The labels with what a person is dragging."""
        return self._preview or self._labels

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo."""
        return bool(self._redo)

    @cached_property
    def warp(self) -> Warp:
        """The field of the labels, exactly."""
        return self.subject.warper.correct(self._labels.counted, self._labels.method)

    def quick_warp(self) -> Warp:
        """Return the field of what is shown, within some tenths of a pixel and in a few milliseconds."""
        return self.subject.warper.correct(self.shown.counted, self.shown.method, quickly=True)

    def moving_point(self, reference_xy: Any) -> Point:
        """Return where the field takes a point of the atlas's slice."""
        return _point(self.warp.field.transform_points([reference_xy])[0])

    def reference_point(self, moving_xy: Any) -> Point:
        """Return where the field shows a point of the section."""
        target = np.array([moving_xy], dtype=np.float64)
        field = self.warp.field
        # The nearest pixel that the field takes there is near enough for Newton's method.
        x, y = field.transformation
        nearest = np.unravel_index(((x - target[0, 0]) ** 2 + (y - target[0, 1]) ** 2).argmin(), x.shape)
        start = np.array([[nearest[1], nearest[0]]], dtype=np.float64)
        return self._inside(solve_points(field, target, start)[0])

    def add(self, reference_xy: Any, moving_xy: Any = None) -> int:
        """Add a pair, and in symmetric mode its twin.

        Parameters
        ----------
        reference_xy, moving_xy : (x, y)
            px of the canvas; without a moving point, the one that the field takes the reference to.

        Returns
        -------
        int
            The number of the pair.

        Raises
        ------
        ValueError
            If a point lies outside the canvas.
        """
        reference = self._required("A pair must lie in the atlas's slice", reference_xy)
        moving = self.moving_point(reference) if moving_xy is None else _point(moving_xy)
        labels, number = self._labels, self._labels.next_number
        pair = Pair(number, reference, moving)
        if labels.symmetric and abs(reference[0] - (self.subject.shape[1] - 1) / 2) > _MIDLINE:
            twin = self._mirrored(replace(pair, twin=number + 1), number + 1)
            self._commit(labels.having([*labels.pairs, replace(pair, twin=number + 1), twin]))
        else:
            self._commit(labels.having([*labels.pairs, pair]))
        return number

    def move(self, number: int, *, reference_xy: Any = None, moving_xy: Any = None) -> None:
        """Move a point of a pair, or both; an automatic pair becomes a person's, and a twin moves along.

        Raises
        ------
        KeyError
            If there is no such pair.
        ValueError
            If the point lies outside the canvas.
        """
        self._commit(self._moved(number, reference_xy, moving_xy))

    def preview(self, number: int, *, reference_xy: Any = None, moving_xy: Any = None) -> None:
        """Show a pair elsewhere, until `move` or `end_preview`; nothing is saved."""
        if reference_xy is not None:
            reference_xy = self._inside(reference_xy)
        self._preview = self._moved(number, reference_xy, moving_xy)

    def end_preview(self) -> None:
        """Show the labels as they are."""
        self._preview = None

    def delete(self, numbers: Iterable[int]) -> None:
        """Delete pairs, with their twins in symmetric mode; numbers that no pair has count for nothing."""
        gone = set(numbers) & {pair.number for pair in self._labels.pairs}
        if self._labels.symmetric:
            gone |= {twin for number in gone if (twin := self._labels.pair(number).twin) is not None}
        if gone:
            self._commit(self._labels.without(gone))

    def reset(self) -> None:
        """Take back every correction: only the automatic pairs are left."""
        fresh = initial_labels(self.subject)
        self._commit(replace(self._labels, pairs=fresh.pairs, corners_um=None, state="untouched"))

    def set_method(self, method: Method) -> None:
        """Interpolate in another way: one of `atlalign.label.METHODS`."""
        self._commit(replace(self._labels, method=method))

    def set_symmetric(self, symmetric: bool) -> None:
        """Mirror the pairs that are placed from now on, or not."""
        self._commit(replace(self._labels, symmetric=symmetric), corrects=False)

    def set_hold(self, hold: bool) -> None:
        """Let the automatic pairs count, or not."""
        self._commit(replace(self._labels, hold=hold))

    def set_state(self, state: State) -> None:
        """Call the section untouched, corrected or rejected."""
        self._commit(replace(self._labels, state=state), corrects=False)

    def set_note(self, note: str) -> None:
        """Keep some words with the section; letter by letter, they are one step to undo."""
        labels = replace(self._labels, note=note)
        if self._undo and replace(self._undo[-1], note=note) == labels and self._undo[-1].note != self._labels.note:
            self._take(labels)
        else:
            self._commit(labels, corrects=False)

    def set_position(self, position_um: float) -> None:
        """Move the plane along the anterior-posterior axis.

        Raises
        ------
        ValueError
            If the position is outside the atlas.
        """
        corners = corners_of(self.subject.plane_at(position_um))
        self._commit(replace(self._labels, corners_um=corners))

    def undo(self) -> None:
        """Take back the last change, if there is one."""
        self._step(self._undo, self._redo)

    def redo(self) -> None:
        """Make the change again that was last taken back, if there is one."""
        self._step(self._redo, self._undo)

    def numbers(self) -> dict[str, float | None]:
        """Return the figures that a person steers by.

        Returns
        -------
        dict
            `without_folds` (percent of the pixels), `mean_displacement` (px of the canvas), `mean_displacement_um`
            (None where the size of a pixel is not known), `correction` (mean length of what was added, px), and
            `worst_residual` (px, None without pairs).
        """
        warp, size = self.warp, self.subject.pixel_um
        residuals = warp.residuals(self._labels.counted)
        moved = warp.field.deltas_xy
        return {
            "without_folds": warp.percent_without_folds,
            "mean_displacement": warp.field.average_displacement,
            "mean_displacement_um": None if size is None else float(np.hypot(*(moved * size).T).mean()),
            "correction": warp.correction.average_displacement,
            "worst_residual": float(residuals.max()) if len(residuals) else None,
        }

    def _moved(self, number: int, reference_xy: Any, moving_xy: Any) -> Labels:
        pair = self._labels.pair(number)
        changed = replace(
            pair,
            automatic=False,
            reference_xy=pair.reference_xy
            if reference_xy is None
            else self._required("A pair must lie in the atlas's slice", reference_xy),
            moving_xy=pair.moving_xy if moving_xy is None else _point(moving_xy),
        )
        if not self._labels.symmetric or pair.twin is None:
            return self._labels.replacing(replace(changed, twin=pair.twin if self._labels.symmetric else None))
        return self._labels.replacing(changed, self._mirrored(changed, pair.twin))

    def _mirrored(self, pair: Pair, number: int) -> Pair:
        """Return the pair on the other side: mirrored in the atlas, and where the automatic field shows the section."""
        width, warper = self.subject.shape[1], self.subject.warper
        registered = mirrored(warper.registered_points([pair.moving_xy]), width)
        return Pair(
            number,
            _point(mirrored([pair.reference_xy], width)[0]),
            _point(self.subject.automatic.transform_points(registered)[0]),
            twin=pair.number,
        )

    def _commit(self, labels: Labels, *, corrects: bool = True) -> None:
        self._preview = None
        if labels == self._labels:
            return
        if corrects and labels.state == "untouched" and not labels.is_untouched:
            labels = replace(labels, state="corrected")
        self._undo = [*self._undo[-_MOST_UNDONE:], self._labels]
        self._redo = []
        self._take(labels)

    def _step(self, source: list[Labels], target: list[Labels]) -> None:
        self._preview = None
        if source:
            target.append(self._labels)
            self._take(source.pop())

    def _take(self, labels: Labels) -> None:
        same_field = (labels.counted, labels.method) == (self._labels.counted, self._labels.method)
        self._labels = labels
        if not same_field:
            self.__dict__.pop("warp", None)
        if self._on_change is not None:
            self._on_change(labels)

    def _required(self, rule: str, point_xy: Any) -> Point:
        x, y = _point(point_xy)
        height, width = self.subject.shape
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise ValueError(f"{rule}. Received: ({x:.1f}, {y:.1f}) of {width} x {height} px. Choose a place inside.")
        return x, y

    def _inside(self, point_xy: Any) -> Point:
        height, width = self.subject.shape
        x, y = _point(point_xy)
        return min(max(x, -0.5), width - 0.5), min(max(y, -0.5), height - 0.5)


def initial_labels(subject: Subject) -> Labels:
    """Return the labels of a section that nobody has touched: control points of its automatic field.

    Examples
    --------
    >>> import pathlib, tempfile, imageio.v3 as iio
    >>> from atlalign.label import PictureSubject
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.png"
    >>> iio.imwrite(path, np.eye(40, dtype="uint8") * 200)
    >>> initial_labels(PictureSubject(path, path))
    Labels(pairs=(), ...)
    """
    points, _ = choose_control_points(subject.automatic, subject.tissue())
    moving = subject.automatic.transform_points(points) if len(points) else points
    return Labels(
        tuple(
            Pair(-number, _point(reference), _point(there), automatic=True)
            for number, (reference, there) in enumerate(zip(points, moving, strict=True), start=1)
        )
    )


def _point(point_xy: Any) -> Point:
    x, y = (float(value) for value in point_xy)
    if not np.isfinite([x, y]).all():
        raise ValueError(f"A point must be two finite numbers. Received: ({x}, {y}).")
    return x, y

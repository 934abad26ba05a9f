"""What the three panels show of a session: pictures while a person drags, everything when the hand is still."""

from __future__ import annotations

import numpy as np

from atlalign.label.controls import Controls
from atlalign.label.labels import points_of
from atlalign.label.panels import Panel, point_rows
from atlalign.label.pictures import (
    Outlines,
    draw_grid,
    find_outlines,
    find_structures,
    picture_maps,
    picture_shape,
    warp_picture,
)
from atlalign.label.session import LabelSession
from atlalign.label.warping import Warp
from atlalign.label.words import FAR_PX, colour_of
from atlalign.plane import Plane

_NO_ARROW = 0.3  # px: what is corrected by less has no arrow


class View:
    """The panels of one session.

    Attributes
    ----------
    panels : dict of str to Panel
        "section", the section as its canvas shows it; "atlas", the atlas's plane; "overlay", one over the other.
    swapped : bool
        Whether the overlay lies on the section: the atlas is warped onto it.
    selected : int or None
        The pair that is selected.
    pending : (name, x, y) or None
        The first point of a half pair, and the panel that it is in.

    Notes
    -----
    The "atlas" and, unless swapped, the "overlay" are in the atlas's slice, and points there are reference points; in
    the "section" they are moving points.
    """

    def __init__(self, session: LabelSession, controls: Controls):
        self.session, self.controls = session, controls
        shape, mappers = session.subject.shape, controls.mappers
        self.panels = {"section": Panel("section", shape, [mappers["section"]])}
        ranges = self.panels["section"].ranges
        self.panels["atlas"] = Panel("atlas", shape, [mappers["atlas"]], ranges)
        self.panels["overlay"] = Panel("overlay", shape, [mappers["atlas"], mappers["section"]], ranges)
        top = self.panels["overlay"].image_renderers[1].glyph
        top.global_alpha = controls.blend.value
        controls.blend.js_link("value", top, "global_alpha")
        self.swapped = False
        self.selected: int | None = None
        self.pending: tuple[str, float, float] | None = None
        self.residuals: dict[int, float] = {}
        self._size = picture_shape(shape)
        self._moving = session.subject.moving_picture(self._size)
        self._plane: Plane | None = None
        self._reference: np.ndarray | None = None
        self._labels: np.ndarray | None = None
        self._outlines: Outlines | None = None
        self._structures: tuple[np.ndarray, list[str]] | None = None
        self.panels["section"].show_image(0, self._moving)
        self.refresh()

    def is_reference(self, name: str) -> bool:
        """Return whether points of a panel are in the atlas's slice."""
        return name == "atlas" or (name == "overlay" and not self.swapped)

    def refresh(self) -> None:
        """Show everything as it is."""
        self._follow_plane(self.session.subject.plane_of(self.session.labels))
        warp = self.session.warp
        values = warp.residuals(self.session.labels.pairs)
        counted = {pair.number for pair in self.session.labels.counted}
        self.residuals = {
            pair.number: float(value)
            for pair, value in zip(self.session.labels.pairs, values, strict=True)
            if pair.number in counted
        }
        self._show_warped(warp)
        self._show_on_section(warp)
        self.show_points(warp)

    def preview(self, dragging: str) -> Warp:
        """Show what is being dragged, but leave the points of the panel that it is dragged in to the browser."""
        warp = self.session.quick_warp()
        self._show_warped(warp)
        self.show_points(warp, dragging)
        return warp

    def preview_plane(self, plane: Plane) -> None:
        """Show another plane, before it is chosen."""
        self._follow_plane(plane)
        self._show_warped(self.session.warp)

    def show_points(self, warp: Warp | None = None, dragging: str = "") -> None:
        """Show points and arrows."""
        warp, labels = warp or self.session.warp, self.session.shown
        reference, moving = points_of(labels.pairs)
        missed = {number for number, value in self.residuals.items() if value > FAR_PX}
        for name, panel in self.panels.items():
            rows = point_rows(
                labels.pairs,
                reference if self.is_reference(name) else moving,
                selected=self.selected,
                missed=set() if dragging else missed,
                hold=labels.hold,
                pending=self.pending[1:] if self.pending and self.pending[0] == name else None,
                predicted=self._predicted(name),
            )
            panel.show_points(rows, keep=name == dragging)
        self._show_arrows(warp)

    def predicted_pair(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Return the reference and the moving point of the half pair, one of them as the field has it."""
        if self.pending is None:
            return None
        name, x, y = self.pending
        if self.is_reference(name):
            return (x, y), self.session.moving_point((x, y))
        return self.session.reference_point((x, y)), (x, y)

    def _predicted(self, name: str) -> tuple[float, float] | None:
        pair = self.predicted_pair()
        if pair is None or self.pending is None or name == self.pending[0]:
            return None
        return pair[0] if self.is_reference(name) else pair[1]

    def _follow_plane(self, plane: Plane | None) -> None:
        if self._reference is not None and plane == self._plane:
            return
        subject = self.session.subject
        self._plane, self._reference = plane, subject.reference_picture(plane, self._size)
        self._labels = subject.annotation(plane, subject.shape)
        self.panels["atlas"].show_image(0, self._reference)
        if self._labels is not None and subject.structures is not None:
            self._outlines = find_outlines(self._labels, subject.structures)
            self._structures = find_structures(self._labels, subject.structures)
            for name in ("atlas", "overlay"):
                self.panels[name].show_outlines(self._outlines)
                self.panels[name].show_structures(*self._structures)

    def _show_warped(self, warp: Warp) -> None:
        """Show one image on the other, the grid, and the folds."""
        overlay, checks = self.panels["overlay"], self.controls.checks
        assert self._reference is not None
        if self.swapped:
            # Solving for the inverse at every pixel takes as long as all the rest: only for who asks for it.
            back = picture_maps(warp.field.pseudo_inverse(), self._size)
            overlay.show_image(0, warp_picture(self._reference, back))
            overlay.show_image(1, self._moving)
            maps = back
        else:
            maps = picture_maps(warp.field, self._size)
            overlay.show_image(0, self._reference)
            overlay.show_image(1, warp_picture(self._moving, maps))
        if checks["grid"].active:
            overlay.show_grid(draw_grid(maps, warp.folds & (not self.swapped)))

    def _show_on_section(self, warp: Warp) -> None:
        """Show the structures on the section itself."""
        if self._outlines is None or self._structures is None:
            return
        on_section = self._outlines.moved(warp.field)
        self.panels["section"].show_outlines(on_section)
        self.panels["overlay"].show_outlines(on_section if self.swapped else self._outlines)
        index, names = self._structures
        warped = warp.field.pseudo_inverse().warp_annotation(index)
        self.panels["section"].show_structures(warped, names)
        self.panels["overlay"].show_structures(warped if self.swapped else index, names)

    def _show_arrows(self, warp: Warp) -> None:
        """Show where the correction takes what the automatic registration showed at a place."""
        labels = self.session.shown
        reference, moving = points_of(labels.placed)
        colours = np.array([colour_of(pair) for pair in labels.placed])
        if len(reference):
            if self.swapped:
                start, end = self.session.subject.automatic.transform_points(reference), moving
            else:
                start, end = self.session.subject.warper.registered_points(moving), reference
            long = np.hypot(*(end - start).T) > _NO_ARROW
        else:
            start = end = reference
            long = np.zeros(0, dtype=bool)
        self.panels["overlay"].show_arrows(start[long], end[long], colours[long].tolist() if len(colours) else [])

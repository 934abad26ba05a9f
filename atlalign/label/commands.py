"""What keys and buttons of the page do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from atlalign.label.controls import PALETTES
from atlalign.label.labels import METHODS, STATES

if TYPE_CHECKING:
    from atlalign.label.page import Page


class Commands:
    """The commands of `atlalign.label.keyboard`, for one page.

    Parameters
    ----------
    page : Page
    """

    def __init__(self, page: Page):
        self._page, self._session = page, page.session
        value = page.controls.blend.value
        self._blends: list[float] = page.workspace.settings.setdefault("blends", [0.0, value])
        self._blend = 1 if self._blends[1] == value else 0
        self._known = self._by_name()

    def run(self, command: str) -> None:
        """Do what a command says: its name, and after a colon what it needs to know.

        Raises
        ------
        ValueError, KeyError
            If there is no such command, or it cannot be done.
        """
        name, _, argument = command.partition(":")
        if name not in self._known:
            raise ValueError(f"A command must be one of the page's. Received: {command[:80]!r}.")
        self._known[name](argument)

    def remember_blend(self, value: float) -> None:
        """Keep where the blend is, for when it is switched back."""
        self._blends[self._blend] = value

    def _by_name(self) -> dict[str, Callable[[str], Any]]:
        session, checks = self._session, self._page.controls.checks

        def toggle(name: str) -> Callable[[str], None]:
            def flip(_: str) -> None:
                checks[name].active = not checks[name].active

            return flip

        return {
            "undo": lambda _: self._page.change(session.undo),
            "redo": lambda _: self._page.change(session.redo),
            "accept": lambda _: self._accept(),
            "escape": lambda _: self._escape(),
            "delete": lambda _: self._delete(),
            "select": lambda number: self._select(int(number)),
            "select-next": lambda _: self._select_beside(1),
            "select-previous": lambda _: self._select_beside(-1),
            "nudge": self._nudge,
            "reset": lambda _: self._page.change(session.reset),
            "method-next": lambda _: self._next_method(),
            "toggle-blend": lambda _: self._toggle_blend(),
            "blend": lambda by: self._set_blend(self._page.controls.blend.value + float(by)),
            "swap": lambda _: self._swap(),
            "zoom-reset": lambda _: self._zoom_reset(),
            "palette-section": lambda _: self._next_palette("section"),
            "palette-atlas": lambda _: self._next_palette("atlas"),
            "threshold": self._threshold,
            "plane": lambda by: self._move_plane(int(by)),
            "next": lambda _: self._go_beside(1),
            "previous": lambda _: self._go_beside(-1),
            "goto": self._go,
            "state": self._set_state,
            "write": lambda _: self._page.workspace.write(self._page.section, session.subject),
            "dataset": lambda _: self._add_to_dataset(),
            "visualign": lambda _: self._page.workspace.write_visualign(),
            **{name: toggle(name) for name in checks},
        }

    def _accept(self) -> None:
        pair = self._page.view.predicted_pair()
        if pair is not None:
            self._page.view.pending = None
            self._page.change(lambda: self._page.select(self._session.add(*pair)))

    def _escape(self) -> None:
        self._page.view.pending = self._page.view.selected = None
        self._page.refresh(fields=False)

    def _delete(self) -> None:
        if self._page.view.pending is not None:
            self._escape()
        elif self._page.view.selected is not None:
            number, self._page.view.selected = self._page.view.selected, None
            self._page.change(lambda: self._session.delete([number]))
        else:
            self._page.say("To delete a pair, select it first: click on it, or on its line in the table.")

    def _select(self, number: int) -> None:
        self._page.select(number)
        self._page.refresh(fields=False)

    def _select_beside(self, by: int) -> None:
        numbers = [pair.number for pair in self._session.labels.pairs]
        if numbers:
            selected = self._page.view.selected
            here = numbers.index(selected) if selected in numbers else min(-by, 0)
            self._select(numbers[(here + by) % len(numbers)])

    def _nudge(self, by: str) -> None:
        if self._page.view.selected is not None:
            pair = self._session.labels.pair(self._page.view.selected)
            place = np.array(pair.reference_xy) + [float(value) for value in by.split(",")]
            self._page.change(lambda: self._session.move(pair.number, reference_xy=place))

    def _next_method(self) -> None:
        here = METHODS.index(self._session.labels.method)
        self._page.controls.method.value = METHODS[(here + 1) % len(METHODS)]

    def _toggle_blend(self) -> None:
        self._blend = 1 - self._blend
        self._page.controls.blend.value = self._blends[self._blend]

    def _set_blend(self, value: float) -> None:
        self._page.controls.blend.value = round(min(max(value, 0.0), 1.0), 2)

    def _swap(self) -> None:
        self._page.view.swapped = not self._page.view.swapped
        self._page.controls.told.text = f"class {'swapped' if self._page.view.swapped else ''}"
        self._page.refresh()

    def _zoom_reset(self) -> None:
        panel = self._page.view.panels["section"]
        for axis, whole in zip(panel.ranges, panel.whole, strict=True):
            axis.update(start=whole[0], end=whole[1])

    def _next_palette(self, name: str) -> None:
        names = list(PALETTES)
        select = self._page.controls.palettes[name]
        select.value = names[(names.index(select.value) + 1) % len(names)]

    def _threshold(self, argument: str) -> None:
        name, end, by = argument.split(",")
        slider = self._page.controls.thresholds[name]
        low, high = slider.value
        low, high = (low + int(by), high) if end == "low" else (low, high + int(by))
        slider.value = (min(max(low, 0), 254), min(max(high, 1), 255))

    def _move_plane(self, by: int) -> None:
        plane = self._session.subject.plane_of(self._session.labels)
        if plane is None:
            self._page.say("Two pictures have no position in an atlas.")
            return
        self._page.change(lambda: self._session.set_position(plane.position_um + by * self._page.workspace.step_um))

    def _set_state(self, state: str) -> None:
        if state not in STATES:
            raise ValueError(f"A state must be one of {', '.join(STATES)}. Received: {state[:40]!r}")
        self._page.change(lambda: self._session.set_state(state), fields=False)

    def _add_to_dataset(self) -> None:
        if self._session.labels.state == "rejected":
            raise ValueError("A rejected section is in no dataset. Received: state rejected. Call it corrected first.")
        self._session.set_state("corrected")
        self._page.refresh(fields=False)
        self._page.workspace.write_dataset()

    def _go_beside(self, by: int) -> None:
        names = [section.name for section in self._page.workspace.folder.sections]
        there = names.index(self._page.section.name) + by
        if 0 <= there < len(names):
            self._go(names[there])
        else:
            self._page.say("This is the last section." if by > 0 else "This is the first section.")

    def _go(self, name: str) -> None:
        section = self._page.workspace.folder.section(name)
        if section.name != self._page.section.name:
            self._page.workspace.write_if_needed(self._page.section, self._session.subject)
            self._page.controls.told.text = f"goto {section.name}"

"""What the mouse does in the panels of the page: places, takes hold, drags."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.events import Pan, PanEnd, PanStart, Tap

if TYPE_CHECKING:
    from atlalign.label.page import Page


class Gestures:
    """The mouse of one page.

    The browser moves what is dragged, by itself and at once. Here the field follows, as often as there is time.

    Parameters
    ----------
    page : Page
    """

    def __init__(self, page: Page):
        self._page, self._session = page, page.session
        self._drag: tuple[str, int, np.ndarray, np.ndarray] | None = None
        self._latest: tuple[float, float] | None = None
        self._scheduled = False

    def connect(self) -> None:
        """Listen to all panels."""
        wires: list[tuple[type, Callable[[str, float, float], Any]]] = [
            (Tap, self._tap),
            (PanStart, self._press),
            (Pan, lambda _, x, y: self._pull(x, y)),
            (PanEnd, lambda _, x, y: self._release(x, y)),
        ]
        for name, panel in self._page.view.panels.items():
            for event, react in wires:
                panel.figure.on_event(event, self._reaction(react, name))

    def _reaction(self, react: Callable[[str, float, float], Any], name: str) -> Callable[[Any], None]:
        def on_event(event: Any) -> None:
            if event.x is not None and event.y is not None:
                self._page.guarded(lambda: react(name, float(event.x), float(event.y)))

        return on_event

    def _near(self, name: str, x: float, y: float) -> int | None:
        """Return the pair within reach of a place of a panel."""
        labels, panel = self._session.labels, self._page.view.panels[name]
        best, least = None, panel.reach()
        for pair in labels.pairs:
            at = pair.reference_xy if self._page.view.is_reference(name) else pair.moving_xy
            far = float(np.hypot(at[0] - x, at[1] - y))
            if far <= least:
                best, least = pair.number, far
        return best

    def _tap(self, name: str, x: float, y: float) -> None:
        number = self._near(name, x, y)
        if number is not None:
            self._page.select(number)
            self._page.refresh(fields=False)
        elif name == "overlay":
            self._page.view.pending = None
            reference = (x, y) if self._page.view.is_reference(name) else self._session.reference_point((x, y))
            self._page.change(lambda: self._page.select(self._session.add(reference)))
        elif self._page.view.pending is not None and self._page.view.pending[0] != name:
            _, other_x, other_y = self._page.view.pending
            pair = ((x, y), (other_x, other_y)) if name == "atlas" else ((other_x, other_y), (x, y))
            self._page.view.pending = None
            self._page.change(lambda: self._page.select(self._session.add(*pair)))
        else:
            self._page.view.pending, self._page.view.selected = (name, x, y), None
            self._page.refresh(fields=False)
            other = "atlas" if name == "section" else "section"
            self._page.say(f"Now click the same place in the {other}, or press Enter.")

    def _press(self, name: str, x: float, y: float) -> None:
        number = self._near(name, x, y)
        self._drag = None
        if number is not None:
            pair = self._session.labels.pair(number)
            at = pair.reference_xy if self._page.view.is_reference(name) else pair.moving_xy
            self._drag = (name, number, np.array([x, y]), np.array(at))
            self._page.view.selected = number

    def _pull(self, x: float, y: float) -> None:
        if self._drag is None:
            return
        self._latest = (x, y)
        # Many events wait while one is shown: only the last of them counts.
        if not self._scheduled:
            self._scheduled = True
            self._page.document.add_next_tick_callback(lambda: self._page.guarded(self._preview))

    def _preview(self) -> None:
        self._scheduled = False
        if self._drag is not None and self._latest is not None:
            name, number, place = self._pulled(*self._latest)
            self._session.preview(number, **place)
            self._page.preview(name)

    def _release(self, x: float, y: float) -> None:
        if self._drag is not None:
            _, number, place = self._pulled(x, y)
            self._drag = self._latest = None
            self._page.change(lambda: self._session.move(number, **place))

    def _pulled(self, x: float, y: float) -> tuple[str, int, dict[str, Any]]:
        assert self._drag is not None
        name, number, start, at = self._drag
        place = at + np.array([x, y]) - start
        return name, number, {"reference_xy" if self._page.view.is_reference(name) else "moving_xy": place}

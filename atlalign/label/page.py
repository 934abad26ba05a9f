"""The page of one tab: what a person does with mouse and keys becomes changes of the session."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from bokeh.core.templates import get_env
from bokeh.document import Document
from bokeh.events import DocumentReady, Pan, PanEnd, PanStart, Tap
from bokeh.models import CustomJS, Div

from atlalign.errors import one_line
from atlalign.label import words
from atlalign.label.controls import METHOD_NAMES, PALETTES, Controls
from atlalign.label.keyboard import KEYS, commands_by_key, shown
from atlalign.label.labels import METHODS, STATES
from atlalign.label.session import LabelSession
from atlalign.label.view import View
from atlalign.label.workspace import Workspace

_TEMPLATE = Path(__file__).with_name("page.html")
_SCRIPT = Path(__file__).with_name("page.js")

_ON_TOLD = """
const [what, ...rest] = cb_obj.text.split(" ")
if (what == "goto") window.location.search = "?section=" + encodeURIComponent(rest.join(" "))
if (what == "class") document.body.classList.toggle("swapped", rest[0] == "swapped")
"""


class Page:
    """One tab: it shows one section of a workspace, and saves every change at once.

    Parameters
    ----------
    document : Document
        What the tab shows.
    workspace : Workspace
        What all tabs share.
    name : str
        The section to begin with.
    """

    def __init__(self, document: Document, workspace: Workspace, name: str):
        self.document, self.workspace = document, workspace
        self.section = workspace.folder.section(name)
        subject = workspace.load(self.section)
        self.session = LabelSession(subject, self.section.initial(subject), self._save)
        self.controls = Controls(subject.extent_um, workspace.step_um)
        self.controls.keep_in(workspace.settings)
        self._show_labels()
        self.view = View(self.session, self.controls)
        self._blends: list[float] = workspace.settings.setdefault("blends", [0.0, self.controls.blend.value])
        self._blend = 1 if self._blends[1] == self.controls.blend.value else 0
        self._drag: tuple[str, int, np.ndarray, np.ndarray] | None = None
        self._latest: tuple[float, float] | None = None
        self._scheduled = self._setting = False
        self._commands = self._named_commands()
        workspace.current = self
        self._connect()
        self._fill()

    # What a person does -------------------------------------------------------------------------------------------

    def run(self, command: str) -> None:
        """Do what a key or a button asks for; what goes wrong is said on the page."""
        name, _, argument = command.partition(":")
        if name not in self._commands:
            self.say(f"A command must be one of the page's. Received: {command[:80]!r}.", "bad")
            return
        self._guarded(lambda: self._commands[name](argument))

    def say(self, text: str, kind: str = "") -> None:
        """Show a line of news: `kind` is "", "good" or "bad"."""
        self.controls.words["message"].text = words.message(text, kind)

    def _guarded(self, action: Callable[[], Any]) -> None:
        if self.workspace.current is not self:
            self.say("This page was opened again in another tab: go on there, or reload this one.", "bad")
            return
        try:
            action()
        except (ValueError, KeyError, OSError) as error:
            text = error.args[0] if isinstance(error, KeyError) and error.args else error
            self.say(one_line(text), "bad")
            self.session.end_preview()
            self.refresh()

    def _named_commands(self) -> dict[str, Callable[[str], Any]]:
        session = self.session
        checks = self.controls.checks

        def toggle(name: str) -> Callable[[str], None]:
            def flip(_: str) -> None:
                checks[name].active = not checks[name].active

            return flip

        return {
            "undo": lambda _: self._change(session.undo),
            "redo": lambda _: self._change(session.redo),
            "accept": lambda _: self._accept(),
            "escape": lambda _: self._escape(),
            "delete": lambda _: self._delete(),
            "select": lambda number: self._select(int(number)),
            "select-next": lambda _: self._select_beside(1),
            "select-previous": lambda _: self._select_beside(-1),
            "nudge": self._nudge,
            "reset": lambda _: self._change(session.reset),
            "method-next": lambda _: self._next_method(),
            "toggle-blend": lambda _: self._toggle_blend(),
            "blend": lambda by: self._set_blend(self.controls.blend.value + float(by)),
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
            "write": lambda _: self.workspace.write(self.section, session.subject),
            "dataset": lambda _: self._add_to_dataset(),
            "visualign": lambda _: self.workspace.write_visualign(),
            **{name: toggle(name) for name in checks},
        }

    def _accept(self) -> None:
        pair = self.view.predicted_pair()
        if pair is not None:
            self.view.pending = None
            self._change(lambda: self._select_only(self.session.add(*pair)))

    def _escape(self) -> None:
        self.view.pending = self.view.selected = None
        self.refresh(fields=False)

    def _delete(self) -> None:
        if self.view.pending is not None:
            self._escape()
        elif self.view.selected is not None:
            number, self.view.selected = self.view.selected, None
            self._change(lambda: self.session.delete([number]))
        else:
            self.say("To delete a pair, select it first: click on it, or on its line in the table.")

    def _select(self, number: int) -> None:
        self._select_only(self.session.labels.pair(number).number)
        self.refresh(fields=False)

    def _select_only(self, number: int) -> None:
        self.view.selected = number

    def _select_beside(self, by: int) -> None:
        numbers = [pair.number for pair in self.session.labels.pairs]
        if numbers:
            here = numbers.index(self.view.selected) if self.view.selected in numbers else (-1 if by > 0 else 0)
            self._select(numbers[(here + by) % len(numbers)])

    def _nudge(self, by: str) -> None:
        if self.view.selected is not None:
            pair = self.session.labels.pair(self.view.selected)
            place = np.array(pair.reference_xy) + [float(value) for value in by.split(",")]
            self._change(lambda: self.session.move(pair.number, reference_xy=place))

    def _next_method(self) -> None:
        here = METHODS.index(self.session.labels.method)
        self.controls.method.value = METHODS[(here + 1) % len(METHODS)]

    def _toggle_blend(self) -> None:
        self._blend = 1 - self._blend
        self.controls.blend.value = self._blends[self._blend]

    def _set_blend(self, value: float) -> None:
        self.controls.blend.value = round(min(max(value, 0.0), 1.0), 2)

    def _swap(self) -> None:
        self.view.swapped = not self.view.swapped
        self.controls.told.text = f"class {'swapped' if self.view.swapped else ''}"
        self.refresh()

    def _zoom_reset(self) -> None:
        panel = self.view.panels["section"]
        for axis, whole in zip(panel.ranges, panel.whole, strict=True):
            axis.update(start=whole[0], end=whole[1])

    def _next_palette(self, name: str) -> None:
        names = list(PALETTES)
        select = self.controls.palettes[name]
        select.value = names[(names.index(select.value) + 1) % len(names)]

    def _threshold(self, argument: str) -> None:
        name, end, by = argument.split(",")
        slider = self.controls.thresholds[name]
        low, high = slider.value
        low, high = (low + int(by), high) if end == "low" else (low, high + int(by))
        slider.value = (min(max(low, 0), 254), min(max(high, 1), 255))

    def _move_plane(self, by: int) -> None:
        plane = self.session.subject.plane_of(self.session.labels)
        if plane is None:
            self.say("Two pictures have no position in an atlas.")
            return
        self._change(lambda: self.session.set_position(plane.position_um + by * self.workspace.step_um))

    def _set_state(self, state: str) -> None:
        if state not in STATES:
            raise ValueError(f"A state must be one of {', '.join(STATES)}. Received: {state[:40]!r}")
        self._change(lambda: self.session.set_state(state), fields=False)

    def _add_to_dataset(self) -> None:
        if self.session.labels.state == "rejected":
            raise ValueError("A rejected section is in no dataset. Received: state rejected. Call it corrected first.")
        self.session.set_state("corrected")
        self.refresh(fields=False)
        self.workspace.write_dataset()

    def _go_beside(self, by: int) -> None:
        names = [section.name for section in self.workspace.folder.sections]
        there = names.index(self.section.name) + by
        if 0 <= there < len(names):
            self._go(names[there])
        else:
            self.say("This is the last section." if by > 0 else "This is the first section.")

    def _go(self, name: str) -> None:
        section = self.workspace.folder.section(name)
        if section.name != self.section.name:
            self.workspace.write_if_needed(self.section, self.session.subject)
            self.controls.told.text = f"goto {section.name}"

    def _change(self, change: Callable[[], Any], *, fields: bool = True) -> None:
        change()
        self.refresh(fields=fields)
        self.say("Saved.")

    # Points under the mouse ---------------------------------------------------------------------------------------

    def _near(self, name: str, x: float, y: float) -> int | None:
        """Return the pair within reach of a place of a panel."""
        labels, panel = self.session.labels, self.view.panels[name]
        best, least = None, panel.reach()
        for pair in labels.pairs:
            at = pair.reference_xy if self.view.is_reference(name) else pair.moving_xy
            far = float(np.hypot(at[0] - x, at[1] - y))
            if far <= least:
                best, least = pair.number, far
        return best

    def _tap(self, name: str, x: float, y: float) -> None:
        number = self._near(name, x, y)
        if number is not None:
            self._select(number)
        elif name == "overlay":
            self.view.pending = None
            reference = (x, y) if self.view.is_reference(name) else self.session.reference_point((x, y))
            self._change(lambda: self._select_only(self.session.add(reference)))
        elif self.view.pending is not None and self.view.pending[0] != name:
            _, other_x, other_y = self.view.pending
            pair = ((x, y), (other_x, other_y)) if name == "atlas" else ((other_x, other_y), (x, y))
            self.view.pending = None
            self._change(lambda: self._select_only(self.session.add(*pair)))
        else:
            self.view.pending, self.view.selected = (name, x, y), None
            self.refresh(fields=False)
            other = "atlas" if name == "section" else "section"
            self.say(f"Now click the same place in the {other}, or press Enter.")

    def _press(self, name: str, x: float, y: float) -> None:
        number = self._near(name, x, y)
        self._drag = None
        if number is not None:
            pair = self.session.labels.pair(number)
            at = pair.reference_xy if self.view.is_reference(name) else pair.moving_xy
            self._drag = (name, number, np.array([x, y]), np.array(at))
            self.view.selected = number

    def _pull(self, x: float, y: float) -> None:
        if self._drag is None:
            return
        self._latest = (x, y)
        # Many events wait while one is shown: only the last of them counts.
        if not self._scheduled:
            self._scheduled = True
            self.document.add_next_tick_callback(lambda: self._guarded(self._preview))

    def _preview(self) -> None:
        self._scheduled = False
        if self._drag is not None and self._latest is not None:
            name, number, place = self._pulled(*self._latest)
            self.session.preview(number, **place)
            warp = self.view.preview(name)
            self._show_figures(
                {"without_folds": warp.percent_without_folds, "mean_displacement": warp.field.average_displacement}
            )

    def _release(self, x: float, y: float) -> None:
        if self._drag is not None:
            _, number, place = self._pulled(x, y)
            self._drag = self._latest = None
            self._change(lambda: self.session.move(number, **place))

    def _pulled(self, x: float, y: float) -> tuple[str, int, dict[str, Any]]:
        assert self._drag is not None
        name, number, start, at = self._drag
        place = at + np.array([x, y]) - start
        return name, number, {"reference_xy" if self.view.is_reference(name) else "moving_xy": place}

    # What the page shows ------------------------------------------------------------------------------------------

    def refresh(self, *, fields: bool = True) -> None:
        """Show everything as it is; without `fields`, points and words only."""
        numbers = {pair.number for pair in self.session.labels.pairs}
        self.view.selected = self.view.selected if self.view.selected in numbers else None
        self._show_labels()
        if fields:
            self.view.refresh()
        else:
            self.view.show_points()
        self._fill()

    def _show_labels(self) -> None:
        """Set the widgets as the labels are, without taking that for a person's hand."""
        labels, controls = self.session.labels, self.controls
        self._setting = True
        controls.method.value = labels.method
        controls.checks["symmetric"].active = labels.symmetric
        controls.checks["hold"].active = labels.hold
        if controls.note.value_input != labels.note:  # else it is being written: the next letter would be lost
            controls.note.update(value=labels.note, value_input=labels.note)
        plane = self.session.subject.plane_of(labels)
        if plane is not None:
            controls.position.value = min(max(plane.position_um, 0), controls.position.end)
        self._setting = False

    def _fill(self) -> None:
        labels, texts = self.session.labels, self.controls.words
        self.workspace.seen(self.section.name, labels)
        lines = self.workspace.lines()
        names = [line.name for line in lines]
        plane = self.session.subject.plane_of(labels)
        position = None if plane is None else plane.position_um
        here = names.index(self.section.name) + 1
        texts["title"].text = words.title(self.section.name, here, len(lines), position, self.workspace.person)
        texts["sections"].text = words.list_of_sections(lines, self.section.name)
        texts["states"].text = words.state_buttons(labels.state)
        texts["pairs"].text = words.table_of_pairs(labels, self.view.residuals, self.view.selected)
        self._show_figures({})

    def _show_figures(self, previewed: dict[str, float | None]) -> None:
        numbers = self.session.numbers() | previewed
        if previewed:
            numbers["mean_displacement_um"] = None
        self.controls.words["figures"].text = words.figures(numbers, self.session.shown)

    def _save(self, labels: Any) -> None:
        self.section.save(self.workspace.person, labels, self.session.subject)

    def tell(self, text: str, kind: str) -> None:
        """Say what work beside the page has come to; may be called from another thread."""
        self.document.add_next_tick_callback(lambda: self.say(text, kind))

    # Wires --------------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        for name, panel in self.view.panels.items():
            wires: list[tuple[type, Callable[[str, float, float], Any]]] = [
                (Tap, self._tap),
                (PanStart, self._press),
                (Pan, lambda _, x, y: self._pull(x, y)),
                (PanEnd, lambda _, x, y: self._release(x, y)),
            ]
            for event, react in wires:
                panel.figure.on_event(event, self._reaction(react, name))
        controls = self.controls
        controls.command.on_change("text", lambda _, __, text: self.run(text.rpartition("#")[0]))
        self._wire(controls.method, "value", lambda value: self.session.set_method(value))
        self._wire(controls.note, "value_input", lambda value: self.session.set_note(value), fields=False)
        self._wire(controls.checks["symmetric"], "active", lambda on: self.session.set_symmetric(on), fields=False)
        self._wire(controls.checks["hold"], "active", lambda on: self.session.set_hold(on))
        self._wire(controls.position, "value_throttled", lambda value: self.session.set_position(value))
        controls.position.on_change("value", lambda _, __, value: self._preview_position(value))
        controls.blend.on_change("value", lambda _, __, value: self._remember_blend(value))
        self._wire_visibility()
        controls.told.js_on_change("text", CustomJS(code=_ON_TOLD))

    def _reaction(self, react: Callable[[str, float, float], Any], name: str) -> Callable[[Any], None]:
        def on_event(event: Any) -> None:
            if event.x is not None and event.y is not None:
                self._guarded(lambda: react(name, float(event.x), float(event.y)))

        return on_event

    def _wire(self, widget: Any, attribute: str, change: Callable[[Any], Any], *, fields: bool = True) -> None:
        def on_change(_: str, __: Any, value: Any) -> None:
            if not self._setting:
                self._guarded(lambda: self._change(lambda: change(value), fields=fields))

        widget.on_change(attribute, on_change)

    def _wire_visibility(self) -> None:
        checks, panels = self.controls.checks, self.view.panels
        for panel in panels.values():
            checks["outlines"].js_link("active", panel.outline_renderer, "visible")
        panels["overlay"].grid_renderer.visible = False
        checks["grid"].js_link("active", panels["overlay"].grid_renderer, "visible")
        checks["arrows"].js_link("active", panels["overlay"].arrows, "visible")
        checks["grid"].on_change("active", lambda _, __, ___: self._guarded(self.refresh))

    def _preview_position(self, value: float) -> None:
        if not self._setting:
            self._guarded(lambda: self.view.preview_plane(self.session.subject.plane_at(value)))

    def _remember_blend(self, value: float) -> None:
        self._blends[self._blend] = value

    # The document -------------------------------------------------------------------------------------------------

    def fill_document(self) -> None:
        """Put figures, widgets and words into the document."""
        document = self.document
        document.title = f"{self.section.name} · atlalign label"
        document.template = get_env().from_string(_TEMPLATE.read_text(encoding="utf-8"))
        groups: dict[str, list] = {}
        for line in KEYS:
            groups.setdefault(line.group, []).append(([shown(key) for key in line.keys], line.meaning))
        height, width = self.session.subject.shape
        document.template_variables.update(
            groups=groups,
            aspect=width / height,
            has_atlas=self.session.subject.extent_um is not None,
            methods=METHOD_NAMES,
        )
        for panel in self.view.panels.values():
            document.add_root(panel.figure)
        for root in self.controls.roots:
            document.add_root(root)
        script = CustomJS(
            args={"command": self.controls.command, "keys": commands_by_key()},
            code=_SCRIPT.read_text(encoding="utf-8"),
        )
        document.js_on_event(DocumentReady, script)


def fill_with_problem(document: Document, text: str, lines: Sequence[words.Line]) -> None:
    """Say in words why a section cannot be shown, and which others there are."""
    document.title = "atlalign label"
    others = "".join(f'<li><a href="?section={quote(line.name)}">{html.escape(line.name)}</a></li>' for line in lines)
    document.add_root(
        Div(
            name="problem",
            text=f"<h2>This section cannot be shown</h2><p>{html.escape(text)}</p><ul>{others}</ul>",
            styles={"font": "16px/1.5 system-ui, sans-serif", "max-width": "46rem", "margin": "3rem auto"},
        )
    )

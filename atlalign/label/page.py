"""The page of one tab: what a person does with mouse and keys becomes changes of the session."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bokeh.core.templates import get_env
from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.models import CustomJS, Div

from atlalign.errors import one_line
from atlalign.label import words
from atlalign.label.commands import Commands
from atlalign.label.controls import METHOD_NAMES, Controls
from atlalign.label.gestures import Gestures
from atlalign.label.keyboard import KEYS, commands_by_key, shown
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
        self._setting = False
        self._commands, self._gestures = Commands(self), Gestures(self)
        workspace.current = self
        self._connect()
        self._fill()

    def run(self, command: str) -> None:
        """Do what a key or a button asks for."""
        self.guarded(lambda: self._commands.run(command))

    def select(self, number: int) -> None:
        """Select a pair; `refresh` shows it."""
        self.view.selected = self.session.labels.pair(number).number

    def say(self, text: str, kind: str = "") -> None:
        """Show a line of news: `kind` is "", "good" or "bad"."""
        self.controls.words["message"].text = words.message(text, kind)

    def guarded(self, action: Callable[[], Any]) -> None:
        """Do something, unless another tab has taken over; what goes wrong is said on the page."""
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

    def change(self, change: Callable[[], Any], *, fields: bool = True) -> None:
        """Change the session, and show what came of it; without `fields`, points and words only."""
        change()
        self.refresh(fields=fields)
        self.say("Saved.")

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

    def preview(self, dragging: str) -> None:
        """Show what is being dragged in a panel."""
        warp = self.view.preview(dragging)
        self._show_figures(
            {
                "without_folds": warp.percent_without_folds,
                "mean_displacement": warp.field.average_displacement,
                "mean_displacement_um": None,
            }
        )

    def _show_figures(self, previewed: dict[str, float | None]) -> None:
        numbers = self.session.numbers() | previewed
        self.controls.words["figures"].text = words.figures(numbers, self.session.shown)

    def _save(self, labels: Any) -> None:
        self.section.save(self.workspace.person, labels, self.session.subject)

    def tell(self, text: str, kind: str) -> None:
        """Say what work beside the page has come to; may be called from another thread."""
        self.document.add_next_tick_callback(lambda: self.say(text, kind))

    # Wires --------------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._gestures.connect()
        controls = self.controls
        controls.command.on_change("text", lambda _, __, text: self.run(text.rpartition("#")[0]))
        self._wire(controls.method, "value", lambda value: self.session.set_method(value))
        self._wire(controls.note, "value_input", lambda value: self.session.set_note(value), fields=False)
        self._wire(controls.checks["symmetric"], "active", lambda on: self.session.set_symmetric(on), fields=False)
        self._wire(controls.checks["hold"], "active", lambda on: self.session.set_hold(on))
        self._wire(controls.position, "value_throttled", lambda value: self.session.set_position(value))
        controls.position.on_change("value", lambda _, __, value: self._preview_position(value))
        controls.blend.on_change("value", lambda _, __, value: self._commands.remember_blend(value))
        self._wire_visibility()
        controls.told.js_on_change("text", CustomJS(code=_ON_TOLD))

    def _wire(self, widget: Any, attribute: str, change: Callable[[Any], Any], *, fields: bool = True) -> None:
        def on_change(_: str, __: Any, value: Any) -> None:
            if not self._setting:
                self.guarded(lambda: self.change(lambda: change(value), fields=fields))

        widget.on_change(attribute, on_change)

    def _wire_visibility(self) -> None:
        checks, panels = self.controls.checks, self.view.panels
        for panel in panels.values():
            checks["outlines"].js_link("active", panel.outline_renderer, "visible")
        panels["overlay"].grid_renderer.visible = False
        checks["grid"].js_link("active", panels["overlay"].grid_renderer, "visible")
        checks["arrows"].js_link("active", panels["overlay"].arrows, "visible")
        checks["grid"].on_change("active", lambda _, __, ___: self.guarded(self.refresh))

    def _preview_position(self, value: float) -> None:
        if not self._setting:
            self.guarded(lambda: self.view.preview_plane(self.session.subject.plane_at(value)))

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

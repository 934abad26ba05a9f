"""The controls of the page: Bokeh widgets in the page's own style."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bokeh.models import (
    Checkbox,
    CustomJS,
    Div,
    LinearColorMapper,
    RangeSlider,
    Select,
    Slider,
    TextAreaInput,
)
from bokeh.palettes import Cividis256, Greys256, Inferno256, Viridis256

from atlalign.label.labels import METHODS, Method

METHOD_NAMES: dict[Method, str] = {
    "thin_plate_spline": "thin plate",
    "rbf_linear": "rbf, linear",
    "rbf_cubic": "rbf, cubic",
    "rbf_quintic": "rbf, quintic",
    "rbf_multiquadric": "rbf, multiquadric",
    "rbf_inverse": "rbf, inverse multiquadric",
    "rbf_gaussian": "rbf, Gaussian",
    "griddata_linear": "griddata, linear",
    "griddata_cubic": "griddata, cubic",
}


def _tinted(red: int, green: int, blue: int) -> tuple[str, ...]:
    """Return a palette from black over a colour to white."""
    steps = []
    for i in range(256):
        light = [min(255, round(channel * i / 170)) if i < 170 else channel for channel in (red, green, blue)]
        white = max(0, (i - 170) / 85)
        mixed = [round(channel + white * (255 - channel)) for channel in light]
        steps.append("#{:02x}{:02x}{:02x}".format(*mixed))
    return tuple(steps)


PALETTES: dict[str, tuple[str, ...]] = {
    "grey": tuple(Greys256),
    "inverted": tuple(reversed(Greys256)),
    "amber": _tinted(255, 170, 60),
    "cyan": _tinted(60, 190, 255),
    "green": _tinted(90, 230, 120),
    "magenta": _tinted(255, 90, 200),
    "inferno": tuple(Inferno256),
    "viridis": tuple(Viridis256),
    "cividis": tuple(Cividis256),
}

# Text, since a style sheet that is a model belongs to one document.
_STYLE = """
:host { color: var(--ink); font: 12px/1.35 var(--font); width: 100%; }
.bk-input { background: var(--field); color: var(--ink); border: 1px solid var(--line); border-radius: 5px;
  font: inherit; min-height: 26px; padding: 2px 7px; }
.bk-input:focus { border-color: var(--accent); box-shadow: none; }
textarea.bk-input { padding: 6px 8px; resize: none; }
label, .bk-slider-title { color: var(--soft); font: inherit; }
.bk-slider-value { color: var(--ink); font-weight: 600; }
.noUi-target { background: var(--field); border: 0; box-shadow: none; }
.noUi-connect { background: var(--accent); }
.noUi-horizontal { height: 5px !important; border-radius: 3px; }
.noUi-horizontal .noUi-handle { width: 13px !important; height: 13px !important; top: -4px !important;
  right: -7px !important; border-radius: 50%; border: 0; background: var(--ink); box-shadow: 0 0 0 2px var(--panel); }
.noUi-handle:hover { background: #fff; }
.noUi-handle::before, .noUi-handle::after { display: none; }
input[type=checkbox] { accent-color: var(--accent); width: 14px; height: 14px; margin: 0 6px 0 0; }
.bk-input-group > label, label.bk-label { margin-bottom: 2px; }
"""


class Controls:
    """Everything that a person sets with a mouse, and the places for words.

    Parameters
    ----------
    extent_um : float or None
        Length of the atlas, for the slider of the position; None hides it.
    step_um : float
        Distance of its planes.
    """

    def __init__(self, extent_um: float | None, step_um: float):
        def slider(name: str, title: str, start: float, end: float, value: float, step: float) -> Slider:
            return Slider(name=name, title=title, start=start, end=end, value=value, step=step, **_LOOK)

        self.blend = slider("blend", "Section over atlas", 0, 1, 0.6, 0.01)
        end = extent_um or 1.0
        self.position = slider("position", "Position, µm", 0, end - step_um, 0, step_um)
        self.position.update(visible=extent_um is not None, format="0")
        self.thresholds = {
            name: RangeSlider(
                name=f"{name}-thresholds",
                start=0,
                end=255,
                value=(0, 255),
                step=1,
                show_value=False,
                **_LOOK,
            )
            for name in ("section", "atlas")
        }
        self.palettes = {
            name: Select(name=f"{name}-palette", value="grey", options=list(PALETTES), **_LOOK)
            for name in ("section", "atlas")
        }
        self.mappers = {
            name: LinearColorMapper(palette=list(PALETTES["grey"]), low=0, high=255) for name in ("section", "atlas")
        }
        self.method = Select(
            name="method",
            title="Interpolation",
            value=METHODS[0],
            options=[(method, METHOD_NAMES[method]) for method in METHODS],
            **_LOOK,
        )
        self.checks = {
            name: Checkbox(name=name, label=label, active=active, **_LOOK)
            for name, label, active in (
                ("outlines", "outlines", True),
                ("grid", "warped grid and folds", False),
                ("arrows", "arrows", True),
                ("symmetric", "mirror pairs left-right", False),
                ("hold", "automatic points hold", True),
            )
        }
        self.note = TextAreaInput(name="note", placeholder="Note on this section", rows=4, **_LOOK)
        self.words = {
            name: Div(name=name, text="", disable_math=True, margin=0, sizing_mode="stretch_both", stylesheets=[_WORDS])
            for name in ("sections", "states", "figures", "pairs", "title", "message")
        }
        # Through the first the page says what was pressed; through the second it is told how to look.
        self.command = Div(name="command", text="", visible=False)
        self.told = Div(name="told", text="", visible=False)
        for name, mapper in self.mappers.items():
            self.thresholds[name].js_on_change("value", _thresholds_to(self.thresholds[name], mapper))
            self.palettes[name].on_change("value", self._repaint(name))

    def _repaint(self, name: str) -> Callable[[str, str, str], None]:
        def repaint(attribute: str, old: str, new: str) -> None:
            self.mappers[name].palette = list(PALETTES[new])

        return repaint

    def keep_in(self, settings: dict[str, Any]) -> None:
        """Set the look as it was, and keep what becomes of it."""
        looks: list[tuple[str, Any, str]] = [
            ("blend", self.blend, "value"),
            *((f"{name} thresholds", slider, "value") for name, slider in self.thresholds.items()),
            *((f"{name} palette", select, "value") for name, select in self.palettes.items()),
            *((name, self.checks[name], "active") for name in ("outlines", "grid", "arrows")),
        ]
        for key, widget, attribute in looks:
            if key in settings:
                setattr(widget, attribute, settings[key])
            widget.on_change(attribute, lambda _, __, value, key=key: settings.__setitem__(key, value))
        for name, mapper in self.mappers.items():
            mapper.low, mapper.high = self.thresholds[name].value
            mapper.palette = list(PALETTES[self.palettes[name].value])

    @property
    def roots(self) -> list:
        """All of them, for the document."""
        return [
            self.blend,
            self.position,
            *self.thresholds.values(),
            *self.palettes.values(),
            self.method,
            *self.checks.values(),
            self.note,
            *self.words.values(),
            self.command,
            self.told,
        ]


def _thresholds_to(slider: RangeSlider, mapper: LinearColorMapper) -> CustomJS:
    return CustomJS(
        args={"slider": slider, "mapper": mapper},
        code="mapper.low = slider.value[0]; mapper.high = Math.max(slider.value[1], slider.value[0] + 1)",
    )


_WORDS = """
:host { color: var(--ink); font: 12px/1.4 var(--font); overflow: auto; scrollbar-width: thin;
  scrollbar-color: var(--line) transparent; }
:host > div, .bk-clearfix { width: 100%; height: 100%; }
ol, ul { list-style: none; margin: 0; padding: 0; }
[data-command] { cursor: pointer; }
button { font: inherit; color: var(--ink); background: var(--field); border: 1px solid var(--line); border-radius: 5px;
  padding: 4px 8px; }
button:hover, li[data-command]:hover, tr[data-command]:hover { background: var(--hover); }
button.on { background: var(--accent); border-color: var(--accent); color: #06121c; font-weight: 600; }
button.on.bad { background: var(--bad); border-color: var(--bad); color: #fff; }
button:disabled { opacity: .4; cursor: default; }
.row { display: flex; gap: 3px; } .row button { flex: 1 1 auto; padding: 3px 0; font-size: 11px; min-width: 0; }
.soft { color: var(--soft); }
li.section { display: flex; align-items: center; gap: 8px; padding: 5px 8px; border-radius: 5px; overflow: hidden; }
li.section b { font-weight: 500; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; direction: rtl;
  unicode-bidi: plaintext; text-align: left; }
li.section.here { background: var(--hover); box-shadow: inset 2px 0 var(--accent); }
.dot { flex: none; width: 9px; height: 9px; border-radius: 50%; border: 1.5px solid var(--soft); }
.dot.corrected { background: var(--good); border-color: var(--good); }
.dot.rejected { background: var(--bad); border-color: var(--bad); }
.noted::after { content: "✎"; margin-left: auto; color: var(--soft); }
dl { margin: 0; }
dl div { display: flex; justify-content: space-between; gap: 6px; white-space: nowrap; padding: 1px 0; }
dt { color: var(--soft); } dd { margin: 0; font-variant-numeric: tabular-nums; font-weight: 600; }
dd.bad { color: var(--bad); } dd.good { color: var(--good); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 11.5px; }
th { text-align: left; font-weight: 500; color: var(--soft); position: sticky; top: 0; background: var(--panel); }
th, td { padding: 3px 3px; white-space: nowrap; } td.n, th.n { text-align: right; }
tr.here td { background: var(--hover); } td.bad { color: var(--bad); font-weight: 600; }
.swatch { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 6px; }
.title b { font-size: 15px; font-weight: 600; min-width: 0; overflow: hidden; text-overflow: ellipsis; }
.title span { flex: none; } .title { display: flex; gap: 14px; align-items: center;
  height: 100%; white-space: nowrap; overflow: hidden; }
.message { display: block; line-height: 24px; text-align: right; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
.message.bad { color: #ff9d9d; white-space: normal; line-height: 1.2; } .message.good { color: var(--good); }
"""

_LOOK = {"sizing_mode": "stretch_width", "margin": 0, "stylesheets": [_STYLE]}

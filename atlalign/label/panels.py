"""The three panels of the page: Bokeh figures that share their zoom, and the sources that feed them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    Arrow,
    ColumnDataSource,
    CustomJS,
    LinearColorMapper,
    PanTool,
    PointDrawTool,
    Range1d,
    VeeHead,
    WheelZoomTool,
)
from bokeh.plotting import figure

from atlalign.label.labels import Pair
from atlalign.label.pictures import Outlines
from atlalign.label.words import colour_of, name_of

NEAR = 9  # screen px: a press nearer to a point takes hold of it

_COLUMNS = ("x", "y", "number", "name", "fill", "line", "size", "alpha", "label")
_MISSED = "#ff4d4d"
_GRID_PALETTE = ("#00000000", "#35e0ff70", "#ff2f2fd0")

# Whether a drag takes hold of a point or moves the view is decided where the pointer is before the button goes down.
_ON_MOVE = """
const {x, y} = cb_obj
const px = Math.abs(x_range.end - x_range.start) / plot.inner_width
const xs = points.data.x, ys = points.data.y
let near = false
for (let i = 0; i < xs.length && !near; i++)
    near = Math.hypot(xs[i] - x, ys[i] - y) < NEAR * px
if (draw.active != near) { if (near) draw.active = true; else { draw.active = false; pan.active = true } }
const image = structures.data.image[0], names = structures.data.names[0]
let name = ""
if (image != null && names.length) {
    const [rows, columns] = image.shape ?? [image.length, image[0].length]
    const row = Math.floor((y + 0.5) / height * rows), column = Math.floor((x + 0.5) / width * columns)
    if (row >= 0 && column >= 0 && row < rows && column < columns)
        name = names[image.shape ? image[row * columns + column] : image[row][column]]
}
const shown = document.getElementById("structure")
if (shown) shown.textContent = name || "\\u00a0"
""".replace("NEAR", str(NEAR))


class Panel:
    """One figure: an image or two, structures, grid, arrows and points.

    Parameters
    ----------
    name : {"section", "atlas", "overlay"}
    shape : (h, w)
        Of the canvas.
    ranges : (Range1d, Range1d), optional
        Those of another panel, to zoom together.
    mappers : sequence of LinearColorMapper
        One for each image, the lowest first.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, int],
        mappers: Sequence[LinearColorMapper],
        ranges: tuple[Range1d, Range1d] | None = None,
    ):
        self.name = name
        height, width = shape
        self.whole = (-0.5, width - 0.5), (height - 0.5, -0.5)  # y runs down
        x_range, y_range = ranges or (Range1d(*self.whole[0]), Range1d(*self.whole[1]))
        self.pan, wheel = PanTool(), WheelZoomTool(zoom_on_axis=False)
        self.figure = figure(
            name=name,
            x_range=x_range,
            y_range=y_range,
            tools=[self.pan, wheel],
            active_drag=self.pan,
            active_scroll=wheel,
            active_tap=None,
            toolbar_location=None,
            sizing_mode="stretch_both",
            min_border=0,
            background_fill_color="#000000",
            border_fill_color="#000000",
            outline_line_color=None,
            stylesheets=["* { --outline-style: none; }"],
        )
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        where: dict[str, Any] = {"x": -0.5, "y": -0.5, "dw": width, "dh": height}
        nothing = np.zeros((1, 1), dtype=np.uint8)
        self.images = [ColumnDataSource({"image": [nothing]}) for _ in mappers]
        self.image_renderers = [
            self.figure.image("image", source=source, color_mapper=mapper, **where)
            for source, mapper in zip(self.images, mappers, strict=True)
        ]
        self.grid = ColumnDataSource({"image": [nothing]})
        grid_mapper = LinearColorMapper(palette=list(_GRID_PALETTE), low=-0.5, high=2.5)
        self.grid_renderer = self.figure.image("image", source=self.grid, color_mapper=grid_mapper, **where)
        self.outlines = ColumnDataSource({"x": [], "y": [], "colour": []})
        self.outline_renderer = self.figure.multi_line(
            "x", "y", line_color="colour", line_width=1.2, line_alpha=0.85, source=self.outlines
        )
        self.structures = ColumnDataSource({"image": [np.zeros((1, 1), dtype=np.uint16)], "names": [[""]]})
        self._add_arrows()
        self._add_points(width, height)

    def _add_arrows(self) -> None:
        self.arrow_source = ColumnDataSource({name: [] for name in ("x0", "y0", "x1", "y1", "colour")})
        self.arrows = Arrow(
            end=VeeHead(size=8, fill_color="colour", line_color=None),
            x_start="x0",
            y_start="y0",
            x_end="x1",
            y_end="y1",
            line_color="colour",
            line_width=2,
            source=self.arrow_source,
        )
        self.figure.add_layout(self.arrows)

    def _add_points(self, width: int, height: int) -> None:
        self.points = ColumnDataSource({name: [] for name in _COLUMNS})
        renderer = self.figure.scatter(
            "x",
            "y",
            size="size",
            fill_color="fill",
            line_color="line",
            fill_alpha="alpha",
            line_width=1.5,
            source=self.points,
        )
        renderer.selection_glyph = renderer.nonselection_glyph = None
        names = self.figure.text(
            "x",
            "y",
            text="name",
            x_offset=8,
            y_offset=-6,
            text_color="line",
            text_font_size="11px",
            text_font_style="bold",
            text_baseline="bottom",
            background_fill_color="#000000",
            background_fill_alpha="label",
            padding=2,
            border_radius=3,
            source=self.points,
        )
        names.selection_glyph = names.nonselection_glyph = None
        self.draw = PointDrawTool(renderers=[renderer], add=False, drag=True)
        self.figure.add_tools(self.draw)
        code = CustomJS(
            args={
                "points": self.points,
                "structures": self.structures,
                "draw": self.draw,
                "pan": self.pan,
                "plot": self.figure,
                "x_range": self.figure.x_range,
                "width": width,
                "height": height,
            },
            code=_ON_MOVE,
        )
        self.figure.js_on_event("mousemove", code)

    @property
    def ranges(self) -> tuple[Range1d, Range1d]:
        """What is shown: x and y."""
        return self.figure.x_range, self.figure.y_range

    def reach(self) -> float:
        """Return `NEAR` in px of the canvas at the present zoom."""
        span = abs(self.figure.x_range.end - self.figure.x_range.start)
        return NEAR * span / (self.figure.inner_width or 500)

    def show_image(self, which: int, image: np.ndarray) -> None:
        """Show an image, uint8 (h, w), over the whole canvas."""
        self.images[which].data = {"image": [image]}

    def show_outlines(self, outlines: Outlines) -> None:
        """Show the outlines of structures."""
        lines = [line.astype(np.float32) for line in outlines.lines]
        self.outlines.data = {
            "x": [line[:, 0] for line in lines],
            "y": [line[:, 1] for line in lines],
            "colour": outlines.colours,
        }

    def show_structures(self, index: np.ndarray, names: list[str]) -> None:
        """Show the names of structures under the pointer."""
        self.structures.data = {"image": [index], "names": [names]}

    def show_grid(self, image: np.ndarray) -> None:
        """Show what `draw_grid` drew."""
        self.grid.data = {"image": [image]}

    def show_points(self, rows: dict[str, list], *, keep: bool = False) -> None:
        """Show points, unless this panel's own are being dragged."""
        if not keep:
            self.points.selected.indices = []
            self.points.data = rows

    def show_arrows(self, start: np.ndarray, end: np.ndarray, colours: list[str]) -> None:
        """Show arrows between points (n, 2)."""
        self.arrow_source.data = {
            "x0": start[:, 0].tolist(),
            "y0": start[:, 1].tolist(),
            "x1": end[:, 0].tolist(),
            "y1": end[:, 1].tolist(),
            "colour": colours,
        }


def point_rows(
    pairs: Sequence[Pair],
    places: np.ndarray,
    *,
    selected: int | None,
    missed: set[int],
    hold: bool,
    pending: tuple[float, float] | None = None,
    predicted: tuple[float, float] | None = None,
) -> dict[str, list]:
    """Return pairs as columns of a panel's points.

    Parameters
    ----------
    pairs : sequence of Pair
    places : ndarray, shape (n, 2)
        Where they are in this panel.
    selected : int or None
        The pair that is selected.
    missed : set of int
        Pairs that the field misses.
    hold : bool
        Whether automatic pairs count: else they are pale.
    pending, predicted : (x, y), optional
        The first point of a half pair, and the place that is proposed for its second one.

    Examples
    --------
    >>> rows = point_rows([Pair(1, (5, 4), (6, 4))], np.array([[5, 4]]), selected=1, missed=set(), hold=True)
    >>> rows["name"], rows["size"]
    (['1'], [15])
    """
    rows: dict[str, list] = {name: [] for name in _COLUMNS}

    def add(x: float, y: float, number: int, name: str, colour: str, line: str, size: int, alpha: float) -> None:
        label = 0.6 if name else 0.0  # how dark the ground of the name is
        for key, value in zip(rows, (float(x), float(y), number, name, colour, line, size, alpha, label), strict=True):
            rows[key].append(value)

    for pair, (x, y) in zip(pairs, places, strict=True):
        colour = colour_of(pair)
        line = "#ffffff" if pair.number == selected else _MISSED if pair.number in missed else colour
        if pair.automatic:
            add(x, y, pair.number, "", colour, line, 11 if pair.number == selected else 7, 0.35 if hold else 0.0)
        else:
            add(x, y, pair.number, name_of(pair.number), colour, line, 15 if pair.number == selected else 11, 0.85)
    for place, name, alpha in ((pending, "?", 0.85), (predicted, "⏎", 0.0)):
        if place is not None:
            add(*place, 0, name, "#ffffff", "#ffffff", 13, alpha)
    return rows

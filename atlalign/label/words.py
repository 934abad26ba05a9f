"""The words of the page as HTML: the list of sections, pairs, figures. Whatever comes from files is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

from atlalign.label.labels import STATES, Labels, Pair, State

FAR_PX = 0.5  # a residual beyond it is red

# Of pairs in turn, apart from each other and light enough for a black ground.
_COLOURS = ("#ffb000", "#4cc9f0", "#f472b6", "#a3e635", "#c084fc", "#fb7185", "#2dd4bf", "#facc15")
_AUTOMATIC = "#9fb0c3"


class Line(NamedTuple):
    """A section in the list.

    Attributes
    ----------
    name : str
    state : {"untouched", "corrected", "rejected"}
    note : str
    """

    name: str
    state: State
    note: str


def colour_of(pair: Pair) -> str:
    """Return the colour of a pair: its own where a person placed it.

    Examples
    --------
    >>> colour_of(Pair(1, (5, 4), (6, 4), automatic=True))
    '#9fb0c3'
    """
    return _AUTOMATIC if pair.automatic else _COLOURS[pair.number % len(_COLOURS)]


def name_of(number: int) -> str:
    """Return what the page calls a pair: those that were automatic begin with an a.

    Examples
    --------
    >>> name_of(3), name_of(-3)
    ('3', 'a3')
    """
    return str(number) if number > 0 else f"a{-number}"


def list_of_sections(lines: Sequence[Line], here: str) -> str:
    """Return the list of sections.

    Examples
    --------
    >>> "<b>&lt;s1&gt;</b>" in list_of_sections([Line("<s1>", "untouched", "")], "")
    True
    """
    items = []
    for line in lines:
        name = html.escape(line.name)
        classes = "section" + (" here" if line.name == here else "") + (" noted" if line.note else "")
        title = html.escape(f"{line.state}: {line.note}" if line.note else line.state)
        items.append(
            f'<li class="{classes}" data-command="goto:{name}" title="{title}">'
            f'<i class="dot {line.state}"></i><b>{name}</b></li>'
        )
    return f"<ol>{''.join(items)}</ol>"


def state_buttons(state: State) -> str:
    """Return a button for each state."""
    buttons = []
    for name in STATES:
        classes = ("on bad" if name == "rejected" else "on") if name == state else ""
        buttons.append(f'<button class="{classes}" data-command="state:{name}">{name}</button>')
    return f'<div class="row">{"".join(buttons)}</div>'


def figures(numbers: dict[str, float | None], labels: Labels) -> str:
    """Return the figures that a person steers by."""
    free = numbers["without_folds"] or 0.0
    moved, moved_um, worst = (numbers[name] for name in ("mean_displacement", "mean_displacement_um", "worst_residual"))
    length = f"{moved:.2f} px" if moved_um is None else f"{moved_um:.0f} µm"
    residual = "none" if worst is None else f"{worst:.2f} px"
    rows = [
        ("without folds", f"{_floored(free)} %", "good" if free == 100 else "bad"),
        ("mean displacement", length, ""),
        ("correction", f"{numbers['correction']:.2f} px", ""),
        ("worst residual", residual, "bad" if (worst or 0) > FAR_PX else ""),
        ("pairs placed", str(len(labels.placed)), ""),
        ("automatic", str(len(labels.pairs) - len(labels.placed)) + ("" if labels.hold else " (off)"), ""),
    ]
    lines = (f'<div><dt>{name}</dt><dd class="{classes}">{value}</dd></div>' for name, value, classes in rows)
    return f"<dl>{''.join(lines)}</dl>"


def table_of_pairs(labels: Labels, residuals: dict[int, float], selected: int | None) -> str:
    """Return the pairs that a person placed, with the residual of each."""
    if not labels.placed:
        held = len(labels.pairs)
        start = (
            f"The {held} grey points hold the automatic registration. Drag one, or click in the overlay to add a point "
            "and drag it."
            if held
            else "Click a place in the section and the same place in the atlas. Or click in the overlay, and drag."
        )
        return f'<p class="soft" style="margin:6px">{start}</p>'
    rows = []
    for pair in labels.placed:
        residual, here = residuals.get(pair.number, 0.0), "here" if pair.number == selected else ""
        x, y = pair.reference_xy
        bad = "bad" if residual > FAR_PX else ""
        twin = "" if pair.twin is None else f" ⇄ {name_of(pair.twin)}"
        rows.append(
            f'<tr class="{here}" data-command="select:{pair.number}"><td><i class="swatch" '
            f'style="background:{colour_of(pair)}"></i>{name_of(pair.number)}{twin}</td>'
            f'<td class="n">{x:.0f}, {y:.0f}</td><td class="n {bad}">{residual:.2f} px</td>'
            f"</tr>"
        )
    head = '<tr><th>pair</th><th class="n">at</th><th class="n">residual</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def title(name: str, number: int, n: int, position_um: float | None, person: str) -> str:
    """Return the heading of the page."""
    where = "" if position_um is None else f'<span class="soft">{position_um:,.0f} µm</span>'.replace(",", " ")
    which = f'<span class="soft">{number} of {n}</span>' if n > 1 else ""
    return (
        f'<div class="title"><b>{html.escape(name)}</b>{which}{where}'
        f'<span class="soft">by {html.escape(person)}</span></div>'
    )


def message(text: str, kind: str = "") -> str:
    """Return a line of news: `kind` is "", "good" or "bad"."""
    return f'<div class="message {kind}" title="{html.escape(text)}">{html.escape(text)}</div>'


def _floored(percent: float) -> str:
    """Return a percentage that is 100 only if nothing is missing."""
    return "100" if percent == 100 else f"{min(percent, 99.99):.2f}"

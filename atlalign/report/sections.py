"""What a report says of one section, as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from atlalign.plane_slopes import Tilt
from atlalign.registration.quality import QUANTITIES, flags
from atlalign.registration.result import Registration
from atlalign.registration.saved import SavedRegistration
from atlalign.report.pictures import (
    HeatMap,
    at_most,
    data_uri,
    draw_checkerboard,
    draw_curve,
    draw_map,
    draw_with_outlines,
)
from atlalign.report.views import Views, take_views

_THUMBNAIL, _OVERLAY = 300, 1200  # px
_BETWEEN = {"pixel_size": " x ", "position_search": " to "}
_LISTED = 4  # of more numbers the table gives a summary
_MARKS = {"higher": "higher is better", "lower": "lower is better", "": ""}


@dataclass(frozen=True)
class SectionPage:
    """A section's part of a report.

    Attributes
    ----------
    card : str
        HTML: what the index shows of it.
    body : str
        HTML: all of it.
    n_flags : int
    """

    card: str
    body: str
    n_flags: int


def section_page(registration: Registration | SavedRegistration, number: int) -> SectionPage:
    """Return the HTML of one section.

    Parameters
    ----------
    registration : Registration or SavedRegistration
    number : int
        Its number in the report, from 1.

    Examples
    --------
    >>> from atlalign import Atlas, register
    >>> atlas = Atlas.load("phantom:200")
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2), np.float32)
    >>> registration = register(atlas.reference_plane(6000), atlas, position_um=6000, local_model=nothing_to_do)
    >>> page = section_page(registration, 1)
    >>> page.n_flags, page.body.count("<figure>")
    (1, 6)
    """
    quality, views = registration.quality(), take_views(registration)
    sentences, structures = flags(quality), registration.atlas.structures
    name = html.escape(registration.section.name)
    after = draw_with_outlines(views.after, views.annotation, structures)
    breaking = name.replace("_", "_<wbr>")  # a narrow card breaks names of files between their words
    card = (
        f'<div class="card{" flagged" if sentences else ""}"><a href="#section-{number}">'
        f'<img alt="" src="{data_uri(at_most(after, _THUMBNAIL))}">{breaking}</a>'
        f'<div class="soft">{registration.canvas.plane.position_um:.0f} um</div>{_plain_list(sentences)}</div>\n'
    )
    figures = "\n".join(_figures(registration, views, after))
    body = (
        f'<section id="section-{number}">\n<h2>{name}</h2>\n'
        f'<p class="soft">{html.escape(_where(registration))}</p>\n{_flag_list(sentences)}\n'
        f'<div class="pictures">\n{figures}\n</div>\n{_table(quality)}\n</section>\n'
    )
    return SectionPage(card, body, len(sentences))


def _where(registration: Registration | SavedRegistration) -> str:
    canvas, atlas = registration.canvas, registration.atlas
    oblique = "" if canvas.plane.is_coronal else f", tilted by {Tilt.of(canvas.plane)}"
    spacing = " x ".join(f"{um:g}" for um in dict.fromkeys(atlas.resolution_um))
    parts = [
        f"At {canvas.plane.position_um:.0f} um of {atlas.shape_um[0]:g} um from the anterior end{oblique}",
        f"atlas {atlas.name} {atlas.version} ({spacing} um)",
        f"canvas of {canvas.shape[1]} x {canvas.shape[0]} px",
    ]
    if canvas.hemisphere != "both":
        parts.append(f"{canvas.hemisphere} hemisphere alone")
    return "; ".join(parts) + ". Pictures on the canvas are upright; their left is the animal's right."


def _figures(registration: Registration | SavedRegistration, views: Views, after: NDArray[np.uint8]) -> Iterator[str]:
    structures = registration.atlas.structures
    before = draw_with_outlines(views.before, views.annotation, structures)
    yield _figure(before, "Before", "the section as it was placed, with the structures where the atlas has them.")
    yield _figure(after, "After", "registered, with the same outlines.")
    board = draw_checkerboard(views.registered, views.reference)
    yield _figure(board, "Checkerboard", "squares of the registered section (grey) and the reference (blue).")
    reference = draw_with_outlines(views.reference, views.annotation, structures)
    yield _figure(reference, "Reference", "what the section was registered to.")
    displacement = draw_map(views.displacement_um, views.annotation, "viridis", views.folds)
    folds = " Red: folds." if views.folds.any() else ""
    yield _figure(displacement.picture, "Displacement", f"how far the field moves the tissue.{folds}", displacement)
    disagreement = registration.disagreement
    if disagreement is not None:
        map_um = cv2.resize(disagreement.map_um, views.annotation.shape[::-1], interpolation=cv2.INTER_NEAREST)
        heat = draw_map(map_um, views.annotation, "magma")
        n = len(disagreement.variations)
        text = f"how far the registrations of {n} variations of the section scatter, on the registered grid."
        yield _figure(heat.picture, "Disagreement", text, heat)
    overlay = at_most(views.overlay, _OVERLAY)
    yield _figure(overlay, "Outlines", "the section as its file has it, with the outlines of its structures.")
    if registration.search is not None:
        search = registration.search
        text = f"how well planes at other positions fit ({search.score_name}); the line is the position that was taken."
        yield _figure(draw_curve(search), "Position search", text)


def _figure(picture: NDArray[np.uint8] | str, title: str, text: str, heat: HeatMap | None = None) -> str:
    source = picture if isinstance(picture, str) else data_uri(picture)
    scale = ""
    if heat is not None:
        gradient = ", ".join(heat.colours)
        most = f"{heat.most:.0f} um and more" if heat.most else "0 um everywhere"
        scale = f'<div class="scale">0 <i style="background: linear-gradient(to right, {gradient})"></i> {most}</div>'
    caption = f"<figcaption><b>{title}:</b> {html.escape(text)}</figcaption>"
    return f'<figure><img src="{source}" alt="{title}">{scale}{caption}</figure>'


def _flag_list(sentences: list[str]) -> str:
    if not sentences:
        return "<p>Nothing was flagged. That is no proof: look at the outlines.</p>"
    return '<ul class="flags">' + "".join(f"<li>{html.escape(text)}</li>" for text in sentences) + "</ul>"


def _plain_list(sentences: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in sentences) + "</ul>" if sentences else ""


def _table(quality: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name, values in _paired(quality).items():
        known = QUANTITIES.get(name)
        unit = next(iter(values.values()))["unit"]
        title = known.title if known else name.replace("_", " ")
        meaning = "; ".join(text for text in ((known.meaning, _MARKS[known.better]) if known else ()) if text)
        flagged = ' class="flagged"' if any(entry["flag"] for entry in values.values()) else ""
        cells = [
            f'<td class="n">{_text(values[when]["value"], unit, name)}</td>'
            if when in values
            else '<td class="n"></td>'
            for when in ("before", "after")
        ]
        rows.append(
            f"<tr{flagged}><td>{html.escape(title)}</td>{''.join(cells)}<td>{html.escape(unit)}</td>"
            f'<td class="soft">{html.escape(meaning)}</td></tr>'
        )
    head = '<th>quantity</th><th class="n">before</th><th class="n">after</th><th>unit</th><th>meaning</th>'
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>"


def _paired(quality: dict[str, dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Gather ``NAME_before`` and ``NAME_after`` under their name; what is measured once stands under "after"."""
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for name, entry in quality.items():
        stem, _, when = name.rpartition("_")
        if when in ("before", "after"):
            rows.setdefault(stem, {})[when] = entry
        else:
            rows[name] = {"after": entry}
    return rows


def _text(value: Any, unit: str, name: str = "") -> str:
    if value is None:
        return "not known"
    if isinstance(value, list | tuple):
        if len(value) > _LISTED and all(isinstance(part, int | float) for part in value):
            return f"median {_text(float(np.median(value)), unit)}, most {_text(max(value), unit)} of {len(value)}"
        return _BETWEEN.get(name, ", ").join(_text(part, unit) for part in value) or "none"
    if isinstance(value, bool | str):
        return html.escape(str(value))
    if unit == "um":
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:.2g}" if unit == "percent" else f"{round(value, 3) + 0.0:.3f}"

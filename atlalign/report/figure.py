"""One figure of a registration, for folders of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from atlalign.registration import Registration

_FINER = 4  # outlines are drawn this much finer than the canvas, so that they do not hide it


def registration_figure(registration: Registration) -> Figure:
    """Draw a registration on its canvas: reference, section before and after, with the atlas's outlines.

    Parameters
    ----------
    registration : atlalign.Registration
        What to draw.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels: the reference; the section as placed on the plane; the section registered; the length of the
        field, in um, with its folds in red.

    Examples
    --------
    >>> from atlalign import Atlas, register
    >>> atlas = Atlas.load("phantom:100")
    >>> section = atlas.reference_plane(6000)
    >>> def five_to_the_left(reference, moving):
    ...     return np.broadcast_to(np.float32([5, 0]), (*reference.shape, 2))
    >>> registration = register(section, atlas, position_um=6000, pixel_size_um=100, local_model=five_to_the_left)
    >>> len(registration_figure(registration).axes)
    5
    """
    from matplotlib.figure import Figure

    canvas, field = registration.canvas, registration.field
    height, width = canvas.shape
    fine = registration.atlas.annotation_plane(canvas.plane, (_FINER * height, _FINER * width))
    outlines = _outlines(fine)
    aspect = canvas.pixel_um[1] / canvas.pixel_um[0]
    pictures = {
        "reference": registration.reference,
        "section before": registration.moving,
        "section registered": field.warp(registration.moving),
    }
    figure = Figure(figsize=(18, 3.6), layout="constrained")
    panels = figure.subplots(1, 4)
    for panel, (title, picture) in zip(panels, pictures.items(), strict=False):
        panel.imshow(picture, cmap="gray", vmin=0, vmax=1, aspect=aspect)
        panel.imshow(outlines, aspect=aspect, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
        panel.set_title(title)
    length_um = np.hypot(field.delta_x * canvas.pixel_um[0], field.delta_y * canvas.pixel_um[1])
    drawn = panels[3].imshow(length_um, cmap="viridis", aspect=aspect)
    folds = np.zeros((*length_um.shape, 4))
    folds[field.jacobian <= 0] = (1, 0, 0, 1)
    panels[3].imshow(folds, aspect=aspect)
    panels[3].set_title("displacement (um)")
    figure.colorbar(drawn, ax=panels[3])
    for panel in panels:
        panel.set_axis_off()
    return figure


def _outlines(annotation: np.ndarray) -> np.ndarray:
    """Borders between structures as an RGBA layer."""
    border = np.zeros(annotation.shape, bool)
    border[:, 1:] |= annotation[:, 1:] != annotation[:, :-1]
    border[1:] |= annotation[1:] != annotation[:-1]
    layer = np.zeros((*annotation.shape, 4))
    layer[border] = (1, 0.8, 0, 0.6)
    return layer

"""One labelled pair of a registered section: what a network is shown of it, and the field that it should find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from atlalign.base import DisplacementField
from atlalign.plane import Plane
from atlalign.quint.marker_warp import MarkerWarp
from atlalign.quint.markers import Markers
from atlalign.quint.turning import turn_upright
from atlalign.section import Canvas, Section
from atlalign.section.resampling import apply_affine, compose_affine, invert_affine

if TYPE_CHECKING:
    from atlalign.atlas import Atlas

PLACEMENTS = ("tissue", "anchoring")

# A section's size by its tissue and by its anchoring may differ by this factor: a hemisphere's do by less than 2.
_LARGEST_SCALE = 3.0


@dataclass(frozen=True, eq=False)
class LabelledSection:
    """A labelled pair, as a dataset stores it.

    Attributes
    ----------
    img : ndarray, uint8, (h, w)
        Moving image: the section on its canvas.
    deltas_xy, inv_deltas_xy : ndarray, float64, (h, w, 2)
        Fields moving -> registered and back, in px, each computed by itself from anchoring and markers.
    p : int
        Position of the plane's centre, um.
    corners_um : ndarray, (4, 3)
        Atlas corners of the reference plane: the whole slice, tilted as the section is.
    tissue_overlap : float
        Dice of the registered section's tissue and the atlas's.
    """

    img: np.ndarray
    deltas_xy: np.ndarray
    inv_deltas_xy: np.ndarray
    p: int
    corners_um: np.ndarray
    tissue_overlap: float


def label_section(
    section: Section,
    atlas: Atlas,
    plane: Plane,
    shape: tuple[int, int] | None = None,
    *,
    markers: Markers | None = None,
    place_by: str = "tissue",
) -> LabelledSection:
    """Make the labelled pair of a section whose place in the atlas is known.

    Parameters
    ----------
    section : Section
        Its pixel size, if it has one, counts as in `register` by position.
    atlas : Atlas
        Where the reference comes from.
    plane : Plane
        What the section's image covers in the atlas, edge to edge, as its anchoring says.
    shape : (h, w), optional
        Size of the pair, which covers the whole slice; the atlas's own grid by default.
    markers : Markers, optional
        How VisuAlign refined the anchoring.
    place_by : {"tissue", "anchoring"}
        Where the section lies on its canvas, and so what is left for the field. By its tissue, as `register` places
        it by position, after it was turned upright: the field holds anchoring and markers. By its anchoring, as
        `register` places it by plane: the field holds the markers alone.

    Returns
    -------
    LabelledSection

    Raises
    ------
    ValueError
        If the plane, or for "tissue" its centre, lies outside the atlas; the section shows no tissue there; the
        anchoring makes it more than three times as large or small as its tissue does; or the markers define no map
        with an inverse.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom:100")
    >>> section = Section(np.pad(atlas.reference_plane(6000), 20))
    >>> plane = Plane([6000, -2000, -2000], [0, 0, 15400], [0, 12000, 0])  # 20 px of 100 um around the slice
    >>> pair = label_section(section, atlas, plane)
    >>> pair.img.shape, pair.p, pair.tissue_overlap > 0.95
    ((80, 114), 6000, True)
    """
    if place_by not in PLACEMENTS:
        raise ValueError(f"place_by must be one of {', '.join(PLACEMENTS)}. Received: {place_by!r}")
    shape = (atlas.shape[1], atlas.shape[2]) if shape is None else shape
    anchored = Canvas.by_anchoring(section, atlas, plane, shape)
    reference = on_whole_voxels(anchored.plane, atlas)
    p = int(np.floor(anchored.plane.position_um))
    if place_by == "anchoring":
        shown, canvas = section, anchored
        p = int(np.clip(p, 0, atlas.shape_um[0] - 1))
    else:
        shown = turn_upright(section, anchored.from_section)
        canvas = Canvas.by_tissue(shown, atlas, p, shape)
    to_section = canvas.to_section
    _require_scale(compose_affine(anchored.from_section, to_section), section)

    grid = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), axis=-1).astype(np.float64)
    on_section = anchored.canvas_to_section(grid)
    registered_from = apply_affine(to_section, grid)
    if markers is not None:
        warp = MarkerWarp(markers)
        on_section = warp.overlay_to_section(on_section, section.shape)
        registered_from = warp.section_to_overlay(registered_from, section.shape)
    deltas_xy = apply_affine(invert_affine(to_section), on_section) - grid
    inv_deltas_xy = anchored.section_to_canvas(registered_from) - grid

    moving = shown.normalized(shape, grid_to_section=canvas.to_section)
    tissue = shown.tissue_mask(shape, grid_to_section=canvas.to_section).astype(np.float32)
    registered_tissue = DisplacementField.from_deltas_xy(deltas_xy).warp(tissue) >= 0.5
    overlap = _dice(registered_tissue, atlas.annotation_plane(reference, shape) > 0)
    if not moving.any() or overlap == 0:
        raise ValueError(
            "A section's tissue must lie on the atlas's slice. "
            f"Received: {section.name}, which shows none there. Check the anchoring, or the file."
        )
    return LabelledSection(
        img=np.round(moving * 255).astype(np.uint8),
        deltas_xy=deltas_xy,
        inv_deltas_xy=inv_deltas_xy,
        p=p,
        corners_um=reference.corners_um,
        tissue_overlap=overlap,
    )


def on_whole_voxels(plane: Plane, atlas: Atlas) -> Plane:
    """Return a coronal plane through the middle of its voxels, which a dataset's float32 cannot round to the next."""
    if not plane.is_coronal:
        return plane
    step = atlas.resolution_um[0]
    middle = (np.floor(plane.position_um / step) + 0.5) * step
    return Plane(np.array([middle, *plane.origin_um[1:]]), plane.u_um, plane.v_um)


def _require_scale(moving_to_registered: np.ndarray, section: Section) -> None:
    scale = float(np.sqrt(abs(np.linalg.det(moving_to_registered[:, :2]))))
    if not 1 / _LARGEST_SCALE <= scale <= _LARGEST_SCALE:
        raise ValueError(
            f"A section must be as large by its anchoring as by its tissue, within a factor of {_LARGEST_SCALE:g}. "
            f"Received: {section.name}, {scale:.3g} times as large. Check the anchoring, or give the pixel size."
        )


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return float(2 * np.count_nonzero(a & b) / total) if total else 0.0

"""The record of a registration: what was registered to what, where it lies, and every step."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import atlalign
from atlalign.base import DisplacementField
from atlalign.plane_slopes import Tilt

if TYPE_CHECKING:
    from atlalign.registration.orienting import OrientationSearch
    from atlalign.registration.quality import Disagreement, PositionSearch
    from atlalign.registration.result import Registration
    from atlalign.registration.steps import Step
    from atlalign.section.mask import SectionMask


def make_record(registration: Registration, labels_shape: tuple[int, int]) -> dict[str, Any]:
    """Return the content of ``registration.json``: what was registered to what, where it lies, and every step.

    Parameters
    ----------
    registration : Registration
    labels_shape : (h, w)
        Of the labels that were written.

    Returns
    -------
    dict
    """
    section, atlas, canvas = registration.section, registration.atlas, registration.canvas
    return {
        "atlalign_version": atlalign.__version__,
        "section": {
            "name": section.name,
            "width": section.shape[1],
            "height": section.shape[0],
            "dtype": str(section.image.dtype),
            "pixel_size_um": list(canvas.section_pixel_um),
            "pixel_size_source": canvas.pixel_size_source,
            "flip": section.orientation.flip,
            "rotate": section.orientation.rotate,
            "background": section.tissue.polarity,
            "tissue_box_px": list(section.tissue_box),
            "animal_left_in_image": canvas.animal_left,
            "mask": None if section.mask is None else _mask_record(section.mask),
        },
        "atlas": {
            "name": atlas.name,
            "version": atlas.version,
            "spec": atlas.spec,
            "resolution_um": list(atlas.resolution_um),
        },
        "canvas": {
            "width": canvas.shape[1],
            "height": canvas.shape[0],
            "pixel_size_um": list(canvas.pixel_um),
            "corners_um": canvas.plane.corners_um.tolist(),
            "corners_order": ["top-left", "top-right", "bottom-left", "bottom-right"],
            "axes_um": ["ap", "dv", "ml"],
            "position_um": canvas.plane.position_um,
            "tilt_degrees": Tilt.of(canvas.plane)._asdict(),
            "animal_left_in_image": "right",
            "hemisphere": canvas.hemisphere,
        },
        "search": _search_record(registration.search),
        "orientation": _orientation_record(registration.orientation),
        "steps": [_step_record(step) for step in registration.steps],
        "labels": {
            "width": labels_shape[1],
            "height": labels_shape[0],
            "section_px_per_label_px": [section.shape[1] / labels_shape[1], section.shape[0] / labels_shape[0]],
        },
        "disagreement": _disagreement_record(registration.disagreement),
        "files": {
            "registered": "the section on the canvas",
            "labels": "structure ids; the image covers the section edge to edge",
            "field": "canvas px, registered(p) = moving(p + delta(p))",
            "inverse_field": "canvas px, moving(p) = registered(p + delta(p))",
        },
    }


def _mask_record(mask: SectionMask) -> dict[str, Any]:
    height, width = mask.counts.shape
    return {"width": width, "height": height, "masked_out_percent": 100 * mask.masked_out}


def _search_record(search: PositionSearch | None) -> dict[str, Any] | None:
    if search is None:
        return None
    return {
        "positions_um": search.positions_um.tolist(),
        "scores": search.scores.tolist(),
        "position_um": search.position_um,
        "score_name": search.score_name,
    }


def _orientation_record(found: OrientationSearch | None) -> dict[str, Any] | None:
    if found is None:
        return None
    tried = zip(found.orientations, found.scores, strict=True)
    return {
        "tried": [{**asdict(orientation), "score": float(score)} for orientation, score in tried],
        "given": asdict(found.given),
        "best": asdict(found.best),
        "applied": found.applied,
    }


def _disagreement_record(disagreement: Disagreement | None) -> dict[str, Any] | None:
    if disagreement is None:
        return None
    variations = [{**vars(variation), "matrix": variation.matrix.tolist()} for variation in disagreement.variations]
    return {"where": disagreement.where, "variations": variations}


def _step_record(step: Step) -> dict[str, Any]:
    if isinstance(step.transform, DisplacementField):
        displacement = step.transform.average_displacement
        return {"name": step.name, "mean_displacement_px": displacement, "quality": step.quality}
    return {"name": step.name, "section_px_to_canvas_px": step.transform.tolist()}

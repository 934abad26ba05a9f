"""Measure a registration: its quantities, each with its flag."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from atlalign.base import DisplacementField
from atlalign.metrics import inverse_consistency, mi_img
from atlalign.registration.quality.disagreement import Disagreement
from atlalign.registration.quality.missing import find_missing
from atlalign.registration.quality.names import QUANTITIES, entry_names
from atlalign.registration.quality.perceptual import can_measure_lpips, measure_lpips
from atlalign.registration.quality.position import PositionSearch
from atlalign.registration.quality.structure import StructureMeasures, correlation
from atlalign.section.canvas import half_of

if TYPE_CHECKING:
    from atlalign.registration.orienting import OrientationSearch
    from atlalign.registration.result import Registration

# Beyond these a person should look; they are no verdict.
# Of whole sections of four stains, as their tissue or their anchoring places them, 0.83 is the least.
_LOW_OVERLAP = 0.85
_NO_OVERLAP = 0.5  # as of half a section on a whole plane, or of one beside it
_LESS = 0.01  # what interpolation alone changes similarities by
# Simulated sections, placed by their tissue, are up to about a millimetre off: what moves more, training has not seen.
_LARGE_MEAN_UM, _LARGE_P95_UM = 1000, 2000
_INCONSISTENT_PX = 1.0  # of the canvas: what labels and points of one and the same place can then differ by
_DISAGREEING_UM = 200  # a cortical layer of the mouse: tissue may as well belong to the next one

_DRAWN_EDGE_UM = 150.0  # as far as edges are blurred to

# Below this, section and reference are of two looks, and a better registration may well correlate less.
_ALIKE = 0.5


class _Look(NamedTuple):
    """The section on the canvas at one stage: what is seen, where its tissue is, and what is masked out."""

    image: NDArray[np.float32]
    tissue: NDArray[np.bool_]
    hidden: NDArray[np.bool_]


def measure(
    registration: Registration,
    *,
    disagreement: Disagreement | None = None,
    search: PositionSearch | None = None,
    orientation: OrientationSearch | None = None,
    perceptual: bool | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure a registration on its canvas.

    What a section's mask hides is not measured.

    Parameters
    ----------
    registration : Registration
    disagreement : Disagreement, optional
        What variations of the section gave: see `atlalign.registration.quality.disagreement`.
    search : PositionSearch, optional
        How the position was found, if it was searched for.
    orientation : OrientationSearch, optional
        What turning and mirroring the section would give.
    perceptual : bool, optional
        Whether to measure LPIPS. By default where its weights are on this computer, the canvas is large enough for it,
        and Keras is in use anyway, as it is with networks; nothing is fetched.

    Returns
    -------
    dict
        For each name below `value` (None where it cannot be measured), `unit` and `flag`: None, or a sentence that says
        what to look at. ``NAME_before`` is of the section as its tissue or its anchoring places it, ``NAME_after`` of
        the registered one. `QUANTITIES` says what each means.

        ======================================  =========================================================
        name                                    value
        ======================================  =========================================================
        tissue_overlap_before, ..._after        Dice of the section's tissue and the atlas's
        structure_variance_before, ..._after    share of the variance that lies between structures, 0 to 1
        structure_ncc_before, ..._after         correlation of edges with borders of structures
        correlation_before, ..._after           Pearson correlation of section and reference
        mutual_information_before, ..._after    nats
        lpips_before, ..._after                 perceptual distance, if it is measured
        mean_displacement, displacement_p95     length of the field in the tissue, um
        folded                                  share of the tissue with a Jacobian <= 0, percent
        inverse_consistency                     mean error there and back in the tissue, um
        disagreement_median, ..._p95            scatter over variations in the tissue, um, if given
        position                                of the plane's middle, um
        position_search                         first and last position of the search, um, if given
        orientation                             "as given", or what else was applied or fits better, if given
        pixel_size                              of a section pixel (x, y), um
        pixel_size_source                       "given", "estimated", "anchoring", or a part of the file
        background                              "bright" or "dark"
        cut_off_sides                           sides of the image along which the tissue is cut off
        missing_parts                           parts of the plane's tissue that the section does not show
        ======================================  =========================================================

        What a step says of itself, such as a refinement, follows.

    Raises
    ------
    AtlalignError
        If `perceptual` is True and the weights are missing; if those in the cache are damaged.

    Examples
    --------
    >>> from atlalign import Atlas, register
    >>> atlas = Atlas.load("phantom:100")
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2), np.float32)
    >>> section = atlas.reference_plane(6000, (160, 228))
    >>> quality = measure(register(section, atlas, position_um=6000, local_model=nothing_to_do))
    >>> quality["folded"]
    {'value': 0.0, 'unit': 'percent', 'flag': None}
    >>> flags(quality)
    ['The pixel size was estimated from the extent of the tissue: areas and distances depend on it.']
    """
    canvas, field, atlas = registration.canvas, registration.field, registration.atlas
    annotation = atlas.annotation_plane(canvas.plane, canvas.shape)
    tissue = (annotation > 0) & half_of(canvas.shape, canvas.hemisphere)
    mask = registration.section.tissue_mask(canvas.shape, grid_to_section=canvas.to_section)
    drawn = registration.section.mask
    hidden = np.zeros(canvas.shape, bool) if drawn is None else drawn.hides(canvas.shape, canvas.to_section)
    looks = {
        "before": _Look(registration.moving, mask, hidden),
        "after": _Look(field.warp(registration.moving), _warped(mask, field), _warped(hidden, field)),
    }
    structure = StructureMeasures(annotation, tissue, atlas.structures, canvas.pixel_um)
    reference = registration.reference
    found: dict[str, dict[str, Any]] = {}
    if perceptual is None:
        perceptual = "keras" in sys.modules and can_measure_lpips(canvas.shape)
    for when, look in looks.items():
        expected = tissue & ~look.hidden
        found[f"tissue_overlap_{when}"] = _entry("tissue_overlap", _dice(look.tissue, expected))
        variance, edges = structure(look.image, look.tissue & ~_near(look.hidden, canvas.pixel_um))
        found[f"structure_variance_{when}"] = _entry("structure_variance", variance)
        found[f"structure_ncc_{when}"] = _entry("structure_ncc", edges)
        found[f"correlation_{when}"] = _entry("correlation", correlation(look.image, reference, expected))
        information = mi_img(reference, look.image, expected) if expected.any() else None
        found[f"mutual_information_{when}"] = _entry("mutual_information", information)
        if perceptual:
            found[f"lpips_{when}"] = _entry("lpips", measure_lpips(reference * ~look.hidden, look.image))
    _flag_overlap(found)
    _flag_if_worse(found, "structure_variance")
    _flag_if_worse(found, "correlation", only_from=_ALIKE)
    found |= _of_field(registration, tissue & ~looks["after"].hidden)
    if disagreement is not None:
        found |= _of_variations(disagreement)
    found |= _of_place(registration, search)
    if orientation is not None:
        found["orientation"] = _entry("orientation", orientation.summary, *orientation.doubts())
    found |= _of_section(registration)
    found["missing_parts"] = _of_missing(registration, mask, looks["after"].tissue, tissue)
    ordered = {name: found[name] for name in entry_names() if name in found}
    for step in registration.steps:
        ordered |= step.quality
    return ordered


def flags(quality: dict[str, dict[str, Any]]) -> list[str]:
    """Return the flags of what `measure` found, or of a saved record's ``quality``.

    Examples
    --------
    >>> flags({"folded": {"value": 2.0, "unit": "percent", "flag": "The field folds."}, "x": {"flag": None}})
    ['The field folds.']
    """
    return [entry["flag"] for entry in quality.values() if entry.get("flag")]


def _entry(name: str, value: Any, *reasons: Any) -> dict[str, Any]:
    return {"value": value, "unit": QUANTITIES[name].unit, "flag": " ".join(r for r in reasons if r) or None}


def _flag_overlap(found: dict[str, dict[str, Any]]) -> None:
    before, after = (found[f"tissue_overlap_{when}"]["value"] for when in ("before", "after"))
    if after < _NO_OVERLAP:
        flag = f"The tissue does not overlap the plane (Dice {after:.2f}): look whether it lies there at all."
    elif after < before - _LESS:
        flag = f"The tissue overlaps less after registration than before ({before:.2f} to {after:.2f})."
    elif after < _LOW_OVERLAP:
        flag = f"The tissue overlaps the plane poorly (Dice {after:.2f}, below {_LOW_OVERLAP})."
    else:
        return
    found["tissue_overlap_after"]["flag"] = flag


def _flag_if_worse(found: dict[str, dict[str, Any]], name: str, only_from: float = -np.inf) -> None:
    before, after = (found[f"{name}_{when}"]["value"] for when in ("before", "after"))
    if before is None or before < only_from or after is None or after >= before - _LESS:
        return
    title = QUANTITIES[name].title
    found[f"{name}_after"]["flag"] = (
        f"The {title} is lower after registration than before ({before:.2f} to {after:.2f})."
    )


def _of_field(registration: Registration, tissue: NDArray[np.bool_]) -> dict[str, dict[str, Any]]:
    field, pixel_um = registration.field, registration.canvas.pixel_um
    mean = p95 = folded = inconsistent = None
    if tissue.any():
        moved = np.hypot(field.delta_x * pixel_um[0], field.delta_y * pixel_um[1])[tissue]
        mean, p95 = float(moved.mean()), float(np.percentile(moved, 95))
        folded = float(100 * (field.jacobian[tissue] <= 0).mean())
        error_px = inverse_consistency(field, registration.inverse_field)[1][tissue]
        error_px = error_px[np.isfinite(error_px)]
        inconsistent = float(error_px.mean() * np.sqrt(np.prod(pixel_um))) if error_px.size else None
    large = (mean or 0) > _LARGE_MEAN_UM, (p95 or 0) > _LARGE_P95_UM
    loose = inconsistent is not None and inconsistent > _INCONSISTENT_PX * np.sqrt(np.prod(pixel_um))
    return {
        "mean_displacement": _entry(
            "mean_displacement", mean, large[0] and f"The field moves the tissue by {mean:.0f} um on average."
        ),
        "displacement_p95": _entry(
            "displacement_p95",
            p95,
            large[1] and not large[0] and f"The field moves 5 percent of the tissue by more than {p95:.0f} um.",
        ),
        "folded": _entry("folded", folded, folded and f"The field folds in {folded:.2g} percent of the tissue."),
        "inverse_consistency": _entry(
            "inverse_consistency",
            inconsistent,
            loose and f"There and back through the field, points end {inconsistent:.0f} um from where they started.",
        ),
    }


def _of_variations(disagreement: Disagreement) -> dict[str, dict[str, Any]]:
    median, p95 = disagreement.median_um, disagreement.p95_um
    near = f", most in {disagreement.where}" if disagreement.where else ""
    return {
        "disagreement_median": _entry("disagreement_median", median),
        "disagreement_p95": _entry(
            "disagreement_p95",
            p95,
            p95 is not None
            and p95 > _DISAGREEING_UM
            and f"Variations of the section disagree by more than {p95:.0f} um in 5 percent of its tissue{near}.",
        ),
    }


def _of_place(registration: Registration, search: PositionSearch | None) -> dict[str, dict[str, Any]]:
    place = {"position": _entry("position", float(registration.canvas.plane.position_um))}
    if search is not None:
        span = [float(search.positions_um[0]), float(search.positions_um[-1])]
        place["position_search"] = _entry("position_search", span, *search.doubts()) | {"unit": "um"}
    return place


def _of_section(registration: Registration) -> dict[str, dict[str, Any]]:
    section, canvas = registration.section, registration.canvas
    sides, source = section.tissue.touches_border, canvas.pixel_size_source
    return {
        "pixel_size": _entry("pixel_size", list(canvas.section_pixel_um)),
        "pixel_size_source": _entry(
            "pixel_size_source",
            source,
            source == "estimated"
            and "The pixel size was estimated from the extent of the tissue: areas and distances depend on it.",
        ),
        "background": _entry("background", section.tissue.polarity),
        "cut_off_sides": _entry(
            "cut_off_sides",
            sides,
            sides and f"The tissue touches the border of the image ({', '.join(sides)}): part may be missing.",
        ),
    }


def _of_missing(
    registration: Registration, placed: NDArray[np.bool_], registered: NDArray[np.bool_], tissue: NDArray[np.bool_]
) -> dict[str, Any]:
    canvas = registration.canvas
    left = registration.atlas.hemisphere_at(canvas.plane.grid_um(canvas.shape)) == 1
    parts, reasons = find_missing(placed, registered, tissue, left)
    if canvas.hemisphere != "both":
        absent = "right" if canvas.hemisphere == "left" else "left"
        parts = [f"{absent} half", *parts]
        reasons = [
            f"The {absent} half of the section is missing: only the animal's {canvas.hemisphere} hemisphere was "
            "registered.",
            *reasons,
        ]
    return _entry("missing_parts", parts, *reasons)


def _warped(mask: NDArray[np.bool_], field: DisplacementField) -> NDArray[np.bool_]:
    return field.warp(mask.astype(np.float32)) >= 0.5


def _near(hidden: NDArray[np.bool_], pixel_um: tuple[float, float]) -> NDArray[np.bool_]:
    """Return what is masked out and what borders on it: an edge that a person drew is none of the tissue's."""
    if not hidden.any():
        return hidden
    return ndimage.distance_transform_edt(~hidden, sampling=(pixel_um[1], pixel_um[0])) <= _DRAWN_EDGE_UM


def _dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return float(2 * np.count_nonzero(a & b) / total) if total else 0.0

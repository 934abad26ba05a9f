"""What can be said of a registration without the truth: named quantities, each with its flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from atlalign.registration.result import Registration

# Below these a person should look; they are no verdict.
_LOW_OVERLAP = 0.85
_LARGE_MOVE_UM = 1000


def measure(registration: Registration) -> dict[str, dict[str, Any]]:
    """Measure a registration on its canvas.

    Parameters
    ----------
    registration : Registration

    Returns
    -------
    dict
        For each name below `value`, `unit` and `flag`: None, or a sentence that says what to look at.

        ==========================  =====================================================================
        name                        meaning
        ==========================  =====================================================================
        background                  "bright" or "dark": how the section's background was understood
        cut_off_sides               sides of the image along which the tissue is cut off
        pixel_size                  size of a section pixel (x, y), um
        pixel_size_source           "given", "estimated", "anchoring", or a part of the file such as "OME-XML"
        tissue_overlap_before       Dice of the section's tissue, as placed on the canvas, and the atlas's
        tissue_overlap_after        the same after registration
        correlation_before          Pearson correlation of section and reference in the atlas's tissue
        correlation_after           the same after registration
        mean_displacement           mean length of the field in the atlas's tissue, um
        folded                      share of the atlas's tissue where the field folds (Jacobian <= 0), percent
        ==========================  =====================================================================
    """
    section, canvas, field = registration.section, registration.canvas, registration.field
    atlas_tissue = registration.atlas.annotation_plane(canvas.plane, canvas.shape) > 0
    tissue = section.tissue_mask(canvas.shape, grid_to_section=canvas.to_section)
    warped_tissue = field.warp(tissue.astype(np.float32)) >= 0.5
    overlap = _dice(tissue, atlas_tissue), _dice(warped_tissue, atlas_tissue)
    reference, warped = registration.reference, field.warp(registration.moving)
    correlation = (
        _correlation(registration.moving, reference, atlas_tissue),
        _correlation(warped, reference, atlas_tissue),
    )
    across, down = canvas.pixel_um
    moved = _mean(np.hypot(field.delta_x * across, field.delta_y * down), atlas_tissue)
    folded = _mean(100.0 * (field.jacobian <= 0), atlas_tissue)
    sides = section.tissue.touches_border
    source = canvas.pixel_size_source

    return {
        "background": _entry(section.tissue.polarity),
        "cut_off_sides": _entry(
            sides,
            flag=sides and f"The tissue touches the image's border ({', '.join(sides)}): part may be missing.",
        ),
        "pixel_size": _entry(list(canvas.section_pixel_um), "um"),
        "pixel_size_source": _entry(
            source,
            flag=source == "estimated"
            and "The pixel size was estimated from the tissue's extent: areas and positions depend on it.",
        ),
        "tissue_overlap_before": _entry(overlap[0]),
        "tissue_overlap_after": _entry(
            overlap[1],
            flag=(overlap[1] < overlap[0] - 0.01 and "The tissue overlaps less after registration than before.")
            or (overlap[1] < _LOW_OVERLAP and f"Section and atlas tissue overlap poorly (below {_LOW_OVERLAP})."),
        ),
        "correlation_before": _entry(correlation[0]),
        "correlation_after": _entry(
            correlation[1],
            flag=_dropped(*correlation) and "Section and reference correlate less after registration than before.",
        ),
        "mean_displacement": _entry(
            moved,
            "um",
            moved is not None and moved > _LARGE_MOVE_UM and f"The field moves tissue by {moved:.0f} um on average.",
        ),
        "folded": _entry(folded, "percent", folded and f"The field folds in {folded:.2g} percent of the tissue."),
    }


def _entry(value: Any, unit: str = "", flag: Any = None) -> dict[str, Any]:
    return {"value": value, "unit": unit, "flag": flag or None}


def _dropped(before: float | None, after: float | None) -> bool:
    return before is not None and after is not None and after < before - 0.01


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return float(2 * np.count_nonzero(a & b) / total) if total else 0.0


def _mean(values: np.ndarray, mask: np.ndarray) -> float | None:
    return float(values[mask].mean()) if mask.any() else None


def _correlation(a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> float | None:
    """Return Pearson's correlation, None where one of the images is flat."""
    a, b = a[mask].astype(np.float64), b[mask].astype(np.float64)
    if a.size < 2 or a.std() < 1e-9 or b.std() < 1e-9:
        return None
    return float(np.corrcoef(a, b)[0, 1])

"""The quantities by name: what each is called in a report, in which unit, and what it means."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Quantity(NamedTuple):
    """A named quantity of a registration.

    Attributes
    ----------
    title : str
        What a report calls it.
    meaning : str
        What it is, in a line.
    unit : str
        "um", "percent", or "" of what has none.
    better : {"higher", "lower", ""}
        Which way it is better; "" of what has no better way.
    pair : bool
        Whether it is measured twice: ``NAME_before``, of the section as its tissue or its anchoring places it, and
        ``NAME_after``, registered.
    """

    title: str
    meaning: str
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    pair: bool = False


QUANTITIES: dict[str, Quantity] = {
    "tissue_overlap": Quantity(
        "tissue overlap", "Dice of the section's tissue and the atlas's: the outline alone", better="higher", pair=True
    ),
    "structure_variance": Quantity(
        "variance between structures",
        "share of the variance inside the tissue that lies between structures at depth 6, whatever grey each has",
        better="higher",
        pair=True,
    ),
    "structure_ncc": Quantity(
        "structure NCC",
        "correlation of the image's edges with the borders of structures at depth 4, inside the tissue",
        better="higher",
        pair=True,
    ),
    "correlation": Quantity(
        "image correlation",
        "correlation of section and reference in the atlas's tissue; says little where the stains differ",
        better="higher",
        pair=True,
    ),
    "mutual_information": Quantity(
        "mutual information",
        "what the greys of the section say of those of the reference, in the atlas's tissue",
        "nats",
        "higher",
        True,
    ),
    "lpips": Quantity(
        "LPIPS", "perceptual distance of section and reference, by the features of AlexNet", "", "lower", True
    ),
    "mean_displacement": Quantity("mean displacement", "mean length of the field in the atlas's tissue", "um"),
    "displacement_p95": Quantity(
        "displacement, 95th percentile", "what the field moves 95 percent of the tissue by at most", "um"
    ),
    "folded": Quantity(
        "folded", "share of the tissue where the field folds: Jacobian determinant of at most 0", "percent", "lower"
    ),
    "inverse_consistency": Quantity(
        "inverse-consistency error", "mean distance, in tissue, of a point from itself there and back", "um", "lower"
    ),
    "disagreement_median": Quantity(
        "disagreement, median",
        "how far registrations of variations of the section scatter: standard deviation, median over the tissue",
        "um",
        "lower",
    ),
    "disagreement_p95": Quantity(
        "disagreement, 95th percentile", "the same: what 95 percent of the tissue stays below", "um", "lower"
    ),
    "position": Quantity("position", "of the plane's middle along the anterior-posterior axis", "um"),
    "position_search": Quantity("position search", "first and last position that the search went through", "um"),
    "orientation": Quantity("orientation", "how the section was turned and mirrored, or how it fits better"),
    "pixel_size": Quantity("pixel size", "of the section, across and down", "um"),
    "pixel_size_source": Quantity("pixel size from", "a person, the file, an anchoring, or the tissue's extent"),
    "background": Quantity("background", "how the section's background was understood"),
    "cut_off_sides": Quantity("cut-off sides", "sides of the image along which the tissue is cut off"),
    "missing_parts": Quantity("missing parts", "parts of the atlas's tissue that the section mostly does not show"),
}


def entry_names() -> list[str]:
    """Return the names of the entries that `measure` can give, in the order of a report.

    Examples
    --------
    >>> entry_names()[:2]
    ['tissue_overlap_before', 'tissue_overlap_after']
    """
    return [
        f"{name}{suffix}"
        for name, quantity in QUANTITIES.items()
        for suffix in (("_before", "_after") if quantity.pair else ("",))
    ]

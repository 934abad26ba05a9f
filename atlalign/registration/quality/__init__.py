"""What can be said of a registration without the truth: named quantities, and flags that give their reasons."""

from atlalign.registration.quality.disagreement import Disagreement, disagreement
from atlalign.registration.quality.measuring import flags, measure
from atlalign.registration.quality.names import QUANTITIES, Quantity
from atlalign.registration.quality.position import PositionSearch
from atlalign.registration.quality.structure import edge_agreement, inner_tissue, variance_between_structures
from atlalign.registration.quality.variations import Variation, draw_variations

__all__ = [
    "QUANTITIES",
    "Disagreement",
    "PositionSearch",
    "Quantity",
    "Variation",
    "disagreement",
    "draw_variations",
    "edge_agreement",
    "flags",
    "inner_tissue",
    "measure",
    "variance_between_structures",
]

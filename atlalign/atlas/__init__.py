"""Atlases: folders of volumes, BrainGlobe atlases by name, and a phantom made from formulas."""

from atlalign.atlas.atlas import Atlas
from atlalign.atlas.structures import Structure, Structures, UnknownStructureError

__all__ = ["Atlas", "Structure", "Structures", "UnknownStructureError"]

"""A section: reading it, finding its tissue, and placing it on a plane of the atlas."""

from atlalign.section.canvas import Canvas
from atlalign.section.section import Section

__all__ = ["Canvas", "Section"]

"""Labelled pairs from sections that were registered by hand with QuickNII and VisuAlign, or by DeepSlice."""

from atlalign.quint.job import Conversion, dataset_from_quint
from atlalign.quint.label import PLACEMENTS, LabelledSection, label_section
from atlalign.quint.marker_warp import MarkerWarp
from atlalign.quint.markers import Markers, read_markers
from atlalign.quint.series import SeriesSection, read_series

__all__ = [
    "PLACEMENTS",
    "Conversion",
    "LabelledSection",
    "MarkerWarp",
    "Markers",
    "SeriesSection",
    "dataset_from_quint",
    "label_section",
    "read_markers",
    "read_series",
]

"""Label and correct in the browser: control points of a registration that a person moves, and what follows from them.

The model of it needs no browser and nothing that is not installed anyway; the page needs the extra ``label``.
"""

from atlalign.label.control_points import choose_control_points
from atlalign.label.dataset import LabelledPairs, dataset_from_labels
from atlalign.label.folder import LabelFolder, SectionFolder
from atlalign.label.labels import METHODS, Labels, Pair
from atlalign.label.results import corrected, write_results
from atlalign.label.saving import SavedLabels, read_labels
from atlalign.label.session import LabelSession
from atlalign.label.subject import PictureSubject, SectionSubject, Subject
from atlalign.label.warping import Warp, Warper

__all__ = [
    "METHODS",
    "LabelFolder",
    "LabelSession",
    "LabelledPairs",
    "Labels",
    "Pair",
    "PictureSubject",
    "SavedLabels",
    "SectionFolder",
    "SectionSubject",
    "Subject",
    "Warp",
    "Warper",
    "choose_control_points",
    "corrected",
    "dataset_from_labels",
    "read_labels",
    "write_results",
]

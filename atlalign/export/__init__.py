"""Results in the formats that other tools open.

One module a format; each says how its tool counts, and reads back what it writes where the format allows.
"""

from atlalign.export.brainglobe import BrainGlobeFiles, BrainGlobeResult, read_brainglobe, write_brainglobe
from atlalign.export.itk import (
    ItkFiles,
    read_field_nifti,
    read_field_nrrd,
    write_field_nifti,
    write_field_nrrd,
    write_itk,
)
from atlalign.export.ome import write_registered_ome
from atlalign.export.quint import write_quint
from atlalign.export.quint_series import write_quint_series
from atlalign.export.qupath import Outline, read_qupath, write_qupath

__all__ = [
    "BrainGlobeFiles",
    "BrainGlobeResult",
    "ItkFiles",
    "Outline",
    "read_brainglobe",
    "read_field_nifti",
    "read_field_nrrd",
    "read_qupath",
    "write_brainglobe",
    "write_field_nifti",
    "write_field_nrrd",
    "write_itk",
    "write_quint",
    "write_quint_series",
    "write_qupath",
    "write_registered_ome",
]

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

__all__ = [
    "BrainGlobeFiles",
    "BrainGlobeResult",
    "ItkFiles",
    "read_brainglobe",
    "read_field_nifti",
    "read_field_nrrd",
    "write_brainglobe",
    "write_field_nifti",
    "write_field_nrrd",
    "write_itk",
    "write_registered_ome",
]

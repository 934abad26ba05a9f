"""Part b: the real two-photon section, against the labels and the field that elastix found.

Its field, as formats.md has it, says atlas_x = x + field_1[y, x] and atlas_y = y + field_0[y, x], in pixels of plane
293 whose whole numbers are pixel centres: sampled there, the annotation gives the section's labels without exception,
which is checked before anything else. The field is an affine map, and so no evidence on local deformations.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from accuracy.measures import LEAST_MM2, distribution, mean_known, members_of, structure_dice
from accuracy.methods import Method
from accuracy.progress import say
from accuracy.simulated import DEPTHS
from atlalign import Registrar, Registration
from atlalign.atlas import Atlas
from atlalign.errors import InvalidFileError
from atlalign.metrics import dice_per_depth, percent_nonpositive_jacobian
from atlalign.section import Section

POSITION_UM = 293 * 25 + 12.5
PIXEL_UM = 25.0


def true_points_um(folder: Path, atlas: Atlas) -> tuple[NDArray, NDArray]:
    """Return the labels of the section, (h, w), and the atlas points of its pixels, (h, w, 3) um.

    Raises
    ------
    InvalidFileError
        If the labels are not the annotation at these points.
    """
    labels = tifffile.imread(folder / "registered_atlas.tiff")
    down, across = (tifffile.imread(folder / f"deformation_field_{axis}.tiff").astype(float) for axis in (0, 1))
    y, x = np.indices(labels.shape, dtype=float)
    on_plane = np.stack([x + across, y + down], axis=-1).reshape(-1, 2)
    points_um = atlas.plane(POSITION_UM).pixels_to_um(on_plane, atlas.shape[1:]).reshape(*labels.shape, 3)
    share = float((atlas.annotation_at(points_um) == labels).mean())
    if share < 0.999:
        raise InvalidFileError(
            "The labels of the two-photon section must be plane 293 warped by its fields. "
            f"Received: {folder}, where {100 * share:.1f} % are. Use the Allen CCFv3 at 25 um."
        )
    return labels, points_um


def measure_two_photon(folder: Path, atlas: Atlas, methods: Sequence[Method]) -> dict[str, Any]:
    """Return the numbers of part b.

    Every method starts from the section as its tissue places it on the plane, which is what "identity" measures.

    Parameters
    ----------
    folder : Path
        ``sections/stpt_hippocampus``.
    atlas : Atlas
        The Allen CCFv3 at 25 um.
    methods : sequence of Method

    Returns
    -------
    dict
        "methods": of each its numbers; "unplaced": those of the section laid on the plane by its top-left corner.
    """
    labels, points_um = true_points_um(folder, atlas)
    tissue = labels > 0
    y, x = np.indices(labels.shape)
    by_corner = atlas.plane(POSITION_UM).pixels_to_um(np.stack([x, y], axis=-1).reshape(-1, 2), atlas.shape[1:])
    unplaced = np.linalg.norm(by_corner.reshape(points_um.shape) - points_um, axis=-1)[tissue]
    members, least = members_of(atlas.structures), LEAST_MM2 / (PIXEL_UM * PIXEL_UM * 1e-6)
    table = {}
    for method in methods:
        section = Section.read(folder / "sample_hipp.tif", pixel_size_um=PIXEL_UM)
        registration = Registrar(atlas, global_model=method).register(section, position_um=POSITION_UM)
        found = registration.labels()
        per_depth = dice_per_depth(labels, found, atlas.structures, DEPTHS)
        structures = structure_dice(labels, found, members, least)
        table[method.name] = {
            **distribution(np.linalg.norm(_found_points_um(registration) - points_um, axis=-1)[tissue]),
            "same_label": float((labels == found)[tissue].mean()),
            "dice_depth": {str(depth): float(score) for depth, score in zip(DEPTHS, per_depth, strict=True)},
            "dice_major": mean_known(list(structures.values())),
            "dice_structures": structures,
            "folded_percent": float(percent_nonpositive_jacobian(registration.field)),
            **method.costs(),
        }
        say(f"b: {method.name}, median {table[method.name]['median']:.0f} um")
    return {"methods": table, "unplaced": distribution(unplaced)}


def _found_points_um(registration: Registration) -> NDArray:
    height, width = registration.section.shape
    bands = registration.atlas_points(np.arange(width), np.arange(height))
    return np.concatenate([points_um for _, points_um, _ in bands])

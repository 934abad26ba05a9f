"""Series that were cut askew: simulated ones of known tilt, and what knowing the tilt is worth on real ones."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accuracy.measures import explained_by_structures, mask_dice, mean_known
from atlalign import Registrar
from atlalign.atlas import Atlas
from atlalign.plane_slopes import Tilt
from atlalign.section import Section
from atlalign.simulate import random_appearance
from atlalign.simulate.deformation import draw_deformation
from atlalign.simulate.placing import place_by_tissue

TILTS = (Tilt(), Tilt(4, -3), Tilt(0, 6), Tilt(-7, 2))
_SECTIONS, _RANGE_UM = 14, (2600.0, 11000.0)
_SHAPE = 160, 228
_NOISE = 0.02
_STRUCTURE_DEPTH = 6  # as in `accuracy.unlabelled`


def simulated_series(atlas: Atlas, tilt: Tilt, seed: int) -> Iterator[tuple[Section, NDArray[np.float64]]]:
    """Yield the sections of a brain cut at a tilt, all of one look, each deformed on its own, and their planes.

    Parameters
    ----------
    atlas : Atlas
    tilt : Tilt
    seed : int
        Of the look, and of the deformations.

    Yields
    ------
    section : Section
    plane : ndarray, shape (3,)
        Its position, um, and slopes: see `atlalign.plane_slopes`.
    """
    rng = np.random.default_rng(seed)
    look = int(rng.integers(2**31))
    for number, position_um in enumerate(np.linspace(*_RANGE_UM, _SECTIONS)):
        plane = tilt.plane(float(position_um), atlas.shape_um)
        reference, annotation = atlas.reference_plane(plane, _SHAPE), atlas.annotation_plane(plane, _SHAPE)
        stained = random_appearance(reference, annotation, atlas.structures, look)
        tissue = annotation > 0
        _, inverse = place_by_tissue(draw_deformation(_SHAPE, "both", rng), tissue, tissue, rng).fields(_SHAPE)
        image = np.clip(inverse.warp(stained) + rng.normal(0, _NOISE, _SHAPE), 0, 1)
        yield Section(image, invert=False, name=f"x_s{number:03d}"), np.array([position_um, *tilt.slopes])


def structure_share(
    registrar: Registrar, sections: Sequence[Section], positions_um: Sequence[float], tilt: Tilt
) -> dict[str, Any]:
    """Return how well sections fit, registered at positions on planes of a tilt: means over the sections.

    Parameters
    ----------
    registrar : Registrar
    sections : sequence of Section
    positions_um : sequence of float
    tilt : Tilt

    Returns
    -------
    dict
        "structures" and "outline": see `accuracy.unlabelled`.
    """
    shares, outlines = [], []
    for section, position_um in zip(sections, positions_um, strict=True):
        registration = registrar.register(section.tilted(tilt), position_um=float(position_um))
        canvas, field = registration.canvas, registration.field
        annotation = registrar.atlas.annotation_plane(canvas.plane, canvas.shape)
        labels = registrar.atlas.structures.at_depth(annotation, _STRUCTURE_DEPTH)
        shares.append(explained_by_structures(field.warp(registration.moving), labels, canvas.pixel_um))
        tissue = section.tissue_mask(canvas.shape, grid_to_section=canvas.to_section).astype(np.float32)
        outlines.append(mask_dice(field.warp(tissue) >= 0.5, annotation > 0))
    return {"structures": mean_known(shares), "outline": mean_known(outlines)}

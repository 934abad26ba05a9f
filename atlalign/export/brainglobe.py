"""A result in the shape of brainglobe-registration, which PyNutil reads.

Convention: the grid of the images is the section's own image, edge to edge, resampled to the atlas's resolution. The
fields lead from it into the *slice*, the atlas's whole plane, one voxel a pixel: pixel + field = pixel of the slice,
centres of pixels being whole numbers. The slice runs as the section does, to the nearest quarter turn, mirrored if the
section is: that of an upright section is the plane as the atlas has it, its left the animal's right.

How PyNutil 0.6 reads such a folder settles what ``atlas_slice_corners`` says. Where a point is in the section it takes
as a fraction of the image's width and height. It cuts the section into as many cells as the corners are voxels apart,
gives each cell the structure at its top-left corner, and looks that up in a slice cut between the corners.

- Were the corners those of the atlas, a cell would be as large as a voxel, and labels be off by half a voxel on
  average. They therefore lie further apart, to the right and below, so that there are four cells a pixel each way. What
  lies beyond the atlas has no structure. The slice's own corners are under "atlalign".
- They are a ten-billionth nearer together, since PyNutil adds a cell to a whole number.
- Corners are indices of voxels times the spacing, as brainglobe-registration has them: along an axis that the slice
  runs down, it begins at the last voxel, N - 1. PyNutil takes the next voxel where an index is no whole number; those
  of an oblique slice are therefore half a voxel lower than the centre of its first pixel.
- Labels and hemispheres agree with ours but for points less than a pixel from a border, one and a half in an oblique
  slice. The points in space that PyNutil gives besides come out up to a voxel too far along each axis, from this
  folder as from any: it mirrors the axes about N - 1 on the way in and about N on the way out.
- The spacing stands in the atlas's name, which must end in, say, ``_25um``, and holds for all three axes.
- Without the fields (``apply_deformation=False``) the section lies nowhere: they hold the linear part, too.
"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from skimage.segmentation import find_boundaries

import atlalign
from atlalign._field.sampling import sample_points
from atlalign._files import atomic_folder, require_file
from atlalign.errors import InvalidFileError
from atlalign.export._slices import SectionGrid, section_axes
from atlalign.plane import Plane
from atlalign.registration.areas import AREA_FORMAT
from atlalign.section._grey import luminance

if TYPE_CHECKING:
    import pandas as pd

    from atlalign.atlas import Atlas
    from atlalign.registration.result import Registration

# Cells of PyNutil a pixel each way: its labels are as exact as its cells are small, and take as much memory.
_CELLS = 4
# PyNutil adds a cell to a length of a whole number of voxels.
_SHORTER = 1 - 1e-10
# Voxels; more than what the shorter edges make over ten thousand voxels.
_HALF_OPEN = 1e-6

_KEY = "atlalign"


class BrainGlobeFiles:
    """The files of a folder in the shape of brainglobe-registration.

    Images and fields are of one size: see `atlalign.export.brainglobe` for the grid.

    Parameters
    ----------
    folder : path-like
        Where the files are, or will be.

    Attributes
    ----------
    folder : Path
    record : Path
        ``brainglobe-registration.json``: the atlas, the corners in um (top-left, top-right, bottom-left, bottom-right;
        ap, dv, ml) as PyNutil needs them, the name of the section's image. The rest is under "atlalign".
    downsampled : Path
        ``downsampled.tiff``: the section, grey.
    atlas : Path
        ``registered_atlas.tiff``: the structures, uint32; 0 outside.
    hemispheres : Path
        ``registered_hemispheres.tiff``: 1 left, 2 right, as brainglobe-atlasapi counts; 0 outside. Left and right are
        the animal's.
    boundaries : Path
        ``boundaries.tiff``: int8, 1 on the inner side of the structures' borders.
    field_y, field_x : Path
        ``deformation_field_0.tiff``, ``deformation_field_1.tiff``: float32 px, from the section to the slice.
    inverse_y, inverse_x : Path
        ``inverse_deformation_field_0.tiff``, ``..._1.tiff``: from the slice's pixels to the section's, on the grid of
        the slice. Not part of brainglobe-registration's output.
    areas : Path
        ``areas.csv``: structure_name, left_area_mm2, right_area_mm2, total_area_mm2, counted on the whole section.
        brainglobe-registration takes 2 for left in this table, and so swaps the columns.
    structures : Path
        ``structures.csv``: acronym, id, name, structure_id_path, parent_structure_id and colour of every structure.

    Examples
    --------
    >>> BrainGlobeFiles("out").field_x.name
    'deformation_field_1.tiff'
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.record = self.folder / "brainglobe-registration.json"
        self.downsampled = self.folder / "downsampled.tiff"
        self.atlas = self.folder / "registered_atlas.tiff"
        self.hemispheres = self.folder / "registered_hemispheres.tiff"
        self.boundaries = self.folder / "boundaries.tiff"
        self.field_y = self.folder / "deformation_field_0.tiff"
        self.field_x = self.folder / "deformation_field_1.tiff"
        self.inverse_y = self.folder / "inverse_deformation_field_0.tiff"
        self.inverse_x = self.folder / "inverse_deformation_field_1.tiff"
        self.areas = self.folder / "areas.csv"
        self.structures = self.folder / "structures.csv"


@dataclass(frozen=True, eq=False)
class BrainGlobeResult:
    """What a folder that `write_brainglobe` wrote says.

    Attributes
    ----------
    atlas : str
        Name of the atlas, as BrainGlobe would write it.
    downsampled : ndarray, shape (h, w)
        The section.
    labels : ndarray, uint32, shape (h, w)
        Ids of structures, 0 outside.
    hemispheres : ndarray, uint8, shape (h, w)
        1 left, 2 right, 0 outside.
    boundaries : ndarray, int8, shape (h, w)
        1 on borders of structures.
    deltas_xy : ndarray, float32, shape (h, w, 2)
        (x, y) px, from the section's pixels to the slice's.
    inv_deltas_xy : ndarray, float32, shape (h', w', 2)
        From the slice's pixels to the section's.
    plane : Plane
        The slice.
    areas, structures : pandas.DataFrame
        The tables.
    record : dict
        All of ``brainglobe-registration.json``.
    """

    atlas: str
    downsampled: np.ndarray
    labels: np.ndarray
    hemispheres: np.ndarray
    boundaries: np.ndarray
    deltas_xy: np.ndarray
    inv_deltas_xy: np.ndarray
    plane: Plane
    areas: pd.DataFrame
    structures: pd.DataFrame
    record: dict[str, Any]

    def to_atlas(self, points_xy: Any) -> np.ndarray:
        """Return the atlas points, (n, 3) um, of points (n, 2), px of `downsampled`."""
        points = np.asarray(points_xy, dtype=np.float64)
        on_slice = points + sample_points(self.deltas_xy, points[:, 0], points[:, 1])
        return self.plane.pixels_to_um(on_slice, self.inv_deltas_xy.shape)


def write_brainglobe(registration: Registration, folder: str | os.PathLike) -> Path:
    """Write a folder in the shape of brainglobe-registration, whole or not at all.

    `BrainGlobeFiles` names the files, `atlalign.export.brainglobe` says what the numbers mean.

    Parameters
    ----------
    registration : Registration
    folder : path-like
        Made if need be; other files in it stay, but ``structures.csv``, which `Registration.save` writes too, with
        other columns, would be replaced: take a folder of its own.

    Returns
    -------
    Path
        The folder.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign import Atlas, Section, register
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> section = Section(atlas.reference_plane(6000, shape=(160, 228)), pixel_size_um=50)
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registration = register(section, atlas, position_um=6000, local_model=nothing_to_do)
    >>> folder = write_brainglobe(registration, tempfile.mkdtemp())
    >>> result = read_brainglobe(folder)
    >>> result.atlas, result.downsampled.shape
    ('phantom_100um', (80, 114))
    >>> bool((result.labels == atlas.annotation_plane(6000)).mean() > 0.99)
    True
    """
    files = BrainGlobeFiles(folder)
    grid = SectionGrid.of(registration)
    labels, hemispheres = _label_images(registration, grid)
    with atomic_folder(files.folder) as temporary:
        inside = BrainGlobeFiles(temporary)
        _write(inside.downsampled, luminance(registration.section.resample(grid.shape, grid.to_section)))
        _write(inside.atlas, labels)
        _write(inside.hemispheres, hemispheres)
        _write(inside.boundaries, find_boundaries(labels, mode="inner").astype(np.int8))
        forward, inverse = grid.deltas_xy, grid.inv_deltas_xy(registration)
        _write(inside.field_y, forward[..., 1])
        _write(inside.field_x, forward[..., 0])
        _write(inside.inverse_y, inverse[..., 1])
        _write(inside.inverse_x, inverse[..., 0])
        columns = ["structure_name", "left_area_mm2", "right_area_mm2", "total_area_mm2"]
        areas = registration.structure_areas().rename(columns={"name": "structure_name"})
        areas[columns].to_csv(inside.areas, index=False, float_format=AREA_FORMAT)
        _write_structures(inside.structures, registration.atlas)
        record = json.dumps(_record(registration, grid), indent=2, allow_nan=False)
        inside.record.write_text(record + "\n", encoding="utf-8")
    return files.folder


def read_brainglobe(folder: str | os.PathLike) -> BrainGlobeResult:
    """Read a folder that `write_brainglobe` wrote.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    BrainGlobeResult

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    InvalidFileError
        If a file is not what it should be, or another program wrote the folder.
    """
    import pandas as pd

    files = BrainGlobeFiles(folder)
    path = require_file(files.record, "record of the registration")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        atlas, own = record["atlas"], record[_KEY]
        plane = Plane.from_corners(own["slice_corners_um"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidFileError(
            f"The record of a BrainGlobe folder must be JSON that atlalign wrote. Received: {path} "
            f"({type(error).__name__}: {error}). Write the folder again with write_brainglobe."
        ) from None
    forward, inverse = (
        np.stack([_read(x), _read(y)], axis=-1)
        for x, y in ((files.field_x, files.field_y), (files.inverse_x, files.inverse_y))
    )
    return BrainGlobeResult(
        atlas=atlas,
        downsampled=_read(files.downsampled),
        labels=_read(files.atlas),
        hemispheres=_read(files.hemispheres),
        boundaries=_read(files.boundaries),
        deltas_xy=forward,
        inv_deltas_xy=inverse,
        plane=plane,
        # "NA" is an acronym, not a missing value
        areas=pd.read_csv(require_file(files.areas, "table of areas"), keep_default_na=False),
        structures=pd.read_csv(require_file(files.structures, "table of structures"), keep_default_na=False),
        record=record,
    )


def _write(path: Path, image: np.ndarray) -> None:
    tifffile.imwrite(path, np.ascontiguousarray(image), photometric="minisblack", compression="zlib")


def _read(path: Path) -> np.ndarray:
    try:
        return tifffile.imread(require_file(path, "image"))
    except (tifffile.TiffFileError, ValueError) as error:
        raise InvalidFileError(
            f"An image of a BrainGlobe folder must be a TIFF. Received: {path} ({error}). Write the folder again."
        ) from None


def _label_images(registration: Registration, grid: SectionGrid) -> tuple[np.ndarray, np.ndarray]:
    """Return structures, uint32, and hemispheres, uint8, on the grid."""
    labels, hemispheres = np.zeros(grid.shape, dtype=np.uint32), np.zeros(grid.shape, dtype=np.uint8)
    for part, *found in registration.labels_and_sides_at(*section_axes(grid.to_section, grid.shape)):
        labels[part], hemispheres[part] = found
    return labels, hemispheres


def _record(registration: Registration, grid: SectionGrid) -> dict[str, Any]:
    section, atlas = registration.section, registration.atlas
    return {
        "atlas": _atlas_name(atlas),
        "atlas_2d_slice_index": int(grid.plane.position_um // atlas.resolution_um[0]),
        "atlas_slice_corners": _corners_for_pynutil(grid, atlas.resolution_um).tolist(),
        "moving_image": section.name,
        _KEY: {
            "version": atlalign.__version__,
            "atlas": atlas.spec,
            "section_shape": list(section.shape),
            "section_pixel_size_um": list(registration.canvas.section_pixel_um),
            "animal_left_in_image": registration.canvas.animal_left,
            "slice_shape": list(grid.slice_shape),
            "slice_corners_um": grid.plane.corners_um.tolist(),
            "hemispheres": {"left": 1, "right": 2},
            "deformation_field": "px; pixel + field is the pixel of the slice",
            "inverse_deformation_field": "px; pixel of the slice + field is the pixel",
        },
    }


def _atlas_name(atlas: Atlas) -> str:
    """Return the name with the spacing at its end, as BrainGlobe's names have it."""
    ending = f"{atlas.resolution_um[1]:g}um"
    return atlas.name if atlas.name.endswith(f"_{ending}") else f"{atlas.name}_{ending}"


def _corners_for_pynutil(grid: SectionGrid, resolution_um: tuple[float, float, float]) -> np.ndarray:
    """Return corners, (4, 3) um: the module's docstring says why they are where they are."""
    voxel_um = np.asarray(resolution_um)
    width, height = grid.slice_shape[::-1]
    origin, u, v = (vector / voxel_um for vector in (grid.plane.origin_um, grid.plane.u_um, grid.plane.v_um))
    u, v = u / width, v / height
    index = origin + (u + v) / 2 - 0.5
    if grid.plane.is_coronal:
        index[0] = np.floor(origin[0])
        index[u + v < 0] -= _HALF_OPEN
    else:
        index += _HALF_OPEN - 0.5
    u *= max(_CELLS * grid.shape[1], width) * _SHORTER
    v *= max(_CELLS * grid.shape[0], height) * _SHORTER
    return np.stack([index, index + u, index + v, index + u + v]) * voxel_um


def _write_structures(path: Path, atlas: Atlas) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["acronym", "id", "name", "structure_id_path", "parent_structure_id", "red", "green", "blue"])
        for structure in atlas.structures.values():
            ids = "/".join(map(str, structure.path))
            parent = "" if structure.parent_id is None else structure.parent_id
            writer.writerow([structure.acronym, structure.id, structure.name, f"/{ids}/", parent, *structure.rgb])

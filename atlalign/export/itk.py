"""Displacement fields that ITK, SimpleITK, ANTs and 3D Slicer apply: NIfTI and NRRD.

Convention: ITK's fields pull back, as ours do: they lie on the grid of the fixed image, and take the point p of the
fixed image to the point p + field(p) of the moving one, in mm. Images are 2D; x runs to the right and y down, which ITK
takes for left and posterior (LPS), and the centre of the top-left pixel is at (0, 0). NIfTI itself counts to the right
and to the front: its header holds both axes turned around, the vectors do not (intent 1007; those of intent 1006 would
be turned on reading).
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import nrrd
import numpy as np

from atlalign._files import atomic_folder, atomic_path, require_file
from atlalign.base import DisplacementField
from atlalign.errors import InvalidFileError, one_line

if TYPE_CHECKING:
    from atlalign.registration.result import Registration

_VECTOR = 1007  # NIfTI's code of the intent
_UM = 1e-3  # mm


class ItkFiles:
    """The files of a registration for ITK and ANTs.

    Parameters
    ----------
    folder : path-like
        Where the files are, or will be.

    Attributes
    ----------
    folder : Path
    fixed : Path
        ``fixed.nii.gz``: the atlas's reference on the canvas, float32 in [0, 1].
    moving : Path
        ``moving.nii.gz``: the section on the canvas as the networks saw it, float32 in [0, 1].
    field, field_nrrd : Path
        ``field.nii.gz``, ``field.nrrd``: fixed `fixed`, moving `moving`.
    inverse_field, inverse_field_nrrd : Path
        ``inverse_field.nii.gz``, ``inverse_field.nrrd``: fixed `moving`, moving `fixed`.
    canvas_to_section : Path
        ``canvas_to_section.tfm``: the affine map from the canvas to the section's own image, whose pixels are as large
        as `Registration.canvas` says, the centre of the first one at (0, 0).

    Examples
    --------
    >>> ItkFiles("out").field.name
    'field.nii.gz'
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.fixed = self.folder / "fixed.nii.gz"
        self.moving = self.folder / "moving.nii.gz"
        self.field = self.folder / "field.nii.gz"
        self.field_nrrd = self.folder / "field.nrrd"
        self.inverse_field = self.folder / "inverse_field.nii.gz"
        self.inverse_field_nrrd = self.folder / "inverse_field.nrrd"
        self.canvas_to_section = self.folder / "canvas_to_section.tfm"


def write_itk(registration: Registration, folder: str | os.PathLike) -> Path:
    """Write a registration for ITK and ANTs, whole or not at all.

    Parameters
    ----------
    registration : Registration
    folder : path-like
        Made if need be; other files in it stay. `ItkFiles` names those written.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If a field is not finite.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign import Atlas, Section, register
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> def two_to_the_left(reference, moving):
    ...     return np.broadcast_to(np.float32([2, 0]), (*reference.shape, 2))
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100)
    >>> registration = register(section, atlas, position_um=6000, local_model=two_to_the_left)
    >>> folder = write_itk(registration, tempfile.mkdtemp())
    >>> field, spacing_mm = read_field_nifti(ItkFiles(folder).field)
    >>> field.delta_x[0, 0].round(4).item(), [round(size, 4) for size in spacing_mm]
    (2.0, [0.1, 0.1])
    """
    files = ItkFiles(folder)
    spacing_mm = tuple(size * _UM for size in registration.canvas.pixel_um)
    with atomic_folder(files.folder) as temporary:
        inside = ItkFiles(temporary)
        _write_image(inside.fixed, registration.reference, spacing_mm)
        _write_image(inside.moving, registration.moving, spacing_mm)
        write_field_nifti(inside.field, registration.field, spacing_mm)
        write_field_nrrd(inside.field_nrrd, registration.field, spacing_mm)
        write_field_nifti(inside.inverse_field, registration.inverse_field, spacing_mm)
        write_field_nrrd(inside.inverse_field_nrrd, registration.inverse_field, spacing_mm)
        inside.canvas_to_section.write_text(_affine_file(registration), encoding="utf-8")
    return files.folder


def write_field_nifti(path: str | os.PathLike, field: DisplacementField, spacing_mm: Any) -> None:
    """Write a field as NIfTI: float32, (x, y, 1, 1, 2), intent 1007.

    Parameters
    ----------
    path : path-like
        Ends in ``.nii`` or ``.nii.gz``.
    field : DisplacementField, (h, w)
    spacing_mm : float or (x, y)
        Size of a pixel across and down, mm.

    Raises
    ------
    ValueError
        If the name has another ending, the field is not finite, or the spacing not positive.

    See Also
    --------
    read_field_nifti

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "field.nii.gz"
    >>> field = DisplacementField(np.full((3, 4), 2.0), np.zeros((3, 4)))
    >>> write_field_nifti(path, field, 0.5)
    >>> nibabel.load(path).shape
    (4, 3, 1, 1, 2)
    >>> nibabel.load(path).dataobj[0, 0, 0, 0].tolist()  # mm
    [1.0, 0.0]
    """
    spacing = _checked_spacing(spacing_mm)
    vectors = np.swapaxes(_millimetres(field, spacing), 0, 1)[:, :, None, None]
    image = _nifti(vectors, spacing)
    image.header.set_intent(_VECTOR)
    _write_nifti(Path(path), image)


def read_field_nifti(path: str | os.PathLike) -> tuple[DisplacementField, tuple[float, float]]:
    """Read a 2D field from NIfTI.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    field : DisplacementField
    spacing_mm : (float, float)
        Size of a pixel across and down, mm.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If it is no NIfTI file of a finite 2D field of intent 1007 whose axes are not turned.

    See Also
    --------
    write_field_nifti
    """
    path = require_file(path, "displacement field")
    try:
        image = nibabel.Nifti1Image.from_bytes(_unpacked(path))
        intent, shape = int(image.header["intent_code"]), image.shape
        if intent != _VECTOR or len(shape) != 5 or shape[2:] != (1, 1, 2):
            raise ValueError(f"shape {shape}, intent {intent}")
        axes = image.affine[:2, :2]
        if axes[0, 1] or axes[1, 0] or axes[0, 0] > 0 or axes[1, 1] > 0:
            raise ValueError(f"axes {axes.tolist()}")
        vectors = np.swapaxes(np.asarray(image.dataobj)[:, :, 0, 0], 0, 1)
        return _field(vectors, [float(size) for size in image.header.get_zooms()[:2]])
    except Exception as error:
        # nibabel and gzip have many ways to fail on a damaged file
        raise InvalidFileError(
            "A field must be a NIfTI file of shape (x, y, 1, 1, 2) and intent 1007, with axes that are not turned. "
            f"Received: {path} ({one_line(error)}). Write it with write_field_nifti, or with ANTs in 2D."
        ) from None


def write_field_nrrd(path: str | os.PathLike, field: DisplacementField, spacing_mm: Any) -> None:
    """Write a field as NRRD: float32, (2, x, y).

    Parameters
    ----------
    path : path-like
        Ends in ``.nrrd``.
    field : DisplacementField, (h, w)
    spacing_mm : float or (x, y)
        Size of a pixel across and down, mm.

    Raises
    ------
    ValueError
        If the name has another ending, the field is not finite, or the spacing not positive.

    See Also
    --------
    read_field_nrrd

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "field.nrrd"
    >>> write_field_nrrd(path, DisplacementField(np.full((3, 4), 2.0), np.zeros((3, 4))), 0.5)
    >>> read_field_nrrd(path)[0].delta_x[0, 0].item()
    2.0
    """
    path = Path(path)
    if path.suffix != ".nrrd":
        raise ValueError(f"The name of an NRRD file must end in .nrrd. Received: {path}. Choose another name.")
    spacing = _checked_spacing(spacing_mm)
    header = {
        "kinds": ["vector", "domain", "domain"],
        "space dimension": 2,
        "space directions": np.vstack([[np.nan, np.nan], np.diag(spacing)]),
        "space origin": np.zeros(2),
    }
    with atomic_path(path) as temporary:
        nrrd.write(str(temporary), np.transpose(_millimetres(field, spacing), (2, 1, 0)), header)


def read_field_nrrd(path: str | os.PathLike) -> tuple[DisplacementField, tuple[float, float]]:
    """Read a 2D field from NRRD.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    field : DisplacementField
    spacing_mm : (float, float)
        Size of a pixel across and down, mm.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If it is no NRRD file of a finite 2D field whose axes are not turned.

    See Also
    --------
    write_field_nrrd
    """
    path = require_file(path, "displacement field")
    try:
        data, header = nrrd.read(str(path))
        if data.ndim != 3 or data.shape[0] != 2:
            raise ValueError(f"shape {data.shape}")
        directions = np.asarray(header["space directions"], dtype=np.float64)[1:]
        if directions.shape != (2, 2) or directions[0, 1] or directions[1, 0]:
            raise ValueError(f"space directions {directions.tolist()}")
        return _field(np.transpose(data, (2, 1, 0)), np.diag(directions).tolist())
    except Exception as error:
        # pynrrd has many ways to fail on a damaged file
        raise InvalidFileError(
            "A field must be an NRRD file of shape (2, x, y) with axes that are not turned. "
            f"Received: {path} ({one_line(error)}). Write it with write_field_nrrd."
        ) from None


def _millimetres(field: DisplacementField, spacing: tuple[float, float]) -> np.ndarray:
    if not field.is_valid:
        raise ValueError(
            "A field that is written must be finite. Received: a field with NaN or infinite displacements. "
            "Register the section again."
        )
    return (field.deltas_xy * np.array(spacing)).astype(np.float32)


def _field(vectors_mm: np.ndarray, spacing: list[float]) -> tuple[DisplacementField, tuple[float, float]]:
    size = _checked_spacing(spacing)
    field = DisplacementField.from_deltas_xy(vectors_mm / np.array(size))
    if not field.is_valid:
        raise ValueError("not finite")
    return field, size


def _checked_spacing(spacing_mm: Any) -> tuple[float, float]:
    try:
        size = np.broadcast_to(np.asarray(spacing_mm, dtype=np.float64), (2,))
    except (TypeError, ValueError):
        size = np.array([np.nan])
    if not (np.isfinite(size) & (size > 0)).all():
        raise ValueError(
            "spacing_mm must be one positive number, or two (across, down). "
            f"Received: {spacing_mm}. Give the size of a pixel in mm."
        )
    return float(size[0]), float(size[1])


def _write_image(path: Path, image: np.ndarray, spacing: tuple[float, ...]) -> None:
    _write_nifti(path, _nifti(image.T.astype(np.float32), spacing))


def _nifti(data: np.ndarray, spacing: tuple[float, ...]) -> nibabel.Nifti1Image:
    image = nibabel.Nifti1Image(data, np.diag([-spacing[0], -spacing[1], 1, 1]))
    image.header.set_xyzt_units("mm")
    # 1, scanner: as ITK writes it
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    return image


def _write_nifti(path: Path, image: nibabel.Nifti1Image) -> None:
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ValueError(
            f"The name of a NIfTI file must end in .nii or .nii.gz. Received: {path}. Choose another name."
        )
    content = image.to_bytes()
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def _affine_file(registration: Registration) -> str:
    """Return ITK's text of the map from mm of the canvas to mm of the section."""
    canvas = registration.canvas
    section_mm, canvas_mm = np.array(canvas.section_pixel_um) * _UM, np.array(canvas.pixel_um) * _UM
    matrix = canvas.to_section[:, :2] * section_mm[:, None] / canvas_mm
    numbers = [*matrix.ravel(), *(canvas.to_section[:, 2] * section_mm)]
    return (
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_2_2\n"
        f"Parameters: {' '.join(repr(float(number)) for number in numbers)}\nFixedParameters: 0 0\n"
    )

"""Making a dataset of sections that a person corrected."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from atlalign._files import require_folder
from atlalign._progress import no_progress
from atlalign.atlas import Atlas
from atlalign.base import DisplacementField
from atlalign.dataset import Attributes, create_dataset
from atlalign.errors import AtlalignError, one_line
from atlalign.label.folder import LabelFolder, SectionFolder
from atlalign.label.results import corrected
from atlalign.label.subject import SectionSubject
from atlalign.quint.label import on_whole_voxels
from atlalign.registration.result import Registration
from atlalign.section.resampling import compose_affine, resize_affine
from atlalign.simulate.deformation import checked_shape

_NUMBER_IN_NAME = re.compile(r"_s(\d+)")
_MOST_FOLDED = 500


@dataclass(frozen=True)
class LabelledPairs:
    """What became of a folder of labels.

    Attributes
    ----------
    written : dict of str to str
        The sections of the dataset, in its order, and who corrected each.
    left_out : dict of str to str
        The others, and why.
    """

    written: dict[str, str]
    left_out: dict[str, str]


def dataset_from_labels(
    folder: str | os.PathLike,
    out: str | os.PathLike,
    *,
    atlas: Atlas | str | os.PathLike | None = None,
    images: Sequence[str | os.PathLike] = (),
    shape: tuple[int, int] | None = None,
    max_folded_pixels: int = _MOST_FOLDED,
    channel: int | None = None,
    dataset_id: int | None = None,
    stain: str = "",
    progress: Callable[..., Iterable] = no_progress,
) -> LabelledPairs:
    """Make a dataset of the corrected sections of a folder that was labelled.

    Each section whose state is "corrected" becomes one pair: what the networks see of it on its canvas, and the whole
    field of its registration, automatic and corrected.

    Parameters
    ----------
    folder : path-like
        A folder that `atlalign label` worked on: one section, or a series.
    out : path-like
        The HDF5 file, replaced if it exists.
    atlas : Atlas, str or path-like, optional
        By default the one that the sections were registered to.
    images : sequence of path-like
        Folders of the sections' images; see `LabelFolder`.
    shape : (h, w), optional
        Size of the pairs; by default that of the canvases, which must then be of one size.
    max_folded_pixels : int
        Sections whose field folds at so many pixels or more are left out.
    channel : int, optional
        The channel that was registered, of images of several.
    dataset_id : int, optional
        What tells this brain from others; by default a number that follows from the sections' names.
    stain : str
        How the sections look, in free words.
    progress : callable
        Takes the sections, and yields them.

    Returns
    -------
    LabelledPairs
        What the dataset holds, and what was left out and why.

    Raises
    ------
    NotADirectoryError, FileNotFoundError
        If a folder is missing.
    ValueError
        If an argument is out of range, or canvases differ in size and `shape` is not given.
    atlalign.errors.AtlalignError
        If the folder holds no registration, or no section that can be used.

    Examples
    --------
    >>> import pathlib, tempfile, cv2
    >>> from atlalign import register
    >>> from atlalign.dataset import check_dataset
    >>> from atlalign.label import LabelSession
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> atlas = Atlas.load("phantom:100")
    >>> _ = cv2.imwrite(str(folder / "s1.png"), (255 * atlas.reference_plane(6000)).astype("uint8"))
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registration = register(folder / "s1.png", atlas, position_um=6000, local_model=nothing_to_do)
    >>> [section] = LabelFolder(registration.save(folder / "run" / "s1")).sections

    A person moves one point, and the pair holds the field that takes it there.

    >>> subject = section.load()
    >>> session = LabelSession(subject, on_change=lambda labels: section.save("anna", labels, subject))
    >>> _ = session.add((40, 30), (43, 30))
    >>> made = dataset_from_labels(folder / "run", folder / "pairs.h5")
    >>> made.written, check_dataset(folder / "pairs.h5")
    ({'s1': 'anna'}, [])
    """
    out = Path(out).absolute()
    require_folder(out.parent)
    if out.is_dir():
        raise IsADirectoryError(f"The output must be a file. Received a folder: {out}. Add the file's name.")
    if max_folded_pixels < 1:
        raise ValueError(f"max_folded_pixels must be at least 1. Received: {max_folded_pixels}")
    size = None if shape is None else checked_shape(shape)
    labelled = LabelFolder(folder, list(images), channel)
    if any(section.is_pair_of_pictures for section in labelled.sections):
        raise AtlalignError(
            f"A dataset is of sections in an atlas. Received: {labelled.root}, which holds two pictures and none. "
            "Use its deltas_xy.npy."
        )
    known = _loaded(atlas, labelled)
    rows: list[tuple[SectionFolder, dict[str, np.ndarray], str]] = []
    left_out: dict[str, str] = {}
    for section in progress(labelled.sections):
        try:
            columns, person = _pair(section, known, size, max_folded_pixels)
            rows.append((section, columns, person))
        except (ValueError, OSError) as error:
            left_out[section.name] = one_line(error)
    if not rows:
        name, reason = next(iter(left_out.items()))
        raise AtlalignError(
            "A folder must have a corrected section that can be used. "
            f"Received: {labelled.root} with {len(left_out)} that cannot. {name}: {reason}"
        )
    size = _one_size(rows)
    resolution = known.shape_um[1] / size[0], known.shape_um[2] / size[1]
    attributes = Attributes(known.spec, known.version, resolution, stain)
    with create_dataset(out, len(rows), size, attributes) as file:
        for row, (section, columns, _) in enumerate(rows):
            for name, value in columns.items():
                file[name][row] = value
            file["image_id"][row] = _image_id(section.name, row)
        file["dataset_id"][:] = _number_of(labelled) if dataset_id is None else dataset_id
    return LabelledPairs({section.name: person for section, _, person in rows}, left_out)


def _loaded(atlas: Any, labelled: LabelFolder) -> Atlas:
    if atlas is None:
        assert labelled.atlas is not None
        return labelled.atlas
    return atlas if isinstance(atlas, Atlas) else Atlas.load(atlas)


def _pair(
    section: SectionFolder, atlas: Atlas, shape: tuple[int, int] | None, max_folded: int
) -> tuple[dict[str, np.ndarray], str]:
    saved = section.latest()
    if saved is None or saved.labels.state != "corrected":
        state = "untouched" if saved is None else saved.labels.state
        raise ValueError(f"A section of a dataset must be called corrected. Received: {state}. Open it and say so.")
    subject = section.load(atlas)
    assert isinstance(subject, SectionSubject)
    registration = corrected(subject, saved)
    folded = int(np.count_nonzero(registration.field.jacobian <= 0))
    if folded >= max_folded:
        raise ValueError(
            f"A pair's field must fold at fewer than {max_folded} px. Received: {folded}. Correct the folds, which the "
            "page shows in red, or allow for more."
        )
    return _columns(registration, registration.canvas.shape if shape is None else shape), saved.person


def _columns(registration: Registration, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    canvas, atlas = registration.canvas, registration.atlas
    scaled = replace(
        canvas, shape=shape, from_section=compose_affine(resize_affine(canvas.shape, shape), canvas.from_section)
    )
    field = registration.field
    if shape != canvas.shape:
        field = field.resize_constant(shape)
    moving = registration.section.normalized(shape, grid_to_section=scaled.to_section)
    plane = on_whole_voxels(canvas.plane, atlas)
    return {
        "img": np.round(moving * 255).astype(np.uint8),
        "deltas_xy": _halves(field),
        "inv_deltas_xy": _halves(field.pseudo_inverse()),
        "p": np.array(np.clip(np.floor(canvas.plane.position_um), 0, atlas.shape_um[0] - 1), dtype=np.int64),
        "corners_um": plane.corners_um.astype(np.float32),
    }


def _halves(field: DisplacementField) -> np.ndarray:
    return field.deltas_xy.astype(np.float16)


def _one_size(rows: list[tuple[SectionFolder, dict[str, np.ndarray], str]]) -> tuple[int, int]:
    sizes = {columns["img"].shape: section.name for section, columns, _ in rows}
    if len(sizes) > 1:
        (one, first), (other, second), *_ = sizes.items()
        raise ValueError(
            f"The pairs of a dataset must have one size. Received: {one} of {first} and {other} of {second}. "
            "Give shape, or --shape."
        )
    [(height, width)] = sizes
    return height, width


def _image_id(name: str, row: int) -> int:
    numbers = _NUMBER_IN_NAME.findall(name)
    return int(numbers[-1]) if numbers and len(numbers[-1]) < 18 else row


def _number_of(labelled: LabelFolder) -> int:
    """Return a number that follows from the names of a brain's sections, whatever is done to them."""
    names = "\n".join(sorted(section.name for section in labelled.sections))
    return int.from_bytes(hashlib.sha256(names.encode()).digest()[:4], "big")

"""From what a person has, an image, a series or two pictures, to a folder that can be labelled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from atlalign._files import atomic_path, require_file
from atlalign._progress import no_progress
from atlalign.atlas import Atlas
from atlalign.base import DisplacementField
from atlalign.errors import AtlalignError, one_line
from atlalign.label.folder import LabelFolder, picture_files
from atlalign.label.subject import PictureSubject
from atlalign.quint import MarkerWarp, read_series
from atlalign.quint.series import SeriesSection, find_images
from atlalign.registration.files import RegistrationFiles
from atlalign.registration.registrar import register
from atlalign.registration.result import Registration
from atlalign.section import Section

SERIES = (".json", ".xml", ".csv")


def start_section(
    section: str | os.PathLike,
    atlas: Atlas | str | os.PathLike | None,
    out: str | os.PathLike,
    *,
    position_um: float | None = None,
    networks: bool = False,
    pixel_size_um: Any = None,
    channel: int | None = None,
    **orientation: Any,
) -> LabelFolder:
    """Place a section by its tissue, and save it as a folder to label; or go on with that folder if it is there.

    Parameters
    ----------
    section : path-like
        The section's image.
    atlas : Atlas, str or path-like
        The atlas, or what `Atlas.load` takes. Neither it nor a position is needed to go on.
    out : path-like
        The folder: what `Registration.save` writes.
    position_um : float
        Position along the anterior-posterior axis, um: a first guess, which the page can change.
    networks : bool
        Whether the default networks register the section first.
    pixel_size_um, channel, **orientation
        As in `Section.read`.

    Returns
    -------
    LabelFolder

    Raises
    ------
    FileNotFoundError
        If there is no such image.
    ValueError
        If the atlas or the position is missing or wrong, or the folder is of another section.

    Examples
    --------
    >>> import pathlib, tempfile, cv2
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> atlas = Atlas.load("phantom:100")
    >>> _ = cv2.imwrite(str(folder / "s1.png"), (255 * atlas.reference_plane(6000)).astype("uint8"))
    >>> start_section(folder / "s1.png", atlas, folder / "s1", position_um=6000).sections[0].state
    'untouched'
    """
    path, files = require_file(section, "section"), RegistrationFiles(out)
    if files.record.is_file():
        name = files.read_record().get("section", {}).get("name")
        if name != path.name:
            raise ValueError(
                f"The folder must be of the same section. Received: {files.folder}, which is of {name}, for "
                f"{path.name}. Choose another one with --out."
            )
        return LabelFolder(files.folder, [path.parent], channel)
    if atlas is None or position_um is None:
        raise ValueError(
            "A section needs an atlas and a position to begin with. "
            f"Received: {path} without {'--atlas' if atlas is None else '--position-um'}. Give both."
        )
    if files.folder.exists() and (not files.folder.is_dir() or any(files.folder.iterdir())):
        raise FileExistsError(
            f"The folder to begin with must be new or empty. Received: {files.folder}. Choose another one with --out."
        )
    shown = Section.read(path, pixel_size_um=pixel_size_um, channel=channel, **orientation)
    if networks:
        registration = register(shown, atlas, position_um=position_um)
    else:
        registration = _placed(shown, atlas, position_um=position_um)
    registration.save(files.folder)
    return LabelFolder(files.folder, [path.parent], channel)


def start_series(
    series: str | os.PathLike,
    images: str | os.PathLike,
    atlas: Atlas | str | os.PathLike,
    out: str | os.PathLike,
    *,
    channel: int | None = None,
    progress: Callable[..., Iterable] = no_progress,
) -> tuple[LabelFolder, dict[str, str]]:
    """Save the sections of a series of QuickNII, VisuAlign or DeepSlice as folders to label, with their markers.

    Sections whose folder is there already are left as they are, with what was said of them.

    Parameters
    ----------
    series : path-like
        A .json, .xml or .csv file: see `atlalign.quint.read_series`.
    images : path-like
        The folder of the sections' images.
    atlas : Atlas, str or path-like
        The atlas, or what `Atlas.load` takes.
    out : path-like
        The folder: one in it for each section.
    channel : int, optional
        The channel to take of images of several.
    progress : callable
        Takes the sections, and yields them.

    Returns
    -------
    folder : LabelFolder
    left_out : dict of str to str
        The sections that cannot be labelled, and why.

    Raises
    ------
    atlalign.errors.AtlalignError
        If no section can be used.
    """
    atlas = atlas if isinstance(atlas, Atlas) else Atlas.load(atlas)
    out = Path(out)
    sections, without_anchoring = read_series(series, extent_um=atlas.shape_um)
    found = find_images(sections, images)
    left_out = dict.fromkeys(without_anchoring, "It has no anchoring.")
    for section, image in progress(list(zip(sections, found, strict=True))):
        folder = out / PureWindowsPath(section.filename).stem
        if RegistrationFiles(folder).record.is_file():
            continue
        if image is None:
            left_out[section.filename] = "It has no image."
            continue
        try:
            shown = Section.read(image, channel=channel)
            _with_markers(_placed(shown, atlas, plane=section.plane), section).save(folder)
        except (ValueError, OSError) as error:
            left_out[section.filename] = one_line(error)
    if not out.is_dir():
        name, reason = next(iter(left_out.items()))
        raise AtlalignError(
            f"A series must have a section that can be used. Received: {series}, where {name}: {reason}"
        )
    return LabelFolder(out, [Path(images)], channel), left_out


def start_pictures(reference: str | os.PathLike, moving: str | os.PathLike, out: str | os.PathLike) -> LabelFolder:
    """Copy two pictures into a folder to label; or go on with that folder if it holds them already.

    Parameters
    ----------
    reference, moving : path-like
        Images.
    out : path-like
        The folder.

    Returns
    -------
    LabelFolder

    Raises
    ------
    FileNotFoundError
        If a picture is missing.
    ValueError
        If one is no picture, or the folder holds others.
    """
    paths = [require_file(reference, "reference"), require_file(moving, "moving picture")]
    PictureSubject(*paths)  # refuses what cannot be labelled before anything is written
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"The output must be a folder. Received a file: {out}. Choose another name.")
    if RegistrationFiles(out).record.is_file():
        raise ValueError(f"The output must not be of a section. Received: {out}. Choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    for path, stem in zip(paths, ("reference", "moving"), strict=True):
        copies = sorted(out.glob(f"{stem}.*"))
        if copies and copies[0].read_bytes() != path.read_bytes():
            raise ValueError(
                f"The output must be a new folder, or of the same pictures. Received: {out}, whose {copies[0].name} is "
                f"another than {path}. Choose another folder."
            )
        if not copies:
            with atomic_path(out / f"{stem}{path.suffix.lower()}") as temporary:
                shutil.copyfile(path, temporary)
    picture_files(out)
    return LabelFolder(out)


def _placed(section: Section, atlas: Any, **where: Any) -> Registration:
    """Return a registration without any field."""

    def nothing(reference: np.ndarray, moving: np.ndarray) -> np.ndarray:
        return np.zeros((*reference.shape, 2), dtype=np.float32)

    return register(section, atlas, local_model=nothing, **where).without("local")


def _with_markers(registration: Registration, section: SeriesSection) -> Registration:
    if section.markers is None:
        return registration
    canvas = registration.canvas
    warp = MarkerWarp(section.markers)
    height, width = canvas.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)
    on_section = warp.overlay_to_section(canvas.canvas_to_section(grid), registration.section.shape)
    field = DisplacementField.from_deltas_xy(canvas.section_to_canvas(on_section) - grid)
    return registration.with_step("markers", field)


def images_of(paths: Sequence[str | os.PathLike]) -> list[Path]:
    """Return folders of images, having seen that they are there.

    Raises
    ------
    NotADirectoryError
        If one is none.

    Examples
    --------
    >>> images_of(["nowhere"])
    Traceback (most recent call last):
    ...
    NotADirectoryError: The images must be in a folder. Received: nowhere. Give the folder that holds them.
    """
    folders = [Path(path) for path in paths]
    for folder in folders:
        if not folder.is_dir():
            raise NotADirectoryError(
                f"The images must be in a folder. Received: {folder}. Give the folder that holds them."
            )
    return folders

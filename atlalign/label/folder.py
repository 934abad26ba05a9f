"""A folder of sections to label: what is in it, who said what, and what counts."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath
from zipfile import BadZipFile

import numpy as np

from atlalign._files import atomic_path, require_file
from atlalign.atlas import Atlas
from atlalign.base import DisplacementField
from atlalign.errors import AtlalignError, InvalidFileError, one_line
from atlalign.label.labels import Labels, State
from atlalign.label.saving import SavedLabels, read_labels, write_labels
from atlalign.label.session import initial_labels
from atlalign.label.subject import PictureSubject, SectionSubject, Subject
from atlalign.plane import Plane
from atlalign.registration.files import RegistrationFiles
from atlalign.registration.requests import requested_images
from atlalign.registration.result import Registration
from atlalign.registration.saved import SavedRegistration, read_registration
from atlalign.section import Section

MANUAL = "manual"  # the name of the step that holds a correction
LABELS = "labels"  # the folder of each section that holds what people said

_AUTOMATIC = "automatic.npz"
_REFERENCE, _MOVING = "reference", "moving"  # names of the pictures of a pair without an atlas
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class SectionFolder:
    """One section of a folder.

    Attributes
    ----------
    name : str
        Of its folder: what the list of a series calls it.
    folder : Path
        A result folder of `atlalign register`, or of two pictures.
    images : tuple of Path
        Folders where its image may lie.
    channel : int or None
        The channel of an image of several.
    """

    name: str
    folder: Path
    images: tuple[Path, ...] = ()
    channel: int | None = None

    @property
    def labels_folder(self) -> Path:
        """Where each person's file is."""
        return self.folder / LABELS

    @property
    def is_pair_of_pictures(self) -> bool:
        """Whether it has no atlas."""
        return not RegistrationFiles(self.folder).record.is_file()

    def saved(self) -> list[SavedLabels]:
        """Return what every person said, the latest last."""
        # A hidden file is what a process left that was killed while it wrote.
        files = [path for path in self.labels_folder.glob("*.json") if not path.name.startswith(".")]
        found = [read_labels(path) for path in files]
        return sorted(found, key=lambda saved: (saved.changed_at, saved.person))

    def latest(self) -> SavedLabels | None:
        """Return what was said last: it counts. None if nobody said anything."""
        return next(reversed(self.saved()), None)

    @property
    def state(self) -> State:
        """What the last person said of it."""
        latest = self.latest()
        return "untouched" if latest is None else latest.labels.state

    def load(self, atlas: Atlas | None = None) -> Subject:
        """Load the images, the plane, and the automatic field.

        Parameters
        ----------
        atlas : Atlas, optional
            By default the one that the record names.

        Raises
        ------
        FileNotFoundError
            If the section's image is in none of the folders.
        atlalign.errors.AtlalignError
            If the folder does not hold what it should.
        """
        if self.is_pair_of_pictures:
            return PictureSubject(*picture_files(self.folder))
        saved = read_registration(self.folder, atlas=atlas)
        image = self._image(str(saved.record["section"]["name"]))
        return SectionSubject(self._registration(saved, image), image)

    def initial(self, subject: Subject) -> Labels:
        """Return what was said last, on the subject's canvas; the automatic control points if nothing was."""
        latest = self.latest()
        return initial_labels(subject) if latest is None else latest.on_canvas(subject)

    def save(self, person: str, labels: Labels, subject: Subject) -> Path:
        """Write what a person says, at once and whole."""
        return write_labels(self.labels_folder, person, labels, subject)

    def keep_automatic(self, registration: Registration) -> None:
        """Keep the automatic field and its plane, since results will take the place of both."""
        self.labels_folder.mkdir(exist_ok=True)
        columns = {"deltas_xy": registration.field.deltas_xy, "corners_um": registration.canvas.plane.corners_um}
        with atomic_path(self.labels_folder / _AUTOMATIC) as temporary:
            np.savez(temporary, **columns)  # type: ignore[arg-type]

    def _registration(self, saved: SavedRegistration, image: Path) -> Registration:
        """Return the automatic registration: what its folder says, less what a person added."""
        canvas = saved.canvas
        if any(step.get("name") == MANUAL for step in saved.record["steps"]):
            field, plane = self._read_automatic()
            canvas = replace(canvas, plane=plane)
        else:
            field = saved.files.read_field()
        stated = [step for step in saved.record["steps"] if step.get("name") not in ("canvas", MANUAL)]
        registration = Registration(self._section(saved, image), saved.atlas, canvas, [])
        registration.search = saved.search
        if stated or field.norm.any():
            # The folder has the steps' fields only together.
            name = "+".join(str(step["name"]) for step in stated) or "registration"
            quality = {key: entry for step in stated for key, entry in (step.get("quality") or {}).items()}
            registration = registration.with_step(name, field, quality=quality)
        return registration

    def _read_automatic(self) -> tuple[DisplacementField, Plane]:
        path = require_file(self.labels_folder / _AUTOMATIC, "automatic field of a corrected section")
        try:
            with np.load(path, allow_pickle=False) as content:
                return DisplacementField.from_deltas_xy(content["deltas_xy"]), Plane.from_corners(content["corners_um"])
        except (ValueError, KeyError, OSError, BadZipFile) as error:
            raise InvalidFileError(
                f"The automatic field must be what atlalign label kept. Received: {path} ({one_line(error)}). "
                "Register the section again."
            ) from None

    def _section(self, saved: SavedRegistration, path: Path) -> Section:
        record = saved.record["section"]
        given = tuple(record["pixel_size_um"]) if record["pixel_size_source"] == "given" else None
        section = Section.read(
            path,
            pixel_size_um=given,
            channel=self.channel,
            flip=record.get("flip"),
            rotate=record.get("rotate", 0),
            invert=record.get("background") == "bright",
            mask=saved.section.mask,
        )
        if section.shape != saved.section.shape:
            raise InvalidFileError(
                f"The image must be the one that was registered, of {saved.section.shape[1]} x "
                f"{saved.section.shape[0]} px. Received: {path} of {section.shape[1]} x {section.shape[0]} px. "
                "Name the folder of the right one with --images."
            )
        return section

    def _image(self, name: str) -> Path:
        name = PurePath(name.replace("\\", "/")).name  # a record must not lead out of the folders
        for folder in self.images:
            if name and (folder / name).exists():
                return folder / name
        stated = [path for said in reversed(self.saved()) for path in said.image]
        for path in (*stated, *requested_images(RegistrationFiles(self.folder))):
            if path.name == name and path.exists():
                return path
        where = ", ".join(str(folder) for folder in self.images) or "no folder"
        raise FileNotFoundError(
            f"The image of section {self.name} must be in one of the folders that are looked at. "
            f"Received: {name!r}, which is not in {where}. Name its folder with --images."
        )


class LabelFolder:
    """A result folder of `atlalign register`, of one section or of several, or the folder of two pictures.

    Each section keeps what people say of it in a folder ``labels``, a file a person. So copies of the folder on which
    several people worked can be copied into each other: no file is written by two. What was said last counts.

    Parameters
    ----------
    root : path-like
    images : sequence of path-like
        Folders where the sections' images may lie. Besides these, the folder itself, the two around it, the current
        one, and where an image was when somebody last said something of its section, or when it was registered, are
        looked at.
    channel : int, optional
        The channel of images of several that was registered.

    Attributes
    ----------
    root, images, channel
        As given.
    sections : list of SectionFolder
        By name; numbers in names count as numbers.

    Raises
    ------
    NotADirectoryError
        If there is no such folder.
    atlalign.errors.InvalidFileError
        If nothing in it can be labelled.

    Examples
    --------
    >>> LabelFolder("nowhere")
    Traceback (most recent call last):
    ...
    NotADirectoryError: What is labelled must be a folder that atlalign register wrote. Received: nowhere. Check the
    path.
    """

    def __init__(self, root: str | os.PathLike, images: Sequence[str | os.PathLike] = (), channel: int | None = None):
        self.root, self.images, self.channel = Path(root), list(images), channel
        if not self.root.is_dir():
            raise NotADirectoryError(
                f"What is labelled must be a folder that atlalign register wrote. Received: {self.root}. "
                "Check the path."
            )
        around = self.root.absolute().parents
        looked = [*map(Path, images), self.root, *around[:2], Path.cwd()]
        folders = [self.root] if _can_be_labelled(self.root) else _labelled_folders(self.root)
        if not folders:
            raise InvalidFileError(
                "A folder to label must be a result of atlalign register, or hold some. "
                f"Received: {self.root}, without any registration.json. Register the sections first."
            )
        self.sections = [
            SectionFolder(folder.absolute().name, folder, _different([*looked, folder]), channel) for folder in folders
        ]

    @cached_property
    def atlas(self) -> Atlas | None:
        """The atlas of the first section, loaded once for all; None for pictures."""
        first = self.sections[0]
        return None if first.is_pair_of_pictures else read_registration(first.folder).atlas

    def section(self, name: str) -> SectionFolder:
        """Return a section of the folder.

        Raises
        ------
        KeyError
            If no section has that name; a path is none.
        """
        for section in self.sections:
            if section.name == name:
                return section
        raise KeyError(f"A section must be one of the folder's. Received: {name[:80]!r}, which it does not have.")


def require_shown(folder: LabelFolder) -> None:
    """Raise what is wrong with the first section of a folder if none can be shown.

    Raises
    ------
    FileNotFoundError
        If its image is in none of the folders that are looked at.
    atlalign.errors.AtlalignError, ValueError, KeyError, OSError
        If the atlas cannot be loaded, or the section cannot be read.
    """
    atlas, first = folder.atlas, None
    for section in folder.sections:
        try:
            section.load(atlas)
        except (AtlalignError, ValueError, KeyError, OSError) as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def picture_files(folder: Path) -> tuple[Path, Path]:
    """Return the reference and the moving picture of a folder without an atlas.

    Raises
    ------
    FileNotFoundError
        If one is missing.
    """
    found = []
    for stem in (_REFERENCE, _MOVING):
        files = sorted(folder.glob(f"{stem}.*"))
        if not files:
            raise FileNotFoundError(
                f"A folder of two pictures must hold {_REFERENCE} and {_MOVING}. Received: {folder} without {stem}. "
                "Call atlalign label REF MOV OUT again."
            )
        found.append(files[0])
    return found[0], found[1]


def _different(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return each folder once, as it was named first."""
    found: dict[Path, Path] = {}
    for path in paths:
        found.setdefault(path.resolve(), path)
    return tuple(found.values())


def _labelled_folders(root: Path) -> list[Path]:
    return sorted((path for path in root.iterdir() if path.is_dir() and _can_be_labelled(path)), key=_by_number)


def _can_be_labelled(folder: Path) -> bool:
    pictures = all(any(folder.glob(f"{stem}.*")) for stem in (_REFERENCE, _MOVING))
    return RegistrationFiles(folder).record.is_file() or pictures


def _by_number(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in _DIGITS.split(path.name)]

"""The file that holds what one person said of one section."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import atlalign
from atlalign._files import atomic_path, require_file
from atlalign.errors import InvalidFileError, one_line
from atlalign.label.labels import Corners, Labels, Pair, corners_of
from atlalign.label.subject import SectionSubject, Subject
from atlalign.plane import Plane
from atlalign.registration.requests import image_record, images_of_record

FORMAT = "atlalign labels"
VERSION = 1

_NAME = re.compile(r"[\w][\w .@+-]{0,63}", re.UNICODE)
_LARGEST_FILE = 2**24  # bytes: a file of labels is some kilobytes
_FARTHEST = 1e7  # px
_LONGEST_NOTE = 10_000


@dataclass(frozen=True)
class SavedLabels:
    """What a file of labels holds.

    Attributes
    ----------
    person : str
        Who said it.
    changed_at : str
        When, in ISO 8601, UTC: later ones sort after earlier ones.
    labels : Labels
        Their moving points are px of the section until `on_canvas` has brought them there.
    image : tuple of Path
        Where the section's image may be: as it lay from the file, so that both can be moved together, and where it was.
    """

    person: str
    changed_at: str
    labels: Labels
    image: tuple[Path, ...] = ()

    def on_canvas(self, subject: Subject) -> Labels:
        """Return the labels with their moving points on the subject's canvas."""
        return _with_moving_points(self.labels, subject.to_canvas)


def check_person(name: str) -> str:
    """Return the name of a person, which also names a file, or raise a ValueError.

    Examples
    --------
    >>> check_person("Ana Lucia")
    'Ana Lucia'
    >>> check_person("../x")
    Traceback (most recent call last):
    ...
    ValueError: A person must be named by letters, digits, spaces and . @ + - _, 64 at most. Received: '../x'
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name != name.strip():
        raise ValueError(
            f"A person must be named by letters, digits, spaces and . @ + - _, 64 at most. Received: {name!r}"
        )
    return name


def write_labels(folder: Path, person: str, labels: Labels, subject: Subject) -> Path:
    """Write what a person says of a section, whole or not at all, and return the file.

    Parameters
    ----------
    folder : Path
        Made if need be. Each person has a file of their own in it, so that copies of a folder can be put together.
    person : str
    labels : Labels
        On the subject's canvas.
    subject : Subject
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{check_person(person)}.json"
    on_section = _with_moving_points(labels, subject.to_section)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "atlalign_version": atlalign.__version__,
        "section": subject.name,
        "image": _image_record(subject, folder),
        "person": person,
        "changed_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "state": labels.state,
        "note": labels.note,
        "method": labels.method,
        "symmetric": labels.symmetric,
        "hold": labels.hold,
        "corners_um": labels.corners_um,
        "pairs": [
            {
                "number": pair.number,
                "reference_xy": pair.reference_xy,
                "section_xy": pair.moving_xy,
                "automatic": pair.automatic,
                "twin": pair.twin,
            }
            for pair in on_section.pairs
        ],
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    return path


def read_labels(path: Path) -> SavedLabels:
    """Read a file of labels.

    Parameters
    ----------
    path : Path

    Returns
    -------
    SavedLabels

    Raises
    ------
    FileNotFoundError
        If there is none.
    atlalign.errors.InvalidFileError
        If it holds something else.
    """
    path = require_file(path, "file of labels")
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError("too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise ValueError(f"format {content['format']!r}, version {content['version']!r}")
        if not isinstance(content["note"], str) or len(content["note"]) > _LONGEST_NOTE:
            raise ValueError("a note that is no text, or too long")
        labels = Labels(
            pairs=tuple(_pair(row) for row in content["pairs"]),
            method=content["method"],
            symmetric=bool(content["symmetric"]),
            hold=bool(content["hold"]),
            state=content["state"],
            note=content["note"],
            corners_um=_corners(content["corners_um"]),
        )
        numbers = [pair.number for pair in labels.pairs]
        if len(set(numbers)) < len(numbers):
            raise ValueError("two pairs of one number")
        changed_at = datetime.fromisoformat(content["changed_at"]).astimezone(UTC)
        changed = changed_at.isoformat(timespec="microseconds")
        return SavedLabels(
            check_person(content["person"]), changed, labels, images_of_record(content.get("image"), path.parent)
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise InvalidFileError(
            f"A file of labels must be one that atlalign label wrote. Received: {path} "
            f"({type(error).__name__}: {one_line(error)}). Restore it from a copy, or remove it."
        ) from None


def _image_record(subject: Subject, folder: Path) -> dict[str, str | None] | None:
    if not isinstance(subject, SectionSubject) or subject.image is None:
        return None
    return image_record(subject.image, folder)


def _pair(row: Any) -> Pair:
    points = np.array([row["reference_xy"], row["section_xy"]], dtype=np.float64)
    if points.shape != (2, 2) or not np.isfinite(points).all() or np.abs(points).max() > _FARTHEST:
        raise ValueError("a pair that is not twice two finite numbers")
    twin = row["twin"]
    (x, y), (to_x, to_y) = points.tolist()
    return Pair(int(row["number"]), (x, y), (to_x, to_y), bool(row["automatic"]), None if twin is None else int(twin))


def _corners(corners: Any) -> Corners | None:
    if corners is None:
        return None
    return corners_of(Plane.from_corners(corners))


def _with_moving_points(labels: Labels, move: Any) -> Labels:
    if not labels.pairs:
        return labels
    moved = move(np.array([pair.moving_xy for pair in labels.pairs]))
    return labels.having(
        Pair(pair.number, pair.reference_xy, (float(x), float(y)), pair.automatic, pair.twin)
        for pair, (x, y) in zip(labels.pairs, moved, strict=True)
    )

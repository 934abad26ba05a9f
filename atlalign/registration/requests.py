"""What was asked for when a result folder was made, so that the same is not done twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import atlalign
from atlalign._files import atomic_path, require_file
from atlalign.registration.files import RegistrationFiles
from atlalign.registration.jobs import SectionJob
from atlalign.registration.locating import default_position_model
from atlalign.registration.predicting import uses_default_global
from atlalign.weights.defaults import DEFAULT, default_models

if TYPE_CHECKING:
    from atlalign.atlas import Atlas


@dataclass(frozen=True)
class BatchSettings:
    """What the sections of a batch have in common, besides the atlas.

    Attributes
    ----------
    global_model, local_model, refine, landmarks_smoothing, variations, auto_orient
        As in `Registrar` and `Registrar.register`.
    export : tuple of str
        As in `Registration.save`.
    """

    global_model: Any = None
    local_model: Any = None
    refine: int = 0
    landmarks_smoothing: float = 0.0
    variations: int = 0
    auto_orient: bool = False
    export: tuple[str, ...] = ()


class Requests:
    """The requests of a batch: one a section.

    Parameters
    ----------
    atlas : Atlas
    settings : BatchSettings

    Raises
    ------
    FileNotFoundError
        If a model is not where it is said to be.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign import Atlas
    >>> path = Path(tempfile.mkdtemp()) / "s1.tif"
    >>> _ = path.write_bytes(b"pixels")
    >>> request = Requests(Atlas.load("phantom:200"), BatchSettings(local_model=len)).of(SectionJob(path))
    >>> request["section"]["bytes"], request["models"]
    (6, {'global': None, 'local': 'builtins.len'})
    """

    def __init__(self, atlas: Atlas, settings: BatchSettings):
        given = {"global": settings.global_model, "local": settings.local_model}
        if settings.global_model is None and settings.local_model is None:
            given = dict.fromkeys(given, DEFAULT)
        if uses_default_global(settings.global_model, settings.local_model):
            given["position"] = default_position_model(atlas)
        self._shared = {
            "atlas": [atlas.name, atlas.version, atlas.spec, atlas.resolution_um],
            "models": {name: _identity(name, model) for name, model in given.items()},
            "refine": settings.refine,
            "landmarks_smoothing": settings.landmarks_smoothing,
            "variations": settings.variations,
            "auto_orient": settings.auto_orient,
            "export": sorted(settings.export),
        }

    def of(self, job: SectionJob) -> dict[str, Any]:
        """Return all that the result of a section depends on, in types that JSON knows.

        Files of sections and masks are known by name, size and time of their last change, models by their checksums.

        Raises
        ------
        OSError
            If the section's file or its mask cannot be found.
        """
        request = {
            "section": _stamp(job.section, "section"),
            "position_um": job.position_um,
            "corners_um": None if job.plane is None else job.plane.corners_um,
            **({} if job.tilt == "auto" else {"tilt_degrees": list(job.tilt)}),
            "pixel_size_um": job.pixel_size_um,
            "channel": job.channel,
            "flip": job.flip,
            "rotate": job.rotate,
            "invert": job.invert,
            "hemisphere": job.hemisphere,
            "mask": None if job.mask is None else _stamp(job.mask, "mask"),
            "landmarks": None if job.landmarks is None else [job.landmarks.section_xy, job.landmarks.targets],
            **self._shared,
        }
        return json.loads(json.dumps(request, default=_plain))


def is_done(files: RegistrationFiles, request: dict[str, Any]) -> bool:
    """Say whether a result folder holds what is asked for, whole."""
    return files.record.is_file() and read_request(files).get("request") == request


def read_request(files: RegistrationFiles) -> dict[str, Any]:
    """Return the content of ``request.json``; nothing where there is none, or none that can be read."""
    try:
        content = json.loads(files.request.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_request(files: RegistrationFiles, request: dict[str, Any], seconds: float, image: Path) -> None:
    """Write ``request.json``, as the last file of a result: where it is, the others are whole."""
    content = {
        "atlalign_version": atlalign.__version__,
        "request": request,
        "image": image_record(image, files.folder),  # not of the request: an image that was moved is the same
        "seconds": round(seconds, 3),
    }
    with atomic_path(files.request) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def requested_images(files: RegistrationFiles) -> tuple[Path, ...]:
    """Return where the section's image may be, as ``request.json`` has it; nothing where it does not say."""
    try:
        return images_of_record(read_request(files).get("image"), files.folder)
    except (AttributeError, KeyError):
        return ()


def image_record(image: Path, folder: Path) -> dict[str, str | None]:
    """Return where an image is, and where that is from a folder, if they are on one drive."""
    absolute = image.absolute()
    try:
        relative: str | None = Path(os.path.relpath(absolute, folder.absolute())).as_posix()
    except ValueError:
        relative = None
    return {"path": str(absolute), "from_here": relative}


def images_of_record(content: Any, folder: Path) -> tuple[Path, ...]:
    """Return where an image may be: as it lay from the folder, so that both can be moved together, and where it was.

    Examples
    --------
    >>> [path.name for path in images_of_record({"path": "/a/s1.tif", "from_here": "../s1.tif"}, Path("run"))]
    ['s1.tif', 's1.tif']
    """
    if content is None:
        return ()
    stated = content.get("from_here"), content["path"]
    return tuple(folder / path for path in stated if isinstance(path, str))


def _identity(name: str, model: Any) -> str | None:
    if isinstance(model, str | os.PathLike):
        path = default_models()[name] if os.fspath(model) == DEFAULT else Path(model)
        with require_file(path, f"{name} model").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if model is None:
        return None
    kind = model if hasattr(model, "__qualname__") else type(model)
    return f"{kind.__module__}.{kind.__qualname__}"


def _stamp(path: Path, what: str) -> dict[str, Any]:
    """Return what changes with a file, or with a folder that is an image."""
    found = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [require_file(path, what)]
    stats: Sequence[os.stat_result] = [file.stat() for file in found]
    return {
        "name": path.name,
        "bytes": sum(stat.st_size for stat in stats),
        "changed_ns": max((stat.st_mtime_ns for stat in stats), default=0),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"A request must be of plain values. Received: {type(value).__name__}")

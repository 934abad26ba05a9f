"""One QUINT file for all sections of a batch, read from their result folders one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from atlalign._progress import no_progress
from atlalign.atlas import Atlas
from atlalign.export.quint import write_series

if TYPE_CHECKING:
    from atlalign.registration.result import Registration
    from atlalign.registration.saved import SavedRegistration

    Registered: TypeAlias = Registration | SavedRegistration | str | os.PathLike


def write_quint_series(
    sections: Iterable[Registered],
    path: str | os.PathLike,
    *,
    filenames: Sequence[str] | None = None,
    target: str | None = None,
    tolerance_px: float | None = None,
    longest_side: int = 1000,
    atlas: Atlas | None = None,
    progress: Callable = no_progress,
) -> Path:
    """Write all sections of a batch as one QUINT series: `write_quint` for result folders, however many.

    Folders are read one by one, so that a long series needs no more memory than a short one. The image of a section is
    not read: where it shows tissue is known from the atlas alone.

    Parameters
    ----------
    sections : iterable of path-like, Registration or SavedRegistration
        Result folders, or registrations; to one atlas.
    path : path-like
        A .json file, replaced if it exists.
    filenames : sequence of str, optional
        Names of the images; by default what the sections are called. What follows ``_s`` in a name is the number.
    target, tolerance_px, longest_side
        As in `write_quint`.
    atlas : Atlas, optional
        For folders whose atlas has moved; by default what their records name.
    progress : callable
        Wraps the list of sections: ``progress(sections)``.

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
        If there is no section, they are to different atlases, names or numbers occur twice, or an argument is out of
        range.
    FileNotFoundError, atlalign.errors.InvalidFileError, atlalign.errors.AtlasError
        As `read_registration` raises them; or the folder of the file does not exist.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from atlalign import Section, register
    >>> from atlalign.quint import read_series
    >>> atlas = Atlas.load("phantom:200")
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> results = Path(tempfile.mkdtemp())
    >>> for number, position_um in ((12, 6000), (13, 6200)):
    ...     section = Section(atlas.reference_plane(position_um), name=f"mouse_s{number:03}.png")
    ...     registration = register(section, atlas, position_um=position_um, local_model=nothing_to_do)
    ...     _ = registration.save(results / section.name)
    >>> folders = sorted(record.parent for record in results.glob("*/registration.json"))
    >>> path = write_quint_series(folders, results / "quint.json")
    >>> series, _ = read_series(path, extent_um=atlas.shape_um)
    >>> [(section.filename, section.number) for section in series]
    [('mouse_s012.png', 12), ('mouse_s013.png', 13)]
    """
    from atlalign.registration.saved import open_registrations

    several = list(sections)
    names = [_name(section) for section in several] if filenames is None else list(filenames)
    opened = open_registrations(progress(several), atlas)
    return write_series(path, opened, names, len(several), target, tolerance_px, longest_side)


def _name(section: Registered) -> str:
    if not isinstance(section, str | os.PathLike):
        return section.section.name
    from atlalign.errors import InvalidFileError
    from atlalign.registration.files import RegistrationFiles

    files = RegistrationFiles(section)
    try:
        return str(files.read_record()["section"]["name"])
    except (KeyError, TypeError):
        raise InvalidFileError(
            f"A registration record must name its section. Received: {files.record} without it. "
            "Register the section again."
        ) from None

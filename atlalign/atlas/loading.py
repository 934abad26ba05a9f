"""Which loader an atlas's name or path calls for."""

from __future__ import annotations

import os
from pathlib import Path

from atlalign.atlas.atlas import Atlas
from atlalign.atlas.brainglobe import installed_brainglobe, load_brainglobe
from atlalign.atlas.folder import load_folder
from atlalign.atlas.manifest import MANIFEST
from atlalign.atlas.phantom import load_phantom
from atlalign.errors import AtlasError, one_line


def load_atlas(
    name_or_path: str | os.PathLike,
    *,
    spacing_um: float | None = None,
    brainglobe_dir: str | os.PathLike | None = None,
) -> Atlas:
    """Load an atlas; see `Atlas.load`."""
    name = os.fspath(name_or_path)
    if name == "phantom" or name.startswith("phantom:"):
        return load_phantom(_phantom_spacing(name, spacing_um))
    if spacing_um is not None:
        raise ValueError(
            "spacing_um must be left out: only the phantom can be made at any spacing. "
            f"Received: {spacing_um} for {name!r}. Use shape=... of its planes instead."
        )
    folder = _as_path(name)
    # A name has no separators; a folder that merely bears the name of an installed atlas does not hide it.
    named = folder.name == name
    if folder.is_dir() and not (
        named and not (folder / MANIFEST).is_file() and name in installed_brainglobe(brainglobe_dir)
    ):
        return load_folder(folder)
    if folder.is_file() or not named:
        raise AtlasError(
            f"An atlas must be 'phantom', a folder with an {MANIFEST}, or an installed BrainGlobe atlas. "
            f"Received: {name!r}, which is {'a file' if folder.is_file() else 'no folder'}. Correct the path."
        )
    return load_brainglobe(name, brainglobe_dir)


def _as_path(name: str) -> Path:
    """Return the path of a name, where there can be such a one: not too long for the system, no null in it."""
    try:
        folder = Path(name).expanduser()
        folder.is_dir()
    except (OSError, ValueError, RuntimeError) as error:
        raise AtlasError(
            f"An atlas must be 'phantom', a folder with an {MANIFEST}, or an installed BrainGlobe atlas. "
            f"Received: {name[:60]!r}, which cannot be a path ({one_line(error)[:60]}). Correct it."
        ) from None
    return folder


def _phantom_spacing(name: str, spacing_um: float | None) -> float:
    _, _, written = name.partition(":")
    if not written:
        return 25.0 if spacing_um is None else spacing_um
    try:
        spacing = float(written)
    except ValueError:
        raise AtlasError(
            "The phantom's name must be 'phantom' or 'phantom:SPACING' with a number in um. "
            f"Received: {name!r}. Write for example phantom:50."
        ) from None
    if spacing_um is not None and spacing_um != spacing:
        raise ValueError(
            f"spacing_um must agree with the name {name!r}. Received: {spacing_um}. Leave one of them out."
        )
    return spacing

"""BrainGlobe atlases by name, through brainglobe-atlasapi, never from the network."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import numpy as np

from atlalign.atlas.atlas import Atlas
from atlalign.atlas.structure_files import brainglobe_rows
from atlalign.atlas.structures import Structures
from atlalign.atlas.volume_source import VolumeSource
from atlalign.errors import AtlasError, MissingExtraError, one_line


def load_brainglobe(name: str, brainglobe_dir: str | os.PathLike | None = None) -> Atlas:
    """Return an installed BrainGlobe atlas.

    Parameters
    ----------
    name : str
        Such as "allen_mouse_25um".
    brainglobe_dir : path-like, optional
        Where BrainGlobe atlases are installed; by default where BrainGlobe's configuration says.

    Raises
    ------
    MissingExtraError
        If brainglobe-atlasapi is not installed.
    AtlasError
        If the atlas is not installed, or its files cannot be read.
    """
    try:
        from brainglobe_atlasapi import BrainGlobeAtlas
    except ImportError:
        raise MissingExtraError("BrainGlobe atlases", "brainglobe") from None
    # The constructor downloads what it does not find: it is only called for what is there.
    installed = installed_brainglobe(brainglobe_dir)
    if name not in installed:
        raise AtlasError(
            "An atlas must be 'phantom', a folder with an atlas.toml, or an installed BrainGlobe atlas"
            f" ({', '.join(installed) or 'none is installed'}). Received: {name!r}. "
            f"{_remedy(name, installed)}"
        )
    try:
        atlas = BrainGlobeAtlas(
            name, brainglobe_dir=None if brainglobe_dir is None else Path(brainglobe_dir), check_latest=False
        )
    except Exception as error:
        # a damaged installation fails in as many ways as there are files in it
        raise _damaged(name, error) from None
    atlas.fs = _NoDownloads(name)
    return wrap_brainglobe(atlas, name, brainglobe_dir)


def _remedy(name: str, installed: list[str]) -> str:
    try:
        from brainglobe_atlasapi.atlas_name import AtlasName
    except ImportError:  # older versions know the names only by the network
        known = installed
    else:
        known = [*get_args(AtlasName), *installed]
    near = [] if name in known else get_close_matches(name, known, n=1, cutoff=0.8)
    if not near:
        return f"Correct the path, or install it with: brainglobe install -a {name}"
    if near[0] in installed:
        return f"Did you mean {near[0]}?"
    return f"Did you mean {near[0]}? Install that with: brainglobe install -a {near[0]}"


def installed_brainglobe(brainglobe_dir: str | os.PathLike | None = None) -> list[str]:
    """Return the names of the installed BrainGlobe atlases.

    Parameters
    ----------
    brainglobe_dir : path-like, optional
        Where BrainGlobe atlases are installed; by default where BrainGlobe's configuration says.

    Examples
    --------
    >>> import tempfile
    >>> installed_brainglobe(tempfile.mkdtemp())
    []
    """
    try:
        from brainglobe_atlasapi import config, descriptors
    except ImportError:
        return []
    folder = Path(config.get_brainglobe_dir() if brainglobe_dir is None else brainglobe_dir)
    if hasattr(descriptors, "V3_ATLAS_ROOTDIR"):
        found = (folder / "brainglobe-atlasapi" / descriptors.V3_ATLAS_ROOTDIR).glob("*/*/manifest.json")
        return sorted({manifest.parents[1].name for manifest in found})
    return sorted({path.parent.name.rpartition("_v")[0] for path in folder.glob("*_v*/metadata.json")})


def wrap_brainglobe(atlas: Any, spec: str, brainglobe_dir: str | os.PathLike | None = None) -> Atlas:
    """Return an atlas from an object with the attributes of a `BrainGlobeAtlas`.

    Parameters
    ----------
    atlas : object
        With `template` (version 3) or `reference` (version 2), `annotation`, `structures`, `resolution`,
        `shape` and `metadata`; `hemispheres` where its metadata says that it is not symmetric.
    spec : str
        What `Atlas.load` takes to load it again.
    brainglobe_dir : path-like, optional
        The folder that `Atlas.load` takes besides.

    Raises
    ------
    AtlasError
        If its structures or its shape are not valid.
    """
    metadata = atlas.metadata
    # The older name still exists in version 3, where it prints a warning.
    image = "template" if hasattr(type(atlas), "template") or "template" in vars(atlas) else "reference"
    shape = tuple(int(size) for size in atlas.shape)
    resolution = tuple(float(step) for step in atlas.resolution)
    if len(shape) != 3 or len(resolution) != 3:
        raise AtlasError(
            f"An atlas must have three axes. Received: shape {shape}, resolution {resolution} in {spec}. "
            "Install it again."
        )

    def reader(attribute: str) -> Callable[[], np.ndarray]:
        def read() -> np.ndarray:
            volume = _quietly(lambda: np.asarray(getattr(atlas, attribute)), spec)
            if volume.shape != shape:
                raise AtlasError(
                    f"The {attribute} of a BrainGlobe atlas must have the shape {shape}. "
                    f"Received: {volume.shape} in {spec}. Remove it and run: brainglobe install -a {spec}"
                )
            return volume

        return read

    # brainglobe-atlasapi makes the hemispheres of a symmetric atlas itself, a whole volume of two halves
    symmetric = bool(metadata.get("symmetric", True))
    source = VolumeSource(
        (shape[0], shape[1], shape[2]),
        (resolution[0], resolution[1], resolution[2]),
        reader(image),
        reader("annotation"),
        None if symmetric else reader("hemispheres"),
        name=spec,
    )
    return Atlas(
        source,
        Structures(brainglobe_rows(atlas.structures.values())),
        name=str(metadata.get("name", spec)),
        spec=spec,
        version=str(metadata.get("version", "")),
        species=str(metadata.get("species", "")),
        citation=str(metadata.get("citation", "")),
        license=str(metadata.get("license", "")),
        # absolute: a worker process may stand in another folder
        brainglobe_dir=None if brainglobe_dir is None else str(Path(brainglobe_dir).resolve()),
    )


class _NoDownloads:
    """Stands where brainglobe-atlasapi keeps its connection: its lazy downloads become an error."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, _: str) -> Any:
        raise AtlasError(
            "The volumes of a BrainGlobe atlas must be on this machine. "
            f"Received: {self._name!r}, of which only the description is. Fetch them once with: "
            'python -c "from brainglobe_atlasapi import BrainGlobeAtlas as B; '
            f"a = B('{self._name}'); a.template; a.annotation; a.hemispheres\""
        )


def _quietly(read: Callable[[], np.ndarray], name: str) -> np.ndarray:
    try:
        # brainglobe-atlasapi prints what it is about to do
        with contextlib.redirect_stdout(io.StringIO()):
            return read()
    except AtlasError:
        raise
    except Exception as error:
        raise _damaged(name, error) from None


def _damaged(name: str, error: Exception) -> AtlasError:
    reason = one_line(f"{type(error).__name__}: {error}")
    return AtlasError(
        f"An installed BrainGlobe atlas must be whole. Received: {name!r} ({reason}). Remove it and run: "
        f"brainglobe install -a {name}"
    )

"""The manifest of an atlas folder, atlas.toml: which file is what."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from atlalign.errors import AtlasError, one_line

MANIFEST = "atlas.toml"

# Each axis is named by the side where it starts.
_SIDES = ({"a", "p"}, {"s", "i"}, {"r", "l"})


def _checked_orientation(value: str) -> str:
    if len(value) != 3 or not all(any(set(value) & side == {c} for c in value) for side in _SIDES):
        raise ValueError("must name three different axes by the side where each starts, like 'asr'")
    return value


_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[PositiveFloat, Field(allow_inf_nan=False)]
_Triple = tuple[_Positive, _Positive, _Positive]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VolumeEntry(_Part):
    """One volume of an atlas folder.

    Attributes
    ----------
    file : str
        Path relative to the manifest.
    key : str or None
        The array to take from an .npz file.
    resolution_um : tuple of 3 float
        Spacing along the axes of the file, um.
    first_voxel_um : tuple of 3 float or None
        Centre of the first voxel, from the outer corner of the annotation's grid, along the axes of the
        file, um; None stands for half a spacing.
    """

    file: str
    key: str | None = None
    resolution_um: _Triple
    first_voxel_um: tuple[_Finite, _Finite, _Finite] | None = None


class StructuresEntry(_Part):
    """The structures file of an atlas folder and its format."""

    file: str
    format: Literal["allen", "brainglobe", "csv"]


class Manifest(_Part):
    """What an atlas.toml says."""

    name: str = Field(min_length=1)
    version: str = ""
    species: str = ""
    orientation: Annotated[str, AfterValidator(_checked_orientation)] = "asr"
    citation: str = ""
    license: str = ""
    reference: VolumeEntry
    annotation: VolumeEntry
    structures: StructuresEntry


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of an atlas folder.

    Parameters
    ----------
    folder : Path
        The folder that holds an atlas.toml.

    Raises
    ------
    AtlasError
        If the manifest is missing or not valid, or names a file that is not there.

    Examples
    --------
    >>> import tempfile
    >>> read_manifest(Path(tempfile.gettempdir()) / "no-such-atlas")
    Traceback (most recent call last):
    ...
    atlalign.errors.AtlasError: An atlas folder must hold an atlas.toml. Received: ... Write one: see the
    example on the page "Install" of the documentation.
    """
    path = folder / MANIFEST
    try:
        with open(path, "rb") as file:
            written = tomllib.load(file)
    except FileNotFoundError:
        raise AtlasError(
            f"An atlas folder must hold an {MANIFEST}. Received: {folder}. Write one: see the example on "
            'the page "Install" of the documentation.'
        ) from None
    except RecursionError:
        raise AtlasError(f"{path} must be valid TOML. Received: values nested too deeply. Flatten them.") from None
    # a number of thousands of digits is a plain ValueError, as are bytes that are not text
    except ValueError as error:
        raise AtlasError(f"{path} must be valid TOML. Received: {one_line(error)}. Correct that line.") from None
    try:
        manifest = Manifest.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        received = "nothing" if first["type"] == "missing" else repr(first["input"])
        raise AtlasError(
            f"{path}: {where or 'the manifest'} is not valid ({one_line(first['msg'])}). "
            f"Received: {received}. Compare it with the example on the page "
            '"Install" of the documentation.'
        ) from None
    for entry in (manifest.reference, manifest.annotation, manifest.structures):
        if not _is_file(folder / entry.file):
            raise AtlasError(
                f"Every file that an {MANIFEST} names must exist. Received: {folder / entry.file}. "
                "Put the file there or correct the name."
            )
    return manifest


def _is_file(path: Path) -> bool:
    """Return whether there is such a file; there is none of a name that no system takes."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False

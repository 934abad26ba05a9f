"""An atlas from a folder of volumes with an atlas.toml."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atlalign.atlas.atlas import Atlas
from atlalign.atlas.manifest import VolumeEntry, read_manifest
from atlalign.atlas.structure_files import read_structures
from atlalign.atlas.volume_source import VolumeSource
from atlalign.atlas.volumes import read_volume, volume_shape
from atlalign.errors import AtlasError

_TARGET = "asr"
_OPPOSITE = {"a": "p", "p": "a", "s": "i", "i": "s", "r": "l", "l": "r"}


def load_folder(folder: Path) -> Atlas:
    """Return the atlas of a folder.

    Headers are read and compared at once, voxels when they are first needed.

    Parameters
    ----------
    folder : Path
        Holds an atlas.toml and the files that it names.

    Raises
    ------
    AtlasError
        If the manifest, a header or the structures are not valid, or the volumes do not fit together.
    """
    manifest = read_manifest(folder)
    axes, flips = _to_asr(manifest.orientation)
    annotation = _Volume(folder, manifest.annotation, axes, flips)
    reference = _Volume(folder, manifest.reference, axes, flips)
    half = annotation.resolution_um / 2
    if annotation.entry.first_voxel_um is not None and not np.allclose(annotation.first_voxel_um, half):
        raise AtlasError(
            "The annotation's first_voxel_um must be half its spacing: positions are counted from its outer "
            f"corner. Received: {annotation.entry.first_voxel_um} in {folder / 'atlas.toml'}. "
            "Leave it out there and shift that of the reference."
        )
    extent = annotation.shape * annotation.resolution_um
    reference_first = reference.first_in_asr(extent)
    _check_overlap(reference, reference_first, extent)
    a, b, c = (int(size) for size in annotation.shape)
    source = VolumeSource(
        (a, b, c),
        _triple(annotation.resolution_um),
        reference.read,
        annotation.read_ids,
        reference_resolution_um=_triple(reference.resolution_um),
        reference_first_voxel_um=_triple(reference_first),
        name=str(folder),
    )
    return Atlas(
        source,
        read_structures(folder / manifest.structures.file, manifest.structures.format),
        name=manifest.name,
        spec=str(folder.resolve()),
        version=manifest.version,
        species=manifest.species,
        citation=manifest.citation,
        license=manifest.license,
    )


class _Volume:
    """A volume of the folder and how its axes become `asr`."""

    def __init__(self, folder: Path, entry: VolumeEntry, axes: list[int], flips: list[bool]):
        self.path = folder / entry.file
        self.entry = entry
        self._axes = axes
        self._flips = flips
        self.shape = np.array(volume_shape(self.path, entry.key))[axes]
        self.resolution_um = np.array(entry.resolution_um)[axes]
        first = entry.first_voxel_um
        self.first_voxel_um = self.resolution_um / 2 if first is None else np.array(first)[axes]

    def first_in_asr(self, extent_um: np.ndarray) -> np.ndarray:
        """Return the centre of the first voxel once mirrored axes run the other way."""
        last = self.first_voxel_um + (self.shape - 1) * self.resolution_um
        return np.where(self._flips, extent_um - last, self.first_voxel_um)

    def read(self) -> np.ndarray:
        volume = read_volume(self.path, self.entry.key).transpose(self._axes)
        if volume.shape != tuple(self.shape):
            raise AtlasError(
                f"A volume must be as large as its header says, {tuple(self.shape)}. "
                f"Received: {volume.shape} in {self.path}. Export it again."
            )
        return volume[tuple(slice(None, None, -1 if flip else 1) for flip in self._flips)]

    def read_ids(self) -> np.ndarray:
        ids = np.asarray(self.read())
        if ids.dtype.kind == "u" and ids.dtype.itemsize <= 4:
            return ids
        if not np.isfinite(ids).all() or ids.min() < 0 or ids.max() >= 2**32 or (ids != np.floor(ids)).any():
            raise AtlasError(
                "An annotation must hold structure ids: whole numbers from 0 to 2**32 - 1. "
                f"Received: {ids.dtype} from {ids.min()} to {ids.max()} in {self.path}. "
                "Export it with integer labels."
            )
        return ids.astype(np.uint32)


def _to_asr(orientation: str) -> tuple[list[int], list[bool]]:
    """Return which axis of the file becomes each of `asr`, and whether it is mirrored."""
    axes = [next(i for i, c in enumerate(orientation) if c in (side, _OPPOSITE[side])) for side in _TARGET]
    flips = [orientation[axis] != side for axis, side in zip(axes, _TARGET, strict=True)]
    return axes, flips


def _check_overlap(reference: _Volume, first_um: np.ndarray, extent_um: np.ndarray) -> None:
    """Refuse a reference that covers another extent than the annotation by more than one of its voxels."""
    start = first_um - reference.resolution_um / 2
    end = start + reference.shape * reference.resolution_um
    slack = reference.resolution_um
    if (np.abs(start) > slack).any() or (np.abs(end - extent_um) > slack).any():
        covered = f"{_text(start)} to {_text(end)}"
        raise AtlasError(
            f"The reference must cover the annotation's extent, 0 to {_text(extent_um)} um (asr), within "
            f"one of its voxels. Received: {covered} um in {reference.path}. Correct resolution_um or "
            "first_voxel_um in atlas.toml."
        )


def _text(triple: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:g}" for value in triple) + ")"


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    a, b, c = (float(value) for value in values)
    return a, b, c

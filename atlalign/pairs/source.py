"""Samples of one or several datasets as arrays that a network learns from."""

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from atlalign.atlas import Atlas
from atlalign.base import DisplacementField
from atlalign.dataset import naming_damage, open_dataset, read_attributes
from atlalign.errors import AtlasError, InvalidFileError
from atlalign.pairs.moved import MovedPair
from atlalign.plane import Plane
from atlalign.simulate.deformation import DEFORMATIONS, draw_deformation


class Pair(NamedTuple):
    """What a network sees of a sample, and what it should find.

    Parameters
    ----------
    reference, moving, registered : ndarray, float32, (h, w)
        Images in [0, 1].
    deltas_xy, inv_deltas_xy : ndarray, float32, (h, w, 2)
        Fields moving -> registered and back, in px; the second None from a source that leaves it out.
    """

    reference: NDArray[np.float32]
    moving: NDArray[np.float32]
    registered: NDArray[np.float32]
    deltas_xy: NDArray[np.float32]
    inv_deltas_xy: NDArray[np.float32] | None


class PairSource:
    """The samples of datasets, one after the other, changed at random on the way.

    Parameters
    ----------
    paths : sequence of path-like
        HDF5 datasets of one image size; sample numbers go on from one to the next.
    atlas : str, path-like or Atlas, optional
        Where the reference images come from; what each file's attributes say by default.
    augmenter_ref, augmenter_mov : imgaug.augmenters.Augmenter, optional
        Change the intensities of the reference and of the moving images.
    deformation : {"affine", "local", "both"}, optional
        Deform the moving images anew each time, their labels with them; see
        `atlalign.simulate.draw_deformation`.
    p_reg : float
        Share of the deformed images that start from the registered image, whose label is the deformation alone.
    mirror : float
        Share of the pairs whose images are both mirrored left to right, and their label with them: as good as new
        pairs where the atlas is symmetric.
    placements : ndarray (n, 2, 3), optional
        An affine map for each sample, from new to old pixels, that moves the moving image before anything else: what
        a global network found.
    inverse : bool
        Whether pairs have inverse fields: a quarter of the time that a pair takes.

    Attributes
    ----------
    shape : tuple (h, w)
        Size of the images.
    image_ids, dataset_ids : ndarray of int (n,)
        Which section and which brain each sample is of.

    Raises
    ------
    FileNotFoundError, InvalidFileError
        If a dataset is missing or malformed, or their image sizes differ.
    AtlasError
        If no atlas is known, or it cannot be loaded.
    ValueError
        If the deformation is unknown, or `mirror` is no share.

    Notes
    -----
    It can be pickled, for worker processes: files and atlases are then opened again on first use.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.simulate import simulate_dataset
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> simulate_dataset(path, "phantom", n=3, shape=(32, 48), random_state=0)
    >>> source = PairSource([path, path], deformation="affine")
    >>> len(source), source.pair(4, np.random.default_rng(0)).moving.shape
    (6, (32, 48))
    """

    def __init__(
        self,
        paths: Sequence[Any],
        atlas: str | os.PathLike | Atlas | None = None,
        *,
        augmenter_ref: Any = None,
        augmenter_mov: Any = None,
        deformation: str | None = None,
        p_reg: float = 0.5,
        mirror: float = 0.0,
        placements: NDArray | None = None,
        inverse: bool = True,
    ):
        if deformation is not None and deformation not in DEFORMATIONS:
            raise ValueError(f"deformation must be one of {', '.join(DEFORMATIONS)}. Received: {deformation!r}")
        if not 0 <= mirror <= 1:
            raise ValueError(f"mirror must be a share, from 0 to 1. Received: mirror={mirror}")
        self.paths = [Path(path) for path in paths]
        self.placements = placements
        self._augmenters = augmenter_ref, augmenter_mov
        self._deformation = deformation
        self._p_reg = p_reg
        self._mirror = mirror
        self._inverse = inverse
        self._files: dict[int, h5py.File] = {}
        self._files_owner = os.getpid()
        shapes, stored, image_ids, dataset_ids = [], [], [], []
        for path in self.paths:
            with open_dataset(path) as file, naming_damage(path):
                shapes.append(file["img"].shape[1:])
                stored.append(read_attributes(file).atlas)
                image_ids.append(file["image_id"][:])
                dataset_ids.append(file["dataset_id"][:])
        self.shape = _common_shape(self.paths, shapes)
        self._ends = np.cumsum([len(ids) for ids in image_ids])
        self.image_ids, self.dataset_ids = np.concatenate(image_ids), np.concatenate(dataset_ids)
        loaded: dict[Any, Atlas] = {}
        for spec, path in zip(stored, self.paths, strict=True):
            if spec not in loaded:
                loaded[spec] = load_atlas(atlas, spec, path)
        self._specs = stored
        self._atlases: dict[Any, Atlas | str] = dict(loaded)

    def __len__(self) -> int:
        """Return the number of samples."""
        return int(self._ends[-1])

    @property
    def atlas(self) -> Atlas:
        """The atlas of the first dataset."""
        return self._atlas(0)

    def atlas_of(self, index: int) -> Atlas:
        """Return the atlas of a sample."""
        return self._atlas(self._locate(index)[0])

    def plane(self, index: int) -> Plane:
        """Return where the reference image of a sample lies."""
        number, row = self._locate(index)
        file = self._open(number)
        with naming_damage(self.paths[number]):
            corners_um = file["corners_um"][row] if "corners_um" in file else None
            position_um = float(file["p"][row])
        if corners_um is not None:
            return Plane.from_corners(corners_um)
        atlas = self._atlas(number)
        last = atlas.shape_um[0] - atlas.resolution_um[0] / 2
        return atlas.plane(min(position_um, last))

    def reference(self, index: int) -> NDArray[np.float32]:
        """Return the reference image of a sample, (h, w)."""
        return self.atlas_of(index).reference_plane(self.plane(index), self.shape)

    def stored_image(self, index: int) -> NDArray[np.float32]:
        """Return the moving image of a sample as the file has it, (h, w) in [0, 1]."""
        number, row = self._locate(index)
        with naming_damage(self.paths[number]):
            return self._open(number)["img"][row].astype(np.float32) / 255

    def pair(self, index: int, random_state: int | np.random.Generator | None = None) -> Pair:
        """Return one sample, changed at random.

        Parameters
        ----------
        index : int
            Which sample.
        random_state : None, int or numpy.random.Generator
            Where the changes come from.

        Raises
        ------
        InvalidFileError
            If its fields are not finite.
        """
        rng = np.random.default_rng(random_state)
        moving, (deltas_xy, inv_deltas_xy) = self.stored_image(index), self._stored_fields(index)
        if self.placements is not None or self._deformation is not None:
            moved = self._move(MovedPair(moving, deltas_xy, inv_deltas_xy), index, rng)
            moving, deltas_xy, inv_deltas_xy = moved.moving, moved.deltas_xy, moved.inv_deltas_xy
        augmenter_ref, augmenter_mov = self._augmenters
        reference = _augment(augmenter_ref, self.reference(index), rng)
        moving = _augment(augmenter_mov, moving, rng)
        if self._mirror and rng.random() < self._mirror:
            reference, moving, deltas_xy = _mirrored(reference), _mirrored(moving), _mirrored(deltas_xy)
            inv_deltas_xy = None if inv_deltas_xy is None else _mirrored(inv_deltas_xy)
        registered = DisplacementField.from_deltas_xy(deltas_xy).warp(moving)
        return Pair(reference, moving, registered, deltas_xy, inv_deltas_xy)

    def _move(self, pair: MovedPair, index: int, rng: np.random.Generator) -> MovedPair:
        if self.placements is not None:
            pair.place(self.placements[index])
        if self._deformation is not None:
            from_registered = rng.random() < self._p_reg
            pair.deform(draw_deformation(self.shape, self._deformation, rng), from_registered)
        return pair

    def batch(self, indexes: Sequence[int], seeds: Sequence[Any]) -> Pair:
        """Return several samples, each changed by its own seed, stacked: arrays (n, h, w) and (n, h, w, 2)."""
        pairs = [self.pair(index, seed) for index, seed in zip(indexes, seeds, strict=True)]
        return Pair(*(None if column[0] is None else np.stack(column) for column in zip(*pairs, strict=True)))  # type: ignore[arg-type]

    def _stored_fields(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        number, row = self._locate(index)
        file = self._open(number)
        with naming_damage(self.paths[number]):
            names = ("deltas_xy", "inv_deltas_xy")[: 1 + self._inverse]
            fields = [file[name][row].astype(np.float32) for name in names]
        if not all(np.isfinite(field).all() for field in fields):
            raise InvalidFileError(
                f"Fields must be finite. Received: sample {row} of {self.paths[number]}. "
                f"See: atlalign dataset check '{self.paths[number]}'"
            )
        return fields[0], fields[1] if self._inverse else None

    def _locate(self, index: int) -> tuple[int, int]:
        number = int(np.searchsorted(self._ends, index, side="right"))
        return number, int(index) - (int(self._ends[number - 1]) if number else 0)

    def _atlas(self, number: int) -> Atlas:
        spec = self._specs[number]
        atlas = self._atlases[spec]
        if isinstance(atlas, str):  # after unpickling
            atlas = self._atlases[spec] = Atlas.load(atlas)
        return atlas

    def _open(self, number: int) -> h5py.File:
        # A file that a parent process opened must not be read in its children.
        if self._files_owner != os.getpid():
            self._files, self._files_owner = {}, os.getpid()
        if number not in self._files:
            self._files[number] = open_dataset(self.paths[number])
        return self._files[number]

    def __getstate__(self) -> dict[str, Any]:
        specs = {key: atlas if isinstance(atlas, str) else atlas.spec for key, atlas in self._atlases.items()}
        return {**self.__dict__, "_files": {}, "_atlases": specs, "_augmenters": pickle.dumps(self._augmenters)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # imgaug can be imported through its shim alone, so not by the unpickling of one of its objects.
        import atlalign.ml_utils.imgaug_compat  # noqa: F401

        self.__dict__ = {**state, "_augmenters": pickle.loads(state["_augmenters"])}


def _mirrored(array: NDArray) -> NDArray[np.float32]:
    """Mirror an image (h, w) left to right, or a field (h, w, 2), whose x changes its sign."""
    signs = np.array(1 if array.ndim == 2 else [-1, 1], dtype=np.float32)
    return np.ascontiguousarray(array[:, ::-1] * signs)


def load_atlas(given: str | os.PathLike | Atlas | None, stored: str, path: Path) -> Atlas:
    """Return the atlas of a dataset: the one that is given, or the one that it names."""
    if isinstance(given, Atlas):
        return given
    if given is None and not stored:
        raise AtlasError(
            f"The reference images need an atlas. Received: {path}, which names none. Pass atlas=NAME_OR_PATH."
        )
    try:
        return Atlas.load(given or stored)
    except AtlasError as error:
        if given:
            raise
        raise AtlasError(f"{error} It is the atlas that {path} names; pass atlas=NAME_OR_PATH for another.") from error


def _augment(augmenter: Any, image: NDArray, rng: np.random.Generator) -> NDArray[np.float32]:
    if augmenter is None:
        return image
    from atlalign.ml_utils.augmentation import augment

    return augment(augmenter, image, rng)


def _common_shape(paths: list[Path], shapes: list[tuple]) -> tuple[int, int]:
    for path, shape in zip(paths, shapes, strict=True):
        if shape != shapes[0]:
            raise InvalidFileError(
                f"Datasets that are used together must have images of one size. Received: {shapes[0]} in {paths[0]} "
                f"and {shape} in {path}. Make them of one --shape."
            )
    if not shapes:
        raise ValueError("At least one dataset is needed. Received: none.")
    return shapes[0]

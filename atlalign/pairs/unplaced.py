"""Samples of datasets as a network sees them that learns where sections lie."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from atlalign.atlas import Atlas
from atlalign.errors import InvalidFileError
from atlalign.pairs.source import PairSource
from atlalign.plane_slopes import position_and_slopes
from atlalign.section import Section
from atlalign.section.resampling import compose_affine
from atlalign.section.unplaced import mirrored_view, unplaced_view

# How far a view is changed at most: radians, shares of its size, exponents.
_ROTATION, _LOG_SCALE, _SHEAR, _SHIFT, _LOG_GAMMA = 0.09, 0.08, 0.06, 0.03, 0.4
# Sections that people have are sharper than what a coarse grid holds, and blurred ones are not smaller for it.
_BLUR_PX = 0.9


class UnplacedSample(NamedTuple):
    """What a network sees of a section, and what it should say of it.

    Parameters
    ----------
    view : ndarray, float32, (h, w)
        See `atlalign.section.unplaced`.
    plane : ndarray, float32, (3,)
        Position on the middle axis as a share of the atlas's length, and the slopes across and down; see
        `atlalign.plane_slopes`.
    """

    view: NDArray[np.float32]
    plane: NDArray[np.float32]


class UnplacedSource:
    """The moving images of datasets, each as a section that nobody has placed, with its plane.

    Parameters
    ----------
    paths : sequence of path-like
        HDF5 datasets of one image size, which is that of the views.
    atlas : str, path-like or Atlas, optional
        What positions refer to; what each file's attributes say by default.
    changes : bool
        Whether to mirror, turn, stretch, blur and brighten the views at random.

    Raises
    ------
    FileNotFoundError, InvalidFileError, AtlasError
        As `PairSource`.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.simulate import simulate_dataset
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> simulate_dataset(path, "phantom", n=3, shape=(32, 48), random_state=0)
    >>> source = UnplacedSource([path])
    >>> view, plane = source.sample(1)
    >>> view.shape, plane.shape, bool(0 < plane[0] < 1)
    ((32, 48), (3,), True)
    """

    def __init__(self, paths: Sequence[Any], atlas: Any = None, *, changes: bool = False):
        self.pairs = PairSource(paths, atlas)
        self._changes = changes

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.pairs)

    @property
    def paths(self) -> list[Path]:
        """The datasets."""
        return self.pairs.paths

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the views."""
        return self.pairs.shape

    @property
    def atlas(self) -> Atlas:
        """The atlas of the first dataset."""
        return self.pairs.atlas

    def atlas_of(self, index: int) -> Atlas:
        """Return the atlas of a sample."""
        return self.pairs.atlas_of(index)

    def sample(self, index: int, random_state: int | np.random.Generator | None = None) -> UnplacedSample:
        """Return one sample, changed at random if that is wanted.

        Parameters
        ----------
        index : int
            Which sample.
        random_state : None, int or numpy.random.Generator
            Where the changes come from.

        Raises
        ------
        InvalidFileError
            If its plane is not nearest to coronal.
        """
        section = Section(self.pairs.stored_image(index), invert=False)
        plane = self._plane(index)
        if section.tissue.box is None:  # nothing to be seen of it, and nothing to be learned but what is likeliest
            return UnplacedSample(np.zeros(self.shape, np.float32), plane)
        if not self._changes:
            return UnplacedSample(unplaced_view(section, self.shape), plane)
        rng = np.random.default_rng(random_state)
        change, mirrored = random_change(self.shape, rng)
        if mirrored:
            plane[1] *= -1
        view = unplaced_view(section, self.shape, change)
        view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.05, _BLUR_PX))
        return UnplacedSample(view ** np.float32(np.exp(rng.uniform(-_LOG_GAMMA, _LOG_GAMMA))), plane)

    def batch(self, indexes: Sequence[int], seeds: Sequence[Any]) -> UnplacedSample:
        """Return several samples, each changed by its own seed, stacked: arrays (n, h, w) and (n, 3)."""
        views, planes = zip(*(self.sample(*each) for each in zip(indexes, seeds, strict=True)), strict=True)
        return UnplacedSample(np.stack(views), np.stack(planes))

    def _plane(self, index: int) -> NDArray[np.float32]:
        shape_um = self.atlas_of(index).shape_um
        try:
            position_um, across, down = position_and_slopes(self.pairs.plane(index), shape_um)
        except ValueError as error:
            files = ", ".join(map(str, self.paths))
            raise InvalidFileError(f"{error} It is that of sample {index} of {files}.") from error
        return np.array([position_um / shape_um[0], across, down], dtype=np.float32)


def random_change(shape: tuple[int, int], rng: np.random.Generator) -> tuple[NDArray[np.float64], bool]:
    """Draw a small affine change of a view about its centre, and whether left and right change places before it.

    Parameters
    ----------
    shape : (h, w)
        Of the view.
    rng : numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    ndarray (2, 3)
        As `atlalign.section.unplaced.unplaced_view` takes it.
    bool
        Whether it mirrors.

    Examples
    --------
    >>> change, mirrored = random_change((80, 114), np.random.default_rng(0))
    >>> bool(np.linalg.det(change[:, :2]) < 0) == mirrored
    True
    """
    angle = rng.uniform(-_ROTATION, _ROTATION)
    stretch = np.diag(np.exp(rng.uniform(-_LOG_SCALE, _LOG_SCALE, 2)))
    shear = np.array([[1, rng.uniform(-_SHEAR, _SHEAR)], [0, 1]])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ shear @ stretch
    size = np.array([shape[1], shape[0]])
    centre = (size - 1) / 2
    shift = centre - linear @ centre + rng.uniform(-_SHIFT, _SHIFT, 2) * size
    change = np.column_stack([linear, shift])
    mirrored = bool(rng.random() < 0.5)
    return (compose_affine(mirrored_view(shape), change) if mirrored else change), mirrored

"""Deforming a whole dataset: in parallel, resumable, the same file whatever the number of workers."""

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atlalign._files import require_folder
from atlalign._jobs import Columns, make_dataset, require_positive, rows_of
from atlalign._progress import no_progress
from atlalign.augmentations.pair import LabelledPair, Recipe, draw_factor, find_edges, stretch_edges
from atlalign.base import DisplacementField
from atlalign.dataset import check_dataset, open_dataset, read_attributes
from atlalign.errors import InvalidFileError

_KEPT = ("p", "image_id", "dataset_id", "corners_um")

_logger = logging.getLogger(__name__)


class DatasetAugmenter:
    """Makes a larger dataset of labelled pairs by deforming the moving images of another.

    Parameters
    ----------
    original_path : path-like
        HDF5 file of labelled pairs, as `atlalign.dataset` describes it.

    Attributes
    ----------
    original_path : Path
        That file.
    n_orig : int
        Number of its pairs.
    shape : (h, w)
        Size of its images.

    Raises
    ------
    FileNotFoundError, InvalidFileError
        If the file is missing or departs from the schema.

    Notes
    -----
    A pair has a moving image m, a label L with ``L.warp(m)`` the registered image, and the label's inverse. An edge
    stretching A gives the new inverse: ``inverse(A)``, which deforms m, or A itself, which deforms the registered
    image. It is anchored at the corners and inverted, which gives the new label N. Only then the new moving image is
    made, with the final field: ``L(N_inverse).warp(m)``, interpolated once. So ``N.warp(new image)`` is the same
    registered image as before, and reference and position stay true.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.simulate import simulate_dataset
    >>> folder = tempfile.mkdtemp()
    >>> simulate_dataset(folder + "/pairs.h5", "phantom", n=2, shape=(80, 114), random_state=0)
    >>> DatasetAugmenter(folder + "/pairs.h5").augment(folder + "/more.h5", n_iter=3, random_state=0)
    0
    >>> with open_dataset(folder + "/more.h5") as file:
    ...     file["image_id"][:]
    array([0, 0, 0, 1, 1, 1])
    """

    def __init__(self, original_path: str | os.PathLike):
        self.original_path = Path(original_path).absolute()
        with open_dataset(self.original_path) as file:
            self.n_orig, height, width = file["img"].shape
            self.shape = height, width

    def augment(
        self,
        output_path: str | os.PathLike,
        n_iter: int = 10,
        anchor: bool = True,
        p_reg: float = 0.5,
        random_state: int | np.random.Generator | None = None,
        max_corrupted_pixels: int = 500,
        ds_f: int = 8,
        max_trials: int = 5,
        *,
        workers: int = 1,
        progress: Callable[..., Iterable[int]] = no_progress,
        check_progress: Callable[..., Iterable[int]] = no_progress,
        dask: str | None = None,
    ) -> int:
        """Write `n_iter` deformed pairs for each original pair.

        Row i comes from pair ``i // n_iter`` and keeps its position, ids and corners, so that augmentations of one
        section stay together when the data are split. Finished blocks of rows are kept in a folder beside the output
        until the file is whole, so that the same call goes on where an interrupted one stopped.

        Parameters
        ----------
        output_path : path-like
            The HDF5 file, replaced if it exists.
        n_iter : int
            Pairs that are made from each.
        anchor : bool
            Whether to smooth the fields and lead them to zero at the image's corners. Labels with a large rotation or
            shift fold there when they are anchored; leave it out for them.
        p_reg : float
            Probability, in [0, 1], that a pair starts from the registered image; else it starts from the moving one.
            From the registered image the new field has nothing of the label's own in it.
        random_state : None, int or numpy.random.Generator
            The seed, or what it is drawn from; row i depends on it and on i alone. With None an interrupted call goes
            on with its own seed.
        max_corrupted_pixels : int
            A pair is accepted when fewer pixels than this, in the label and in its inverse, have a negative Jacobian
            (are folded) or no inverse.
        ds_f : int
            Accepted for the sake of older scripts, where a larger one made the inverse coarser and quicker; the
            inverse is now exact, and quicker.
        max_trials : int
            Deformations that are tried for each pair. When none is accepted, the original pair is written.
        workers : int
            Number of processes. The file is the same, byte for byte, whatever it is. With several, a script must call
            this under ``if __name__ == "__main__":``, since each process reads the script again.
        progress : callable
            Takes an iterator of finished blocks of rows, ``total`` and ``done``, and yields the blocks.
        check_progress : callable
            Wraps the range of original pairs while they are checked.
        dask : str, optional
            Address of a running Dask scheduler, whose workers do the work instead. They must see both files' folders
            under the same paths.

        Returns
        -------
        int
            Number of rows that are copies of their original pair.

        Raises
        ------
        ValueError
            If an argument is out of range, or both files are the same.
        FileNotFoundError
            If the output's folder does not exist.
        InvalidFileError
            If an original pair has a fault, such as a field that is not finite.
        MissingExtraError
            If `dask` is given and Dask is not installed.
        AtlalignError
            If another job is making the same file, an unfinished augmentation with other settings is in the way, or
            workers fail.
        """
        output_path = self._check_output(output_path)
        require_positive(
            n_iter=n_iter,
            max_corrupted_pixels=max_corrupted_pixels,
            ds_f=ds_f,
            max_trials=max_trials,
            workers=workers,
        )
        if not 0 <= p_reg <= 1:
            raise ValueError(f"p_reg must be a probability, from 0 to 1. Received: p_reg={p_reg}")
        self._check_original(check_progress)
        with open_dataset(self.original_path) as file:
            attributes, more_attributes = read_attributes(file), dict(file.attrs)
        state = self.original_path.stat()
        n_iter, n = int(n_iter), self.n_orig * int(n_iter)
        recipe = Recipe(bool(anchor), float(p_reg), int(max_corrupted_pixels), int(max_trials))
        unknown = make_dataset(
            output_path,
            n,
            self.shape,
            attributes,
            lambda seed: _Augmentation(self.original_path, n, n_iter, recipe, seed),
            {
                "original": str(self.original_path),
                "original_size": state.st_size,
                "original_mtime_ns": state.st_mtime_ns,
                "n_iter": n_iter,
                **asdict(recipe),
            },
            what="augmentation",
            random_state=random_state,
            workers=workers,
            dask=dask,
            progress=progress,
            more_attributes=more_attributes,
        )
        return int(unknown["is_copy"].sum())

    @staticmethod
    def generate_mov2art(
        img_mov: NDArray,
        verbose: bool = True,
        radius_max: float = 60,
        use_normal: bool = True,
        *,
        random_state: int | np.random.Generator | None = None,
    ) -> DisplacementField:
        """Draw a field that stretches an image at 6 points of its edges.

        Parameters
        ----------
        img_mov : ndarray, (h, w)
            Grey image on a dark background.
        verbose : bool
            Whether to log, at level INFO, what the stretching is multiplied by.
        radius_max : float
            Largest displacement in px, before it is multiplied. `augment` uses 60 at a width of 456 px, and in
            proportion for other widths.
        use_normal : bool
            Whether the displacements are multiplied by a draw from N(0.7, 0.3); else uniformly from [0, 1).
        random_state : None, int or numpy.random.Generator
            Where the randomness comes from.

        Returns
        -------
        DisplacementField, (h, w)
            Its `warp` makes the deformed ("artificial") image from the moving one.

        Raises
        ------
        ValueError
            If the image is not (h, w) or has no edges.

        Examples
        --------
        >>> img = np.zeros((40, 60))
        >>> img[10:30, 15:45] = 1
        >>> field = DatasetAugmenter.generate_mov2art(img, radius_max=8, random_state=0)
        >>> field.shape, bool(field.norm.max() > 1)
        ((40, 60), True)
        """
        img_mov = np.asarray(img_mov)
        if img_mov.ndim != 2:
            raise ValueError(f"img_mov must be (h, w). Received: shape {img_mov.shape}. Give one grey image.")
        edges = find_edges(img_mov)
        if not edges.any():
            raise ValueError("img_mov must have edges to stretch. Received: an image in which none are found.")
        rng = np.random.default_rng(random_state)
        factor = draw_factor(rng, use_normal)
        if verbose:
            _logger.info("The stretching is multiplied by %.3f.", factor)
        return stretch_edges(edges, radius_max, factor, rng)

    def _check_output(self, output_path: str | os.PathLike) -> Path:
        path = Path(output_path).absolute()
        require_folder(path.parent)
        if path.exists() and path.samefile(self.original_path):
            raise ValueError(
                f"The augmented dataset must be another file than the original. Received: {path}. Choose another name."
            )
        return path

    def _check_original(self, progress: Callable[..., Iterable[int]]) -> None:
        faults = check_dataset(self.original_path, progress)
        if faults:
            raise InvalidFileError(
                f"Augmentation needs a dataset without faults. Received: {self.original_path}: {faults[0]}"
                f"{f' and {len(faults) - 1} more' if len(faults) > 1 else ''}. "
                f"See: atlalign dataset check '{self.original_path}'"
            )


@dataclass(frozen=True)
class _Augmentation:
    """The task: make a block of rows."""

    original_path: Path
    n: int
    n_iter: int
    recipe: Recipe
    seed: int

    def __call__(self, block: int) -> Columns:
        rows: list[dict[str, NDArray]] = []
        with open_dataset(self.original_path) as file:
            kept = [name for name in _KEPT if name in file]
            for source, its_rows in groupby(rows_of(block, self.n), lambda row: row // self.n_iter):
                original = {name: file[name][source] for name in ("img", "deltas_xy", "inv_deltas_xy", *kept)}
                pair = LabelledPair(*(original[name] for name in ("img", "deltas_xy", "inv_deltas_xy")))
                for row in its_rows:
                    new = pair.deform(self.recipe, np.random.default_rng([self.seed, row]))
                    rows.append({**original, "is_copy": np.array(new is None), **(_columns(new) if new else {})})
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _columns(pair: LabelledPair) -> dict[str, NDArray]:
    return {
        "img": pair.img,
        "deltas_xy": pair.label.deltas_xy.astype(np.float16),
        "inv_deltas_xy": pair.inverse.deltas_xy.astype(np.float16),
    }

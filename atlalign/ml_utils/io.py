"""Batches of labelled pairs from an HDF5 file, for Keras."""

import os

import numpy as np

from atlalign.ml_utils.batches import BatchGenerator
from atlalign.ml_utils.mlflow_log import log_arguments
from atlalign.pairs import PairSource, UnplacedSource


class SupervisedGenerator(BatchGenerator):
    """Batches (inputs, targets) of a dataset of labelled pairs.

    Parameters
    ----------
    hdf_path : path-like or sequence of path-like
        Dataset as `atlalign.dataset` describes it, or several of one image size, used one after the other.
    batch_size : int
        Samples a batch; the last batch holds what is left.
    shuffle : bool
        Whether each epoch goes through the samples in a new random order.
    augmenter_ref, augmenter_mov : imgaug.augmenters.Augmenter, optional
        Change the intensities of the reference and of the moving images, for example
        `atlalign.ml_utils.augmentation.augmenter_1`. The registered image, a target, is made from the augmented moving
        one.
    return_inverse : bool
        Whether to give the pair in both orders, and the inverse field as a third target.
    mlflow_log : bool
        Whether to log these arguments to the active MLflow run.
    indexes : None, sequence of int or path-like
        Which samples, also repeatedly; all by default. A path names an ``.npy`` file.
    atlas : str, path-like or Atlas, optional
        Where the reference images come from; what the file's attributes say by default.
    deformation : {"affine", "local", "both"}, optional
        Deform the moving images, and their labels with them, anew in each epoch.
    p_reg : float
        Share of the deformed images that start from the registered image; the deformation alone is their label.
    mirror : float
        Share of the pairs that are mirrored left to right, both images and the label.
    placements : ndarray (n, 2, 3), optional
        An affine map a sample of the datasets, applied to its moving image first: what a global network found.
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from. Order and augmentation of an epoch depend on it and on the number of the
        epoch alone, not on the number of workers.
    processes : int
        Number of processes that prepare batches; 0 leaves that to threads of this one.
    workers : int
        Number of those threads.
    max_queue_size : int
        Number of batches that are prepared ahead: what is held in memory, whatever the datasets' size.
    shard : tuple (number, count)
        Which share of each batch to give, where several machines train together.
    multiple_of : int
        Number of devices that share each batch: a last batch that is no multiple of it is cut to one, so that an epoch
        may leave out some samples, in each epoch others when they are shuffled.

    Attributes
    ----------
    epoch : int
        Number of the epoch; set it to go on where an earlier run stopped.
    first_batch : int
        Number of this epoch's batches that are left out because an earlier run did them.
    shape : tuple (h, w)
        Size of the images.

    Raises
    ------
    FileNotFoundError, InvalidFileError
        If the dataset is missing or malformed.
    AtlasError
        If no atlas is known, or it cannot be loaded.
    ValueError
        If an index is outside the dataset, or no sample is left.

    Notes
    -----
    Item i is ``X, (reg_images, deltas_xy)``, with `return_inverse` ``(X_rm, X_mr), (reg_images, deltas_xy,
    inv_deltas_xy)``. X (n, h, w, 2) is float32 in [0, 1], reference first; the images (n, h, w, 1); the fields
    (n, h, w, 2) in px.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.simulate import simulate_dataset
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> simulate_dataset(path, "phantom", n=3, shape=(32, 48), random_state=0)
    >>> generator = SupervisedGenerator(path, batch_size=2)
    >>> X, (reg_images, deltas_xy) = generator[0]
    >>> X.shape, reg_images.shape, deltas_xy.shape, len(generator)
    ((2, 32, 48, 2), (2, 32, 48, 1), (2, 32, 48, 2), 2)
    """

    def __init__(
        self,
        hdf_path,
        batch_size=32,
        shuffle=False,
        augmenter_ref=None,
        augmenter_mov=None,
        return_inverse=False,
        mlflow_log=False,
        indexes=None,
        *,
        atlas=None,
        deformation=None,
        p_reg=0.5,
        mirror=0.0,
        placements=None,
        random_state=None,
        processes=0,
        workers=1,
        max_queue_size=10,
        shard=(0, 1),
        multiple_of=1,
    ):
        paths = [hdf_path] if isinstance(hdf_path, str | os.PathLike) else list(hdf_path)
        source = PairSource(
            paths,
            atlas,
            augmenter_ref=augmenter_ref,
            augmenter_mov=augmenter_mov,
            deformation=deformation,
            p_reg=p_reg,
            mirror=mirror,
            placements=placements,
            inverse=return_inverse,
        )
        super().__init__(
            source,
            batch_size,
            shuffle,
            indexes,
            random_state=random_state,
            processes=processes,
            workers=workers,
            max_queue_size=max_queue_size,
            shard=shard,
            multiple_of=multiple_of,
        )
        self.hdf_path = paths[0] if len(paths) == 1 else paths
        self.augmenter_ref = augmenter_ref
        self.augmenter_mov = augmenter_mov
        self.return_inverse = return_inverse
        if mlflow_log:
            log_arguments(
                {
                    "hdf_path": str(self.hdf_path),
                    "batch_size": self.batch_size,
                    "shuffle": self.shuffle,
                    "augmenter_ref": augmenter_ref,
                    "augmenter_mov": augmenter_mov,
                    "return_inverse": return_inverse,
                    "n_samples": len(self.indexes),
                }
            )

    def _inputs_and_targets(self, reference, moving, registered, deltas_xy, inv_deltas_xy):
        pair = np.stack([reference, moving], axis=-1)
        if self.return_inverse:
            return (pair, pair[..., ::-1]), (registered[..., None], deltas_xy, inv_deltas_xy)
        return pair, (registered[..., None], deltas_xy)


class UnplacedGenerator(BatchGenerator):
    """Batches (views, planes) of the moving images of datasets: sections that nobody has placed, and where they lie.

    Parameters
    ----------
    hdf_path : path-like or sequence of path-like
        Dataset as `atlalign.dataset` describes it, or several of one image size, used one after the other.
    batch_size, shuffle, indexes, **how
        As for `SupervisedGenerator`.
    atlas : str, path-like or Atlas, optional
        What positions refer to; what the file's attributes say by default.
    changes : bool
        Whether to change the views at random, in each epoch anew; see `atlalign.pairs.UnplacedSource`.

    Notes
    -----
    Item i is views (n, h, w, 1), float32 in [0, 1], and planes (n, 3): position on the middle axis as a share of the
    atlas's length, and the slopes of `atlalign.plane_slopes`, across and down.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.simulate import simulate_dataset
    >>> path = tempfile.mkdtemp() + "/pairs.h5"
    >>> simulate_dataset(path, "phantom", n=3, shape=(32, 48), random_state=0)
    >>> views, planes = UnplacedGenerator(path, batch_size=2)[0]
    >>> views.shape, planes.shape
    ((2, 32, 48, 1), (2, 3))
    """

    def __init__(self, hdf_path, batch_size=32, shuffle=False, indexes=None, *, atlas=None, changes=False, **how):
        paths = [hdf_path] if isinstance(hdf_path, str | os.PathLike) else list(hdf_path)
        super().__init__(UnplacedSource(paths, atlas, changes=changes), batch_size, shuffle, indexes, **how)

    def _inputs_and_targets(self, views, planes):
        return views[..., None], planes

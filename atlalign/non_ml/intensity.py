"""Registration by intensities with ANTs."""

import difflib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from atlalign._files import atomic_folder, require_file
from atlalign.base import DisplacementField
from atlalign.errors import AtlalignError, MissingExtraError, one_line
from atlalign.non_ml._ants_job import COMPOSITE, IMAGES, TRANSFORMS, register_in
from atlalign.non_ml._images import as_grey, grey_levels
from atlalign.utils import as_generator

LINEAR_TYPES = (
    "Translation", "Rigid", "Similarity", "QuickRigid", "DenseRigid", "BOLDRigid",
    "Affine", "AffineFast", "BOLDAffine", "TRSAA",
)  # fmt: skip
DEFORMABLE_TYPES = (
    "Elastic", "ElasticSyN", "SyN", "SyNRA", "SyNOnly", "SyNCC", "SyNabp", "SyNBold", "SyNBoldAff",
    "SyNAggro", "SyNLessAggro", "TVMSQ", "TVMSQC",
)  # fmt: skip
_FAMILIES = re.compile(r"TV\[[1-8]\]|antsRegistrationSyN(Quick)?(Repro)?\[(t|r|a|s|sr|so|b|br|bo)\]")
_AFF_METRICS = ("GC", "mattes", "meansquares")
_SYN_METRICS = ("CC", "mattes", "meansquares", "demons")
_HISTOGRAM_BINS = 32
_CC_RADIUS = 4


def antspy_registration(
    fixed_img: ArrayLike,
    moving_img: ArrayLike,
    registration_type: str = "SyN",
    reg_iterations: Sequence[int] = (40, 20, 0),
    aff_metric: str = "mattes",
    syn_metric: str = "mattes",
    verbose: bool = False,
    initial_transform: Any = None,
    path: str | os.PathLike | None = None,
    *,
    random_state: int | np.random.Generator | None = None,
) -> tuple[DisplacementField, dict[str, Any]]:
    """Register two grey images with ANTs.

    Parameters
    ----------
    fixed_img : array-like, (h, w)
        The reference. uint8, or float in [0, 1].
    moving_img : array-like, (h_moving, w_moving)
        What is brought onto it; of any size. Both images should have a dark background: what comes from outside
        the moving image is 0.
    registration_type : str
        What ANTs looks for. Linear: "Translation", "Rigid", "Similarity", "QuickRigid", "DenseRigid", "BOLDRigid",
        "Affine", "AffineFast", "BOLDAffine", "TRSAA". Deformable: "Elastic", "ElasticSyN", "SyN", "SyNRA",
        "SyNOnly", "SyNCC", "SyNabp", "SyNBold", "SyNBoldAff", "SyNAggro", "SyNLessAggro", "TVMSQ", "TVMSQC",
        "TV[n]", "antsRegistrationSyN[x]" and its kin, as `ants.registration` explains them.
    reg_iterations : sequence of int
        Iterations of the deformable part, from the coarsest resolution to the full one, each twice the one before.
    aff_metric : {"mattes", "GC", "meansquares"}
        What the linear part compares: mutual information, global correlation, mean squares.
    syn_metric : {"mattes", "CC", "meansquares", "demons"}
        What the deformable part compares; "CC" is the local correlation in windows of 9 pixels.
    verbose : bool
        Whether ANTs writes its progress to the standard output.
    initial_transform : path-like, list of path-like, "Identity" or None
        ANTs transforms to start from, which become part of the result. In their coordinates the first axis is the
        row, as in the images that `meta` holds. None aligns the centres of mass (nothing, where the type has
        no linear part).
    path : path-like or None
        A folder that receives the files of the result: the transforms, the composite transform
        ``final_transformcomptx.nii.gz``, and both warped images. Files of the same names are replaced. Without it
        nothing stays on the disk.
    random_state : None, int or numpy.random.Generator
        With a seed ANTs runs on one thread in a process of its own, which takes some seconds to start, and
        gives the same field each time. Without one, it draws as it likes and takes all threads; fields of two
        runs differ by some tenths of a pixel.

    Returns
    -------
    field : DisplacementField, (h, w)
        ``field.warp(moving_img)`` is the registered image.
    meta : dict
        "warpedmovout", (h, w), and "warpedfixout", (h_moving, w_moving): what ANTs made of the moving and of the
        fixed image, as `ANTsImage` of float32, in the grey levels that were given. With `path` also
        "fwdtransforms" and "invtransforms": the files, as `ants.apply_transforms` takes them.

    Raises
    ------
    MissingExtraError
        If ANTs is not installed.
    ValueError
        If an image is not grey, is blank, smaller than 16 pixels or not in [0, 1], or a choice is unknown.
    FileNotFoundError
        If an initial transform does not exist.
    AtlalignError
        If ANTs fails.

    See Also
    --------
    atlalign.non_ml.elastix_registration : the same with B-splines.

    References
    ----------
    Avants et al., Symmetric diffeomorphic image registration with cross-correlation, Med Image Anal 12 (2008),
    https://doi.org/10.1016/j.media.2007.06.004

    Examples
    --------
    >>> y, x = np.mgrid[:48, :64]
    >>> fixed = np.exp(-((x - 26) ** 2 / 90 + (y - 22) ** 2 / 40))
    >>> moving = np.roll(fixed, (2, 5), axis=(0, 1))  # 5 pixels to the right, 2 down
    >>> field, meta = antspy_registration(fixed, moving, "Translation")
    >>> field.deltas_xy[24, 32].round()
    array([5., 2.], dtype=float32)
    >>> bool(np.allclose(field.warp(moving), meta["warpedmovout"].numpy(), atol=1e-3))
    True
    """
    settings = _settings(
        registration_type, reg_iterations, aff_metric, syn_metric, initial_transform, verbose=bool(verbose)
    )
    fixed, moving = as_grey(fixed_img, "fixed_img"), as_grey(moving_img, "moving_img")
    seed = None if random_state is None else int(as_generator(random_state).integers(1, 2**31 - 1))
    try:
        import ants
    except ModuleNotFoundError:
        raise MissingExtraError("ANTs registrations", "ants") from None

    with tempfile.TemporaryDirectory(prefix="atlalign-ants-") as name:
        folder = Path(name)
        try:
            names = register_in(folder, fixed, moving, settings, seed)
        except RuntimeError as error:
            raise AtlalignError(
                f"ANTs must find a transformation. Received: {one_line(error)}. "
                "See its messages with verbose=True, or try another registration_type."
            ) from None
        # Axis 0 of ANTs is the row, and so is component 0 of its displacements.
        deltas = ants.image_read(str(folder / COMPOSITE)).numpy()
        field = DisplacementField(deltas[..., 1], deltas[..., 0])
        levels = (grey_levels(moving_img), grey_levels(fixed_img))
        meta: dict[str, Any] = {
            key: ants.image_read(str(folder / f"{key}.nii.gz")) * level
            for key, level in zip(IMAGES, levels, strict=True)
        }
        if path is not None:
            with atomic_folder(path) as out:
                shutil.copytree(folder, out, dirs_exist_ok=True)
            meta |= {key: [str(Path(path) / file) for file in names[key]] for key in TRANSFORMS}
    return field, meta


def _settings(
    registration_type: Any,
    reg_iterations: Any,
    aff_metric: Any,
    syn_metric: Any,
    initial_transform: Any,
    *,
    verbose: bool,
) -> dict[str, Any]:
    known = (*LINEAR_TYPES, *DEFORMABLE_TYPES)
    if registration_type not in known and not _FAMILIES.fullmatch(str(registration_type)):
        near = difflib.get_close_matches(str(registration_type), known, n=1) or ["SyN"]
        raise ValueError(
            f"registration_type must be one that ANTs knows. Received: {registration_type!r}. Nearest: {near[0]!r}."
        )
    for name, metric, allowed in (("aff_metric", aff_metric, _AFF_METRICS), ("syn_metric", syn_metric, _SYN_METRICS)):
        if metric not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}. Received: {metric!r}.")
    iterations = np.asarray(reg_iterations)
    # ANTsPy writes the smoothing of each resolution with one digit.
    if (
        iterations.ndim != 1
        or not 1 <= len(iterations) <= 10
        or iterations.dtype.kind not in "iu"
        or (iterations < 0).any()
    ):
        raise ValueError(
            f"reg_iterations must be 1 to 10 whole numbers of at least 0. Received: {reg_iterations!r}. "
            "The default is (40, 20, 0)."
        )
    return {
        "type_of_transform": registration_type,
        "reg_iterations": tuple(iterations.tolist()),
        "aff_metric": aff_metric,
        "aff_sampling": _HISTOGRAM_BINS,
        "syn_metric": syn_metric,
        # One parameter of ANTs with two meanings: bins of a histogram, or the radius of the correlation's window.
        "syn_sampling": _CC_RADIUS if syn_metric == "CC" else _HISTOGRAM_BINS,
        "initial_transform": _initial(initial_transform),
        "verbose": verbose,
    }


def _initial(initial_transform: Any) -> list[str] | None:
    if initial_transform is None:
        return None
    if isinstance(initial_transform, str | os.PathLike):
        initial_transform = [initial_transform]
    return [
        "Identity" if transform == "Identity" else str(require_file(transform, "initial transform"))
        for transform in initial_transform
    ] or None

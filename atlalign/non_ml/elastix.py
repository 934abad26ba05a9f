"""Registration by intensities with elastix."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.base import DisplacementField
from atlalign.errors import AtlalignError, MissingExtraError, one_line
from atlalign.non_ml._images import as_grey, grey_levels
from atlalign.utils import as_generator

TRANSFORMS = ("translation", "rigid", "affine", "bspline")
METRICS = {
    "mattes": "AdvancedMattesMutualInformation",
    "correlation": "AdvancedNormalizedCorrelation",
    "meansquares": "AdvancedMeanSquares",
}


def elastix_registration(
    fixed_img: ArrayLike,
    moving_img: ArrayLike,
    *,
    transforms: Sequence[str] = ("affine", "bspline"),
    metric: str = "mattes",
    n_resolutions: int = 4,
    n_iterations: int = 256,
    grid_spacing: float = 20.0,
    random_state: int | np.random.Generator | None = None,
    verbose: bool = False,
) -> tuple[DisplacementField, dict[str, Any]]:
    """Register two grey images with elastix, in stages of growing freedom.

    Parameters
    ----------
    fixed_img : array-like, (h, w)
        The reference. uint8, or float in [0, 1].
    moving_img : array-like, (h_moving, w_moving)
        What is brought onto it; of any size. Both images should have a dark background: what comes from outside
        the moving image is 0.
    transforms : sequence of {"translation", "rigid", "affine", "bspline"}
        The stages in their order; each starts where the one before ended.
    metric : {"mattes", "correlation", "meansquares"}
        What the stages compare: mutual information, normalised correlation, mean squares. B-splines also pay for
        bending.
    n_resolutions : int
        Resolutions of a stage, each twice the one before; the last is the full one.
    n_iterations : int
        Iterations at each resolution.
    grid_spacing : float
        Distance of the B-splines' control points at the full resolution, pixels. Smaller follows finer detail, and
        folds sooner.
    random_state : None, int or numpy.random.Generator
        elastix compares random points. The same seed gives the same field, up to 1e-4 pixels on another number
        of threads.
    verbose : bool
        Whether elastix writes its log to the standard output.

    Returns
    -------
    field : DisplacementField, (h, w)
        ``field.warp(moving_img)`` is the registered image.
    meta : dict
        "result", float32 (h, w): elastix's own registered image, in the grey levels that were given, interpolated
        linearly. "parameters": for each stage the transform parameters, name to words, as elastix writes them
        into ``TransformParameters.N.txt``; x and y in pixels.

    Raises
    ------
    MissingExtraError
        If itk-elastix is not installed.
    ValueError
        If an image is not grey, is blank, smaller than 16 pixels or not in [0, 1], or a choice is unknown.
    AtlalignError
        If elastix fails, as when the images lose each other.

    See Also
    --------
    atlalign.non_ml.antspy_registration : diffeomorphic registration.

    Notes
    -----
    The first call of a process loads the whole of ITK, which takes about ten seconds.

    References
    ----------
    Klein et al., elastix: a toolbox for intensity-based medical image registration, IEEE Trans Med Imaging 29
    (2010), https://doi.org/10.1109/TMI.2009.2035616

    Examples
    --------
    >>> y, x = np.mgrid[:48, :64]
    >>> fixed = np.exp(-((x - 26) ** 2 / 90 + (y - 22) ** 2 / 40))
    >>> moving = np.roll(fixed, (2, 5), axis=(0, 1))  # 5 pixels to the right, 2 down
    >>> field, meta = elastix_registration(fixed, moving, transforms=["translation"], random_state=0)
    >>> field.deltas_xy[24, 32].round()
    array([5., 2.], dtype=float32)
    >>> bool(np.allclose(field.warp(moving), meta["result"], atol=1e-3))
    True
    """
    transforms = _checked(transforms, metric, n_resolutions, n_iterations, grid_spacing)
    fixed, moving = as_grey(fixed_img, "fixed_img"), as_grey(moving_img, "moving_img")
    seed = int(as_generator(random_state).integers(1, 2**31 - 1))
    itk = _itk()
    stages = itk.ParameterObject.New()
    for transform in transforms:
        stage = stages.GetDefaultParameterMap(transform, n_resolutions, float(grid_spacing))
        # B-splines have a second metric, the bending energy, that stays.
        stage["Metric"] = (METRICS[metric], *stage["Metric"][1:])
        stage["MaximumNumberOfIterations"] = (str(n_iterations),)
        stage["RandomSeed"] = (str(seed),)
        stage["FinalBSplineInterpolationOrder"] = ("1",)
        stage["ResultImagePixelType"] = ("float",)
        stages.AddParameterMap(stage)
    # A view's first ITK axis is the array's last one, x; spacing 1, origin 0: ITK's unit is the pixel.
    fixed_itk, moving_itk = itk.image_view_from_array(fixed), itk.image_view_from_array(moving)
    with tempfile.TemporaryDirectory(prefix="atlalign-elastix-") as folder:
        try:
            result, parameters = itk.elastix_registration_method(
                fixed_itk,
                moving_itk,
                parameter_object=stages,
                log_to_console=bool(verbose),
                log_to_file=True,
                output_directory=folder,
            )
            # It also writes the field to a file, into the working folder unless told where.
            deltas_xy = itk.transformix_deformation_field(moving_itk, parameters, output_directory=folder)
        except RuntimeError as error:
            raise AtlalignError(
                f"elastix must find a transformation. Received: {_reason(Path(folder), error)}. "
                "Bring the images closer first, as feature_based_registration can, or try other transforms."
            ) from None
        meta = {
            "result": np.array(result, dtype=np.float32) * np.float32(grey_levels(moving_img)),
            "parameters": [
                {key: tuple(words) for key, words in parameters.GetParameterMap(stage).items()}
                for stage in range(parameters.GetNumberOfParameterMaps())
            ],
        }
        return DisplacementField.from_deltas_xy(_array(deltas_xy)), meta


def _array(image: Any) -> NDArray[np.float32]:
    return np.array(image, dtype=np.float32)


def _itk() -> Any:
    try:
        import itk
    except ModuleNotFoundError:
        raise MissingExtraError("elastix registrations", "elastix") from None
    if not hasattr(itk, "ParameterObject"):  # ITK without elastix
        raise MissingExtraError("elastix registrations", "elastix")
    return itk


def _checked(transforms: Any, metric: Any, n_resolutions: Any, n_iterations: Any, grid_spacing: Any) -> tuple[str, ...]:
    transforms = (transforms,) if isinstance(transforms, str) else tuple(transforms)
    if not transforms or not set(transforms) <= set(TRANSFORMS):
        raise ValueError(f"transforms must be some of {', '.join(TRANSFORMS)}. Received: {transforms!r}.")
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}. Received: {metric!r}.")
    for name, number in (("n_resolutions", n_resolutions), ("n_iterations", n_iterations)):
        if not isinstance(number, int | np.integer) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} must be a whole number of at least 1. Received: {number!r}.")
    if not 0 < grid_spacing < np.inf:
        raise ValueError(f"grid_spacing must be a positive number of pixels. Received: {grid_spacing!r}.")
    return transforms


def _reason(folder: Path, error: RuntimeError) -> str:
    """Return what elastix's log says of an error: the error itself only points there."""
    log = folder / "elastix.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    reasons = [line.split(":", 1)[1] for line in lines if line.startswith("Description:")]
    return one_line(reasons[-1].split("): ", 1)[-1] if reasons else error)

"""Registration by matching image features: no extra, no starting point, linear only."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.measure import ransac
from skimage.transform import AffineTransform, EuclideanTransform, SimilarityTransform

from atlalign.base import DisplacementField
from atlalign.errors import AtlalignError
from atlalign.non_ml._images import as_grey
from atlalign.utils import as_generator

METHODS = ("sift", "orb")
MODELS = {"rigid": EuclideanTransform, "similarity": SimilarityTransform, "affine": AffineTransform}
# A match counts when the second best is this much worse (Lowe 2004).
_RATIO = 0.8
_MAX_TRIALS = 2000
_LARGEST_SCALE = 4.0


def feature_based_registration(
    fixed_img: ArrayLike,
    moving_img: ArrayLike,
    *,
    method: str = "sift",
    model: str = "affine",
    residual_threshold: float = 3.0,
    min_inliers: int = 8,
    random_state: int | np.random.Generator | None = None,
) -> tuple[DisplacementField, dict[str, Any]]:
    """Register two grey images by features that both show.

    Corners and blobs of both images are described and matched; the transformation is the one that most matches
    agree on. It is found however far the images are apart and turned, but only if both look alike in detail: two
    scans of one section, or neighbours of one stain. A mirrored section is not found out: the sides of a brain look
    alike, and match each other.

    Parameters
    ----------
    fixed_img : array-like, (h, w)
        The reference. uint8, or float in [0, 1].
    moving_img : array-like, (h_moving, w_moving)
        What is brought onto it; of any size.
    method : {"sift", "orb"}
        The features. ORB is faster, and finds less.
    model : {"rigid", "similarity", "affine"}
        The transformation: rotation and translation; scale besides; shear besides.
    residual_threshold : float
        How far, in pixels of the moving image, a match may lie from where the transformation puts it.
    min_inliers : int
        How many matches must agree. Fewer than eight may agree by chance.
    random_state : None, int or numpy.random.Generator
        Decides which matches are tried together.

    Returns
    -------
    field : DisplacementField, (h, w)
        ``field.warp(moving_img)`` is the registered image.
    meta : dict
        "matrix", float64 (3, 3), takes (x, y, 1) of the fixed image to the moving one; "n_matches" and "n_inliers";
        "fixed_xy" and "moving_xy", float64 (n_inliers, 2), the matches that agree, pixels.

    Raises
    ------
    ValueError
        If an image is not grey, is blank, smaller than 16 pixels or not in [0, 1], or a choice is unknown.
    AtlalignError
        If too few matches are found, or agree.

    References
    ----------
    Lowe, Distinctive image features from scale-invariant keypoints, Int J Comput Vis 60 (2004),
    https://doi.org/10.1023/B:VISI.0000029664.99615.94; Rublee et al., ORB: an efficient alternative to SIFT or
    SURF, ICCV 2011, https://doi.org/10.1109/ICCV.2011.6126544

    Examples
    --------
    >>> from atlalign import Atlas
    >>> fixed = Atlas.load("phantom").reference_plane(5000, (160, 228))
    >>> turned = DisplacementField.generate(fixed.shape, "affine_simple", rotation=0.7, translation_x=9)
    >>> moving = turned.warp(fixed)
    >>> field, meta = feature_based_registration(fixed, moving, random_state=0)
    >>> bool(np.abs(meta["matrix"][:2, :2] - [[0.765, 0.644], [-0.644, 0.765]]).max() < 0.02)
    True
    >>> meta["n_inliers"] >= 8
    True
    """
    _check(method, model, residual_threshold, min_inliers)
    fixed, moving = as_grey(fixed_img, "fixed_img"), as_grey(moving_img, "moving_img")
    generator = as_generator(random_state)
    fixed_xy, moving_xy = _matches(fixed, moving, method)
    remedy = "Choose images that look alike, another method or model, or antspy_registration."
    if len(fixed_xy) < min_inliers:
        raise AtlalignError(
            f"At least {min_inliers} features must match. Received: {len(fixed_xy)} matches of {method}. {remedy}"
        )
    transform, inliers = ransac(
        (fixed_xy, moving_xy),
        MODELS[model],
        min_samples=3 if model == "affine" else 2,
        residual_threshold=residual_threshold,
        is_model_valid=_is_plausible,
        max_trials=_MAX_TRIALS,
        stop_probability=0.999,
        rng=generator,
    )
    n_inliers = 0 if inliers is None else int(inliers.sum())
    if n_inliers < min_inliers:
        raise AtlalignError(
            f"At least {min_inliers} matches must agree on a transformation. "
            f"Received: {n_inliers} of {len(fixed_xy)}. {remedy}"
        )
    matrix = np.asarray(transform.params, dtype=np.float64)
    meta = {
        "matrix": matrix,
        "n_matches": len(fixed_xy),
        "n_inliers": n_inliers,
        "fixed_xy": fixed_xy[inliers],
        "moving_xy": moving_xy[inliers],
    }
    return DisplacementField.generate(fixed.shape, "affine", matrix=matrix[:2]), meta


def _check(method: Any, model: Any, residual_threshold: Any, min_inliers: Any) -> None:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}. Received: {method!r}.")
    if model not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}. Received: {model!r}.")
    if not 0 < residual_threshold < np.inf:
        raise ValueError(f"residual_threshold must be a positive number of pixels. Received: {residual_threshold!r}.")
    if not isinstance(min_inliers, int | np.integer) or min_inliers < 4:
        raise ValueError(
            f"min_inliers must be a whole number of at least 4: three matches always agree. Received: {min_inliers!r}."
        )


def _matches(
    fixed: NDArray[np.float32], moving: NDArray[np.float32], method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the positions (n, 2) of features that are each other's best and far better than the second best."""
    found = [_features(img, method) for img in (fixed, moving)]
    (fixed_xy, fixed_words), (moving_xy, moving_words) = found
    if min(len(fixed_xy), len(moving_xy)) < 2:
        return np.zeros((0, 2)), np.zeros((0, 2))
    matcher = cv2.BFMatcher(cv2.NORM_L2 if method == "sift" else cv2.NORM_HAMMING)
    back = {pair[0].queryIdx: pair[0].trainIdx for pair in matcher.knnMatch(moving_words, fixed_words, k=1)}
    pairs = [
        (best.queryIdx, best.trainIdx)
        for best, second in matcher.knnMatch(fixed_words, moving_words, k=2)
        if best.distance < _RATIO * second.distance and back[best.trainIdx] == best.queryIdx
    ]
    index = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    # One place with several orientations has several features, which would count as many matches.
    index = index[np.unique(np.hstack([fixed_xy[index[:, 0]], moving_xy[index[:, 1]]]), axis=0, return_index=True)[1]]
    return fixed_xy[index[:, 0]], moving_xy[index[:, 1]]


def _features(img: NDArray[np.float32], method: str) -> tuple[NDArray[np.float64], Any]:
    detector: cv2.Feature2D
    if method == "sift":
        # Without the precise upscaling OpenCV's positions are off by a quarter of a pixel.
        detector = cv2.SIFT.create(contrastThreshold=0.02, enable_precise_upscale=True)
    else:
        detector = cv2.ORB.create(nfeatures=2000, edgeThreshold=15, fastThreshold=5)
    keypoints, words = detector.detectAndCompute(np.rint(img * 255).astype(np.uint8), None)
    return np.array([point.pt for point in keypoints], dtype=np.float64).reshape(-1, 2), words


def _is_plausible(transform: Any, *_: Any) -> bool:
    scales = np.linalg.svd(transform.params[:2, :2], compute_uv=False)
    return bool(scales[0] <= _LARGEST_SCALE and scales[1] >= 1 / _LARGEST_SCALE)

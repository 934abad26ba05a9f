"""The mutual information of the intensities of two images."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.metrics.images import pixels, unstacked

__all__ = ["mi_img"]

_PADDING = 2  # bins beyond the range of the intensities, which the cubic window reaches


def mi_img(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    mask: NDArray[np.bool_] | None = None,
    metric_type: str = "MattesMutualInformation",
    *,
    n_bins: int = 32,
) -> float | NDArray[np.float64]:
    """Measure the mutual information of two images in nats.

    Parameters
    ----------
    y_true, y_pred : array-like, float32 or float64, (h, w) or (n, h, w)
        Images, both of one dtype.
    mask : ndarray, bool, (h, w), optional
        The pixels that count; by default all.
    metric_type : {"MattesMutualInformation", "JointHistogramMutualInformation"}
        How intensities become a joint distribution. The first spreads each predicted intensity over four bins with a
        cubic B-spline (Mattes et al. 2003, doi:10.1109/TMI.2003.809072), and gives the numbers of ITK and ANTs;
        it changes a little when the images are swapped. The second counts each pixel in one bin.
    n_bins : int
        Bins an image, over its own range of intensities; with four of padding for the first type. At least 5.

    Returns
    -------
    float, or ndarray of float64, (n,)
        0 for images that say nothing of each other, such as constant ones; at most what either says of itself.

    Raises
    ------
    TypeError, ValueError
        If the images or the mask are not as above, a pixel is not finite, or an option is unknown.

    Examples
    --------
    >>> image = np.repeat([[0.0, 1.0]], 50, axis=0)
    >>> round(mi_img(image, 1 - image, metric_type="JointHistogramMutualInformation"), 6)  # ln 2
    0.693147
    >>> round(mi_img(image, np.repeat([[0.0], [1.0]], 25, axis=0).repeat(2, axis=1)), 6)
    0.0
    """
    if metric_type not in _JOINT:
        raise ValueError(f"metric_type must be one of {', '.join(_JOINT)}. Received: {metric_type!r}.")
    if not isinstance(n_bins, Integral) or n_bins <= 2 * _PADDING:
        raise ValueError(f"n_bins must be an integer of at least {2 * _PADDING + 1}. Received: {n_bins!r}.")
    true, pred = pixels(y_true, y_pred, mask)
    joint = _JOINT[metric_type]
    return unstacked(
        np.array([_information(joint(*pair, int(n_bins))) for pair in zip(true, pred, strict=True)]), y_true
    )


def _mattes(true: NDArray[np.float64], pred: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Count with a box window for the truth and a cubic B-spline window for the prediction."""
    first, end = _PADDING, n_bins - _PADDING
    position = _positions(pred, end - first)
    position += first
    middle = _whole(position, first, end)
    position -= middle  # from now on how far into its bin, t
    cells = _whole(_positions(true, end - first) + first, first, end)
    cells *= n_bins
    cells += middle

    def summed(values: NDArray[np.float64] | None) -> NDArray:
        return np.bincount(cells, weights=values, minlength=n_bins**2).reshape(n_bins, n_bins)

    # The windows are cubic in t: the sums of its powers over the pixels of a cell give those of the windows.
    count, t, power = summed(None), summed(position), position * position
    t2 = summed(power)
    power *= position
    t3 = summed(power)
    windows = {-1: count - 3 * t + 3 * t2 - t3, 0: 4 * count - 6 * t2 + 3 * t3, 1: count + 3 * (t + t2 - t3), 2: t3}
    return np.sum([np.roll(window, offset, axis=1) for offset, window in windows.items()], axis=0)


def _histogram(true: NDArray[np.float64], pred: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    row, column = (_whole(_positions(image, n_bins), 0, n_bins) for image in (true, pred))
    return np.bincount(row * n_bins + column, minlength=n_bins**2).reshape(n_bins, n_bins).astype(np.float64)


_JOINT = {"MattesMutualInformation": _mattes, "JointHistogramMutualInformation": _histogram}


def _positions(image: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Return where intensities lie in bins over their range, from 0 to n_bins."""
    least, most = image.min(), image.max()
    positions = image - least
    positions *= n_bins / (most - least) if most > least else 0.0
    return positions


def _whole(positions: NDArray[np.float64], first: int, end: int) -> NDArray[np.intp]:
    whole = positions.astype(np.intp)
    return np.clip(whole, first, end - 1, out=whole)


def _information(counts: NDArray[np.float64]) -> float:
    joint = np.maximum(counts, 0) / counts.sum()
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    some = joint > 0
    return max(0.0, float(np.sum(joint[some] * np.log(joint[some] / independent[some]))))

"""The numbers that the parts have in common: arrays in, numbers out.

Convention: fields (h, w, 2) are (dx, dy) in pixels, on the grid of the registered image; `pixel_um` is the size of a
pixel (across, down) in micrometres, in this order as `Canvas.pixel_um` has it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from atlalign.atlas import Structures

# Together nearly the whole grey matter; the rest of a plane is fibre tracts and ventricles.
MAJOR_STRUCTURES = ("Isocortex", "OLF", "HPF", "CTXsp", "STR", "PAL", "TH", "HY", "MB", "P", "MY", "CB")
LEAST_MM2 = 0.1  # smaller pieces of a structure say more of where the plane lies than of the registration
EDGE_SCALE_UM = 50.0
RIM_UM = 200.0


def endpoint_errors_um(deltas_true: NDArray, deltas_pred: NDArray, pixel_um: tuple[float, float]) -> NDArray:
    """Return how far, um, the two fields point apart at each pixel, (h, w).

    Examples
    --------
    >>> endpoint_errors_um(np.zeros((1, 1, 2)), np.array([[[3.0, 2.0]]]), (10, 20))
    array([[50.]])
    """
    return np.linalg.norm((np.asarray(deltas_pred, float) - deltas_true) * pixel_um, axis=-1)


def is_shown(deltas_xy: NDArray) -> NDArray[np.bool_]:
    """Return which pixels of the registered image have their source inside the moving one, (h, w).

    Examples
    --------
    >>> is_shown(np.array([[[0.0, 0.0], [0.5, 0.0]]]))
    array([[ True, False]])
    """
    height, width = deltas_xy.shape[:2]
    y, x = np.indices((height, width), dtype=float)
    x, y = x + deltas_xy[..., 0], y + deltas_xy[..., 1]
    return (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def evenly(values: ArrayLike, n: int) -> NDArray:
    """Return at most n of the values, evenly spaced in their order.

    Examples
    --------
    >>> evenly(np.arange(10), 4)
    array([0, 3, 6, 9])
    """
    values = np.ravel(values)
    return values if len(values) <= n else values[np.linspace(0, len(values) - 1, n).round().astype(int)]


def distribution(errors: ArrayLike) -> dict[str, float]:
    """Return mean, median and 95th percentile; NaN of nothing.

    Examples
    --------
    >>> distribution([1, 2, 3, 6])["median"]
    2.5
    """
    errors = np.ravel(errors)
    if not errors.size:
        return dict.fromkeys(("mean", "median", "p95"), float("nan"))
    median, p95 = np.percentile(errors, (50, 95))
    return {"mean": float(errors.mean()), "median": float(median), "p95": float(p95)}


def mask_dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return twice the common pixels over the sum of both; NaN of two empty masks.

    Examples
    --------
    >>> mask_dice(np.array([True, True, False]), np.array([True, False, False])).__round__(3)
    0.667
    """
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return float(2 * np.count_nonzero(a & b) / total) if total else float("nan")


def members_of(structures: Structures, acronyms: Sequence[str] = MAJOR_STRUCTURES) -> dict[str, NDArray]:
    """Return the ids of each structure and of all inside it, of those acronyms that the atlas has.

    Examples
    --------
    >>> structures = Structures([(1, "root", "", None, (0, 0, 0)), (2, "TH", "", 1, (0, 0, 0))])
    >>> members_of(structures)
    {'TH': array([2])}
    """
    known = {structure.acronym for structure in map(structures.__getitem__, structures)}
    return {
        acronym: np.array([structures[acronym].id, *(inner.id for inner in structures.descendants(acronym))])
        for acronym in acronyms
        if acronym in known
    }


def structure_dice(
    true: NDArray, found: NDArray, members: Mapping[str, NDArray], least_pixels: float = 1
) -> dict[str, float]:
    """Return the Dice of each structure that has at least so many pixels in the truth.

    Parameters
    ----------
    true, found : ndarray of int, (h, w)
        Structure ids.
    members : mapping of str to ndarray
        What `members_of` returns.
    least_pixels : float
        Structures with fewer are left out.

    Examples
    --------
    >>> structure_dice(np.array([[2, 3, 5]]), np.array([[3, 9, 5]]), {"A": np.array([2, 3]), "B": np.array([7])})
    {'A': 0.6666666666666666}
    """
    scores = {}
    for name, ids in members.items():
        in_truth = np.isin(true, ids)
        if np.count_nonzero(in_truth) >= max(least_pixels, 1):
            scores[name] = mask_dice(in_truth, np.isin(found, ids))
    return scores


def boundaries(labels: NDArray) -> NDArray[np.bool_]:
    """Return the pixels beside which there is another label, (h, w).

    Examples
    --------
    >>> boundaries(np.array([[1, 1, 2, 2]]))
    array([[False,  True,  True, False]])
    """
    edge = np.zeros(labels.shape, dtype=bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def explained_by_structures(image: NDArray, labels: NDArray, pixel_um: tuple[float, float]) -> float:
    """Return the share of an image's variance inside the tissue that lies between structures, from 0 to 1.

    The correlation ratio of the image and the structures, whatever grey each of them has, over the tissue without its
    outer 200 um: the outline, which other measures judge, would outweigh everything else.

    Parameters
    ----------
    image : ndarray, (h, w)
        The registered section.
    labels : ndarray of int, (h, w)
        The annotation, collapsed to a depth of which the stain shows something; 0 outside the tissue.
    pixel_um : (across, down)
        Size of a pixel.

    Returns
    -------
    float
        NaN where there is no inside, or nothing in it.

    Examples
    --------
    >>> labels = np.repeat([[1] * 20 + [2] * 20], 40, axis=0)
    >>> explained_by_structures(np.where(labels == 1, 0.3, 0.7), labels, (25, 25)).__round__(6)
    1.0
    """
    inside = _inside(labels, pixel_um)
    values = np.asarray(image, float)[inside]
    total = values.var() if values.size else 0.0
    if total < 1e-12:
        return float("nan")
    where = np.unique(labels[inside], return_inverse=True)[1]
    means = np.bincount(where, values) / np.bincount(where)
    return float(means[where].var() / total)


def edge_agreement(image: NDArray, labels: NDArray, pixel_um: tuple[float, float]) -> float:
    """Return how well the edges in an image lie on the boundaries of structures inside the tissue, from -1 to 1.

    Pearson's correlation of the image's gradient magnitude at 50 um with the boundaries blurred as much, over the
    tissue without its outer 200 um.

    Parameters
    ----------
    image, labels, pixel_um
        As `explained_by_structures` takes them.

    Returns
    -------
    float
        NaN where there is no inside, or nothing in it.

    Examples
    --------
    >>> labels = np.repeat([[1] * 20 + [2] * 20], 40, axis=0)
    >>> edge_agreement((labels == 2) * 1.0, labels, (25, 25)) > 0.9
    True
    """
    sigma = EDGE_SCALE_UM / pixel_um[1], EDGE_SCALE_UM / pixel_um[0]
    inside = _inside(labels, pixel_um)
    gradient = ndimage.gaussian_gradient_magnitude(np.asarray(image, float), sigma)[inside]
    lines = ndimage.gaussian_filter(boundaries(labels).astype(float), sigma)[inside]
    return correlation(gradient, lines)


def _inside(labels: NDArray, pixel_um: tuple[float, float]) -> NDArray[np.bool_]:
    """Return the tissue without its rim; what lies beyond the image counts as outside."""
    padded = np.pad(labels > 0, 1)
    depth_um = ndimage.distance_transform_edt(padded, sampling=(pixel_um[1], pixel_um[0]))
    return depth_um[1:-1, 1:-1] > RIM_UM


def correlation(a: NDArray, b: NDArray) -> float:
    """Return Pearson's correlation; NaN where there is none.

    Examples
    --------
    >>> correlation(np.array([1.0, 2, 3]), np.array([0.0, 2, 4])).__round__(6)
    1.0
    """
    if a.size < 2 or a.std() < 1e-9 or b.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def mean_known(values: Sequence[float]) -> float:
    """Return the mean of the numbers that are not NaN; NaN where there are none.

    Examples
    --------
    >>> mean_known([1.0, float("nan"), 3.0])
    2.0
    """
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")

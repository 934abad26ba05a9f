"""What happens to sections on their way to the slide: tissue that tears, and tissue that is lost.

`tear_with_gap` makes a field and the gap it leaves: a torn section is ``np.where(gap, 0, field.warp(section))``. One
that lost tissue is ``np.where(missing(...), 0, section)``.
"""

from numbers import Real

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from atlalign._field.sampling import pixel_grid
from atlalign.utils import as_generator
from atlalign.zoo.linear import Deltas

_HARMONICS = 5  # waves of a random smooth curve, the finest of them this often along it
_TIP = 0.6  # share of a tear's length over which it narrows to its tip


def tear(
    shape: tuple[int, int],
    width: float = 12,
    length: float | None = None,
    reach: float = 60,
    bend: float = 8,
    random_state: int | np.random.Generator | None = None,
) -> Deltas:
    """Make a field that opens a gap along a random smooth line, from an edge of the image inwards.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    width : float
        Width of the gap where it is widest, in pixels.
    length : float or None
        From the edge of the image to the tip of the tear, in pixels; None goes right through the image, which falls in
        two.
    reach : float
        How far on both sides of the gap tissue gives way, in pixels. Beyond, nothing moves.
    bend : float
        Standard deviation of the line around a straight one, in pixels.
    random_state : None, int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels, at most half the width: from the gap to the line that the tissue tore along, from
        elsewhere to where the tissue was. They fold nowhere; in the gap, all of which reads from the line, the
        Jacobian is 0.

    Raises
    ------
    ValueError
        If a number is out of range.

    See Also
    --------
    tear_with_gap : the same field, and where the gap is.

    Examples
    --------
    >>> delta_x, delta_y = tear((80, 100), width=10, random_state=0)
    >>> bool(np.hypot(delta_x, delta_y).max() <= 5)
    True
    """
    return tear_with_gap(shape, width, length, reach, bend, random_state)[:2]


def tear_with_gap(
    shape: tuple[int, int],
    width: float = 12,
    length: float | None = None,
    reach: float = 60,
    bend: float = 8,
    random_state: int | np.random.Generator | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Make the field of a tear and say which of its pixels show no tissue.

    Parameters
    ----------
    shape, width, length, reach, bend, random_state
        As `tear` takes them; the same seed gives the same field.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.
    gap : ndarray, bool, (h, w)
        True between the two sides of the tear.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> from atlalign import DisplacementField
    >>> delta_x, delta_y, gap = tear_with_gap((80, 100), random_state=0)
    >>> torn = np.where(gap, 0, DisplacementField(delta_x, delta_y).warp(np.ones((80, 100), "float32")))
    >>> bool((torn[gap] == 0).all() and (gap.sum() > 0))
    True
    """
    for name, value, least in (("width", width, 0), ("bend", bend, 0), ("reach", reach, 1)):
        _require_at_least(name, value, least)
    if length is not None:
        _require_at_least("length", length, 1)
    generator = as_generator(random_state)
    x, y = (axis.astype(np.float64) for axis in pixel_grid((int(shape[0]), int(shape[1]))))

    # The line leaves the edge of the image through a random point of its middle part. `along` counts from the edge,
    # `across` from the line, and tissue moves in that direction only.
    centre = np.array([shape[1] - 1, shape[0] - 1]) * generator.uniform(0.3, 0.7, 2)
    angle = generator.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    entry = -_distance_to_edge(centre, -direction, shape)
    along = (x - centre[0]) * direction[0] + (y - centre[1]) * direction[1] - entry
    across = (y - centre[1]) * direction[0] - (x - centre[0]) * direction[1]
    across -= bend * _smooth_curve(generator, along / np.hypot(*shape))

    if length is None:
        half = np.full_like(across, width / 2)
    else:
        to_tip = np.clip((length - along) / (_TIP * length), 0, 1)
        half = width / 2 * np.sqrt(to_tip * (2 - to_tip))  # a quarter of an ellipse: blunt, and smooth where it starts
    beyond = np.clip((np.abs(across) - half) / reach, 0, 1)
    gap = np.abs(across) < half
    moved = np.where(gap, -across, -np.sign(across) * half * np.square(1 - beyond))
    return (-moved * direction[1]).astype(np.float32), (moved * direction[0]).astype(np.float32), gap


def missing(
    shape: tuple[int, int],
    tissue: NDArray[np.bool_] | None = None,
    radius: float = 40,
    irregularity: float = 0.25,
    random_state: int | np.random.Generator | None = None,
) -> NDArray[np.bool_]:
    """Choose a part of the tissue that is lost: a random smooth blob around a point of the tissue's border.

    Parameters
    ----------
    shape : (h, w)
        Size of the image.
    tissue : ndarray, bool, (h, w), or None
        True on tissue; None takes the whole image for tissue. Holes, such as ventricles, are no border.
    radius : float
        Mean radius of the blob in pixels, of which about half lies on the tissue.
    irregularity : float
        Standard deviation of the radius around the blob, as a share of it; 0 makes a circle.
    random_state : None, int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, bool, (h, w)
        True where tissue is absent that should be there; nowhere outside `tissue`.

    Raises
    ------
    ValueError
        If a number is out of range, or `tissue` has another shape or dtype or no pixel.

    Examples
    --------
    >>> lost = missing((80, 100), radius=20, random_state=0)
    >>> bool(0.2 < lost.sum() / (np.pi * 20**2) < 1.5)
    True
    """
    _require_at_least("radius", radius, 1)
    _require_at_least("irregularity", irregularity, 0)
    size = (int(shape[0]), int(shape[1]))
    inside = np.ones(size, dtype=bool) if tissue is None else np.asarray(tissue)
    if inside.shape != size or inside.dtype != bool or not inside.any():
        raise ValueError(
            f"tissue must be a bool array of shape {size} with at least one True. "
            f"Received: {inside.dtype} of shape {inside.shape}, {np.count_nonzero(inside)} True. Leave it out for all."
        )
    generator = as_generator(random_state)
    whole = binary_fill_holes(inside)
    rows, columns = np.nonzero(whole & ~_eroded(whole))
    chosen = generator.integers(len(rows))
    x, y = pixel_grid(size)
    from_x, from_y = x - columns[chosen], y - rows[chosen]
    share = np.arctan2(from_y, from_x) / (2 * np.pi)
    factor = 1 + irregularity * _smooth_curve(generator, share)
    return inside & (np.hypot(from_x, from_y) < radius * np.maximum(factor, 0.1))


def _smooth_curve(generator: np.random.Generator, share: NDArray) -> NDArray[np.float64]:
    """Evaluate a random curve of standard deviation 1 that repeats whenever `share` grows by 1."""
    order = np.arange(1, _HARMONICS + 1)
    # Finer waves are smaller, so that neither the curve nor its slope has a scale that stands out.
    amplitude = generator.normal(0, 1 / order, (2, _HARMONICS)) / np.sqrt(np.sum(1 / np.square(order)))
    curve = np.zeros(share.shape)
    for n, sine, cosine in zip(order, *amplitude, strict=True):
        phase = 2 * np.pi * n * share
        curve += sine * np.sin(phase) + cosine * np.cos(phase)
    return curve


def _distance_to_edge(point: NDArray, direction: NDArray, shape: tuple[int, int]) -> float:
    """Return how far the edge of the image is from a point inside it."""
    far = np.where(direction > 0, [shape[1] - 1, shape[0] - 1], 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nanmin(np.where(direction == 0, np.inf, (far - point) / direction)))


def _eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels whose four neighbours are all True; beyond the image lies no tissue."""
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _require_at_least(name: str, value: float, least: float) -> None:
    if not isinstance(value, Real) or not least <= value < np.inf:
        raise ValueError(f"{name} must be a finite number of at least {least}. Received: {value!r}.")

"""Random smooth fields."""

from numbers import Real

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign._field.sampling import pixel_grid, sample_grid
from atlalign.utils import as_generator
from atlalign.zoo.linear import Deltas
from atlalign.zoo.scattered import check_weights

_STEEPEST = 0.5  # px a px, the slope that a velocity may have after it is halved for scaling and squaring


def paper(
    shape: tuple[int, int],
    n_pixels: int = 10,
    v_min: float = -20000,
    v_max: float = 20000,
    kernel_sigma: float = 25,
    p: NDArray | None = None,
    random_state: int | np.random.Generator | None = None,
) -> Deltas:
    """Displace a few random pixels very far, and smooth.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    n_pixels : int
        How many pixels to displace.
    v_min, v_max : float
        Range that each component is drawn from, in pixels before smoothing: one pixel displaced by v leaves a
        bell of height v / (2 pi kernel_sigma**2), 5 px for the defaults.
    kernel_sigma : float
        Standard deviation of the Gaussian kernel in pixels.
    p : ndarray, (h, w), or None
        Weight of each pixel in the choice; None weighs them alike.
    random_state : None, int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.

    Raises
    ------
    ValueError
        If the weights have another shape or are negative, or a number is out of range.

    References
    ----------
    Sokooti et al. (2017), Nonrigid image registration using multi-scale 3D convolutional neural networks,
    doi 10.1007/978-3-319-66182-7_27.

    Examples
    --------
    >>> delta_x, _ = paper((40, 50), n_pixels=1, random_state=0)
    >>> bool(np.abs(delta_x).max() <= 20000 / (2 * np.pi * 25**2))
    True
    """
    _require_positive("kernel_sigma", kernel_sigma)
    height, width = shape
    weights = None if p is None else check_weights(p, shape).ravel()
    available = height * width if weights is None else int((weights > 0).sum())
    if not 1 <= n_pixels <= available:
        raise ValueError(f"n_pixels must be from 1 to the number of candidates, {available}. Received: {n_pixels}.")
    generator = as_generator(random_state)
    share = None if weights is None else weights / weights.sum()
    chosen = generator.choice(height * width, n_pixels, replace=False, p=share)
    values = generator.uniform(v_min, v_max, (2, n_pixels))
    rows, columns = np.unravel_index(chosen, shape)
    # Smoothing a few single pixels is a sum of separable bells: two small matrix products.
    bells_y = _bells(np.arange(height), rows, kernel_sigma)  # (h, n)
    bells_x = _bells(np.arange(width), columns, kernel_sigma)  # (w, n)
    delta_x, delta_y = ((bells_y * v) @ bells_x.T for v in values)
    return delta_x.astype(np.float32), delta_y.astype(np.float32)


def paper_microsoft(
    shape: tuple[int, int],
    alpha: float = 1000,
    sigma: float = 10,
    random_state: int | np.random.Generator | None = None,
) -> Deltas:
    """Smooth white noise: an elastic distortion.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    alpha : float
        Factor of the smoothed noise, in pixels: displacements have a standard deviation of about
        0.16 alpha / sigma.
    sigma : float
        Standard deviation of the Gaussian kernel in pixels.
    random_state : None, int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.

    Raises
    ------
    ValueError
        If `sigma` is not positive.

    References
    ----------
    Simard, Steinkraus and Platt (2003), Best practices for convolutional neural networks applied to visual
    document analysis, doi 10.1109/ICDAR.2003.1227801.

    Examples
    --------
    >>> delta_x, delta_y = paper_microsoft((40, 50), alpha=100, sigma=5, random_state=0)
    >>> delta_x.shape
    (40, 50)
    """
    _require_positive("sigma", sigma)
    noise = as_generator(random_state).random((2, *shape), dtype=np.float32) * 2 - 1
    delta_x, delta_y = (smooth_gaussian(part, sigma) * np.float32(alpha) for part in noise)
    return delta_x, delta_y


def diffeomorphic(
    shape: tuple[int, int],
    amplitude: float = 10,
    sigma: float = 30,
    random_state: int | np.random.Generator | None = None,
) -> Deltas:
    """Make a random smooth field that never folds.

    A smooth random velocity is integrated over unit time, which gives a transformation that is smooth and has
    a smooth inverse. The inverse is the integral of the opposite velocity: see `random_velocity`.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.
    amplitude : float
        Root mean square length of the velocity in pixels: about that of the displacements.
    sigma : float
        Standard deviation of the Gaussian kernel that smooths the velocity, in pixels: the size of the
        features.
    random_state : None, int or numpy.random.Generator
        Source of randomness.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.

    Raises
    ------
    ValueError
        If `amplitude` is negative or `sigma` not positive.

    References
    ----------
    Arsigny et al. (2006), A log-Euclidean framework for statistics on diffeomorphisms, doi
    10.1007/11866565_113.

    Examples
    --------
    >>> from atlalign import DisplacementField
    >>> df = DisplacementField(*diffeomorphic((60, 80), amplitude=8, sigma=10, random_state=0))
    >>> bool((df.jacobian > 0).all())
    True
    """
    field = integrate_velocity(random_velocity(shape, amplitude, sigma, random_state))
    return np.ascontiguousarray(field[..., 0]), np.ascontiguousarray(field[..., 1])


def random_velocity(
    shape: tuple[int, int],
    amplitude: float = 10,
    sigma: float = 30,
    random_state: int | np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Make the velocity that `diffeomorphic` integrates.

    Parameters
    ----------
    shape, amplitude, sigma, random_state
        As `diffeomorphic` takes them; the same seed gives the velocity of its field.

    Returns
    -------
    ndarray, float32, (h, w, 2)
        Pixels a unit of time, (x, y) last.

    Raises
    ------
    ValueError
        If `amplitude` is negative or `sigma` not positive.

    Examples
    --------
    >>> velocity = random_velocity((60, 80), amplitude=8, sigma=10, random_state=0)
    >>> forward, backward = integrate_velocity(velocity), integrate_velocity(-velocity)
    >>> round(float(np.sqrt(np.square(velocity).sum(axis=-1).mean())), 3)
    8.0
    """
    if not amplitude >= 0:
        raise ValueError(f"amplitude must be at least 0 px. Received: {amplitude}.")
    _require_positive("sigma", sigma)
    noise = as_generator(random_state).standard_normal((2, *shape), dtype=np.float32)
    velocity = np.stack([smooth_gaussian(part, sigma) for part in noise], axis=-1)
    rms = np.sqrt(np.square(velocity, dtype=np.float64).sum(axis=-1).mean())
    return velocity * np.float32(amplitude / rms)


def integrate_velocity(velocity_xy: ArrayLike, steps: int = 7) -> NDArray[np.float32]:
    """Integrate a stationary velocity field over unit time by scaling and squaring.

    Parameters
    ----------
    velocity_xy : array-like, (h, w, 2)
        Velocity in pixels a unit of time, (x, y) last. Outside the image its edge goes on.
    steps : int
        How often to square: the velocity is divided by ``2**steps``, and the field composed with itself
        `steps` times. More are made where the velocity is so steep that the first, small field could fold.

    Returns
    -------
    ndarray, float32, (h, w, 2)
        Displacements in pixels, (delta_x, delta_y) last. The integral of ``-velocity_xy`` is the inverse.

    Raises
    ------
    ValueError
        If the shape is another, the velocity is not finite, or `steps` is negative.

    References
    ----------
    Arsigny et al. (2006), A log-Euclidean framework for statistics on diffeomorphisms, doi
    10.1007/11866565_113.

    Examples
    --------
    >>> integrate_velocity(np.full((2, 2, 2), 3.0))[0, 0]
    array([3., 3.], dtype=float32)
    """
    velocity = np.asarray(velocity_xy, dtype=np.float32)
    if velocity.ndim != 3 or velocity.shape[2] != 2 or velocity.size == 0 or not np.isfinite(velocity).all():
        raise ValueError(
            f"velocity_xy must be finite and (h, w, 2). Received: shape {velocity.shape}. Stack both components last."
        )
    if steps < 0:
        raise ValueError(f"steps must be at least 0. Received: {steps}.")
    slope = max(
        (float(np.abs(np.diff(velocity, axis=axis)).max()) for axis in (0, 1) if velocity.shape[axis] > 1),
        default=0.0,
    )
    if slope > _STEEPEST:
        steps = max(steps, int(np.ceil(np.log2(slope / _STEEPEST))))
    x, y = pixel_grid(velocity.shape[:2])
    delta_x, delta_y = (np.ascontiguousarray(velocity[..., i]) / np.float32(2**steps) for i in range(2))
    for _ in range(steps):
        at = x + delta_x, y + delta_y
        delta_x, delta_y = delta_x + sample_grid(delta_x, *at), delta_y + sample_grid(delta_y, *at)
    return np.stack([delta_x, delta_y], axis=-1)


def smooth_gaussian(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Smooth an image with a Gaussian kernel cut at 4 sigma; beyond the edges it is mirrored.

    Examples
    --------
    >>> smooth_gaussian(np.ones((3, 4), dtype="float32"), 2).round(4)[0]
    array([1., 1., 1., 1.], dtype=float32)
    """
    size = 2 * int(np.ceil(4 * sigma)) + 1
    smoothed = cv2.GaussianBlur(values, (size, size), sigma, borderType=cv2.BORDER_REFLECT)
    return smoothed.astype(np.float32, copy=False)


def _bells(axis: NDArray, centres: NDArray, sigma: float) -> NDArray[np.float64]:
    """Return a normalised Gaussian around each centre, (len(axis), n)."""
    distance = (axis[:, np.newaxis] - centres[np.newaxis, :]) / sigma
    return np.exp(-np.square(distance) / 2) / (sigma * np.sqrt(2 * np.pi))


def _require_positive(name: str, value: float) -> None:
    if not isinstance(value, Real) or not 0 < value < np.inf:
        raise ValueError(f"{name} must be a positive number of pixels. Received: {value!r}.")

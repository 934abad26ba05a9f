"""Inversion of displacement fields: for every pixel m, the displacement u with u + delta(m + u) = 0.

The field is the bilinear interpolant of its displacements, its edge displacements going on outside; so a
solution exists also for pixels that no pixel of the field reaches. All pixels first take a few steps
together, with the field's derivative sampled from a picture; those that are not there yet take Newton steps
alone, with the exact derivative of the interpolant in double precision, and may start again from the nearest
known pair.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from atlalign._field.sampling import REMAP_LIMIT, pixel_grid, sample_grid, sample_points_with_gradient

_MAX_JOINT_STEPS = 8
_FEW = 0.01  # share of pixels below which stepping alone is faster
_PAD = 2  # px of the outside in the picture of the derivative
_SMALLEST_DETERMINANT = 0.05  # below, a Newton step would lead too far
_SMALLEST_STEP = 1 / 64  # share of a Newton step; a pixel that gains nothing by it is given up
_PIXELS_A_CHUNK = 2**18
_SAMPLES_AN_AXIS = 48  # of the field, to find its affine part
_PAIR_SPACING = 4  # px between the pairs that a second start is taken from


def invert(
    delta_x: NDArray[np.float32], delta_y: NDArray[np.float32], *, tol: float = 1e-3, max_iter: int = 50
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Find the inverse of a finite field.

    Parameters
    ----------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.
    tol : float
        Length in pixels of the residual, u + delta(m + u), below which a pixel has converged.
    max_iter : int
        Newton steps that a pixel may take alone from each of its two starts.

    Returns
    -------
    inv_x, inv_y : ndarray, float32, (h, w)
        Displacements u; where the pixel did not converge, those with the smallest residual seen.
    converged : ndarray, bool, (h, w)

    Examples
    --------
    >>> shift = np.full((3, 4), 2, dtype=np.float32)
    >>> inv_x, inv_y, converged = invert(shift, -shift)
    >>> inv_x[0], inv_y[0], bool(converged.all())
    (array([-2., -2., -2., -2.], dtype=float32), array([2., 2., 2., 2.], dtype=float32), True)
    """
    shape = delta_x.shape
    u_x, u_y = _undo_affine_part(delta_x, delta_y)
    if max(shape) + 2 * _PAD < REMAP_LIMIT:
        u_x, u_y, residual = _step_together(delta_x, delta_y, u_x, u_y, tol)
    else:
        residual = np.full(shape, np.inf, dtype=np.float32)
    pending = np.flatnonzero(~(residual < tol))
    if not len(pending):
        return u_x, u_y, residual < tol
    deltas = np.stack([delta_x, delta_y], axis=-1)
    pairs = None
    for start in range(0, len(pending), _PIXELS_A_CHUNK):
        pixels = pending[start : start + _PIXELS_A_CHUNK]
        target = np.stack([pixels % shape[1], pixels // shape[1]], axis=-1).astype(np.float64)
        u, error = _step_alone(deltas, target, np.stack([u_x.flat[pixels], u_y.flat[pixels]], axis=-1), tol, max_iter)
        lost = np.flatnonzero(~(error < tol))
        if len(lost):
            pairs = pairs or _KnownPairs(deltas)
            again, error_again = _step_alone(deltas, target[lost], pairs.nearest(target[lost]), tol, max_iter)
            better = error_again < error[lost]
            u[lost[better]], error[lost[better]] = again[better], error_again[better]
        u_x.flat[pixels], u_y.flat[pixels] = u.T
        residual.flat[pixels] = error
    return u_x, u_y, residual < tol


def _undo_affine_part(delta_x: NDArray, delta_y: NDArray) -> tuple[NDArray, NDArray]:
    """Return the inverse of the affine transformation that fits the field best, as a first guess."""
    height, width = delta_x.shape
    rows = np.unique(np.linspace(0, height - 1, _SAMPLES_AN_AXIS).astype(int))
    columns = np.unique(np.linspace(0, width - 1, _SAMPLES_AN_AXIS).astype(int))
    x, y = (axis.ravel().astype(np.float64) for axis in np.meshgrid(columns, rows))
    f = np.stack([delta[np.ix_(rows, columns)].ravel() for delta in (delta_x, delta_y)], axis=-1)
    design = np.stack([x, y, np.ones_like(x)], axis=-1)
    (a, b, shift) = np.linalg.lstsq(design, f, rcond=None)[0]
    matrix = np.stack([a, b], axis=-1) + np.eye(2)  # columns: what a step in x, in y does
    if abs(np.linalg.det(matrix)) < _SMALLEST_DETERMINANT:
        return -delta_x, -delta_y
    inverse = np.linalg.inv(matrix)
    grid_x, grid_y = pixel_grid((height, width))
    off = inverse @ -shift
    part = (inverse - np.eye(2)).astype(np.float32)
    return (
        part[0, 0] * grid_x + part[0, 1] * grid_y + np.float32(off[0]),
        part[1, 0] * grid_x + part[1, 1] * grid_y + np.float32(off[1]),
    )


def _step_together(
    delta_x: NDArray, delta_y: NDArray, u_x: NDArray, u_y: NDArray, tol: float
) -> tuple[NDArray, NDArray, NDArray]:
    """Take quasi-Newton steps with every pixel, until few have not converged."""
    grid_x, grid_y = pixel_grid(delta_x.shape)
    picture = _inverse_derivative(delta_x, delta_y)
    # Working in place matters: at this size the system maps and clears new memory for every array.
    u_x, u_y = u_x.copy(), u_y.copy()
    x, y = np.empty_like(u_x), np.empty_like(u_y)
    residual = np.empty_like(u_x)
    for step in range(_MAX_JOINT_STEPS):
        np.add(grid_x, u_x, out=x)
        np.add(grid_y, u_y, out=y)
        r_x, r_y = sample_grid(delta_x, x, y), sample_grid(delta_y, x, y)
        r_x += u_x
        r_y += u_y
        residual = cv2.magnitude(r_x, r_y, residual)
        if step + 1 == _MAX_JOINT_STEPS or np.count_nonzero(residual >= tol) <= _FEW * residual.size:
            break
        x += _PAD
        y += _PAD
        np.clip(x, -1, picture.shape[1], out=x)
        np.clip(y, -1, picture.shape[0], out=y)
        inverse = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for u, of_x, of_y in ((u_x, inverse[..., 0], inverse[..., 1]), (u_y, inverse[..., 2], inverse[..., 3])):
            np.multiply(of_x, r_x, out=of_x)
            np.multiply(of_y, r_y, out=of_y)
            u -= of_x
            u -= of_y
    return u_x, u_y, residual


def _inverse_derivative(delta_x: NDArray, delta_y: NDArray) -> NDArray[np.float32]:
    """Return the inverse of the derivative of m + delta(m), row by row, as (h + 2 pad, w + 2 pad, 4)."""
    padded = [cv2.copyMakeBorder(d, _PAD, _PAD, _PAD, _PAD, cv2.BORDER_REPLICATE) for d in (delta_x, delta_y)]
    xx, yx = (cv2.Sobel(d, cv2.CV_32F, 1, 0, ksize=1, scale=0.5, borderType=cv2.BORDER_REPLICATE) for d in padded)
    xy, yy = (cv2.Sobel(d, cv2.CV_32F, 0, 1, ksize=1, scale=0.5, borderType=cv2.BORDER_REPLICATE) for d in padded)
    np.add(xx, 1, out=xx)
    np.add(yy, 1, out=yy)
    determinant = xx * yy
    determinant -= xy * yx
    steep = determinant < _SMALLEST_DETERMINANT
    if steep.any():
        for part, plain in ((xx, 1), (yy, 1), (xy, 0), (yx, 0), (determinant, 1)):
            part[steep] = plain
    reciprocal = np.reciprocal(determinant, out=determinant)
    picture = np.empty((*reciprocal.shape, 4), dtype=np.float32)
    np.multiply(yy, reciprocal, out=picture[..., 0])
    np.multiply(xx, reciprocal, out=picture[..., 3])
    np.negative(reciprocal, out=reciprocal)
    np.multiply(xy, reciprocal, out=picture[..., 1])
    np.multiply(yx, reciprocal, out=picture[..., 2])
    return picture


def _step_alone(
    deltas: NDArray, target: NDArray, u: NDArray, tol: float, max_iter: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take damped Newton steps with some pixels; return their displacements and the residuals' lengths."""
    u = u.astype(np.float64)
    residual, step = _newton_step(deltas, target, u)
    error = np.hypot(*residual.T)
    share = np.ones(len(u))
    for _ in range(max_iter):
        active = np.flatnonzero((error >= tol) & (share >= _SMALLEST_STEP))
        if not len(active):
            break
        trial = u[active] - share[active, np.newaxis] * step[active]
        trial_residual, trial_step = _newton_step(deltas, target[active], trial)
        trial_error = np.hypot(*trial_residual.T)
        accepted = trial_error < error[active]
        winners = active[accepted]
        u[winners], error[winners], step[winners] = (
            trial[accepted],
            trial_error[accepted],
            trial_step[accepted],
        )
        share[winners] = 1
        share[active[~accepted]] /= 2
    return u, error


def _newton_step(deltas: NDArray, target: NDArray, u: NDArray) -> tuple[NDArray, NDArray]:
    delta, d_dx, d_dy = sample_points_with_gradient(deltas, *(target + u).T)
    residual = u + delta
    xx, yx = 1 + d_dx[:, 0], d_dx[:, 1]
    xy, yy = d_dy[:, 0], 1 + d_dy[:, 1]
    determinant = xx * yy - xy * yx
    steep = np.abs(determinant) < _SMALLEST_DETERMINANT
    determinant[steep] = 1
    step = np.stack([yy * residual[:, 0] - xy * residual[:, 1], xx * residual[:, 1] - yx * residual[:, 0]], axis=-1)
    step /= determinant[:, np.newaxis]
    step[steep] = residual[steep]  # the plain fixed-point step
    return residual, step


class _KnownPairs:
    """Where the field sends some of its pixels, to start a search from the one sent nearest to a target."""

    def __init__(self, deltas: NDArray):
        rows, columns = (np.unique(np.r_[0:size:_PAIR_SPACING, size - 1]) for size in deltas.shape[:2])
        self.delta = deltas[np.ix_(rows, columns)].reshape(-1, 2).astype(np.float64)
        x, y = np.meshgrid(columns, rows)
        self.tree = cKDTree(np.stack([x.ravel(), y.ravel()], axis=-1) + self.delta)

    def nearest(self, target: NDArray) -> NDArray[np.float64]:
        """Return for each target the displacement back to the pixel whose image is nearest."""
        _, which = self.tree.query(target)
        return (self.tree.data - self.delta)[which] - target

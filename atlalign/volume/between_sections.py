"""Interpolate every pixel of a stack of images along the stack, all pixels at once.

Convention: `stack` is (n, h, w), floats; its images lie at `positions`, (n,), which increase. The result has an image
at each of the planes 0, 1, ..., n_planes - 1. Where a pixel of an image is NaN, its neighbours are the images next to
it that know it. `fill` is what a pixel gets on planes before its first and after its last value, as (below, above);
None extrapolates.
"""

from collections.abc import Iterator
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

Fill = tuple[float, float] | None

SPLINE_DEGREES = {"quadratic": 2, "cubic": 3}
# Where a plane stops to take the value of the image before it, as a share of the way to the one after it, and whether
# it still takes it there.
STEPS = {
    "nearest": (0.5, True),
    "nearest-up": (0.5, False),
    "previous": (1.0, False),
    "zero": (1.0, False),
    "next": (0.0, True),
}


def interpolate_linear(positions: NDArray, stack: NDArray, n_planes: int, fill: Fill) -> NDArray:
    """Interpolate along straight lines; extrapolating continues the first and the last of them.

    Examples
    --------
    >>> stack = np.array([[[0.0]], [[np.nan]], [[8.0]]])
    >>> interpolate_linear(np.array([0, 1, 4]), stack, 6, fill=(-1, -1)).ravel()
    array([ 0.,  2.,  4.,  6.,  8., -1.])
    """
    absent = _absent(stack)
    if absent is not None:
        # The line between two neighbours passes through the values that we put in between them: once they are in,
        # every pixel has the same neighbours.
        stack = _close_gaps(positions, stack, absent)
    out = np.empty((n_planes, *stack.shape[1:]), stack.dtype)
    last = len(stack) - 1
    for plane, before, after in _planes(positions, n_planes, fill):
        if before == after or last == 0:
            out[plane] = stack[max(before, 0)]
            continue
        start = min(max(before, 0), last - 1)
        share = (plane - positions[start]) / (positions[start + 1] - positions[start])
        cv2.addWeighted(stack[start], 1 - share, stack[start + 1], share, 0, dst=out[plane])
    return _fill_outside(out, positions, absent, fill)


def interpolate_steps(positions: NDArray, stack: NDArray, n_planes: int, fill: Fill, kind: str) -> NDArray:
    """Copy one of the two neighbours, as `STEPS` says for the kind; extrapolating repeats the edge values.

    Examples
    --------
    >>> stack = np.array([[[5.0]], [[np.nan]], [[8.0]]])
    >>> interpolate_steps(np.array([0, 1, 4]), stack, 6, (0, 0), "nearest").ravel()
    array([5., 5., 5., 8., 8., 0.])
    """
    share, inclusive = STEPS[kind]
    absent = _absent(stack)
    known = None if absent is None else _neighbours(absent)
    last = len(stack) - 1
    out = np.empty((n_planes, *stack.shape[1:]), stack.dtype)
    for (before, after), planes in groupby(_planes(positions, n_planes, fill), key=lambda plane: plane[1:]):
        earlier, later = (before, after) if known is None else (known[0][before + 1], known[1][after])
        # Without a neighbour on one side, a pixel takes that on the other; one that no image knows stays NaN.
        earlier, later = np.where(earlier < 0, later, earlier), np.where(later > last, earlier, later)
        earlier, later = np.clip(earlier, 0, last), np.clip(later, 0, last)
        turn = positions[earlier] + share * (positions[later] - positions[earlier])
        earlier_image, later_image = _take(stack, earlier), _take(stack, later)
        for plane, *_ in planes:
            out[plane] = later_image
            np.copyto(out[plane], earlier_image, where=plane <= turn if inclusive else plane < turn)
    return _fill_outside(out, positions, absent, fill)


def interpolate_spline(positions: NDArray, stack: NDArray, n_planes: int, fill: Fill, kind: str) -> NDArray:
    """Interpolate along splines of the degree `SPLINE_DEGREES[kind]`; the stack must hold no NaN.

    Examples
    --------
    >>> stack = np.array([0.0, 1, 9, 16]).reshape(4, 1, 1)
    >>> interpolate_spline(np.array([0, 1, 3, 4]), stack, 5, None, "quadratic").ravel().round(6)
    array([ 0.,  1.,  4.,  9., 16.])
    """
    out = np.empty((n_planes, *stack.shape[1:]), stack.dtype)
    planes = [plane for plane, _, _ in _planes(positions, n_planes, fill)]
    if planes:
        # A spline is linear in its values: one matrix takes every pixel from the images to the planes.
        weights = make_interp_spline(positions, np.eye(len(stack)), k=SPLINE_DEGREES[kind])(planes)
        inside = out.reshape(n_planes, -1)[planes[0] : planes[-1] + 1]
        np.matmul(weights.astype(stack.dtype), stack.reshape(len(stack), -1), out=inside)
    return _fill_outside(out, positions, None, fill)


def _planes(positions: NDArray, n_planes: int, fill: Fill) -> Iterator[tuple[int, int, int]]:
    """Yield each plane to compute with the images before and after it.

    Both are the same image where one lies on the plane; -1 and n mean that there is none on that side.
    """
    before = np.searchsorted(positions, np.arange(n_planes), side="right") - 1
    after = np.searchsorted(positions, np.arange(n_planes), side="left")
    for plane, (earlier, later) in enumerate(zip(before.tolist(), after.tolist(), strict=True)):
        if fill is None or (earlier >= 0 and later < len(positions)):
            yield plane, earlier, later


def _absent(stack: NDArray) -> NDArray[np.bool_] | None:
    """Return where a stack is NaN, or None where it is nowhere."""
    absent = np.isnan(stack)
    return absent if absent.any() else None


def _neighbours(absent: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return for each pixel the last image up to, and the first from, each image that knows it.

    Both are (n + 1, ...): row i + 1 of the first and row i of the second stand for image i. -1 and n mean none.
    """
    n = len(absent)
    known_before = np.full((n + 1, *absent.shape[1:]), -1, dtype=np.int32)
    known_after = np.full((n + 1, *absent.shape[1:]), n, dtype=np.int32)
    for i in range(n):
        known_before[i + 1] = known_before[i]
        np.copyto(known_before[i + 1], i, where=~absent[i])
    for i in reversed(range(n)):
        known_after[i] = known_after[i + 1]
        np.copyto(known_after[i], i, where=~absent[i])
    return known_before, known_after


def _take(stack: NDArray, image: NDArray) -> NDArray:
    """Return an image, or one that takes each pixel from another image."""
    return stack[image] if image.ndim == 0 else np.take_along_axis(stack, image[np.newaxis], axis=0)[0]


def _close_gaps(positions: NDArray, stack: NDArray, absent: NDArray[np.bool_]) -> NDArray:
    """Put values on the lines through the known ones where pixels are NaN; those that no image knows stay NaN."""
    n = len(stack)
    closed = stack.copy()
    # Most often the images next to a gap know the pixel: whole images at once.
    for image in range(1, n - 1):
        share = (positions[image] - positions[image - 1]) / (positions[image + 1] - positions[image - 1])
        line = cv2.addWeighted(stack[image - 1], 1 - share, stack[image + 1], share, 0)
        np.copyto(closed[image], line, where=absent[image])
    # The rest pixel by pixel, each image once.
    flat_closed = closed.reshape(n, -1)
    open_gaps = np.isnan(flat_closed)
    columns = np.flatnonzero(open_gaps.any(axis=0) & ~absent.reshape(n, -1).all(axis=0))
    flat = stack.reshape(n, -1)[:, columns]
    known_before, known_after = _neighbours(np.isnan(flat))
    for image, gaps in enumerate(open_gaps[:, columns]):
        pixels = np.flatnonzero(gaps)
        before, after = known_before[image + 1, pixels], known_after[image, pixels]
        # Beyond its first and its last value a pixel is on the line through the two values that are nearest.
        first, last = before < 0, after >= n
        before[first], after[first] = after[first], known_after[after[first] + 1, pixels[first]]
        after[last], before[last] = before[last], known_before[before[last], pixels[last]]
        # A pixel that one image alone knows keeps its value.
        before, after = np.where(before < 0, after, before), np.where(after >= n, before, after)
        distance = np.where(before == after, 1, positions[after] - positions[before])
        share = (positions[image] - positions[before]) / distance
        start = flat[before, pixels]
        flat_closed[image, columns[pixels]] = start + (flat[after, pixels] - start) * share
    return closed


def _fill_outside(out: NDArray, positions: NDArray, absent: NDArray[np.bool_] | None, fill: Fill) -> NDArray:
    """Fill, in place, what lies before the first and after the last value of each pixel."""
    if fill is None:
        return out
    below, above = fill
    outside = np.arange(len(out))
    out[outside < positions[0]] = below
    out[outside > positions[-1]] = above
    if absent is None:
        return out
    before_first, after_last = _all_so_far(absent), _all_so_far(absent[::-1])
    for plane, before, after in _planes(positions, len(out), fill):
        from_the_end = len(absent) - 1 - after
        if from_the_end < len(after_last):
            np.copyto(out[plane], above, where=after_last[from_the_end])
        if before < len(before_first):
            np.copyto(out[plane], below, where=before_first[before])
    return out


def _all_so_far(absent: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Return for each image which pixels are absent there and before; the list ends where there are none."""
    so_far: list[NDArray[np.bool_]] = []
    mask = absent[0]
    for image in absent:
        mask = mask & image
        if not mask.any():
            break
        so_far.append(mask)
    return so_far

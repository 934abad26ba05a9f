"""Bilinear interpolation and its two gradients, in `keras.ops`.

Position p of the output looks at four pixels of the image: columns i and i + 1, rows j and j + 1. Outside the image a
pixel is 0 ("constant") or the nearest edge pixel ("replicate"); the interpolant, its gradients and `cv2.remap` follow
from that alone. Where positions are the pixel grid plus a displacement, i and j come from the whole part of the
displacement, so that no digit of its fraction is lost to the size of the coordinate.

Positions beyond any reach are brought near first, and so may be infinite; a position that is not a number gives a value
that is none.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops


def take_rows(tables, rows):
    """Return ``tables[i][rows[i]]`` of each i: tables (n, m, c), rows (n, ...) -> (n, ..., c)."""
    n, m, channels = ops.shape(tables)
    first = ops.reshape(ops.arange(n, dtype="int32") * m, (-1,) + (1,) * (len(rows.shape) - 1))
    return ops.take(ops.reshape(tables, (-1, channels)), rows + first, axis=0)


def add_rows(rows, values, n_rows):
    """Return for each i and row the sum of its values: rows (n, k), values (n, k, c) -> (n, n_rows, c)."""
    n, _, channels = ops.shape(values)
    first = ops.reshape(ops.arange(n, dtype="int32") * n_rows, (-1, 1))
    flat = ops.reshape(values, (-1, channels)), ops.reshape(rows + first, (-1,))
    return ops.reshape(ops.segment_sum(*flat, num_segments=n * n_rows), (n, n_rows, channels))


def stack_last(x, y):
    """Return (..., 2)."""
    return ops.stack([x, y], axis=-1)


class Primitives(NamedTuple):
    """What backends have forms of that differ in speed."""

    take_rows: Callable[[Any, Any], Any] = take_rows
    add_rows: Callable[[Any, Any, Any], Any] = add_rows
    join: Callable[[Any, Any], Any] = stack_last


PORTABLE = Primitives()


class Kernels:
    """The three computations for one way of giving positions and one border.

    Parameters
    ----------
    border_mode : {"constant", "replicate"}
        What a pixel outside the image is.
    relative : bool
        Whether coordinates are displacements from the pixel grid rather than positions.
    primitives : Primitives
        How the backend gathers, scatters and joins.

    Notes
    -----
    Everywhere images are (n, h, w, c), coordinates (n, h', w', 2) with (x, y) last, of one floating dtype.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(4.0).reshape(1, 1, 4, 1)
    >>> field = np.zeros((1, 1, 4, 2))
    >>> field[..., 0] = 0.5
    >>> kernels = Kernels("replicate", relative=True)
    >>> np.asarray(kernels.sample(image, field)).ravel().tolist()
    [0.5, 1.5, 2.5, 3.0]
    """

    def __init__(self, border_mode: str, relative: bool, primitives: Primitives = PORTABLE):
        self._constant = border_mode == "constant"
        self._relative = relative
        self._take_rows, self._add_rows, self._join = primitives

    def sample(self, images, coordinates):
        """Return the images at the positions, (n, h', w', c)."""
        (top_left, top_right, bottom_left, bottom_right), x, y = self._corners(images, coordinates)
        top = top_left + (top_right - top_left) * x
        bottom = bottom_left + (bottom_right - bottom_left) * x
        return top + (bottom - top) * y

    def coordinate_gradient(self, images, coordinates, upstream):
        """Return the joined components, (n, h', w') each, of the gradient to the coordinates."""
        (top_left, top_right, bottom_left, bottom_right), x, y = self._corners(images, coordinates)
        along_x = (top_right - top_left) * (1 - y) + (bottom_right - bottom_left) * y
        along_y = (bottom_left - top_left) * (1 - x) + (bottom_right - top_right) * x
        return self._join(_sum_channels(along_x * upstream), _sum_channels(along_y * upstream))

    def image_gradient(self, images, coordinates, upstream):
        """Return the gradient to the images, (n, h, w, c); of the images only the shape counts."""
        n, height, width, channels = ops.shape(images)
        column, row, x, y = self._cells(images, coordinates)
        if self._constant:
            near = (column >= -1) & (column < width) & (row >= -1) & (row < height)
            upstream = upstream * ops.cast(near, upstream.dtype)[..., None]
        else:
            x = ops.where((column >= 0) & (column < width - 1), x, ops.zeros_like(x))
            y = ops.where((row >= 0) & (row < height - 1), y, ops.zeros_like(y))
        # One addition for the four pixels of a cell: sums over cells first, of which there is one row and column more
        # than of pixels, then each pixel collects from the four cells around it.
        lowest = -1 if self._constant else 0
        column = ops.clip(column, lowest, width - 1) + 1
        row = ops.clip(row, lowest, height - 1) + 1
        cells = ops.reshape(row * (width + 1) + column, (n, -1))
        right = ops.convert_to_tensor([[0.0], [1.0], [0.0], [1.0]], dtype=x.dtype)
        below = ops.convert_to_tensor([[0.0], [0.0], [1.0], [1.0]], dtype=x.dtype)
        weights_x = ops.abs(x[..., None, None] - (1 - right))
        weights_y = ops.abs(y[..., None, None] - (1 - below))
        shares = ops.reshape(upstream[..., None, :] * weights_x * weights_y, (n, -1, 4 * channels))
        sums = self._add_rows(cells, shares, (height + 1) * (width + 1))
        sums = ops.reshape(sums, (n, height + 1, width + 1, 4, channels))
        top_left, top_right, bottom_left, bottom_right = (sums[..., i, :] for i in range(4))
        return top_left[:, 1:, 1:] + top_right[:, 1:, :-1] + bottom_left[:, :-1, 1:] + bottom_right[:, :-1, :-1]

    def _cells(self, images, coordinates):
        """Return the column and row of the top-left pixel, and the fractions beyond it, all (n, h', w')."""
        parts = []
        n_rows, n_columns = ops.shape(coordinates)[1:3]
        # A whole grid rather than two axes that broadcast: XLA's loops take twice as long over the latter.
        grid = ops.meshgrid(ops.arange(n_columns, dtype="int32"), ops.arange(n_rows, dtype="int32"))
        for axis, n_out, n_in in ((0, n_columns, ops.shape(images)[2]), (1, n_rows, ops.shape(images)[1])):
            # One pixel beyond the image is as far as any: both pixels there are outside.
            farthest = -(n_out + 1) if self._relative else -2, n_in + 1
            start = coordinates[..., axis]
            near = ops.clip(start, *(ops.cast(limit, start.dtype) for limit in farthest))
            start = ops.where(ops.isnan(start), start, near)  # XLA's clipping would make a number of NaN
            whole = ops.floor(start)
            pixel = ops.cast(whole, "int32")
            parts.append((pixel + grid[axis] if self._relative else pixel, start - whole))
        (column, x), (row, y) = parts
        return column, row, x, y

    def _corners(self, images, coordinates):
        """Return the four pixels, (n, h', w', c) each, row by row, and the fractions, (n, h', w', 1)."""
        n, height, width, channels = ops.shape(images)
        column, row, x, y = self._cells(images, coordinates)
        table = ops.reshape(images, (n, -1, channels))
        corners = []
        for j in (row, row + 1):
            inner_j = ops.clip(j, 0, height - 1)
            for i in (column, column + 1):
                inner_i = ops.clip(i, 0, width - 1)
                pixels = self._take_rows(table, inner_j * width + inner_i)
                if self._constant:
                    inside = (i == inner_i) & (j == inner_j)
                    pixels = pixels * ops.cast(inside, pixels.dtype)[..., None]
                corners.append(pixels)
        return corners, x[..., None], y[..., None]


def _sum_channels(x):
    """Sum over the last axis; for a few channels by additions, which XLA makes part of a larger loop."""
    if x.shape[-1] > 4:
        return ops.sum(x, axis=-1)
    return sum(x[..., i] for i in range(1, x.shape[-1])) + x[..., 0]

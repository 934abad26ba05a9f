"""A labelled pair whose moving image is moved once more, with labels that stay exact.

Convention: with L the label, the registered image at p is the moving one at L(p). If the moving image is replaced by
one whose value at q is the old one's at M(q), the new label is M^-1(L(p)) and its inverse L^-1(M(q)). Affine maps are
evaluated, also outside the image; only fields that exist as pixels are sampled.
"""

import numpy as np
from numpy.typing import NDArray

from atlalign._field.sampling import pixel_grid, sample_grid
from atlalign._field.warping import warp_image
from atlalign.simulate.deformation import Deformation, transform_affine


class MovedPair:
    """A moving image with its label, both as positions, and where its pixels come from in the stored image.

    Parameters
    ----------
    img : ndarray, float32, (h, w)
        The stored moving image.
    deltas_xy, inv_deltas_xy : ndarray, float32, (h, w, 2)
        Its label, moving to registered, and the inverse, in px; the inverse may be None, and is then not followed.

    Examples
    --------
    >>> img = np.zeros((32, 48), dtype="float32")
    >>> img[8:24, 12:36] = 1
    >>> pair = MovedPair(img, np.zeros((32, 48, 2), "float32"), np.zeros((32, 48, 2), "float32"))
    >>> pair.place(np.array([[1, 0, 3], [0, 1, 0]]))
    >>> pair.deltas_xy[0, 0].tolist(), pair.inv_deltas_xy[0, 0].tolist()
    ([-3.0, 0.0], [3.0, 0.0])
    >>> bool((pair.moving[:, :-3] == img[:, 3:]).all())
    True
    """

    def __init__(self, img: NDArray, deltas_xy: NDArray, inv_deltas_xy: NDArray | None):
        self._img = img
        self._grid = np.stack(pixel_grid(img.shape), axis=-1)
        self._label = self._grid + deltas_xy
        self._inverse = None if inv_deltas_xy is None else self._grid + inv_deltas_xy
        self._stored: NDArray | None = None  # positions in the stored image; None while they are the pixels themselves

    @property
    def deltas_xy(self) -> NDArray[np.float32]:
        """The label, (h, w, 2) px."""
        return (self._label - self._grid).astype(np.float32, copy=False)

    @property
    def inv_deltas_xy(self) -> NDArray[np.float32] | None:
        """Its inverse, (h, w, 2) px, None where it is not followed."""
        return None if self._inverse is None else (self._inverse - self._grid).astype(np.float32, copy=False)

    @property
    def moving(self) -> NDArray[np.float32]:
        """The moving image, (h, w), interpolated once however often it was moved."""
        return self._img if self._stored is None else _warp_to(self._img, self._stored)

    def place(self, matrix: NDArray) -> None:
        """Move the image by an affine map (2, 3), from its new pixels to its old ones."""
        square = np.vstack([matrix, [0, 0, 1]])
        positions = transform_affine(square, self._grid)
        self._label = transform_affine(np.linalg.inv(square), self._label)
        if self._inverse is not None:
            self._inverse = _sample_positions(self._inverse, positions)
        self._stored = positions

    def deform(self, deformation: Deformation, from_registered: bool) -> None:
        """Deform the moving image, or put the deformed registered one in its place.

        Parameters
        ----------
        deformation : Deformation
            Of the image's size.
        from_registered : bool
            Whether the deformation alone becomes the label, rather than being added to it.
        """
        positions = deformation.original_points(self._grid)
        if from_registered:
            source = _sample_positions(self._label, positions)
            self._label = deformation.deformed_points(self._grid)
            self._inverse = None if self._inverse is None else positions
        else:
            source = positions
            self._label = deformation.deformed_points(self._label)
            if self._inverse is not None:
                self._inverse = _sample_positions(self._inverse, positions)
        self._stored = source if self._stored is None else _sample_positions(self._stored, source)


def _warp_to(img: NDArray, positions: NDArray) -> NDArray[np.float32]:
    x, y = _components(positions)
    return warp_image(img, x, y, interpolation="linear", border_mode="constant", c=0)


def _sample_positions(values: NDArray, positions: NDArray) -> NDArray:
    """Sample a map of positions at other positions; outside, what it adds to a position stays that of the edge."""
    grid = np.stack(pixel_grid(values.shape[:2]), axis=-1)
    x, y = _components(positions)
    deltas = [sample_grid(component, x, y) for component in _components(values - grid)]
    return positions + np.stack(deltas, axis=-1)


def _components(positions: NDArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return tuple(np.ascontiguousarray(positions[..., i], dtype=np.float32) for i in (0, 1))  # type: ignore[return-value]

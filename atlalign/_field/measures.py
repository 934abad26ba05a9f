"""What can be measured on a displacement field: the read-only properties of `DisplacementField`."""

import numpy as np
from numpy.typing import NDArray

from atlalign._field.sampling import pixel_grid


class FieldMeasures:
    """Properties of a field that are computed from its two components.

    Parameters
    ----------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels of the input image, on the grid of the output image.

    Examples
    --------
    >>> FieldMeasures(np.full((2, 2), 3, dtype="float32"), np.full((2, 2), 4, dtype="float32")).norm
    array([[5., 5.],
           [5., 5.]], dtype=float32)
    """

    delta_x: NDArray[np.float32]
    delta_y: NDArray[np.float32]

    def __init__(self, delta_x: NDArray, delta_y: NDArray):
        self.delta_x = delta_x
        self.delta_y = delta_y

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) of the field, which is that of the images it makes."""
        height, width = self.delta_x.shape
        return height, width

    @property
    def n_pixels(self) -> int:
        """Number of pixels, h * w."""
        return self.delta_x.size

    @property
    def deltas_xy(self) -> NDArray[np.float32]:
        """Both components stacked last: float32 (h, w, 2), a copy."""
        return np.stack([self.delta_x, self.delta_y], axis=-1)

    @property
    def transformation(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where each output pixel takes its value: x and y of the input image, float32 (h, w) each."""
        x, y = pixel_grid(self.shape)
        return x + self.delta_x, y + self.delta_y

    @property
    def norm(self) -> NDArray[np.float32]:
        """Length of each displacement in pixels, float32 (h, w)."""
        return np.hypot(self.delta_x, self.delta_y)

    @property
    def average_displacement(self) -> float:
        """Mean length of the displacements in pixels."""
        return float(np.mean(self.norm, dtype=np.float64))

    @property
    def delta_x_scaled(self) -> NDArray[np.float32]:
        """`delta_x` as a fraction of the width, float32 (h, w)."""
        return self.delta_x / np.float32(self.shape[1])

    @property
    def delta_y_scaled(self) -> NDArray[np.float32]:
        """`delta_y` as a fraction of the height, float32 (h, w)."""
        return self.delta_y / np.float32(self.shape[0])

    @property
    def is_valid(self) -> bool:
        """Whether every displacement is a finite number."""
        return bool(np.isfinite(self.delta_x).all() and np.isfinite(self.delta_y).all())

    @property
    def jacobian(self) -> NDArray[np.float32]:
        """Determinant of the transformation's derivative, float32 (h, w).

        It is 1 where the field keeps areas, above 1 where the output shows a larger area of the input than
        its own, and negative where the field folds. Central differences inside, one-sided ones at the edges.
        """
        xx, xy = _derivatives(self.delta_x)
        yx, yy = _derivatives(self.delta_y)
        return (1 + xx) * (1 + yy) - xy * yx

    @property
    def outsiders(self) -> NDArray[np.bool_]:
        """Where an output pixel takes its value from outside an input image of the same size, bool (h, w)."""
        x, y = self.transformation
        height, width = self.shape
        return ~((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))

    @property
    def summary(self) -> dict[str, float]:
        """Named numbers that describe the field; lengths are in pixels, shares from 0 to 1.

        Examples
        --------
        >>> from atlalign.base import DisplacementField
        >>> DisplacementField.generate((10, 20), "affine_simple", translation_x=-2).summary["delta_x_min"]
        -2.0
        """
        norm, jacobian = self.norm, self.jacobian
        return {
            "height": self.shape[0],
            "width": self.shape[1],
            "delta_x_min": float(self.delta_x.min()),
            "delta_x_mean": float(self.delta_x.mean(dtype=np.float64)),
            "delta_x_max": float(self.delta_x.max()),
            "delta_y_min": float(self.delta_y.min()),
            "delta_y_mean": float(self.delta_y.mean(dtype=np.float64)),
            "delta_y_max": float(self.delta_y.max()),
            "norm_mean": float(norm.mean(dtype=np.float64)),
            "norm_max": float(norm.max()),
            "jacobian_min": float(jacobian.min()),
            "jacobian_max": float(jacobian.max()),
            "share_corrupted": float(np.mean(jacobian <= 0)),
            "share_outside": float(np.mean(self.outsiders)),
        }

    def _require_finite(self, action: str) -> None:
        if not self.is_valid:
            n_bad = int((~np.isfinite(self.delta_x + self.delta_y)).sum())
            raise ValueError(
                f"To {action}, a field must be finite. Received: {n_bad} of {self.n_pixels} pixels are not. "
                "Use mask to fill them."
            )


def _derivatives(values: NDArray) -> tuple[NDArray, NDArray]:
    """Return d/dx and d/dy; along an axis of one pixel nothing changes."""
    d_dy = np.gradient(values, axis=0) if values.shape[0] > 1 else np.zeros_like(values)
    d_dx = np.gradient(values, axis=1) if values.shape[1] > 1 else np.zeros_like(values)
    return d_dx, d_dy

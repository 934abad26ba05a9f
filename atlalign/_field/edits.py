"""Fields made from a field: the methods of `DisplacementField` that return a changed copy of one."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign._field.measures import FieldMeasures
from atlalign._field.rbf import rbf_field
from atlalign._field.sampling import pixel_grid, sample_grid

if TYPE_CHECKING:
    from atlalign.base import DisplacementField


class FieldEdits(FieldMeasures):
    """Methods of a field that return a changed copy.

    Examples
    --------
    >>> from atlalign.base import DisplacementField
    >>> issubclass(DisplacementField, FieldEdits)
    True
    """

    def resize(self, new_shape: tuple[int, int]) -> "DisplacementField":
        """Put the field on an output grid of another size, over the same input image.

        ``df.resize(s).warp(img)`` is ``df.warp(img)`` resized to s. Pixel centres correspond by
        (i + 0.5) * scale - 0.5.

        Parameters
        ----------
        new_shape : (h, w)
            Size of the new output grid.

        Returns
        -------
        DisplacementField, (h, w)

        Raises
        ------
        ValueError
            If `new_shape` is not two positive integers.

        See Also
        --------
        resize_constant : the field for a resized image.

        Examples
        --------
        >>> from atlalign.base import DisplacementField
        >>> half = DisplacementField.generate((2, 4)).resize((1, 2))
        >>> half.warp(np.array([[0, 2, 4, 6], [2, 4, 6, 8]], dtype="float32"))
        array([[2., 6.]], dtype=float32)
        """
        (old_x, old_y), (x, y) = self._corresponding(new_shape)
        return self._make(
            sample_grid(self.delta_x, old_x, old_y) + (old_x - x),
            sample_grid(self.delta_y, old_x, old_y) + (old_y - y),
        )

    def resize_constant(self, new_shape: tuple[int, int]) -> "DisplacementField":
        """Make the field that does to a resized image what this one does to the image.

        Displacements grow with the size, so that a field found on a small image warps the full-size one.
        Pixel centres correspond by (i + 0.5) * scale - 0.5; the identity stays the identity.

        Parameters
        ----------
        new_shape : (h, w)
            Size of the resized image.

        Returns
        -------
        DisplacementField, (h, w)

        Raises
        ------
        ValueError
            If `new_shape` is not two positive integers.

        Examples
        --------
        >>> from atlalign.base import DisplacementField
        >>> df = DisplacementField.generate((10, 20), "affine_simple", translation_x=3)
        >>> float(df.resize_constant((20, 40)).delta_x[0, 0])
        6.0
        """
        (old_x, old_y), (x, _) = self._corresponding(new_shape)
        scale_y, scale_x = (np.float32(new / old) for new, old in zip(x.shape, self.shape, strict=True))
        return self._make(
            sample_grid(self.delta_x, old_x, old_y) * scale_x,
            sample_grid(self.delta_y, old_x, old_y) * scale_y,
        )

    def adjust(
        self,
        delta_x_max: float | None = None,
        delta_y_max: float | None = None,
        force_inside_border: bool = True,
    ) -> "DisplacementField":
        """Limit the displacements.

        Parameters
        ----------
        delta_x_max, delta_y_max : float or None
            Largest size in pixels of each component, which is clipped to it; None does not limit.
        force_inside_border : bool
            Whether to shorten each displacement that leads out of the image, keeping its direction, so that
            it ends on the image's border.

        Returns
        -------
        DisplacementField, (h, w)

        Raises
        ------
        ValueError
            If a limit is negative.

        Examples
        --------
        >>> from atlalign.base import DisplacementField
        >>> df = DisplacementField([[0.0, 3.0, 4.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]])
        >>> df.adjust(delta_x_max=2).delta_x
        array([[0., 2., 1., 0.]], dtype=float32)
        """
        deltas = []
        limits = (delta_x_max, delta_y_max)
        for name, delta, limit in zip(("delta_x_max", "delta_y_max"), self._components(), limits, strict=True):
            if limit is not None and not limit >= 0:
                raise ValueError(f"{name} must be at least 0 px. Received: {limit}. Use None not to limit.")
            deltas.append(delta if limit is None else np.clip(delta, -limit, limit))
        if not force_inside_border:
            return self._make(*deltas)
        share = np.ones(self.shape, dtype=np.float32)
        room = []
        for delta, position, size in zip(deltas, pixel_grid(self.shape), self.shape[::-1], strict=True):
            room.append((0 - position, size - 1 - position))
            with np.errstate(divide="ignore", invalid="ignore"):
                allowed = np.where(delta < 0, *room[-1]) / delta
            share = np.fmin(share, np.where(delta == 0, 1, allowed))
        # The product may still leave by a rounding error.
        return self._make(*(np.clip(delta * share, *limit) for delta, limit in zip(deltas, room, strict=True)))

    def mask(self, mask_matrix: ArrayLike, fill_value: float | tuple[float, float] = 0) -> "DisplacementField":
        """Replace the displacements of some pixels.

        Parameters
        ----------
        mask_matrix : array-like, bool, (h, w)
            True where the field stays as it is.
        fill_value : float or (float, float)
            Displacement in pixels elsewhere: of both components, or of x and y.

        Returns
        -------
        DisplacementField, (h, w)

        Raises
        ------
        ValueError
            If the mask is not bool or has another shape.

        Examples
        --------
        >>> from atlalign.base import DisplacementField
        >>> df = DisplacementField([[1.0, np.nan]], [[1.0, 2.0]])
        >>> df.mask(np.isfinite(df.delta_x)).delta_x
        array([[1., 0.]], dtype=float32)
        """
        mask = np.asarray(mask_matrix)
        if mask.dtype != bool or mask.shape != self.shape:
            raise ValueError(
                f"mask_matrix must be a bool array of shape {self.shape}. "
                f"Received: {mask.dtype} of shape {mask.shape}. Compare with a threshold to make one."
            )
        fill_x, fill_y = np.broadcast_to(np.asarray(fill_value, dtype=np.float32), 2)
        return self._make(np.where(mask, self.delta_x, fill_x), np.where(mask, self.delta_y, fill_y))

    def anchor(
        self, h_kept: float = 0.75, w_kept: float = 0.75, ds_f: int = 5, smooth: float = 0
    ) -> "DisplacementField":
        """Smooth the field and lead it to zero at the image's corners.

        The displacements of a centred rectangle, one pixel in `ds_f` each way, and zero displacement at the
        four corners are interpolated with linear radial basis functions.

        Parameters
        ----------
        h_kept, w_kept : int or float
            Height and width of the rectangle: pixels if int, a share of the image in (0, 1] if float.
        ds_f : int
            Pixels between the displacements that are kept.
        smooth : float
            0 passes through them; larger numbers approximate them.

        Returns
        -------
        DisplacementField, (h, w)

        Raises
        ------
        ValueError
            If an argument is out of range, the field is not finite where it is kept, or so many displacements
            are kept that they cannot be interpolated.

        Examples
        --------
        >>> from atlalign.base import DisplacementField
        >>> df = DisplacementField.generate((40, 60), "affine_simple", translation_x=4).anchor(ds_f=10)
        >>> [abs(round(float(df.delta_x[at]))) for at in ((0, 0), (20, 30))]
        [0, 4]
        """
        if not isinstance(ds_f, Integral) or ds_f < 1:
            raise ValueError(f"ds_f must be an integer of at least 1. Received: {ds_f!r}.")
        height, width = self.shape
        rows, columns = (
            _centred(kept, size, name)[::ds_f]
            for kept, size, name in ((h_kept, height, "h_kept"), (w_kept, width, "w_kept"))
        )
        x, y = (axis.ravel() for axis in np.meshgrid(columns, rows))
        free = ~(np.isin(x, (0, width - 1)) & np.isin(y, (0, height - 1)))
        x, y = x[free], y[free]
        corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
        points = np.concatenate([np.stack([x, y], axis=-1), corners])
        values = np.concatenate([np.stack([self.delta_x[y, x], self.delta_y[y, x]], axis=-1), np.zeros((4, 2))])
        if not np.isfinite(values).all():
            raise ValueError(
                "To anchor a field, it must be finite where it is kept. "
                "Received: some displacements that are not. Use mask to fill them."
            )
        field = rbf_field(points, values, self.shape, function="linear", smooth=smooth)
        return self._make(field[..., 0], field[..., 1])

    def _make(self, delta_x: NDArray, delta_y: NDArray) -> "DisplacementField":
        return cast("DisplacementField", type(self)(delta_x, delta_y))

    def _components(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.delta_x, self.delta_y

    def _corresponding(self, new_shape: tuple[int, int]) -> tuple[tuple[NDArray, NDArray], tuple[NDArray, NDArray]]:
        """Return where the pixels of a grid of another size lie on this field's grid, and that grid."""
        if len(new_shape) != 2 or any(int(size) != size or size < 1 for size in new_shape):
            raise ValueError(f"new_shape must be (h, w), each at least 1. Received: {tuple(new_shape)}.")
        shape = int(new_shape[0]), int(new_shape[1])
        old_y, old_x = (
            ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
            for new, old in zip(shape, self.shape, strict=True)
        )
        x, y = np.meshgrid(old_x, old_y)
        return (x, y), pixel_grid(shape)


def _centred(kept: float, size: int, name: str) -> NDArray[np.intp]:
    """Return the indexes of the centred part of an axis."""
    if isinstance(kept, Integral):
        n_kept, valid = int(kept), 1 <= kept <= size
    else:
        valid = isinstance(kept, Real) and 0 < kept <= 1
        n_kept = max(1, round(float(kept) * size)) if valid else 0
    if not valid:
        raise ValueError(
            f"{name} must be an int from 1 to {size} (pixels) or a float in (0, 1] (share). Received: {kept!r}."
        )
    start = (size - n_kept) // 2
    return np.arange(start, start + n_kept)

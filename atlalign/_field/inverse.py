"""Inverting a field: the methods of `DisplacementField` that return its inverse."""

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from atlalign._field.measures import FieldMeasures
from atlalign._field.newton import invert
from atlalign._field.rbf import rbf_field
from atlalign._field.scattered import (
    fill_outside_hull,
    griddata_custom_field,
    griddata_field,
    lsq_bspline_field,
    smooth_bspline_field,
)

if TYPE_CHECKING:
    from atlalign.base import DisplacementField

_SCATTERED: dict[str, Callable[..., NDArray[np.float32]]] = {
    "griddata": griddata_field,
    "griddata_custom": griddata_custom_field,
    "smooth_bspline": smooth_bspline_field,
    "LSQ_bspline": lsq_bspline_field,
    "rbf": rbf_field,
}
_METHODS = ("fixed_point", *_SCATTERED, "noop")


class FieldInverse(FieldMeasures):
    """Methods of a field that return its inverse.

    Examples
    --------
    >>> from atlalign.base import DisplacementField
    >>> issubclass(DisplacementField, FieldInverse)
    True
    """

    def invert(self, *, tol: float = 1e-3, max_iter: int = 50) -> tuple["DisplacementField", NDArray[np.bool_]]:
        """Find the inverse field, and where it was found.

        The inverse u solves u(m) + delta(m + u(m)) = 0 for every pixel m, with the field interpolated
        bilinearly and its edge displacements going on outside. A field without folds has one solution
        everywhere, also for pixels that lie outside its range. Where a field folds (`jacobian` at most 0)
        there are several, and one is found.

        Parameters
        ----------
        tol : float
            Length of the left-hand side in pixels, below which a pixel has converged. Below about 1e-4 the
            rounding of float32 stands in the way.
        max_iter : int
            Newton steps that a difficult pixel may take.

        Returns
        -------
        inverse : DisplacementField, (h, w)
            Where it did not converge, the best that was found.
        converged : ndarray, bool, (h, w)

        Raises
        ------
        ValueError
            If the field is not finite, or an argument is out of range.

        Examples
        --------
        >>> from atlalign.base import DisplacementField
        >>> df = DisplacementField.generate((60, 80), "affine_simple", rotation=0.3)
        >>> inverse, converged = df.invert()
        >>> bool(converged.all()), bool(df(inverse).norm.max() < 1e-3)
        (True, True)
        """
        if not tol > 0 or not isinstance(max_iter, Integral) or max_iter < 0:
            raise ValueError(
                "tol must be positive and max_iter an integer of at least 0. "
                f"Received: tol={tol!r}, max_iter={max_iter!r}."
            )
        self._require_finite("invert")
        inv_x, inv_y, converged = invert(self.delta_x, self.delta_y, tol=tol, max_iter=int(max_iter))
        return cast("DisplacementField", type(self)(inv_x, inv_y)), converged

    def pseudo_inverse(
        self,
        ds_f: int = 1,
        interpolation_method: str = "fixed_point",
        interpolator_kwargs: dict[str, Any] | None = None,
    ) -> "DisplacementField":
        """Find the inverse field.

        Parameters
        ----------
        ds_f : int
            For the older methods: only one pixel in `ds_f`, each way, is used. The default method does not
            need it.
        interpolation_method : str
            One of "fixed_point", "griddata", "griddata_custom", "smooth_bspline", "LSQ_bspline", "rbf" and
            "noop". "fixed_point" solves for each pixel: see `invert`. The older ones interpolate between the pixels
            that the field sends somewhere, which is slower and less exact; outside their hull, griddata and
            griddata_custom take the nearest value. "noop" does not invert: it returns the identity.
        interpolator_kwargs : dict or None
            `tol` and `max_iter` of "fixed_point"; else what SciPy's griddata, SmoothBivariateSpline,
            LSQBivariateSpline (`tx`, `ty` by default 8 equidistant inner knots) or Rbf (`function`,
            `epsilon`, `smooth`) take; `fill_value` for griddata_custom.

        Returns
        -------
        DisplacementField, (h, w)

        Raises
        ------
        ValueError
            If the field is not finite, the method is unknown, `ds_f` is not a positive integer, or the pixels
            used are too few or too many for the method.

        Examples
        --------
        >>> from atlalign.base import DisplacementField
        >>> df = DisplacementField.generate((60, 80), "affine_simple", translation_x=5)
        >>> float(df.pseudo_inverse().delta_x.max())
        -5.0
        """
        if interpolation_method not in _METHODS:
            raise ValueError(
                f"interpolation_method must be one of {', '.join(_METHODS)}. Received: {interpolation_method!r}."
            )
        if not isinstance(ds_f, Integral) or ds_f < 1:
            raise ValueError(f"ds_f must be an integer of at least 1. Received: {ds_f!r}.")
        kwargs = interpolator_kwargs or {}
        if interpolation_method == "fixed_point":
            return self.invert(**kwargs)[0]
        self._require_finite("invert")
        if interpolation_method == "noop":
            zeros = np.zeros(self.shape, dtype=np.float32)
            return cast("DisplacementField", type(self)(zeros, zeros))
        sent_to = np.stack([axis[::ds_f, ::ds_f].ravel() for axis in self.transformation], axis=-1)
        deltas = self.deltas_xy[::ds_f, ::ds_f].reshape(-1, 2)
        field = _SCATTERED[interpolation_method](
            sent_to.astype(np.float64), -deltas.astype(np.float64), self.shape, **kwargs
        )
        if interpolation_method in ("griddata", "griddata_custom") and "fill_value" not in kwargs:
            field = fill_outside_hull(field)
        return cast("DisplacementField", type(self)(field[..., 0], field[..., 1]))

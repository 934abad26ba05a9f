"""The displacement field: a geometric transformation between two images, one vector a pixel.

Convention (pull-back): a field belongs to the grid of the *output* image, and the output's pixel p takes its
value from p + delta(p) of the *input* image. Displacements are in pixels, x to the right, y down; the centre
of the top-left pixel is (0, 0). A field that adds 5 to x therefore moves the picture 5 pixels to the left.
"""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign import zoo
from atlalign._field.edits import FieldEdits
from atlalign._field.files import FieldFiles
from atlalign._field.inverse import FieldInverse
from atlalign._field.plots import FieldPlots
from atlalign._field.sampling import pixel_grid, sample_grid, sample_nearest, sample_points
from atlalign._field.warping import warp_image


class DisplacementField(FieldEdits, FieldInverse, FieldFiles, FieldPlots):
    """A displacement for every pixel of an output image.

    Parameters
    ----------
    delta_x, delta_y : array-like, (h, w)
        Displacements in pixels, kept as float32 copies. They may hold NaN or infinity, as a failed
        computation leaves them; `is_valid` is then False, and whatever needs every displacement refuses the
        field.

    Raises
    ------
    ValueError
        If the components are not numeric, two-dimensional, of one shape and of at least one pixel.

    See Also
    --------
    DisplacementField.generate : fields of a named kind.

    Notes
    -----
    Two fields are equal when their shapes and all their displacements are (NaN equals NaN); the hash follows.
    Do not write into the arrays of a field that is a key of a dictionary.

    Examples
    --------
    >>> df = DisplacementField(np.ones((2, 4)), np.zeros((2, 4)))
    >>> df.warp(np.arange(8, dtype="uint8").reshape(2, 4))
    array([[1, 2, 3, 0],
           [5, 6, 7, 0]], dtype=uint8)
    """

    # Without it NumPy scalars and arrays would multiply a field element by element into an object array.
    __array_ufunc__ = None

    def __init__(self, delta_x: ArrayLike, delta_y: ArrayLike):
        delta_x, delta_y = _as_component(delta_x, "delta_x"), _as_component(delta_y, "delta_y")
        if delta_x.shape != delta_y.shape:
            raise ValueError(
                "delta_x and delta_y must have the same shape. "
                f"Received: {delta_x.shape} and {delta_y.shape}. Resize one of them."
            )
        super().__init__(delta_x, delta_y)

    @classmethod
    def generate(cls, shape: tuple[int, ...], approach: str = "identity", **kwargs: Any) -> "DisplacementField":
        """Make a field of a named kind.

        Parameters
        ----------
        shape : (h, w) or (h, w, channels)
            Size of the image; channels are dropped.
        approach : str
            "identity", or the name of a function of `atlalign.zoo` ("microsoft" is `paper_microsoft`).
        **kwargs
            What that function takes.

        Returns
        -------
        DisplacementField, (h, w)

        Raises
        ------
        ValueError
            If the shape has another length, or the approach or an argument is unknown.

        Examples
        --------
        >>> df = DisplacementField.generate((30, 40, 3), approach="affine_simple", translation_x=5)
        >>> df.shape, float(df.delta_x[0, 0])
        ((30, 40), 5.0)
        """
        return cls(*zoo.generate(shape, approach, **kwargs))

    @classmethod
    def from_deltas_xy(cls, deltas_xy: ArrayLike) -> "DisplacementField":
        """Make a field from its stacked components.

        Parameters
        ----------
        deltas_xy : array-like, (h, w, 2)
            (delta_x, delta_y) last, in pixels.

        Raises
        ------
        ValueError
            If the shape is another.

        Examples
        --------
        >>> DisplacementField.from_deltas_xy(np.zeros((3, 4, 2))) == DisplacementField.generate((3, 4))
        True
        """
        deltas_xy = np.asarray(deltas_xy)
        if deltas_xy.ndim != 3 or deltas_xy.shape[2] != 2:
            raise ValueError(
                f"deltas_xy must be (h, w, 2). Received: shape {deltas_xy.shape}. Stack delta_x and delta_y last."
            )
        return cls(deltas_xy[..., 0], deltas_xy[..., 1])

    @classmethod
    def from_transform(cls, f_x: ArrayLike, f_y: ArrayLike) -> "DisplacementField":
        """Make a field from the positions that its output pixels take their values from.

        Parameters
        ----------
        f_x, f_y : array-like, (h, w)
            x and y in pixels of the input image, as `transformation` returns them.

        Raises
        ------
        ValueError
            If the shapes are not two-dimensional and equal.

        Examples
        --------
        >>> y, x = np.mgrid[:3, :4]
        >>> DisplacementField.from_transform(x, y).average_displacement
        0.0
        """
        absolute = cls(f_x, f_y)  # validates
        x, y = pixel_grid(absolute.shape)
        return cls(np.asarray(f_x) - x, np.asarray(f_y) - y)

    def warp(self, img: NDArray, interpolation: str = "linear", border_mode: str = "constant", c: float = 0) -> NDArray:
        """Warp an image: output(p) = input(p + delta(p)).

        Parameters
        ----------
        img : ndarray, uint8, uint16, float32 or float64, (h_in, w_in) or (h_in, w_in, channels)
            The input image, of any size and number of channels.
        interpolation : {"linear", "nearest", "cubic", "area", "lanczos"}
            "area" is the same as "linear", since the field does not say how much of the input a pixel covers.
        border_mode : {"constant", "replicate", "reflect", "wrap", "reflect_101", "transparent"}
            What lies outside the input: the constant `c`; its nearest edge pixel; its mirror image with or
            (reflect_101) without the edge pixel repeated; the image again; or, for an output pixel whose
            position lies outside, the input's own pixel at the output's place ("transparent").
        c : float
            Value of the outside for "constant".

        Returns
        -------
        ndarray, (h, w) or (h, w, channels)
            float32 where `img` is float64, else the dtype of `img`.

        Raises
        ------
        KeyError
            If the interpolation or the border mode is unknown.
        ValueError
            If the dtype or the shape of `img` is another, or the field is not finite.

        See Also
        --------
        DisplacementField.warp_annotation : for labels, which must not be averaged.

        Examples
        --------
        >>> img = np.zeros((3, 9), dtype="float32")
        >>> img[1, 6] = 1
        >>> shift = DisplacementField.generate(img.shape, "affine_simple", translation_x=5)
        >>> int(shift.warp(img)[1].argmax())  # 5 pixels to the left
        1
        """
        self._require_finite("warp")
        x, y = self.transformation
        return warp_image(img, x, y, interpolation=interpolation, border_mode=border_mode, c=c)

    def warp_annotation(self, img: NDArray, approach: str = "opencv") -> NDArray:
        """Warp an image of labels: each output pixel copies the nearest input pixel, so no new label appears.

        Parameters
        ----------
        img : ndarray of an integer dtype, (h_in, w_in) or (h_in, w_in, channels)
            Labels. They are copied exactly, however large. Outside the image the nearest edge pixel is taken.
        approach : {"opencv", "scipy"}
            Accepted for the sake of older scripts, where it chose an implementation; both now mean the same
            exact copy.

        Returns
        -------
        ndarray, the dtype of `img`, (h, w) or (h, w, channels)

        Raises
        ------
        ValueError
            If the dtype, the shape or the approach is another, or the field is not finite.

        Examples
        --------
        >>> labels = np.array([[1, 1, 614454277]], dtype="uint32")
        >>> DisplacementField([[0.6, 0.6, 0.6]], [[0, 0, 0]]).warp_annotation(labels)
        array([[        1, 614454277, 614454277]], dtype=uint32)
        """
        if approach not in ("opencv", "scipy"):
            raise ValueError(f"approach must be 'opencv' or 'scipy'. Received: {approach!r}. Leave it out.")
        self._require_finite("warp an annotation")
        img = np.asarray(img)
        if img.dtype.kind not in "iu" or img.ndim not in (2, 3) or 0 in img.shape:
            raise ValueError(
                "An annotation must be an integer array (h, w) or (h, w, channels). "
                f"Received: {img.dtype} of shape {img.shape}. Convert it with astype."
            )
        return sample_nearest(img, *self.transformation)

    def sample(self, points_xy: ArrayLike) -> NDArray[np.float64]:
        """Return the displacement at fractional positions of the output grid.

        Parameters
        ----------
        points_xy : array-like, (n, 2)
            (x, y) in pixels of the output grid. Outside it, the nearest edge displacement is taken.

        Returns
        -------
        ndarray, float64, (n, 2)
            (delta_x, delta_y) in pixels.

        Raises
        ------
        ValueError
            If the points have another shape or are not finite.

        Examples
        --------
        >>> DisplacementField([[0.0, 1.0]], [[4.0, 4.0]]).sample([[0.25, 0.0], [9.0, 9.0]])
        array([[0.25, 4.  ],
               [1.  , 4.  ]])
        """
        points = np.asarray(points_xy, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise ValueError(
                f"points_xy must be finite and (n, 2), as (x, y). Received: shape {points.shape}. "
                "Remove points without a position."
            )
        x, y = points.T
        return np.stack([sample_points(self.delta_x, x, y), sample_points(self.delta_y, x, y)], axis=-1)

    def transform_points(self, points_xy: ArrayLike) -> NDArray[np.float64]:
        """Move points of the output grid to where they lie in the input image.

        Parameters
        ----------
        points_xy : array-like, (n, 2)
            (x, y) in pixels of the output (registered) grid.

        Returns
        -------
        ndarray, float64, (n, 2)
            (x, y) in pixels of the input (moving) image. The inverse field moves points the other way.

        Raises
        ------
        ValueError
            If the points have another shape or are not finite.

        Examples
        --------
        >>> DisplacementField.generate((9, 9), "affine_simple", translation_x=5).transform_points([[1, 1]])
        array([[6., 1.]])
        """
        points = np.asarray(points_xy, dtype=np.float64)
        return points + self.sample(points)

    def __call__(
        self,
        other: "DisplacementField",
        interpolation: str = "linear",
        border_mode: str = "replicate",
        c: float = 0,
    ) -> "DisplacementField":
        """Compose two fields: ``f(g)`` is x -> F(G(x)).

        ``f(g).warp(img)`` equals ``g.warp(f.warp(img))`` up to interpolation, so a whole registration is
        ``df_global(df_local)`` where the local step saw the globally warped image.

        Parameters
        ----------
        other : DisplacementField, (h, w)
            The inner field.
        interpolation, border_mode, c
            How this field is sampled at the positions of `other`, as in `warp`. By default linearly at the
            exact position, with the nearest edge displacement outside: two translations compose to their sum
            everywhere.

        Returns
        -------
        DisplacementField, (h, w)

        Raises
        ------
        TypeError
            If `other` is not a field.
        ValueError
            If the shapes differ or a field is not finite.

        Examples
        --------
        >>> shift = DisplacementField.generate((9, 9), "affine_simple", translation_x=20)
        >>> float(shift(shift).delta_x.min())
        40.0
        """
        if not isinstance(other, DisplacementField):
            raise TypeError(
                f"A field composes with a DisplacementField. Received: {type(other).__name__}. Use warp for images."
            )
        if self.shape != other.shape:
            raise ValueError(
                f"Composed fields must have the same shape. Received: {self.shape} and {other.shape}. "
                "Use resize_constant on one of them."
            )
        self._require_finite("compose")
        other._require_finite("compose")
        x, y = other.transformation
        if (interpolation, border_mode) == ("linear", "replicate"):
            outer_x, outer_y = sample_grid(self.delta_x, x, y), sample_grid(self.delta_y, x, y)
        else:
            outer_x, outer_y = (
                warp_image(delta, x, y, interpolation=interpolation, border_mode=border_mode, c=c)
                for delta in (self.delta_x, self.delta_y)
            )
        return type(self)(other.delta_x + outer_x, other.delta_y + outer_y)

    def __mul__(self, c: float | np.number) -> "DisplacementField":
        """Scale every displacement by a real number."""
        if not isinstance(c, Real):
            return NotImplemented
        return type(self)(self.delta_x * np.float32(c), self.delta_y * np.float32(c))

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DisplacementField):
            return NotImplemented
        return np.array_equal(self.delta_x, other.delta_x, equal_nan=True) and np.array_equal(
            self.delta_y, other.delta_y, equal_nan=True
        )

    def __hash__(self) -> int:
        # Equal numbers must hash alike: adding 0 makes -0 into 0, and one NaN stands for all.
        deltas = self.deltas_xy + np.float32(0)
        deltas[np.isnan(deltas)] = np.nan
        return hash((deltas.shape, deltas.tobytes()))

    def __repr__(self) -> str:
        return f"DisplacementField(shape={self.shape}, average_displacement={self.average_displacement:.3g})"


def _as_component(values: ArrayLike, name: str) -> NDArray[np.float32]:
    values = np.asarray(values)
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "fiub":
        raise ValueError(
            f"{name} must be an (h, w) array of real numbers with at least one pixel. "
            f"Received: {values.dtype} of shape {values.shape}. Give one displacement a pixel."
        )
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and is_valid says so
        return np.array(values, dtype=np.float32, order="C")

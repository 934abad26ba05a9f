"""What the metrics ask of their arguments: shapes, dtypes, finite numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atlalign.base import DisplacementField

Fields = NDArray | Sequence[DisplacementField]
AnyFields = Fields | DisplacementField


def as_fields(fields: AnyFields, name: str, *, single: bool = False) -> NDArray[np.floating]:
    """Return checked displacements of a batch of fields.

    Parameters
    ----------
    fields : ndarray (n, h, w, 2) or list of DisplacementField
        Displacements (dx, dy) in pixels. Where `single`, also one field: ndarray (h, w, 2) or a DisplacementField.
    name : str
        What the caller calls them.
    single : bool
        Whether one field is welcome, too.

    Returns
    -------
    ndarray, float32 or float64, (n, h, w, 2), or (h, w, 2) for one field
        Not a copy where the dtype is one of these.

    Raises
    ------
    TypeError
        If they are neither.
    ValueError
        If the shape is another, or a displacement is not finite.

    Examples
    --------
    >>> as_fields([DisplacementField.generate((3, 4))] * 2, "y_true").shape
    (2, 3, 4, 2)
    """
    rule = "a list of DisplacementField or a numeric array (n, h, w, 2)"
    if single:
        rule += ", or one field: a DisplacementField or (h, w, 2)"
        if isinstance(fields, DisplacementField):
            fields = fields.deltas_xy
    if isinstance(fields, list | tuple):
        wrong = next((type(field).__name__ for field in fields if not isinstance(field, DisplacementField)), None)
        if wrong is not None:
            raise TypeError(f"{name} must be {rule}. Received: a {type(fields).__name__} with a {wrong}. Stack arrays.")
        shapes = sorted({field.shape for field in fields})
        if len(shapes) != 1:
            raise ValueError(f"The fields of {name} must have one shape. Received: {shapes}. Use resize_constant.")
        fields = np.stack([field.deltas_xy for field in fields])
    if not isinstance(fields, np.ndarray) or fields.dtype.kind not in "fiu":
        received = f"{fields.dtype}" if isinstance(fields, np.ndarray) else type(fields).__name__
        raise TypeError(f"{name} must be {rule}. Received: {received}. Convert it with numpy.asarray.")
    if fields.ndim not in ((3, 4) if single else (4,)) or fields.shape[-1] != 2 or fields.size == 0:
        raise ValueError(f"{name} must be {rule}. Received: shape {fields.shape}. Stack (dx, dy) last.")
    require_finite(fields, name)
    if fields.dtype in (np.float32, np.float64):
        return fields
    return fields.astype(np.float32 if fields.dtype == np.float16 else np.float64)


def paired_fields(
    y_true: AnyFields, y_pred: AnyFields, *, single: bool = False
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return two batches of fields of one shape, checked as `as_fields` does.

    Examples
    --------
    >>> [fields.dtype.name for fields in paired_fields(np.zeros((1, 3, 4, 2)), np.zeros((1, 3, 4, 2), "float16"))]
    ['float64', 'float32']
    """
    true, pred = as_fields(y_true, "y_true", single=single), as_fields(y_pred, "y_pred", single=single)
    require_same_shape(true, pred)
    return true, pred


def paired_images(
    y_true: ArrayLike, y_pred: ArrayLike, mask: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return two images, or two stacks, of one shape and dtype.

    Parameters
    ----------
    y_true, y_pred : array-like, float32 or float64, (h, w) or (n, h, w)
        Images.
    mask : ndarray, bool, (h, w), optional
        The pixels that count.

    Raises
    ------
    TypeError
        If the dtypes are others or differ, or the mask is not boolean.
    ValueError
        If the shapes are others or differ, a pixel is not finite, or no pixel counts.

    Examples
    --------
    >>> paired_images(np.zeros((2, 3), "float32"), np.zeros((2, 3), "uint8"))
    Traceback (most recent call last):
    ...
    TypeError: y_true and y_pred must both be float32 (or both float64) images, in [0, 1] as a rule.
    Received: float32 and uint8. Convert them with astype; divide uint8 by 255.
    """
    true, pred = np.asarray(y_true), np.asarray(y_pred)
    if true.dtype != pred.dtype or true.dtype not in (np.float32, np.float64):
        raise TypeError(
            "y_true and y_pred must both be float32 (or both float64) images, in [0, 1] as a rule. "
            f"Received: {true.dtype} and {pred.dtype}. Convert them with astype; divide uint8 by 255."
        )
    require_same_shape(true, pred)
    if true.ndim not in (2, 3) or true.size == 0:
        raise ValueError(f"Images must be (h, w) or (n, h, w). Received: shape {true.shape}. Take one channel.")
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype != bool:
            raise TypeError(f"mask must be boolean. Received: {mask.dtype}. Compare it, as in mask > 0.")
        if mask.shape != true.shape[-2:] or not mask.any():
            raise ValueError(
                f"mask must be (h, w) as the images are, {true.shape[-2:]}, and True somewhere. "
                f"Received: shape {mask.shape} with {int(mask.sum())} True."
            )
    require_finite(true, "y_true")
    require_finite(pred, "y_pred")
    return true, pred


def paired_annotations(
    y_true: ArrayLike, y_pred: ArrayLike, *, dimensions: tuple[int, ...] = (3,)
) -> tuple[NDArray, NDArray]:
    """Return two stacks of annotations of one shape.

    Parameters
    ----------
    y_true, y_pred : array-like of numbers, (n, h, w)
        Labels.
    dimensions : tuple of int
        How many dimensions are welcome.

    Raises
    ------
    TypeError
        If they are not of numbers.
    ValueError
        If the shapes are others or differ, or a label is not finite.

    Examples
    --------
    >>> paired_annotations("rust", "rust")
    Traceback (most recent call last):
    ...
    TypeError: y_true must be an array of labels, integers as a rule. Received: <U4. Give one label a pixel.
    """
    pair = []
    for name, labels in (("y_true", np.asarray(y_true)), ("y_pred", np.asarray(y_pred))):
        if labels.dtype.kind not in "iufb":
            raise TypeError(
                f"{name} must be an array of labels, integers as a rule. Received: {labels.dtype}. "
                "Give one label a pixel."
            )
        pair.append(labels)
    true, pred = pair
    require_same_shape(true, pred)
    if true.ndim not in dimensions or true.size == 0:
        shapes = " or ".join({2: "(h, w)", 3: "(n, h, w)"}[count] for count in dimensions)
        raise ValueError(f"Annotations must be {shapes}. Received: shape {true.shape}. Stack them along a first axis.")
    require_finite(true, "y_true")
    require_finite(pred, "y_pred")
    return true, pred


def require_same_shape(true: NDArray, pred: NDArray) -> None:
    """Refuse two arrays of different shapes.

    Examples
    --------
    >>> require_same_shape(np.zeros(3), np.zeros(3))
    """
    if true.shape != pred.shape:
        raise ValueError(
            f"y_true and y_pred must have the same shape. Received: {true.shape} and {pred.shape}. Resize one of them."
        )


def require_finite(values: NDArray[Any], name: str) -> None:
    """Refuse an array with NaN or infinity.

    Examples
    --------
    >>> require_finite(np.array([1, np.nan]), "y_pred")
    Traceback (most recent call last):
    ...
    ValueError: y_pred must be finite. Received: 1 of 2 numbers are NaN or infinite. Leave such samples out.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(
            f"{name} must be finite. Received: {int((~np.isfinite(values)).sum())} of {values.size} numbers are NaN "
            "or infinite. Leave such samples out."
        )


def mean_of_known(values: NDArray[np.floating], axis: int | None = None) -> NDArray[np.float64]:
    """Average what is not NaN; NaN where nothing is, without a warning.

    Examples
    --------
    >>> mean_of_known(np.array([[1.0, np.nan], [3.0, np.nan]]), axis=0)
    array([ 2., nan])
    """
    known = ~np.isnan(values)
    total, count = np.sum(values, axis=axis, where=known, dtype=np.float64), known.sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)

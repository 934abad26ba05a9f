"""What a method of registration answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atlalign.base import DisplacementField
from atlalign.errors import AtlalignError


class Prediction(NamedTuple):
    """The field that a method found, and what else it knows of it.

    Parameters
    ----------
    deltas_xy : ndarray (h, w, 2)
        The field that warps the moving image onto the reference, px.
    inv_deltas_xy : ndarray (h, w, 2), callable or None
        The inverse field as the method predicts it, or a function without arguments that returns it: this is called
        outside of the time that is taken. None where it predicts none.
    local_deltas_xy : ndarray (h, w, 2) or None
        What of the field is not affine, where the method tells; its folds are counted.
    """

    deltas_xy: NDArray
    inv_deltas_xy: NDArray | Callable[[], NDArray | None] | None = None
    local_deltas_xy: NDArray | None = None

    @property
    def inverse(self) -> NDArray | None:
        """The inverse field as the method predicts it."""
        return self.inv_deltas_xy() if callable(self.inv_deltas_xy) else self.inv_deltas_xy


Method = Callable[[NDArray[np.float32], NDArray[np.float32]], Any]


def as_prediction(answer: Any, shape: tuple[int, int], method: str) -> Prediction | None:
    """Return what a method answered as a Prediction, checked; None stays None.

    Parameters
    ----------
    answer : ndarray (h, w, 2), DisplacementField, tuple or None
        The field; or the field and its inverse or None; or a `Prediction`.
    shape : (h, w)
        Of the images.
    method : str
        What the method is called in messages.

    Raises
    ------
    AtlalignError
        If a field is of another shape, or not finite.

    Examples
    --------
    >>> as_prediction(DisplacementField.generate((3, 4)), (3, 4), "nothing").deltas_xy.shape
    (3, 4, 2)
    >>> as_prediction(np.zeros((4, 3, 2)), (3, 4), "nothing")
    Traceback (most recent call last):
    ...
    atlalign.errors.AtlalignError: A method must return finite fields of the images' shape, (3, 4, 2).
    Received from nothing: shape (4, 3, 2). Mend the method, or leave it out.
    """
    if answer is None:
        return None
    prediction = Prediction(*answer) if isinstance(answer, tuple) else Prediction(answer)
    inverse, local = prediction.inv_deltas_xy, prediction.local_deltas_xy
    return Prediction(
        _checked(prediction.deltas_xy, shape, method),
        inverse if inverse is None or callable(inverse) else _checked(inverse, shape, method),
        local if local is None else _checked(local, shape, method),
    )


def _checked(field: Any, shape: tuple[int, int], method: str) -> NDArray[np.float32]:
    deltas_xy = field.deltas_xy if isinstance(field, DisplacementField) else np.asarray(field)
    if deltas_xy.shape != (*shape, 2) or not np.isfinite(deltas_xy).all():
        received = f"shape {deltas_xy.shape}"
        if deltas_xy.shape == (*shape, 2):
            received = f"{np.count_nonzero(~np.isfinite(deltas_xy))} numbers that are NaN or infinite"
        raise AtlalignError(
            f"A method must return finite fields of the images' shape, {(*shape, 2)}. Received from {method}: "
            f"{received}. Mend the method, or leave it out."
        )
    return deltas_xy.astype(np.float32, copy=False)

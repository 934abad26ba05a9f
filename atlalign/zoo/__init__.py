"""Generators of displacement fields.

Each function takes the size of a field and returns its two components; `DisplacementField.generate` makes a
field of them. Those that draw take `random_state`, and never touch NumPy's global generator.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from atlalign.zoo.damage import missing, tear, tear_with_gap
from atlalign.zoo.linear import Deltas, affine, affine_simple, patch_shift, projective
from atlalign.zoo.scattered import control_points, edge_stretching, single_frequency
from atlalign.zoo.smooth import diffeomorphic, integrate_velocity, paper, paper_microsoft, random_velocity

__all__ = [
    "affine",
    "affine_simple",
    "control_points",
    "diffeomorphic",
    "edge_stretching",
    "generate",
    "identity",
    "integrate_velocity",
    "missing",
    "paper",
    "paper_microsoft",
    "patch_shift",
    "projective",
    "random_velocity",
    "single_frequency",
    "tear",
    "tear_with_gap",
]


def identity(shape: tuple[int, int]) -> Deltas:
    """Make the field that changes nothing.

    Parameters
    ----------
    shape : (h, w)
        Size of the field.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Zeros.

    Examples
    --------
    >>> identity((1, 2))[0]
    array([[0., 0.]], dtype=float32)
    """
    return np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)


_APPROACHES: dict[str, Callable[..., Deltas]] = {
    "affine": affine,
    "affine_simple": affine_simple,
    "control_points": control_points,
    "diffeomorphic": diffeomorphic,
    "edge_stretching": edge_stretching,
    "identity": identity,
    "microsoft": paper_microsoft,
    "paper": paper,
    "patch_shift": patch_shift,
    "projective": projective,
    "single_frequency": single_frequency,
    "tear": tear,
}


def generate(shape: tuple[int, ...], approach: str = "identity", **kwargs: Any) -> Deltas:
    """Call a generator by its name.

    Parameters
    ----------
    shape : (h, w) or (h, w, channels)
        Size of the image; channels are dropped.
    approach : str
        "identity", "affine", "affine_simple", "control_points", "diffeomorphic", "edge_stretching",
        "microsoft", "paper", "patch_shift", "projective", "single_frequency" or "tear".
    **kwargs
        What that generator takes.

    Returns
    -------
    delta_x, delta_y : ndarray, float32, (h, w)
        Displacements in pixels.

    Raises
    ------
    ValueError
        If the shape has another length, or the approach or an argument is unknown.

    Examples
    --------
    >>> generate((2, 3), "affine", wrong=1)
    Traceback (most recent call last):
    ...
    ValueError: The approach 'affine' takes matrix. Received: wrong. Check the spelling.
    """
    if len(shape) not in (2, 3) or any(int(size) != size or size < 1 for size in shape):
        raise ValueError(f"shape must be (h, w) or (h, w, channels), each at least 1. Received: {tuple(shape)}.")
    if approach not in _APPROACHES:
        raise ValueError(f"approach must be one of {', '.join(_APPROACHES)}. Received: {approach!r}.")
    function = _APPROACHES[approach]
    names = list(inspect.signature(function).parameters)[1:]
    unknown = [name for name in kwargs if name not in names]
    if unknown:
        raise ValueError(
            f"The approach {approach!r} takes {', '.join(names) or 'no arguments'}. "
            f"Received: {', '.join(unknown)}. Check the spelling."
        )
    return function((int(shape[0]), int(shape[1])), **kwargs)

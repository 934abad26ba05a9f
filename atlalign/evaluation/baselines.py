"""Registration without learning, as methods to compare with."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atlalign import non_ml
from atlalign.base import DisplacementField
from atlalign.errors import AtlalignError, MissingExtraError
from atlalign.evaluation.prediction import Method

# name -> function of atlalign.non_ml, what it is given besides the images, library, how errors call it
_BASELINES: dict[str, tuple[str, dict[str, Any], str | None, str]] = {
    # With a seed ANTs would run on one thread, in a process of its own that takes seconds to start.
    "ants": ("antspy_registration", {}, "ants", "ANTs registrations"),
    "elastix": ("elastix_registration", {"random_state": 0}, "itk", "elastix registrations"),
    "features": ("feature_based_registration", {"random_state": 0}, None, ""),
}
BASELINES = tuple(_BASELINES)


def baseline_methods(names: Sequence[str]) -> dict[str, Method]:
    """Return methods of `atlalign.non_ml`, each as it comes.

    Parameters
    ----------
    names : sequence of {"ants", "elastix", "features"}
        ANTs: affine and SyN. elastix: affine and B-splines. features: affine, from SIFT features.

    Returns
    -------
    dict of str to callable
        Each takes (reference, moving) and returns a DisplacementField; or None where it finds no registration.

    Raises
    ------
    ValueError
        If a name is another.
    MissingExtraError
        If the library of one is not installed.

    Examples
    --------
    >>> list(baseline_methods(["features"]))
    ['features']
    >>> baseline_methods(["antz"])
    Traceback (most recent call last):
    ...
    ValueError: A baseline must be one of ants, elastix, features. Received: 'antz'.
    """
    methods: dict[str, Method] = {}
    for name in names:
        if name not in _BASELINES:
            raise ValueError(f"A baseline must be one of {', '.join(_BASELINES)}. Received: {name!r}.")
        function, settings, library, feature = _BASELINES[name]
        if library is not None:
            _require(library, feature, name)
        methods[name] = partial(_register, getattr(non_ml, function), settings)
    return methods


def _require(library: str, feature: str, extra: str) -> None:
    try:
        module = importlib.import_module(library)
    except ModuleNotFoundError:
        raise MissingExtraError(feature, extra) from None
    if library == "itk" and not hasattr(module, "ParameterObject"):  # ITK without elastix
        raise MissingExtraError(feature, extra)


def _register(
    function: Callable[..., tuple[DisplacementField, dict]],
    settings: dict[str, Any],
    reference: NDArray[np.float32],
    moving: NDArray[np.float32],
) -> DisplacementField | None:
    if any(image.min() == image.max() for image in (reference, moving)):
        return None
    try:
        return function(reference, moving, **settings)[0]
    except AtlalignError:
        return None

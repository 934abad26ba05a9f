"""Trained weights: which there are, where they lie, and how they come onto this computer.

The library itself never goes to the network. ``atlalign weights fetch NAME`` does, or `fetch_weights`, when called.
"""

from atlalign.weights.catalogue import WeightsSet, fetch_weights, known_weights, require_weights
from atlalign.weights.defaults import default_models
from atlalign.weights.errors import FetchError, MissingWeightsError
from atlalign.weights.lpips import load_lpips

__all__ = [
    "FetchError",
    "MissingWeightsError",
    "WeightsSet",
    "default_models",
    "fetch_weights",
    "known_weights",
    "load_lpips",
    "require_weights",
]

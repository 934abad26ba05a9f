"""Models of atlalign 0.6.2, which Keras 2 wrote: their configurations and weights in Keras 3."""

from atlalign.ml_utils.legacy.files import build_legacy, find_files, load_legacy
from atlalign.ml_utils.legacy.translation import translate_config
from atlalign.ml_utils.legacy.weights import has_weights_of_its_own, is_legacy_weights, load_legacy_weights

__all__ = [
    "build_legacy",
    "find_files",
    "has_weights_of_its_own",
    "is_legacy_weights",
    "load_legacy",
    "load_legacy_weights",
    "translate_config",
]

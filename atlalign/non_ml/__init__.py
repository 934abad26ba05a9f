"""Registration without learning: ANTs, elastix, and image features.

Importing the package needs none of their libraries; each function says which one it misses.
"""

import importlib
from typing import Any

_HOME_OF = {
    "antspy_registration": "atlalign.non_ml.intensity",
    "elastix_registration": "atlalign.non_ml.elastix",
    "feature_based_registration": "atlalign.non_ml.features",
}

__all__ = ["antspy_registration", "elastix_registration", "feature_based_registration"]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module 'atlalign.non_ml' has no attribute {name!r}") from None
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})

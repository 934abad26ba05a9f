"""Register 2D brain sections to a reference atlas, and train the networks that do it.

The public names load on first use, so that ``import atlalign`` is instant and imports neither Keras nor
TensorFlow.
"""

import importlib
from importlib.metadata import version as _version
from typing import Any

__version__ = _version("atlalign")

_HOME_OF = {
    "Atlas": "atlalign.atlas",
    "AtlalignError": "atlalign.errors",
    "DisplacementField": "atlalign.base",
    "Plane": "atlalign.plane",
    "Registrar": "atlalign.registration",
    "Registration": "atlalign.registration",
    "Section": "atlalign.section",
    "register": "atlalign.registration",
    "register_images": "atlalign.registration",
}

__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name: str) -> Any:
    try:
        home = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module 'atlalign' has no attribute {name!r}") from None
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})

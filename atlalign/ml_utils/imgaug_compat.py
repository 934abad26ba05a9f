"""The one place that imports imgaug.

Why the distribution `imgaug-denk`, and why what follows: imgaug 0.4.0, the last release, reads `numpy.sctypes` when
it is imported, which NumPy 2 removed, and it requires `opencv-python`, whose wheel needs libGL and so does not load on
a bare server. `imgaug-denk` 0.4.6 is the same code on `opencv-python-headless`. With that one attribute present
during the import every augmenter used here works on NumPy 2; it is taken away again afterwards, so that no other
library sees it. The other forks either require `opencv-python` too or fail in `Sometimes(OneOf)`.
"""

import warnings

import numpy as np

_SCTYPES = {
    "float": [np.float16, np.float32, np.float64, np.longdouble],
    "int": [np.int8, np.int16, np.int32, np.int64],
    "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
}


def _import_imgaug():
    missing = "sctypes" not in vars(np)
    if missing:
        vars(np)["sctypes"] = _SCTYPES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from imgaug import augmenters
    finally:
        if missing:
            del vars(np)["sctypes"]
    return augmenters


iaa = _import_imgaug()

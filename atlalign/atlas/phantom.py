"""The phantom: a mouse-like brain made from formulas, at any spacing, without files."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from atlalign.atlas.atlas import Atlas
from atlalign.atlas.interpolation import Axes, trilinear
from atlalign.atlas.phantom_geometry import annotate
from atlalign.atlas.phantom_outline import HEIGHT_MM, LENGTH_MM, WIDTH_MM
from atlalign.atlas.phantom_structures import BRIGHTNESS, phantom_structures
from atlalign.atlas.source import halves

_GRAIN_UM = 25.0
_TILE = 64
# leaves room above the densest cell layers for their texture, so that nothing saturates
_EXPOSURE = np.float32(0.85)
_LIMITS_UM = (5.0, 1000.0)


class PhantomSource:
    """The phantom on a grid of some spacing.

    The annotation is constant inside each voxel of the grid, as that of a volume is; the reference is
    computed at the coordinates asked for.

    Parameters
    ----------
    spacing_um : float
        Edge of a voxel, um.

    Raises
    ------
    ValueError
        If the spacing is not between 5 and 1000 um.

    Examples
    --------
    >>> PhantomSource(25).shape
    (528, 320, 456)
    """

    def __init__(self, spacing_um: float):
        if not _LIMITS_UM[0] <= spacing_um <= _LIMITS_UM[1]:
            raise ValueError(
                f"spacing_um must satisfy {_LIMITS_UM[0]:g} <= spacing_um <= {_LIMITS_UM[1]:g}. "
                f"Received: {spacing_um}. The usual spacing is 25."
            )
        self._spacing_um = float(spacing_um)
        n_ap, n_dv, n_ml = (max(1, round(1000 * size / spacing_um)) for size in (LENGTH_MM, HEIGHT_MM, WIDTH_MM))
        self.shape = (n_ap, n_dv, n_ml)
        self.resolution_um = (self._spacing_um,) * 3

    def annotation_at(self, axes_um: Axes) -> np.ndarray:
        """Return the structure ids, uint32, at coordinates that broadcast."""
        step = self._spacing_um
        ap, dv, ml = ((np.floor(axis / step) + 0.5) * step for axis in axes_um)
        return self._annotate((ap, dv, ml))

    def reference_image(self, axes_um: Axes) -> np.ndarray:
        """Return the reference, float32 in [0, 1], of the pixels (h, w) at coordinates that broadcast."""
        ids = self._annotate(axes_um)
        # borders between structures are as soft as a microscope leaves them
        image = np.asarray(cv2.GaussianBlur(_means()[ids], (0, 0), 0.6, borderType=cv2.BORDER_REPLICATE))
        # dense layers are packed: their cells vary less
        image *= 1 + self._texture(axes_um) * (1 - np.float32(0.7) * image)
        image[ids == 0] = 0
        return np.clip(image, 0, 1, out=image)

    def hemisphere_at(self, axes_um: Axes) -> np.ndarray:
        """Return the hemispheres, uint8 (1 left, 2 right), at coordinates that broadcast."""
        return halves(self.shape, self.resolution_um, axes_um)

    def _annotate(self, axes_um: Axes) -> np.ndarray:
        ap, dv, ml = (axis / 1000 for axis in axes_um)
        return annotate(ap, dv, ml, self._spacing_um / 1000)

    def _texture(self, axes_um: Axes) -> np.ndarray:
        """Return relative deviations: single cells, clumps of cells, and slow changes of staining."""
        i, j, k = (axis / _GRAIN_UM - 0.5 for axis in axes_um)
        fine = trilinear(_noise_tile(), (i, j, k), border="wrap")
        coarse = trilinear(_noise_tile(), (i / 3.3 + 11, j / 3.3 + 11, k / 3.3 + 11), border="wrap")
        ap, dv, ml = (np.asarray(axis, dtype=np.float32) / 1000 for axis in axes_um)
        slow = 0.05 * np.sin(1.3 * ml + 0.7 * ap) + 0.05 * np.sin(1.1 * dv - 0.9 * ap + 2.0)
        # a coarse voxel averages over many cells
        grain = np.float32(0.09 * min(1.0, _GRAIN_UM / self._spacing_um))
        return grain * fine + np.float32(0.05) * coarse + slow


@cache
def _means() -> np.ndarray:
    """Return the mean brightness of each id, float32, 0 for those that take no voxels."""
    table = np.zeros(max(BRIGHTNESS) + 1, dtype=np.float32)
    table[list(BRIGHTNESS)] = list(BRIGHTNESS.values())
    return table * _EXPOSURE


@cache
def _noise_tile() -> np.ndarray:
    """Return periodic noise (64, 64, 64) of mean 0 and standard deviation 1, in about [-2.5, 2.5].

    It is a hash of the voxel's index, so that it is the same in every version of NumPy.
    """
    n = _TILE
    index = np.arange(n**3, dtype=np.uint64)
    mixed = (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    noise = (mixed >> np.uint64(40)).astype(np.float64).reshape(n, n, n)
    for axis in range(3):
        noise = (np.roll(noise, 1, axis) + 2 * noise + np.roll(noise, -1, axis)) / 4
    noise = (noise - noise.mean()) / noise.std()
    return np.clip(noise, -2.5, 2.5).astype(np.float32)


def _written(spacing_um: float) -> str:
    """Return a number as text that reads back as itself."""
    return str(int(spacing_um)) if spacing_um.is_integer() else repr(spacing_um)


def load_phantom(spacing_um: float = 25.0) -> Atlas:
    """Return the phantom atlas.

    Parameters
    ----------
    spacing_um : float
        Edge of a voxel, um.

    Examples
    --------
    >>> load_phantom(50).spec
    'phantom:50'
    """
    return Atlas(
        PhantomSource(spacing_um),
        phantom_structures(),
        name="phantom",
        spec="phantom" if spacing_um == 25 else f"phantom:{_written(float(spacing_um))}",
        version="1",
        species="none: a mouse-like brain made from formulas",
        citation="the atlalign developers",
        license="BSD-3-Clause",
    )

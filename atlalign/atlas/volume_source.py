"""An atlas made from volumes: read when first needed, planes interpolated when asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from atlalign.atlas.interpolation import Axes, nearest, trilinear
from atlalign.atlas.source import halves
from atlalign.errors import AtlasError

_Triple = tuple[float, float, float]
# The voxels that set the scale of the reference; more would not change a percentile.
_MAX_SAMPLE = 4_000_000
_WHITE_PERCENTILE = 99.9


class VolumeSource:
    """The reference and the annotation of an atlas as volumes in orientation `asr`.

    Parameters
    ----------
    shape : tuple of 3 int
        Voxels of the annotation.
    resolution_um : tuple of 3 float
        Spacing of the annotation, um.
    load_reference, load_annotation, load_hemispheres : callable returning ndarray
        Called once, on first use, which raises AtlasError if the volume holds nothing. Without
        `load_hemispheres` the midline is the middle of the ml axis.
    reference_resolution_um, reference_first_voxel_um : tuple of 3 float, optional
        Spacing of the reference and where the centre of its first voxel lies from the outer corner of the
        annotation's grid, um; by default the annotation's spacing and half the reference's.
    name : str
        What messages call the atlas.

    Examples
    --------
    >>> source = VolumeSource(
    ...     (1, 2, 2), (25, 25, 25), lambda: np.array([[[0, 2], [4, 4]]]), lambda: np.ones((1, 2, 2))
    ... )
    >>> source.reference_image((np.array([12.5]), np.array([12.5]), np.array([25.0, 37.5]))).round(2)
    array([0.25, 0.5 ], dtype=float32)
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        resolution_um: _Triple,
        load_reference: Callable[[], np.ndarray],
        load_annotation: Callable[[], np.ndarray],
        load_hemispheres: Callable[[], np.ndarray] | None = None,
        *,
        reference_resolution_um: _Triple | None = None,
        reference_first_voxel_um: _Triple | None = None,
        name: str = "it",
    ):
        self.shape = shape
        self.resolution_um = resolution_um
        self._name = name
        self._reference_step = reference_resolution_um or resolution_um
        a, b, c = self._reference_step
        self._reference_first = reference_first_voxel_um or (a / 2, b / 2, c / 2)
        self._loaders = {"reference": load_reference, "annotation": load_annotation}
        if load_hemispheres is not None:
            self._loaders["hemispheres"] = load_hemispheres
        self._volumes: dict[str, np.ndarray] = {}
        self._white = 1.0
        self._lock = threading.RLock()

    def reference_image(self, axes_um: Axes) -> np.ndarray:
        """Return the reference, float32 in [0, 1], at coordinates that broadcast; 0 outside the atlas."""
        volume = self._volume("reference")
        place = zip(axes_um, self._reference_first, self._reference_step, strict=True)
        i, j, k = ((axis - first) / step for axis, first, step in place)
        image = trilinear(volume, (i, j, k))
        inside = np.array(True)
        for axis, size, step in zip(axes_um, self.shape, self.resolution_um, strict=True):
            inside = inside & (axis >= 0) & (axis < size * step)
        return np.where(inside, np.clip(np.nan_to_num(image) / self._white, 0, 1), 0).astype(np.float32)

    def annotation_at(self, axes_um: Axes) -> np.ndarray:
        """Return the structure ids, uint32, at coordinates that broadcast."""
        return nearest(self._volume("annotation"), self._voxels(axes_um)).astype(np.uint32, copy=False)

    def hemisphere_at(self, axes_um: Axes) -> np.ndarray:
        """Return the hemispheres, uint8 (1 left, 2 right), at coordinates that broadcast."""
        if "hemispheres" not in self._loaders:
            return halves(self.shape, self.resolution_um, axes_um)
        return nearest(self._volume("hemispheres"), self._voxels(axes_um)).astype(np.uint8, copy=False)

    def _voxels(self, axes_um: Axes) -> Axes:
        a, b, c = (axis / step for axis, step in zip(axes_um, self.resolution_um, strict=True))
        return a, b, c

    def _volume(self, name: str) -> np.ndarray:
        with self._lock:
            if name not in self._volumes:
                volume = self._loaders[name]()
                if name == "reference":
                    self._white = _white_level(volume, self._name)
                elif name == "annotation" and not (volume[::8, ::8, ::8].any() or volume.any()):
                    raise AtlasError(
                        "An atlas's annotation must hold structure ids other than 0. "
                        f"Received: only 0 in {self._name}. Check which file the atlas names as its annotation."
                    )
                self._volumes[name] = volume
            return self._volumes[name]


def _white_level(volume: np.ndarray, name: str) -> float:
    """Return the value that becomes 1: a high percentile of the tissue, which no single voxel moves."""
    stride = max(1, int(np.ceil((volume.size / _MAX_SAMPLE) ** (1 / 3))))
    tissue = _tissue(volume[::stride, ::stride, ::stride])
    if not tissue.size:
        tissue = _tissue(volume)  # so sparse that the sample missed it
    if not tissue.size:
        raise AtlasError(
            "An atlas's reference must hold finite values above 0. "
            f"Received: none in {name}. Check which file the atlas names as its reference."
        )
    return float(np.percentile(tissue, _WHITE_PERCENTILE))


def _tissue(volume: np.ndarray) -> np.ndarray:
    return volume[np.isfinite(volume) & (volume > 0)]

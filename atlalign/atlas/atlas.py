"""The atlas: planes of the reference and the annotation, structures, hemispheres."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from atlalign.atlas.cache import PlaneCache
from atlalign.atlas.interpolation import Axes
from atlalign.atlas.source import AtlasSource
from atlalign.atlas.structures import Structures
from atlalign.plane import Plane

_CACHE_BYTES = 256 * 2**20


class Atlas:
    """A reference brain: an image volume, the structure of each voxel, and what the structures are.

    Made by `Atlas.load`. Planes are computed when asked for; whole volumes never are unless asked.

    Convention: orientation `asr`; points are (ap, dv, ml) in um from the outer corner of the first voxel; in
    a coronal plane the left edge of the image is the animal's right. The annotation's grid is the atlas's.

    Attributes
    ----------
    name, version, species, citation, license : str
        What the atlas says of itself.
    spec : str
        What `Atlas.load` takes to load this atlas again.
    brainglobe_dir : str or None
        The folder that it takes besides, where a BrainGlobe atlas was not in the one of the configuration. A
        pickled atlas holds `spec` and this folder and no voxels: send an atlas to a worker process as it is.
    structures : Structures
        Ids, acronyms, names, colours and hierarchy.

    Examples
    --------
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> atlas.shape, atlas.resolution_um
    ((132, 80, 114), (100.0, 100.0, 100.0))
    >>> reference = atlas.reference_plane(6000)
    >>> reference.shape, reference.dtype
    ((80, 114), dtype('float32'))
    >>> annotation = atlas.annotation_plane(6000, shape=(40, 57))
    >>> annotation.shape, annotation.dtype
    ((40, 57), dtype('uint32'))
    """

    def __init__(
        self,
        source: AtlasSource,
        structures: Structures,
        *,
        name: str,
        spec: str,
        version: str = "",
        species: str = "",
        citation: str = "",
        license: str = "",  # noqa: A002 - the attribute that every atlas format calls so
        brainglobe_dir: str | None = None,
    ):
        self._source = source
        self._cache = PlaneCache(_CACHE_BYTES)
        self.structures = structures
        self.name = name
        self.spec = spec
        self.brainglobe_dir = brainglobe_dir
        self.version = version
        self.species = species
        self.citation = citation
        self.license = license

    @classmethod
    def load(
        cls,
        name_or_path: str | os.PathLike,
        *,
        spacing_um: float | None = None,
        brainglobe_dir: str | os.PathLike | None = None,
    ) -> Atlas:
        """Load an atlas.

        Parameters
        ----------
        name_or_path : str or path-like
            "phantom" (or "phantom:50" for 50 um), a folder with an atlas.toml, or the name of an installed
            BrainGlobe atlas, in this order.
        spacing_um : float, optional
            Spacing of the phantom, um; 25 by default. Other atlases have their own.
        brainglobe_dir : path-like, optional
            Where BrainGlobe atlases are installed; by default where BrainGlobe's configuration says.

        Returns
        -------
        Atlas

        Raises
        ------
        AtlasError
            If there is no such atlas, or its files do not hold what they should.
        MissingExtraError
            If it would be a BrainGlobe atlas and brainglobe-atlasapi is not installed.
        ValueError
            If `spacing_um` is given for another atlas than the phantom.

        Examples
        --------
        >>> Atlas.load("phantom").shape
        (528, 320, 456)
        """
        from atlalign.atlas.loading import load_atlas

        return load_atlas(name_or_path, spacing_um=spacing_um, brainglobe_dir=brainglobe_dir)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels of the annotation along (ap, dv, ml)."""
        return self._source.shape

    @property
    def resolution_um(self) -> tuple[float, float, float]:
        """Spacing of the annotation along (ap, dv, ml), um."""
        return self._source.resolution_um

    @property
    def shape_um(self) -> tuple[float, float, float]:
        """Extent along (ap, dv, ml), um."""
        extents = [n * step for n, step in zip(self.shape, self.resolution_um, strict=True)]
        return extents[0], extents[1], extents[2]

    def plane(self, position_um: float) -> Plane:
        """Return the whole coronal plane at a position.

        Parameters
        ----------
        position_um : float
            Position along the anterior-posterior axis, um.

        Raises
        ------
        ValueError
            If the position is outside the atlas.

        Examples
        --------
        >>> Atlas.load("phantom").plane(20000)
        Traceback (most recent call last):
        ...
        ValueError: position_um must satisfy 0 <= position_um < 13200 (528 planes of 25 um). Received: 20000.
        See 'atlalign atlas info phantom'.
        """
        if not 0 <= position_um < self.shape_um[0]:
            raise ValueError(
                f"position_um must satisfy 0 <= position_um < {self.shape_um[0]:g} ({self.shape[0]} planes "
                f"of {self.resolution_um[0]:g} um). Received: {position_um}. "
                f"See 'atlalign atlas info {self.spec}'."
            )
        return Plane.coronal(position_um, self.shape_um)

    def reference_plane(self, plane: Plane | float, shape: tuple[int, int] | None = None) -> np.ndarray:
        """Return the reference image of a plane, interpolated.

        Parameters
        ----------
        plane : Plane or float
            The plane, or a coronal position in um. A coronal plane shows the atlas plane that holds its
            position, as an annotation does; oblique planes are interpolated in all three directions.
        shape : (h, w), optional
            Size of the image that fills the plane; by default the spacing of the atlas.

        Returns
        -------
        ndarray of float32, shape (h, w)
            In [0, 1] on a dark background, on one scale for all planes; 0 outside the atlas.

        Examples
        --------
        >>> float(Atlas.load("phantom").reference_plane(6000)[0, 0])
        0.0
        """
        plane, shape = self._resolve(plane, shape)
        return self._cache.get(
            ("reference", plane, shape), lambda: self._source.reference_image(self._axes_um(plane, shape))
        )

    def annotation_plane(self, plane: Plane | float, shape: tuple[int, int] | None = None) -> np.ndarray:
        """Return the structure of each pixel of a plane.

        Parameters
        ----------
        plane : Plane or float
            The plane, or a coronal position in um.
        shape : (h, w), optional
            Size of the image that fills the plane; by default the spacing of the atlas.

        Returns
        -------
        ndarray of uint32, shape (h, w)
            Id of the voxel that holds the pixel's centre; 0 outside.

        Examples
        --------
        >>> atlas = Atlas.load("phantom", spacing_um=100)
        >>> set(np.unique(atlas.annotation_plane(6000))) <= {0, *atlas.structures}
        True
        """
        plane, shape = self._resolve(plane, shape)
        return self._cache.get(
            ("annotation", plane, shape), lambda: self._source.annotation_at(self._axes_um(plane, shape))
        )

    def annotation_at(self, points_um: Any) -> np.ndarray:
        """Return the structures at points.

        Parameters
        ----------
        points_um : array_like, shape (..., 3)
            (ap, dv, ml), um.

        Returns
        -------
        ndarray of uint32, shape (...)
            Id of the voxel that holds each point; 0 outside the atlas.

        Examples
        --------
        >>> atlas = Atlas.load("phantom")
        >>> atlas.annotation_at([[0, 0, 0], [-1, 0, 0]])
        array([0, 0], dtype=uint32)
        """
        return self._source.annotation_at(_split(points_um))

    def hemisphere_at(self, points_um: Any) -> np.ndarray:
        """Return the hemispheres at points.

        Parameters
        ----------
        points_um : array_like, shape (..., 3)
            (ap, dv, ml), um.

        Returns
        -------
        ndarray of uint8, shape (...)
            1 left, 2 right, 0 outside the atlas.

        Examples
        --------
        >>> Atlas.load("phantom").hemisphere_at([[6000, 4000, 1000], [6000, 4000, 9000], [6000, 4000, -1]])
        array([2, 1, 0], dtype=uint8)
        """
        return self._source.hemisphere_at(_split(points_um))

    def reference_volume(self) -> np.ndarray:
        """Return the whole reference on the atlas's grid, (n_ap, n_dv, n_ml) float32 in [0, 1].

        Examples
        --------
        >>> Atlas.load("phantom", spacing_um=400).reference_volume().shape
        (33, 20, 28)
        """
        volume = np.empty(self.shape, dtype=np.float32)
        for index in range(self.shape[0]):
            volume[index] = self._source.reference_image(self._native_axes_um(index))
        return volume

    def annotation_volume(self) -> np.ndarray:
        """Return the whole annotation, (n_ap, n_dv, n_ml) uint32.

        Examples
        --------
        >>> Atlas.load("phantom", spacing_um=400).annotation_volume().dtype
        dtype('uint32')
        """
        volume = np.empty(self.shape, dtype=np.uint32)
        for index in range(self.shape[0]):
            volume[index] = self._source.annotation_at(self._native_axes_um(index))
        return volume

    def __repr__(self) -> str:
        return f"Atlas({self.spec!r}, shape={self.shape}, resolution_um={self.resolution_um})"

    def __reduce__(self) -> tuple:
        # An atlas travels to a worker process by its name: volumes and caches stay at home.
        return _load_again, (self.spec, self.brainglobe_dir)

    def _resolve(self, plane: Plane | float, shape: tuple[int, int] | None) -> tuple[Plane, tuple[int, int]]:
        if not isinstance(plane, Plane):
            plane = self.plane(plane)
        if shape is None:
            height = plane.height_um / self.resolution_um[1]
            width = plane.width_um / self.resolution_um[2]
            return plane, (max(1, round(height)), max(1, round(width)))
        if len(shape) != 2 or min(shape) < 1:
            raise ValueError(
                f"shape must be two positive numbers (h, w). Received: {tuple(shape)}. Leave it out for the "
                "atlas's own spacing."
            )
        return plane, (int(shape[0]), int(shape[1]))

    def _axes_um(self, plane: Plane, shape: tuple[int, int]) -> Axes:
        ap, dv, ml = plane.axes_um(shape)
        if plane.is_coronal:
            # A position names an atlas plane, position // spacing: without this the reference of a position
            # on the border of two planes would be the blurred mean of both, and not that of its annotation.
            step = self.resolution_um[0]
            ap = (np.floor(ap / step) + 0.5) * step
        return ap, dv, ml

    def _native_axes_um(self, index: int) -> Axes:
        position = (index + 0.5) * self.resolution_um[0]
        return self._axes_um(*self._resolve(Plane.coronal(position, self.shape_um), None))


def _load_again(spec: str, brainglobe_dir: str | None) -> Atlas:
    return Atlas.load(spec, brainglobe_dir=brainglobe_dir)


def _split(points_um: Any) -> Axes:
    points = np.asarray(points_um, dtype=np.float64)
    if points.ndim < 1 or points.shape[-1] != 3:
        raise ValueError(
            "Points must have the shape (..., 3): (ap, dv, ml) um. "
            f"Received: shape {points.shape}. Put the three coordinates last."
        )
    return points[..., 0], points[..., 1], points[..., 2]

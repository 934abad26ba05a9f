"""Registration: everything known about a section once it is registered."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlalign.base import DisplacementField
from atlalign.registration.mapped import MappedSection
from atlalign.registration.point_map import PointMap
from atlalign.registration.steps import Step, StepEdits, compose
from atlalign.section import Section
from atlalign.section.canvas import Canvas
from atlalign.section.resampling import compose_affine, resample, resize_affine

if TYPE_CHECKING:
    import pandas as pd

    from atlalign.atlas import Atlas
    from atlalign.registration.groups import Groups
    from atlalign.registration.orienting import OrientationSearch
    from atlalign.registration.quality import Disagreement, PositionSearch

# What can be interpolated without loss.
_DTYPES = (np.uint8, np.uint16, np.float32, np.float64)


class Registration(StepEdits, MappedSection):
    """A registered section.

    Made by `atlalign.register` and `atlalign.Registrar`. The *canvas* is the grid of the registered image and
    of the fields: the atlas's whole slice, upright, its left the animal's right.

    Parameters
    ----------
    section : Section
    atlas : Atlas
    canvas : Canvas
        Where the section was put before any network saw it.
    fields : sequence of (str, DisplacementField)
        Name and field of each step after the canvas, first step first.

    Attributes
    ----------
    section, atlas, canvas
        As given.
    steps : list of Step
        The canvas and the fields, in order. See `without`, `with_step` and `replacing`.
    disagreement : Disagreement or None
        How far variations of the section scatter, where the registrar was asked for them.
    search : PositionSearch or None
        How the position was found, where it was not given.
    orientation : OrientationSearch or None
        What turning and mirroring the section would give, where no anchoring said how it lies.

    Examples
    --------
    >>> from atlalign import Atlas, register
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> section = Section(atlas.reference_plane(6000, shape=(160, 228)), pixel_size_um=50)
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registration = register(section, atlas, position_um=6000, local_model=nothing_to_do)
    >>> [step.name for step in registration.steps]
    ['canvas', 'local']

    What each pixel is, and where it lies; here the section is a picture of the atlas itself.

    >>> labels = registration.labels()
    >>> labels.shape, labels.dtype
    ((160, 228), dtype('uint32'))
    >>> bool(labels[80, 60] == registration.labels(window=(60, 80, 1, 1)))
    True
    >>> points_um = registration.section_to_atlas([[60, 80]])
    >>> bool(atlas.annotation_at(points_um)[0] == labels[80, 60])
    True
    >>> registration.atlas_to_section(points_um).round(3)
    array([[60., 80.]])
    >>> registration.warp().shape
    (80, 114)

    How much of each structure there is, and what to look at.

    >>> areas = registration.structure_areas()
    >>> int(areas["pixels"].sum()) == int(np.count_nonzero(labels))
    True
    >>> [name for name, entry in registration.quality().items() if entry["flag"]]
    []
    """

    def __init__(self, section: Section, atlas: Atlas, canvas: Canvas, fields: Sequence[tuple[str, DisplacementField]]):
        self.section = section
        self.atlas = atlas
        self.canvas = canvas
        self.steps = [Step("canvas", canvas.from_section), *(Step(name, field) for name, field in fields)]
        self.disagreement: Disagreement | None = None
        self.search: PositionSearch | None = None
        self.orientation: OrientationSearch | None = None

    @cached_property
    def field(self) -> DisplacementField:
        """Moving -> registered, on the canvas: the steps' fields composed, ``global(local)``."""
        fields = [step.transform for step in self.steps if isinstance(step.transform, DisplacementField)]
        return compose(fields) if fields else DisplacementField.generate(self.canvas.shape)

    @property
    def inverse_field(self) -> DisplacementField:
        """Registered -> moving, on the canvas: it warps an image in reference space onto the section."""
        return self.point_map.inverse_field

    @cached_property
    def point_map(self) -> PointMap:
        """The map between points of the section and points of the atlas."""
        return PointMap(self.canvas, self.field)

    @property
    def reference(self) -> np.ndarray:
        """The atlas's reference on the canvas, float32 (h, w) in [0, 1]."""
        return self.atlas.reference_plane(self.canvas.plane, self.canvas.shape)

    @cached_property
    def moving(self) -> np.ndarray:
        """The section on the canvas as the networks see it, float32 (h, w) in [0, 1]."""
        return self.section.normalized(self.canvas.shape, grid_to_section=self.canvas.to_section)

    def labels(self, window: tuple[int, int, int, int] | None = None, *, level: int = 0) -> np.ndarray:
        """Return the structure of each pixel of the section.

        Parameters
        ----------
        window : (x, y, width, height), optional
            The part of the section that is wanted, px of the level; by default all of it.
        level : int
            Level of the section's pyramid on whose grid the labels lie; 0 is the full resolution.

        Returns
        -------
        ndarray, uint32, shape (h, w)
            Ids of the atlas's structures; 0 outside them, and where the section's mask says that nothing counts.

        Raises
        ------
        ValueError
            If there is no such level, or the window does not lie inside it.
        """
        x, y, w, h = self.section.checked_window(window, level)
        to_section = resize_affine(self.section.level_shapes[level], self.section.shape)
        columns, rows = (
            to_section[axis, axis] * np.arange(start, start + n) + to_section[axis, 2]
            for axis, (start, n) in enumerate([(x, w), (y, h)])
        )
        return self.labels_at(columns, rows)

    def warp(self, image: np.ndarray | None = None, *, fill: float = 0.0) -> np.ndarray:
        """Return the section, or another image of its size, on the grid of the atlas plane.

        The original pixels are interpolated once, and averaged where the canvas is coarser than the section; of a
        pyramid, the level that is just finer than the canvas.

        Parameters
        ----------
        image : ndarray, shape (h, w) or (h, w, c), optional
            Any image of the height and width of the section or of a level of it; uint8, uint16, float32 or float64.
        fill : float
            Value outside the section.

        Returns
        -------
        ndarray, shape (h', w') or (h', w', c)
            On the canvas, with the dtype of the image.

        Raises
        ------
        ValueError
            If the image is of another size or dtype.
        """
        to_section, deltas_xy = self.canvas.to_section, self.field.deltas_xy
        if image is None:
            return self.section.resample(self.canvas.shape, to_section, deltas_xy=deltas_xy, fill=fill)
        image = np.asarray(image)
        if image.shape[:2] not in self.section.level_shapes:
            raise ValueError(
                f"An image to warp must have the section's height and width, {self.section.shape}. "
                f"Received: shape {image.shape}. Resize it, or register it as its own section."
            )
        image = image.astype(image.dtype.newbyteorder("="), copy=False)
        if image.dtype not in _DTYPES or image.ndim not in (2, 3):
            raise ValueError(
                "An image to warp must be (h, w) or (h, w, c) of dtype uint8, uint16, float32 or float64. "
                f"Received: shape {image.shape}, dtype {image.dtype}. Convert it with image.astype; "
                "for structure ids see labels()."
            )
        to_image = compose_affine(resize_affine(self.section.shape, image.shape[:2]), to_section)
        return resample(image, to_image, self.canvas.shape, deltas_xy=deltas_xy, fill=fill)

    def structure_areas(self, *, groups: Groups | None = None, depth: int | None = None) -> pd.DataFrame:
        """Return the area of each structure on the section.

        Parameters
        ----------
        groups, depth
            As in `atlalign.registration.areas.structure_areas`.

        Returns
        -------
        pandas.DataFrame
            One row a structure, largest first; or one row a group, in their order.
        """
        from atlalign.registration.areas import structure_areas

        return structure_areas(self, groups=groups, depth=depth)

    def quality(self) -> dict[str, dict[str, Any]]:
        """Return named quantities of the registration, each with a flag where it should be looked at.

        Returns
        -------
        dict
            For each name: `value`, its `unit`, and `flag`, which is None or a sentence that says what is
            wrong. See `atlalign.registration.quality.measure`.
        """
        return copy.deepcopy(self._measured)

    @cached_property
    def _measured(self) -> dict[str, dict[str, Any]]:
        from atlalign.registration.quality import measure

        return measure(self, disagreement=self.disagreement, search=self.search, orientation=self.orientation)

    def __setattr__(self, name: str, value: Any) -> None:
        # Whatever is set, such as a disagreement, may change what is measured.
        self.__dict__.pop("_measured", None)
        super().__setattr__(name, value)

    def overlay(self) -> np.ndarray:
        """Return a picture of the section with the outlines of the structures, uint8 (h, w, 3).

        See `atlalign.registration.overlay.draw_overlay`.
        """
        from atlalign.registration.overlay import draw_overlay

        return draw_overlay(self)

    def save(self, folder: str | os.PathLike, export: Sequence[str] = ()) -> Path:
        """Write everything into a folder, whole or not at all.

        Parameters
        ----------
        folder : path-like
            Made if need be. `atlalign.registration.files.RegistrationFiles` names the files.
        export : sequence of str
            Formats of other tools that are written besides: "brainglobe", "itk", "ome", "qupath" or "qupath-abba",
            "quint".

        Returns
        -------
        Path
            The folder.
        """
        from atlalign.registration.files import RegistrationFiles

        return RegistrationFiles(folder).write(self, export)

    def __repr__(self) -> str:
        names = [step.name for step in self.steps]
        return f"Registration({self.section.name!r}, atlas={self.atlas.name!r}, steps={names})"

"""What is labelled: two images on one grid, and the field between them that there is already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atlalign.base import DisplacementField
from atlalign.label.labels import Labels
from atlalign.label.warping import Warper
from atlalign.plane import Plane
from atlalign.registration.result import Registration
from atlalign.section import Canvas, Section
from atlalign.section.resampling import apply_affine, compose_affine, resize_affine, resize_image

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.atlas.structures import Structures

_MOST_PX = 4096  # of the longer side of a picture


class Subject(ABC):
    """A moving and a reference image on one grid, the canvas.

    Convention: points are (x, y) px of the canvas; points of the section are px of its own image.

    Attributes
    ----------
    name : str
        What the moving image is called.
    shape : (h, w)
        Of the canvas.
    automatic : DisplacementField, (h, w)
        Moving -> registered, as it is before a person corrects it.
    """

    name: str
    shape: tuple[int, int]
    automatic: DisplacementField

    @cached_property
    def warper(self) -> Warper:
        """Corrects the automatic field."""
        return Warper(self.automatic)

    @property
    def plane(self) -> Plane | None:
        """Where the canvas lies in the atlas, if there is one."""
        return None

    @property
    def pixel_um(self) -> tuple[float, float] | None:
        """Size of a canvas pixel across and down, um, if it is known."""
        return None

    @property
    def structures(self) -> Structures | None:
        """The atlas's structures, if there is one."""
        return None

    @property
    def extent_um(self) -> float | None:
        """How far a plane can be moved along the anterior-posterior axis, um; None where it cannot."""
        return None

    def plane_at(self, position_um: float) -> Plane:
        """Return the plane moved along the anterior-posterior axis, its tilt as it is."""
        raise NotImplementedError

    def plane_of(self, labels: Labels) -> Plane | None:
        """Return the plane that labels name, or the subject's own."""
        return self.plane if labels.corners_um is None else Plane.from_corners(labels.corners_um)

    @abstractmethod
    def moving_picture(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the moving image on a grid over the canvas, uint8 (h, w)."""

    @abstractmethod
    def reference_picture(self, plane: Plane | None, shape: tuple[int, int]) -> np.ndarray:
        """Return the reference on a grid over the canvas, uint8 (h, w)."""

    def annotation(self, plane: Plane | None, shape: tuple[int, int]) -> np.ndarray | None:
        """Return the structures on a grid over the canvas, uint32 (h, w), if there is an atlas."""
        return None

    @abstractmethod
    def tissue(self) -> np.ndarray:
        """Return where the reference shows tissue, bool (h, w)."""

    @abstractmethod
    def to_section(self, points_xy: Any) -> np.ndarray:
        """Return points of the section for points of the canvas, (n, 2) px."""

    @abstractmethod
    def to_canvas(self, points_xy: Any) -> np.ndarray:
        """Return points of the canvas for points of the section, (n, 2) px."""


class SectionSubject(Subject):
    """A section and the plane of an atlas.

    Parameters
    ----------
    registration : Registration
        Its fields are what is corrected.
    image : Path, optional
        Where the section's image was found.

    Examples
    --------
    >>> from atlalign import Atlas, register
    >>> atlas = Atlas.load("phantom:100")
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100, name="s1")
    >>> subject = SectionSubject(register(section, atlas, position_um=6000, local_model=nothing_to_do))
    >>> subject.name, subject.shape, subject.plane_at(7000).position_um
    ('s1', (80, 114), 7000.0)
    """

    def __init__(self, registration: Registration, image: Path | None = None):
        self.registration = registration
        self.image = image
        self.name = registration.section.name
        self.shape = registration.canvas.shape
        self.automatic = registration.field

    @property
    def canvas(self) -> Canvas:
        """Where the section lies before any field."""
        return self.registration.canvas

    @property
    def atlas(self) -> Atlas:
        """What the section is registered to."""
        return self.registration.atlas

    @property
    def plane(self) -> Plane:
        """Where the canvas lies in the atlas."""
        return self.canvas.plane

    @property
    def pixel_um(self) -> tuple[float, float]:
        """Size of a canvas pixel across and down, um."""
        return self.canvas.pixel_um

    @property
    def structures(self) -> Structures:
        """The atlas's structures."""
        return self.atlas.structures

    @property
    def extent_um(self) -> float:
        """Length of the atlas along the anterior-posterior axis, um."""
        return self.atlas.shape_um[0]

    def plane_at(self, position_um: float) -> Plane:
        """Return the plane moved along the anterior-posterior axis, its tilt as it is.

        Raises
        ------
        ValueError
            If the position is outside the atlas.
        """
        self.atlas.plane(position_um)  # refuses what is outside
        plane = self.plane
        return Plane(plane.origin_um + np.array([position_um - plane.position_um, 0, 0]), plane.u_um, plane.v_um)

    def at(self, labels: Labels) -> Registration:
        """Return the automatic registration at the plane that labels name."""
        if labels.corners_um is None:
            return self.registration
        canvas = replace(self.canvas, plane=Plane.from_corners(labels.corners_um))
        return registration_of(self.registration.section, self.atlas, canvas, self.registration)

    def moving_picture(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the section on a grid over the canvas as the networks see it, uint8 (h, w)."""
        to_section = compose_affine(self.canvas.to_section, resize_affine(shape, self.shape))
        return _bytes(self.registration.section.normalized(shape, grid_to_section=to_section))

    def reference_picture(self, plane: Plane | None, shape: tuple[int, int]) -> np.ndarray:
        """Return the atlas's reference on a grid over the canvas, uint8 (h, w)."""
        own = self.atlas.reference_plane(plane or self.plane, self.shape)  # as sharp as the atlas is
        return _bytes(resize_image(own, shape))

    def annotation(self, plane: Plane | None, shape: tuple[int, int]) -> np.ndarray:
        """Return the structures on a grid over the canvas, uint32 (h, w)."""
        return self.atlas.annotation_plane(plane or self.plane, shape)

    def tissue(self) -> np.ndarray:
        """Return where the atlas has structures, bool (h, w)."""
        grid = np.stack(np.meshgrid(np.arange(self.shape[1]), np.arange(self.shape[0])), axis=-1)
        return (self.annotation(None, self.shape) > 0) & self.canvas.contains(grid)

    def to_section(self, points_xy: Any) -> np.ndarray:
        """Return points of the section for points of the canvas, (n, 2) px."""
        return self.canvas.canvas_to_section(points_xy)

    def to_canvas(self, points_xy: Any) -> np.ndarray:
        """Return points of the canvas for points of the section, (n, 2) px."""
        return self.canvas.section_to_canvas(points_xy)


class PictureSubject(Subject):
    """Two pictures: the canvas is the reference's grid, and the moving picture is stretched to cover it.

    Parameters
    ----------
    reference, moving : path-like
        Images as `Section.read` takes them, of at most 4096 px.

    Raises
    ------
    FileNotFoundError
        If one is missing.
    ValueError
        If one is no image, or too large.
    """

    def __init__(self, reference: Path, moving: Path):
        pictures = [Section.read(path) for path in (reference, moving)]
        for section in pictures:
            if max(section.shape) > _MOST_PX:
                raise ValueError(
                    f"A picture to label must be at most {_MOST_PX} px wide and high. "
                    f"Received: {section.name} of {section.shape[1]} x {section.shape[0]} px. Give a smaller copy."
                )
        self._reference, self._moving = pictures
        self.name = self._moving.name
        self.shape = self._reference.shape
        self.automatic = DisplacementField.generate(self.shape)
        self._from_moving = resize_affine(self._moving.shape, self.shape)
        self._to_moving = resize_affine(self.shape, self._moving.shape)

    @property
    def moving_image(self) -> np.ndarray:
        """The moving picture as its file has it, (h, w), (h, w, 3) or (h, w, 4)."""
        return self._moving.image

    def moving_picture(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the moving picture on a grid over the canvas, uint8 (h, w)."""
        return resize_image(_stretched(self._moving.grey), shape)

    def reference_picture(self, plane: Plane | None, shape: tuple[int, int]) -> np.ndarray:
        """Return the reference on a grid over the canvas, uint8 (h, w)."""
        return resize_image(_stretched(self._reference.grey), shape)

    def tissue(self) -> np.ndarray:
        """Return the whole canvas: nothing is known of a picture."""
        return np.ones(self.shape, dtype=bool)

    def to_section(self, points_xy: Any) -> np.ndarray:
        """Return px of the moving picture for px of the canvas, (n, 2)."""
        return apply_affine(self._to_moving, points_xy)

    def to_canvas(self, points_xy: Any) -> np.ndarray:
        """Return px of the canvas for px of the moving picture, (n, 2)."""
        return apply_affine(self._from_moving, points_xy)


def registration_of(section: Section, atlas: Atlas, canvas: Canvas, like: Registration) -> Registration:
    """Return a registration with the fields of another one, and what their steps say of themselves."""
    registration = Registration(section, atlas, canvas, [])
    for step in like.steps:
        if isinstance(step.transform, DisplacementField):
            registration = registration.with_step(step.name, step.transform, quality=step.quality)
    return registration


def mirrored(points_xy: Iterable[Any], width: int) -> np.ndarray:
    """Return points on the other side of the canvas, (n, 2) px.

    Examples
    --------
    >>> mirrored([(0, 5)], 80)
    array([[79.,  5.]])
    """
    points = np.array(list(points_xy), dtype=np.float64).reshape(-1, 2)
    return np.stack([width - 1 - points[:, 0], points[:, 1]], axis=-1)


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _stretched(grey: np.ndarray) -> np.ndarray:
    low, high = np.percentile(grey, (0.1, 99.9))
    return _bytes((grey.astype(np.float32) - low) / max(float(high - low), 1e-6))

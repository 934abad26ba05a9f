"""The canvas: the grid on which a section and the atlas plane meet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from atlalign.plane import Plane
from atlalign.section.pixel_size import checked_pixel_size
from atlalign.section.resampling import apply_affine, compose_affine, invert_affine
from atlalign.section.section import Section
from atlalign.section.tissue import mask_box

if TYPE_CHECKING:
    from atlalign.atlas import Atlas

Hemisphere = Literal["both", "left", "right"]


@dataclass(frozen=True, eq=False)
class Canvas:
    """A grid over a plane of the atlas, and where a section lies on it.

    The grid covers the whole slice, upright and in `asr` orientation (the image's left is the animal's
    right), as in training data, whatever way the section itself is turned or mirrored: the map does that.

    Attributes
    ----------
    plane : Plane
        What the grid covers, edge to edge.
    shape : (h, w)
        Pixels down and across.
    from_section : ndarray, float64, shape (2, 3)
        From px of the section to px of the canvas.
    section_pixel_um : (float, float)
        Size of a section pixel across and down.
    pixel_size_source : str
        Where `section_pixel_um` comes from: "given", "estimated", "anchoring", or a part of the file such as
        "OME-XML".
    hemisphere : {"both", "left", "right"}
        Which of the animal's hemispheres the section shows; the other half of the grid does not count as canvas.
    """

    plane: Plane
    shape: tuple[int, int]
    from_section: np.ndarray
    section_pixel_um: tuple[float, float]
    pixel_size_source: str
    hemisphere: Hemisphere = "both"

    def __post_init__(self) -> None:
        if self.hemisphere not in get_args(Hemisphere):
            raise ValueError(
                f"hemisphere must be one of {', '.join(get_args(Hemisphere))}. Received: {self.hemisphere!r}"
            )

    @classmethod
    def by_tissue(
        cls,
        section: Section,
        atlas: Atlas,
        position_um: float,
        shape: tuple[int, int],
        pixel_size_um: Any = None,
        hemisphere: Hemisphere = "both",
    ) -> Canvas:
        """Place a section by its tissue on the plane at a position.

        The section's `orientation` says how it is brought upright, its left the animal's right; its `tilt`, how far
        from coronal the plane is, which meets the middle axis at the position. The centres of the two tissues'
        bounding boxes coincide. Without a pixel size, the same scale both ways is taken that makes the
        boxes agree: the geometric mean of the ratios of widths and of heights.

        Parameters
        ----------
        section : Section
        atlas : Atlas
        position_um : float
            Position along the anterior-posterior axis, um.
        shape : (h, w)
            Shape of the canvas.
        pixel_size_um : float or (x, y), optional
            Size of a section pixel, across and down the image as it is stored; by default the section's own,
            estimated if it has none.
        hemisphere : {"both", "left", "right"}
            What the section shows of the animal: one hemisphere is placed on that half of the plane.

        Raises
        ------
        ValueError
            If the position is outside the atlas, or the section or the plane shows no tissue.
        """
        atlas.plane(position_um)  # refuses a position outside the atlas
        plane = section.tilt.plane(position_um, atlas.shape_um)
        box = mask_box((atlas.annotation_plane(plane, shape) > 0) & half_of(shape, hemisphere))
        if box is None:
            raise ValueError(
                "The plane at position_um must show tissue. "
                f"Received: {position_um}, where atlas {atlas.name} has none. "
                "Choose a position inside the brain."
            )
        canvas_um = np.array([plane.width_um / shape[1], plane.height_um / shape[0]])
        atlas_box = np.reshape(box, (2, 2))
        to_upright = section.orientation.to_upright(section.shape)
        corners = apply_affine(to_upright, np.reshape(section.tissue_box, (2, 2)))
        section_box = np.stack([corners.min(axis=0), corners.max(axis=0)])
        size, source = section.pixel_size_um, section.pixel_size_source or "estimated"
        if pixel_size_um is not None:
            size, source = checked_pixel_size(pixel_size_um), "given"
        if size is None:
            ratios = (atlas_box[1] - atlas_box[0]) * canvas_um / (section_box[1] - section_box[0])
            size = checked_pixel_size(np.sqrt(np.prod(ratios)))
        # A quarter turn makes of across down.
        scale = np.abs(to_upright[:, :2]) @ size / canvas_um
        shift = atlas_box.mean(axis=0) - scale * section_box.mean(axis=0)
        from_upright = np.column_stack([np.diag(scale), shift])
        return cls(plane, shape, compose_affine(from_upright, to_upright), size, source, hemisphere)

    @classmethod
    def by_anchoring(
        cls, section: Section, atlas: Atlas, plane: Plane, shape: tuple[int, int], hemisphere: Hemisphere = "both"
    ) -> Canvas:
        """Place a section by the plane that its image fills.

        The canvas lies in the same plane, upright: its top edge is the projection of the atlas's left-right
        axis. It is as large as a coronal slice and centred where the plane meets the axis that runs front to
        back through the middle of the atlas.

        Parameters
        ----------
        section : Section
        atlas : Atlas
        plane : Plane
            Where the section's image lies: its corners are the image's outer corners.
        shape : (h, w)
            Shape of the canvas.
        hemisphere : {"both", "left", "right"}
            What the section shows of the animal.

        Raises
        ------
        ValueError
            If the plane is nearer to sagittal or horizontal than to coronal, or shows no tissue of the atlas; or if
            the section's `orientation` or `tilt` says anything: the plane says how its image lies.
        """
        if not section.orientation.is_upright:
            raise ValueError(
                "A section with an anchoring must not be flipped or rotated as well: the anchoring says how its image "
                f"lies. Received: {section.orientation}. Leave flip and rotate out."
            )
        if any(section.tilt):
            raise ValueError(
                "A section with an anchoring must not be tilted as well: the anchoring says how its image lies. "
                f"Received: {section.tilt}. Leave the tilt out."
            )
        extent = np.asarray(atlas.shape_um, dtype=np.float64)
        normal = np.cross(plane.u_um, plane.v_um)
        normal /= np.linalg.norm(normal)
        if abs(normal[0]) < np.abs(normal[1:]).max():
            raise ValueError(
                "A section's plane must be nearer to coronal than to sagittal or horizontal. "
                f"Received: a plane of normal (ap, dv, ml) {normal.round(3).tolist()}. Check the anchoring."
            )
        across = np.array([0.0, 0.0, 1.0]) - normal[2] * normal
        across /= np.linalg.norm(across)
        down = np.cross(across, normal)
        down *= np.sign(down[1])
        middle = np.array([0.0, extent[1] / 2, extent[2] / 2])
        middle[0] = (normal @ plane.origin_um - normal[1:] @ middle[1:]) / normal[0]
        u, v = across * extent[2], down * extent[1]
        upright = Plane(middle - u / 2 - v / 2, u, v)
        if not atlas.annotation_plane(upright, shape).any():
            raise ValueError(
                "A section's plane must show tissue of the atlas. Received: a plane through "
                f"{middle[0]:.0f} um of {extent[0]:g} um, where atlas {atlas.name} has none. Correct the anchoring, or "
                "leave this section out."
            )
        corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        there = upright.um_to_pixels(plane.pixels_to_um(corners, section.shape), shape)
        matrix = np.column_stack([there[1] - there[0], there[2] - there[0], there[0]])
        size = (plane.width_um / section.shape[1], plane.height_um / section.shape[0])
        return cls(upright, shape, matrix, size, "anchoring", hemisphere)

    @cached_property
    def to_section(self) -> np.ndarray:
        """From px of the canvas to px of the section, (2, 3)."""
        return invert_affine(self.from_section)

    @property
    def pixel_um(self) -> tuple[float, float]:
        """Size of a canvas pixel across and down, um."""
        return self.plane.width_um / self.shape[1], self.plane.height_um / self.shape[0]

    @property
    def animal_left(self) -> Literal["left", "right", "top", "bottom"]:
        """The side of the section's image on which the animal's left lies."""
        # Across the canvas one goes from the animal's right to its left.
        x, y = self.to_section[:, 0]
        if abs(x) >= abs(y):
            return "right" if x > 0 else "left"
        return "bottom" if y > 0 else "top"

    def contains(self, points_xy: np.ndarray) -> np.ndarray:
        """Return which points (..., 2), px of the canvas, lie on the canvas, and in a hemisphere that is there.

        Examples
        --------
        >>> plane = Plane.coronal(0, (10, 20, 40))
        >>> canvas = Canvas(plane, (2, 4), np.eye(2, 3), (10, 10), "given")
        >>> canvas.contains(np.array([[0, 0], [3.6, 0]])).tolist()
        [True, False]
        """
        height, width = self.shape
        x, y = points_xy[..., 0], points_xy[..., 1]
        inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
        if self.hemisphere == "both":
            return inside
        right = x < (width - 1) / 2
        return inside & (right if self.hemisphere == "right" else ~right)

    def canvas_to_section(self, points_xy: Any) -> np.ndarray:
        """Return points of the section, (..., 2) px, for points of the canvas."""
        return apply_affine(self.to_section, points_xy)

    def section_to_canvas(self, points_xy: Any) -> np.ndarray:
        """Return points of the canvas, (..., 2) px, for points of the section."""
        return apply_affine(self.from_section, points_xy)


def half_of(shape: tuple[int, int], hemisphere: Hemisphere) -> np.ndarray:
    """Return where on a canvas a hemisphere of the animal lies, bool (h, w).

    Examples
    --------
    >>> half_of((1, 4), "right").tolist()
    [[True, True, False, False]]
    """
    grid = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), axis=-1)
    whole = Plane(np.zeros(3), np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0]))
    return Canvas(whole, shape, np.eye(2, 3), (1, 1), "given", hemisphere).contains(grid)

"""What a report shows of a registration, as arrays: the same of one in memory and of one that was saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from atlalign._field.sampling import pixel_grid
from atlalign.base import DisplacementField
from atlalign.registration.result import Registration
from atlalign.registration.saved import SavedRegistration
from atlalign.section import Section
from atlalign.section.canvas import Canvas, half_of

_WIDTH = 912  # px of a picture: half a page of 1280 px shows it sharp on fine screens too, and two canvas widths
_WHITE = 99.8  # percentile that becomes white where a picture is stretched


@dataclass(frozen=True, eq=False)
class Views:
    """Pictures on the canvas, all of one shape (h, w), and the section's own.

    Attributes
    ----------
    before, after : ndarray, uint8, shape (h, w, 3)
        The section as it was placed, and registered, in its own colours.
    registered : ndarray, float32, shape (h, w)
        The registered section as the networks see it: tissue bright, in [0, 1].
    reference : ndarray, float32, shape (h, w)
        In [0, 1]; 0 in an absent hemisphere.
    annotation : ndarray, uint32, shape (h, w)
        Structure ids; 0 where the section shows none, such as an absent hemisphere.
    displacement_um : ndarray, float32, shape (h, w)
        Length of the field.
    folds : ndarray, bool, shape (h, w)
        Where the field folds.
    overlay : ndarray, uint8, shape (h', w', 3)
        The section as it is stored, with the outlines of its structures.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    registered: NDArray[np.float32]
    reference: NDArray[np.float32]
    annotation: NDArray[np.uint32]
    displacement_um: NDArray[np.float32]
    folds: NDArray[np.bool_]
    overlay: NDArray[np.uint8]


def take_views(registration: Registration | SavedRegistration) -> Views:
    """Return what a report shows of a registration.

    Of a saved one, whose image is not at hand, the section as it was placed is the registered one, warped back.

    Examples
    --------
    >>> from atlalign import Atlas, register
    >>> atlas = Atlas.load("phantom:100")
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2), np.float32)
    >>> image = atlas.reference_plane(6000)
    >>> views = take_views(register(image, atlas, position_um=6000, pixel_size_um=100, local_model=nothing_to_do))
    >>> views.before.shape, views.annotation.shape
    ((640, 912, 3), (640, 912))
    """
    canvas, atlas = registration.canvas, registration.atlas
    if isinstance(registration, Registration):
        field, tissue = registration.field, registration.section.tissue
        bright = tissue.polarity == "bright"
        # Pixels along the image's border are mixed with what is outside: black would draw a line around it.
        fill = tissue.background
        placed = registration.section.resample(canvas.shape, canvas.to_section, fill=fill)
        after, overlay = registration.warp(fill=fill), registration.overlay()
        registered = field.warp(registration.moving)
    else:
        field = registration.point_map.field
        bright = registration.record["section"].get("background") == "bright"
        whole = _inside(canvas, field, registration.section.shape, whole=True)
        after, fill = _on_background(_interpolable(registration.files.read_registered()), whole, bright)
        placed = registration.point_map.inverse_field.warp(after, c=fill)
        with Image.open(registration.files.overlay) as picture:
            overlay = np.asarray(picture.convert("RGB"))
        registered = Section(after, invert=bright).normalized()
    shape = picture_shape(canvas)
    present = half_of(shape, canvas.hemisphere)
    before, after = _pictures(placed, after)
    empty = 255 if bright else 0
    before[~_inside(canvas, None, registration.section.shape)] = empty
    after[~_inside(canvas, field, registration.section.shape)] = empty
    across, down = canvas.pixel_um
    length_um = np.hypot(field.delta_x * across, field.delta_y * down)
    return Views(
        before=enlarge(before, shape),
        after=enlarge(after, shape),
        registered=_in_range(enlarge(registered, shape)),
        reference=_in_range(enlarge(atlas.reference_plane(canvas.plane, canvas.shape), shape)) * present,
        annotation=np.where(present, atlas.annotation_plane(canvas.plane, shape), 0).astype(np.uint32),
        displacement_um=enlarge(length_um, shape),
        folds=cv2.resize((field.jacobian <= 0).astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST) > 0,
        overlay=np.asarray(overlay, dtype=np.uint8),
    )


def picture_shape(canvas: Canvas) -> tuple[int, int]:
    """Return height and width of pictures of a canvas, in true proportions.

    Examples
    --------
    >>> from atlalign import Plane
    >>> picture_shape(Canvas(Plane.coronal(0, (10, 800, 1140)), (80, 80), np.eye(2, 3), (10, 10), "given"))
    (640, 912)
    """
    return max(1, round(_WIDTH * canvas.plane.height_um / canvas.plane.width_um)), _WIDTH


def enlarge(image: NDArray, shape: tuple[int, int]) -> NDArray:
    """Resize an image (h, w) or (h, w, c) for looking at; uint8 or float32.

    Examples
    --------
    >>> enlarge(np.zeros((2, 3), np.uint8), (4, 6)).shape
    (4, 6)
    """
    smaller = shape[1] < image.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC if image.dtype == np.uint8 else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image), shape[::-1], interpolation=how)


def _interpolable(image: NDArray) -> NDArray:
    """Return an image with a dtype and channels that a field warps."""
    image = image[..., :3] if image.ndim == 3 else image
    return image if image.dtype == np.uint8 else image.astype(np.float32)


def _on_background(image: NDArray, whole: NDArray[np.bool_], bright: bool) -> tuple[NDArray, float]:
    """Return a registered image (h, w) or (h, w, 3), its background also where the section has no pixel, and its level.

    The file is 0 there, which is the colour of tissue on a bright background; so are, in part, the pixels along the
    border.
    """
    if whole.all() or not whole.any():
        return image, Section(image, invert=bright).tissue.background
    nearest = ndimage.distance_transform_edt(~whole, return_distances=False, return_indices=True)
    background = Section(image[tuple(nearest)], invert=bright).tissue.background
    filled = image.copy()
    filled[~whole] = background
    return filled, background


def _pictures(*images: Any) -> list[NDArray[np.uint8]]:
    """Return images of one section as 8-bit RGB, all with the same stretch; 8-bit colour stays as it is."""
    first = images[0]
    colour = first.ndim == 3
    if colour and first.dtype == np.uint8:
        return [np.array(image[..., :3]) for image in images]
    low, high = np.percentile(np.asarray(first, dtype=np.float64), (0.1, _WHITE))
    grey = [np.clip((image - low) * (255 / max(high - low, 1e-6)), 0, 255).astype(np.uint8) for image in images]
    return [image[..., :3] if colour else np.repeat(image[..., np.newaxis], 3, axis=2) for image in grey]


def _inside(
    canvas: Canvas, field: DisplacementField | None, section_shape: tuple[int, int], whole: bool = False
) -> NDArray[np.bool_]:
    """Return where on the canvas there is a pixel of the section; or, `whole`, where it is mixed with nothing else."""
    points = np.stack(pixel_grid(canvas.shape), axis=-1).astype(np.float64)
    if field is not None:
        points = points + field.deltas_xy
    # Pixels of the section, or averages of them as large as one of the canvas, are whole up to their outermost centres.
    averaged = np.maximum(np.linalg.norm(canvas.to_section[:, :2], axis=1), 1.0)
    low = averaged / 2 - 0.5 if whole else np.full(2, -0.5)
    high = np.array(section_shape[::-1]) - 1 - low
    located = canvas.canvas_to_section(points)
    return ((located >= low) & (located <= high)).all(axis=-1)


def _in_range(image: NDArray) -> NDArray[np.float32]:
    return np.clip(image, 0, 1).astype(np.float32)

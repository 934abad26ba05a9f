"""One labelled pair: a moving image and the field that registers it."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from atlalign.atlas import Atlas
from atlalign.simulate.appearance import random_appearance
from atlalign.simulate.damage import random_damage
from atlalign.simulate.deformation import checked_shape, draw_deformation
from atlalign.simulate.placing import check_placement, place_by_tissue
from atlalign.simulate.planes import check_planes, random_plane
from atlalign.simulate.tissue import TissuePlane

MAX_TILT_DEGREES = 10.0
DAMAGE = 0.3


@dataclass(frozen=True)
class SimulatedPair:
    """A simulated pair, as the dataset stores it.

    Parameters
    ----------
    img : ndarray (h, w)
        Moving image, uint8.
    deltas_xy, inv_deltas_xy : ndarray (h, w, 2)
        Fields moving -> registered and back, in px.
    p : int
        Position of the plane's centre along the anterior-posterior axis, um.
    corners_um : ndarray (4, 3)
        Atlas corners of the plane.
    present : ndarray (h, w)
        Where on the reference's grid the section has kept its tissue, bool.
    """

    img: np.ndarray
    deltas_xy: np.ndarray
    inv_deltas_xy: np.ndarray
    p: int
    corners_um: np.ndarray
    present: np.ndarray


def simulate_pair(
    atlas: Atlas,
    shape: Sequence[int] | None = None,
    deformation: str = "both",
    random_state: int | np.random.Generator | None = None,
    *,
    max_tilt_degrees: float = MAX_TILT_DEGREES,
    damage: float = DAMAGE,
    planes: str = "all",
    place_by: str = "anywhere",
    local_strength: float = 1.0,
) -> SimulatedPair:
    """Draw a plane, a look, damage and a deformation, and make the pair.

    Parameters
    ----------
    atlas : Atlas
        Where the planes come from.
    shape : tuple (h, w), optional
        Size of the images, which cover the whole plane; the atlas's own grid by default.
    deformation : {"affine", "local", "both"}
        See `random_deformation`.
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from.
    max_tilt_degrees : float
        Half of the planes are oblique, tilted by up to this about the left-right and about the dorsal-ventral axis.
    damage : float
        Share of sections that are torn, folded, covered in places or incomplete, down to one hemisphere.
    planes : {"all", "training", "held-out"}
        Where planes may lie: anywhere, or so that those of training and those held out never meet; see
        `atlalign.simulate.planes.is_held_out`.
    place_by : {"anywhere", "tissue"}
        Where the section lies in its image: where the deformation has it; or, as when it is registered by its position,
        with its tissue's box on that of the plane.
    local_strength : float
        Size of the local deformation, from 0 to 1; see `random_deformation`.

    Raises
    ------
    ValueError
        If the deformation, the choice of planes or the placement is unknown, the shape too small or too large, or a
        number out of range.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> pair = simulate_pair(Atlas.load("phantom"), (80, 114), random_state=0)
    >>> pair.img.shape, pair.img.dtype, pair.deltas_xy.shape
    ((80, 114), dtype('uint8'), (80, 114, 2))
    """
    rng = np.random.default_rng(random_state)
    shape = checked_shape(atlas.shape[1:] if shape is None else shape)
    max_tilt_degrees, damage, local_strength = checked_choices(max_tilt_degrees, damage, local_strength)
    plane, annotation = random_plane(atlas, shape, max_tilt_degrees, check_planes(planes), rng)
    reference = atlas.reference_plane(plane, shape)
    stained = random_appearance(reference, annotation, atlas.structures, rng)
    damaged = random_damage(stained, TissuePlane(reference, annotation, atlas.structures), damage, rng)
    drawn = draw_deformation(shape, deformation, rng, local_strength=local_strength)
    if check_placement(place_by) == "tissue" and damaged.present.any():
        drawn = place_by_tissue(drawn, damaged.present, annotation > 0, rng)
    field, inverse = drawn.fields(shape)
    present = inverse.warp(damaged.present.astype(np.float32))
    moving = _acquire(inverse.warp(damaged.image), present, rng)
    return SimulatedPair(
        img=moving,
        deltas_xy=field.deltas_xy,
        inv_deltas_xy=inverse.deltas_xy,
        p=int(np.clip(plane.position_um, 0, atlas.shape_um[0] - 1)),
        corners_um=plane.corners_um,
        present=damaged.present,
    )


def checked_choices(max_tilt_degrees: float, damage: float, local_strength: float = 1.0) -> tuple[float, float, float]:
    """Return them as floats, or raise a ValueError that says what they must be.

    Examples
    --------
    >>> checked_choices(10, 2)
    Traceback (most recent call last):
    ...
    ValueError: damage must be a share, from 0 to 1. Received: damage=2
    """
    if not 0 <= max_tilt_degrees <= 45:
        raise ValueError(
            f"max_tilt_degrees must be from 0 to 45: beyond, a plane is not coronal. Received: {max_tilt_degrees}"
        )
    if not 0 <= damage <= 1:
        raise ValueError(f"damage must be a share, from 0 to 1. Received: damage={damage}")
    if not 0 <= local_strength <= 1:
        raise ValueError(f"local_strength must be a share, from 0 to 1. Received: local_strength={local_strength}")
    return float(max_tilt_degrees), float(damage), float(local_strength)


def _acquire(image: np.ndarray, present: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What the microscope adds: blur, background, noise, eight bits."""
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.2, 1.0))
    background = rng.uniform(0, 0.08)
    image = background + (1 - background) * image * rng.uniform(0.6, 1.0)
    image = image + rng.normal(0, rng.uniform(0.002, 0.05), image.shape)
    if rng.random() < 0.7:  # what lies well outside the tissue is cleared before a network sees it
        near = cv2.dilate((present > 0.5).astype(np.uint8), np.ones((5, 5), np.uint8))
        image = image * near
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)

"""Where simulated sections lie in the brain."""

import numpy as np

from atlalign.atlas import Atlas
from atlalign.plane import Plane

PLANES = ("all", "training", "held-out")

# Planes with less tissue than this share of the image (the tips of the brain) teach nothing.
_LEAST_TISSUE = 0.08

_SLAB_UM, _EVERY = 100, 10


def is_held_out(position_um: float) -> bool:
    """Return whether a position lies where no training pair does: in 100 um of every millimetre.

    Examples
    --------
    >>> is_held_out(5550), is_held_out(5650)
    (True, False)
    """
    return int(position_um // _SLAB_UM) % _EVERY == _EVERY // 2


def check_planes(planes: str) -> str:
    """Return the choice of planes if there is such a one, else raise a ValueError.

    Examples
    --------
    >>> check_planes("some")
    Traceback (most recent call last):
    ...
    ValueError: planes must be one of all, training, held-out. Received: 'some'
    """
    if planes not in PLANES:
        raise ValueError(f"planes must be one of {', '.join(PLANES)}. Received: {planes!r}")
    return planes


def random_plane(
    atlas: Atlas, shape: tuple[int, int], max_tilt_degrees: float, planes: str, rng: np.random.Generator
) -> tuple[Plane, np.ndarray]:
    """Return a plane with enough tissue and its annotation; where the atlas has none, the fullest of those tried."""
    fullest: tuple[Plane, np.ndarray] | None = None
    most = -1.0
    for _ in range(50):
        plane = atlas.plane(_random_position(int(atlas.shape_um[0]), planes, rng))
        if max_tilt_degrees > 0 and rng.random() < 0.5:
            plane = _tilted(plane, np.deg2rad(rng.uniform(-max_tilt_degrees, max_tilt_degrees, 2)))
        annotation = atlas.annotation_plane(plane, shape)
        tissue = (annotation > 0).mean()
        if tissue > most:
            fullest, most = (plane, annotation), tissue
        if most >= _LEAST_TISSUE:
            break
    assert fullest is not None
    return fullest


def _tilted(plane: Plane, angles: np.ndarray) -> Plane:
    """Turn a coronal plane about its centre: its right side backwards by the first angle, its bottom by the second."""
    centre = plane.origin_um + (plane.u_um + plane.v_um) / 2
    backwards = np.array([1.0, 0.0, 0.0])
    u = np.cos(angles[0]) * plane.u_um + np.sin(angles[0]) * plane.width_um * backwards
    v = np.cos(angles[1]) * plane.v_um + np.sin(angles[1]) * plane.height_um * backwards
    normal = np.cross(u, v)
    v = np.cross(normal, u) * plane.height_um / np.linalg.norm(np.cross(normal, u))  # at right angles again
    return Plane(centre - (u + v) / 2, u, v)


def _random_position(length_um: int, planes: str, rng: np.random.Generator) -> int:
    """Draw a position, in whole micrometres as the dataset keeps them."""
    while True:
        position_um = int(rng.integers(0, length_um))
        if planes == "all" or is_held_out(position_um) == (planes == "held-out") or length_um < _SLAB_UM * _EVERY:
            return position_um

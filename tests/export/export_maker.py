"""Registrations of sections of the phantom, whose field is known and anything but affine."""

import numpy as np

from atlalign import Atlas, DisplacementField, Section, register
from atlalign.plane import Plane

ATLAS = Atlas.load("phantom:100")
POSITION_UM = 7400  # where the marker, on one side alone, is


def bending(amplitude=2.0, sigma=15.0, seed=0):
    """Return a predictor of a smooth field, the same whatever it is shown."""

    def predict(reference, moving):
        field = DisplacementField.generate(
            reference.shape, "diffeomorphic", amplitude=amplitude, sigma=sigma, random_state=seed
        )
        return field.deltas_xy

    return predict


def oblique_plane(position_um=6850.0, tilt=0.06, angle_deg=6.0, size_um=(12600.0, 9400.0)):
    """Return a plane around the middle of the atlas, tilted out of the coronal and turned in itself."""
    angle = np.deg2rad(angle_deg)
    across, down = np.array([tilt, 0, 1.0]), np.array([-tilt / 2, 1.0, 0])
    u = size_um[0] * (np.cos(angle) * across + np.sin(angle) * down)
    v = size_um[1] * (np.cos(angle) * down - np.sin(angle) * across)
    return Plane(np.array([position_um, 4050, 5650]) - u / 2 - v / 2, u, v)


def turned(plane, mirrored, turns):
    """Return the plane of an image that was mirrored and then turned anticlockwise."""
    corners = plane.corners_um.reshape(2, 2, 3)
    corners = np.rot90(corners[:, ::-1] if mirrored else corners, turns)
    return Plane.from_corners(corners.reshape(4, 3))


def registered(plane=None, shape=(94, 126), *, atlas=ATLAS, name="brain_s012.png", model=None):
    """Return a registered section that shows a plane of the atlas, by default an oblique one."""
    plane = oblique_plane() if plane is None else plane
    section = Section(atlas.reference_plane(plane, shape), name=name)
    return register(section, atlas, plane=plane, local_model=model or bending())

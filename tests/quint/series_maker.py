"""Sections of the phantom, turned in any of eight ways, and the series that says where they lie."""

import json

import cv2
import numpy as np

from atlalign.atlas import Atlas
from atlalign.plane import Plane

ATLAS = Atlas.load("phantom:100")
SHAPE = ATLAS.shape[1:]
TARGET = "ABA_Mouse_CCFv3_2017_25um.cutlas"
WAYS = [(mirrored, turns) for mirrored in (False, True) for turns in range(4)]


def oblique_plane(position_um=6050.0, tilt=0.1, angle_deg=4.0, size_um=(12600.0, 9400.0)):
    """Return a plane around the middle of the atlas, tilted out of the coronal and turned in itself."""
    angle = np.deg2rad(angle_deg)
    across, down = np.array([tilt, 0, 1.0]), np.array([-tilt / 2, 1.0, 0])
    u = size_um[0] * (np.cos(angle) * across + np.sin(angle) * down)
    v = size_um[1] * (np.cos(angle) * down - np.sin(angle) * across)
    return Plane(np.array([position_um, 4050, 5650]) - u / 2 - v / 2, u, v)


def turn(image, plane, mirrored, turns):
    """Return an image mirrored and then turned anticlockwise, and the plane that it then covers."""
    corners = plane.corners_um.reshape(2, 2, 3)
    if mirrored:
        image, corners = image[:, ::-1], corners[:, ::-1]
    corners = np.rot90(corners, turns).reshape(4, 3)
    return np.ascontiguousarray(np.rot90(image, turns)), Plane.from_corners(corners)


def picture(plane, shape=(188, 252)):
    """Return what a bright-field microscope sees of a plane: tissue darker than the background."""
    return np.round(250 - 200 * ATLAS.reference_plane(plane, shape)).astype(np.uint8)


def entry(name, plane, shape, markers=(), **more):
    """Return a section as a JSON series has it."""
    anchoring = plane.to_quicknii().tolist()
    return {
        "filename": name,
        "width": shape[1],
        "height": shape[0],
        "anchoring": anchoring,
        "markers": [list(map(float, marker)) for marker in markers],
        **more,
    }


def write_series(folder, sections, name="series.json"):
    """Write images and their series: `sections` are (name, image or None, entry)."""
    for filename, image, _ in sections:
        if image is not None:
            assert cv2.imwrite(str(folder / filename), image)
    path = folder / name
    path.write_text(json.dumps({"target": TARGET, "slices": [section[2] for section in sections]}))
    return path


def small_series(folder, n=3, **more):
    """Write a series of coronal sections, the second with a marker."""
    sections = []
    for i in range(n):
        plane = ATLAS.plane(5050 + 600 * i)
        name = f"brain_s{i + 10:03d}.png"
        markers = [[60, 50, 64, 53]] if i == 1 else []
        sections.append((name, picture(plane, SHAPE), entry(name, plane, SHAPE, markers, nr=i + 10, **more)))
    return write_series(folder, sections)

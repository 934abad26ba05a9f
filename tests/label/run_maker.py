"""Folders to label: sections of the phantom, bent in a known way, as `atlalign register` saves them."""

import imageio.v3 as iio
import numpy as np

from atlalign import Atlas, DisplacementField, register

ATLAS = Atlas.load("phantom:100")
SHAPE = ATLAS.shape[1:]


def bend(reference, moving):
    """The answer of a network: smooth, and far enough from nothing to need control points."""
    field = DisplacementField.generate(reference.shape, "diffeomorphic", amplitude=3, sigma=14, random_state=3)
    return field.deltas_xy


def nothing(reference, moving):
    return np.zeros((*reference.shape, 2))


def make_section(folder, name="brain_s001", position_um=6000, model=bend):
    """Write an image and what `atlalign register` makes of it; returns the result folder."""
    image = np.round(255 * ATLAS.reference_plane(position_um, (160, 228))).astype(np.uint8)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    iio.imwrite(images / f"{name}.png", image)
    registration = register(images / f"{name}.png", ATLAS, position_um=position_um, local_model=model)
    return registration.save(folder / "run" / name)


def make_series(folder, n=3, model=bend):
    """Write several sections; returns the folder of their results."""
    for i in range(n):
        make_section(folder, f"brain_s{i + 1:03d}", 5000 + 600 * i, model)
    return folder / "run"

"""The registered image as OME-TIFF, with the size of its pixels and its channels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from atlalign._files import atomic_path

if TYPE_CHECKING:
    from atlalign.registration.result import Registration


def write_registered_ome(
    path: str | os.PathLike,
    registration: Registration,
    image: np.ndarray | None = None,
    *,
    channel_names: Sequence[str] | None = None,
) -> Path:
    """Write the registered image, on the grid of the atlas plane, as OME-TIFF, whole or not at all.

    Parameters
    ----------
    path : path-like
        By custom, ends in ``.ome.tif``.
    registration : Registration
    image : ndarray, shape (h, w) or (h, w, c), optional
        Any image of the section's height and width; by default the section. Three or four channels without names are
        red, green, blue and opacity.
    channel_names : sequence of str, optional
        Names of the image's channels, which are then no colours.

    Returns
    -------
    Path
        The file. Its pixels are as large as the canvas's; it keeps the image's depth.

    Raises
    ------
    ValueError
        If the image is not one that `Registration.warp` takes, or has another number of channels than names.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign import Atlas, Section, register
    >>> atlas = Atlas.load("phantom", spacing_um=100)
    >>> section = Section(atlas.reference_plane(6000), pixel_size_um=100)
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registration = register(section, atlas, position_um=6000, local_model=nothing_to_do)
    >>> path = write_registered_ome(Path(tempfile.mkdtemp()) / "registered.ome.tif", registration)
    >>> with tifffile.TiffFile(path) as file:
    ...     file.series[0].axes, "PhysicalSizeX" in file.ome_metadata
    ('YX', True)
    """
    path = Path(path)
    registered = registration.warp(image)
    n_channels = 1 if registered.ndim == 2 else registered.shape[2]
    if channel_names is not None and len(channel_names) != n_channels:
        raise ValueError(
            "channel_names must have one name for each channel of the image. "
            f"Received: {len(channel_names)} for {n_channels}. Name them all, or none."
        )
    width_um, height_um = registration.canvas.pixel_um
    metadata: dict[str, Any] = {
        "PhysicalSizeX": width_um,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": height_um,
        "PhysicalSizeYUnit": "µm",
    }
    layout: dict[str, Any] = {"photometric": "minisblack"}
    if registered.ndim == 3 and n_channels in (3, 4) and channel_names is None:
        metadata["axes"] = "YXS"
        layout = {"photometric": "rgb", "extrasamples": ["unassalpha"] * (n_channels - 3)}
    elif registered.ndim == 3:
        metadata["axes"] = "CYX"
        registered = np.moveaxis(registered, 2, 0)
    else:
        metadata["axes"] = "YX"
    if channel_names is not None:
        metadata["Channel"] = {"Name": list(channel_names)}
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, registered, ome=True, metadata=metadata, compression="zlib", **layout)
    return path

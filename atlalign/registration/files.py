"""The folder that a registration is saved in: the names of its files, and how they are written and read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image

import atlalign
from atlalign._files import atomic_folder, require_file
from atlalign.base import DisplacementField
from atlalign.errors import InvalidFileError
from atlalign.registration.exporting import check_exports, write_exports

if TYPE_CHECKING:
    import pandas as pd

    from atlalign.registration.result import Registration, Step

_TILE = 256


class RegistrationFiles:
    """A result folder.

    Parameters
    ----------
    folder : path-like
        Where the files are, or will be.

    Attributes
    ----------
    folder : Path
    registered : Path
        ``registered.tif``: the section on the grid of the atlas plane, in its own depth and colours.
    labels : Path
        ``labels.tif``: the structure of each pixel of the section, uint32, at the section's own size.
    field : Path
        ``deltas_xy.npy``: the field moving -> registered on the canvas, float32 (h, w, 2).
    inverse_field : Path
        ``inv_deltas_xy.npy``: its inverse.
    areas : Path
        ``areas.csv``: the area of each structure on either side of the animal.
    overlay : Path
        ``overlay.png``: the section with the structures' outlines.
    record : Path
        ``registration.json``: what was registered to what, where it lies, every step, and the quality.
    ome, qupath, quint : Path
        ``registered.ome.tif``, ``structures.geojson``, ``quint.json``: exports, where asked for; see `atlalign.export`.
    brainglobe, itk : Path
        Folders of exports, ``brainglobe`` and ``itk``.

    Examples
    --------
    >>> RegistrationFiles("out").labels.name
    'labels.tif'
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.registered = self.folder / "registered.tif"
        self.labels = self.folder / "labels.tif"
        self.field = self.folder / "deltas_xy.npy"
        self.inverse_field = self.folder / "inv_deltas_xy.npy"
        self.areas = self.folder / "areas.csv"
        self.overlay = self.folder / "overlay.png"
        self.record = self.folder / "registration.json"
        self.ome = self.folder / "registered.ome.tif"
        self.qupath = self.folder / "structures.geojson"
        self.quint = self.folder / "quint.json"
        self.brainglobe = self.folder / "brainglobe"
        self.itk = self.folder / "itk"

    def write(self, registration: Registration, export: Sequence[str] = ()) -> Path:
        """Write every file of a registration, whole or not at all; other files in the folder stay.

        Parameters
        ----------
        registration : Registration
        export : sequence of str
            Formats of other tools that are written besides, each whole or not at all: any of
            `atlalign.registration.exporting.Export`.

        Returns
        -------
        Path
            The folder.
        """
        exports = check_exports(export)
        with atomic_folder(self.folder) as temporary:
            files = RegistrationFiles(temporary)
            registered = registration.warp()
            photometric = "minisblack" if registered.ndim == 2 else "rgb"
            tifffile.imwrite(files.registered, registered, photometric=photometric, compression="zlib")
            _write_labels(files.labels, registration)
            registration.field.save(files.field)
            registration.inverse_field.save(files.inverse_field)
            registration.structure_areas().to_csv(files.areas, index=False)
            Image.fromarray(registration.overlay()).save(files.overlay)
            record = json.dumps(_record(registration), indent=2, allow_nan=False)
            files.record.write_text(record + "\n", encoding="utf-8")
        write_exports(registration, self, exports)
        return self.folder

    def read_record(self) -> dict[str, Any]:
        """Return the content of ``registration.json``."""
        path = require_file(self.record, "registration record")
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidFileError(
                f"A registration record must be JSON. Received: {path} ({error}). Register the section again."
            ) from None

    def read_labels(self) -> np.ndarray:
        """Return the structure of each pixel of the section, uint32 (h, w)."""
        return tifffile.imread(require_file(self.labels, "label image"))

    def read_registered(self) -> np.ndarray:
        """Return the section on the canvas, (h, w) or (h, w, c)."""
        return tifffile.imread(require_file(self.registered, "registered image"))

    def read_field(self) -> DisplacementField:
        """Return the field moving -> registered."""
        return DisplacementField.from_file(self.field)

    def read_inverse_field(self) -> DisplacementField:
        """Return the field registered -> moving."""
        return DisplacementField.from_file(self.inverse_field)

    def read_areas(self) -> pd.DataFrame:
        """Return the area of each structure."""
        import pandas as pd

        # "NA" is an acronym, not a missing value
        return pd.read_csv(require_file(self.areas, "table of areas"), keep_default_na=False)


def _write_labels(path: Path, registration: Registration) -> None:
    """Write the labels tile by tile: those of a whole slide need not fit into memory."""
    height, width = registration.section.shape

    def tiles() -> Iterator[np.ndarray]:
        for y in range(0, height, _TILE):
            rows = min(_TILE, height - y)
            band = np.zeros((_TILE, -(-width // _TILE) * _TILE), dtype=np.uint32)
            band[:rows, :width] = registration.labels((0, y, width, rows))
            yield from np.split(band, band.shape[1] // _TILE, axis=1)

    tifffile.imwrite(
        path,
        tiles(),
        shape=(height, width),
        dtype=np.uint32,
        tile=(_TILE, _TILE),
        photometric="minisblack",
        compression="zlib",
    )


def _record(registration: Registration) -> dict[str, Any]:
    section, atlas, canvas = registration.section, registration.atlas, registration.canvas
    return {
        "atlalign_version": atlalign.__version__,
        "section": {
            "name": section.name,
            "width": section.shape[1],
            "height": section.shape[0],
            "dtype": str(section.image.dtype),
            "pixel_size_um": list(canvas.section_pixel_um),
            "pixel_size_source": canvas.pixel_size_source,
            "flip": section.orientation.flip,
            "rotate": section.orientation.rotate,
            "background": section.tissue.polarity,
            "tissue_box_px": list(section.tissue_box),
            "animal_left_in_image": canvas.animal_left,
        },
        "atlas": {
            "name": atlas.name,
            "version": atlas.version,
            "spec": atlas.spec,
            "resolution_um": list(atlas.resolution_um),
        },
        "canvas": {
            "width": canvas.shape[1],
            "height": canvas.shape[0],
            "pixel_size_um": list(canvas.pixel_um),
            "corners_um": canvas.plane.corners_um.tolist(),
            "corners_order": ["top-left", "top-right", "bottom-left", "bottom-right"],
            "axes_um": ["ap", "dv", "ml"],
            "position_um": canvas.plane.position_um,
            "animal_left_in_image": "right",
            "hemisphere": canvas.hemisphere,
        },
        "steps": [_step_record(step) for step in registration.steps],
        "quality": registration.quality(),
        "files": {
            "registered": "the section on the canvas",
            "labels": "structure ids at the section's own size",
            "field": "canvas px, registered(p) = moving(p + delta(p))",
            "inverse_field": "canvas px, moving(p) = registered(p + delta(p))",
        },
    }


def _step_record(step: Step) -> dict[str, Any]:
    if isinstance(step.transform, DisplacementField):
        displacement = step.transform.average_displacement
        return {"name": step.name, "mean_displacement_px": displacement, "quality": step.quality}
    return {"name": step.name, "section_px_to_canvas_px": step.transform.tolist()}

"""The folder that a registration is saved in: the names of its files, and how they are written and read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image

from atlalign._damage import naming_damage
from atlalign._files import atomic_folder, require_file
from atlalign.base import DisplacementField
from atlalign.errors import InvalidFileError, one_line
from atlalign.registration.areas import AREA_FORMAT
from atlalign.registration.exporting import check_exports, write_exports
from atlalign.registration.labels_file import write_labels
from atlalign.registration.record import make_record

if TYPE_CHECKING:
    import pandas as pd

    from atlalign.registration.result import Registration


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
        ``labels.tif``: the structure of each pixel of the section, uint32, at the section's own size; of a section of
        more than 67 million pixels on a coarser grid, which the record states.
    field : Path
        ``deltas_xy.npy``: the field moving -> registered on the canvas, float32 (h, w, 2).
    inverse_field : Path
        ``inv_deltas_xy.npy``: its inverse.
    structures : Path
        ``structures.csv``: the area of each structure on either side of the animal.
    overlay : Path
        ``overlay.png``: the section with the structures' outlines.
    quality : Path
        ``quality.json``: what `Registration.quality` gives.
    mask : Path
        ``section_mask.png``: white where the section counts, if it has a mask; it covers the section edge to edge.
    disagreement : Path
        ``disagreement.tif``: how far variations of the section scatter, um, on the canvas, float32 with NaN outside the
        tissue; where there were any. The record says whether this file and the mask are of this registration.
    record : Path
        ``registration.json``: what was registered to what, where it lies, and every step.
    request : Path
        ``request.json``: what was asked for, in a batch, so that the same is not done twice.
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
        self.structures = self.folder / "structures.csv"
        self.overlay = self.folder / "overlay.png"
        self.quality = self.folder / "quality.json"
        self.mask = self.folder / "section_mask.png"
        self.disagreement = self.folder / "disagreement.tif"
        self.record = self.folder / "registration.json"
        self.request = self.folder / "request.json"
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
            labels_shape = write_labels(files.labels, registration)
            registration.field.save(files.field)
            registration.inverse_field.save(files.inverse_field)
            registration.structure_areas().to_csv(files.structures, index=False, float_format=AREA_FORMAT)
            Image.fromarray(registration.overlay()).save(files.overlay)
            mask, disagreement = registration.section.mask, registration.disagreement
            if mask is not None:
                Image.fromarray(mask.counts).save(files.mask)
            if disagreement is not None:
                tifffile.imwrite(files.disagreement, disagreement.map_um, compression="zlib", metadata=None)
            _write_json(files.quality, registration.quality())
            _write_json(files.record, make_record(registration, labels_shape))
        write_exports(registration, self, exports)
        return self.folder

    def read_record(self) -> dict[str, Any]:
        """Return the content of ``registration.json``."""
        if not self.record.is_file():
            lacks = "which has none" if self.folder.is_dir() else "which is no folder"
            raise FileNotFoundError(
                "A result folder must be one that atlalign register wrote, with a registration.json. "
                f"Received: {self.folder}, {lacks}. Name the folder of a section."
            )
        return _read_json(self.record, "registration record")

    def read_quality(self) -> dict[str, dict[str, Any]]:
        """Return the content of ``quality.json``: what `Registration.quality` gave."""
        return _read_json(self.quality, "record of the quality")

    def read_labels(self) -> np.ndarray:
        """Return the structure of each pixel of the section, or of its coarser grid, uint32 (h, w)."""
        return _read_tiff(self.labels, "label image")

    def read_mask(self) -> np.ndarray:
        """Return which pixels of the section count, bool (h, w), of an image that covers it edge to edge."""
        with _naming_damage(require_file(self.mask, "mask"), "mask"), Image.open(self.mask) as picture:
            return np.asarray(picture.convert("L")) > 0

    def read_disagreement(self) -> np.ndarray:
        """Return how far variations of the section scatter, float32 (h, w), um on the canvas."""
        return _read_tiff(self.disagreement, "map of the disagreement")

    def read_registered(self) -> np.ndarray:
        """Return the section on the canvas, (h, w) or (h, w, c)."""
        return _read_tiff(self.registered, "registered image")

    def read_field(self) -> DisplacementField:
        """Return the field moving -> registered."""
        return DisplacementField.from_file(self.field)

    def read_inverse_field(self) -> DisplacementField:
        """Return the field registered -> moving."""
        return DisplacementField.from_file(self.inverse_field)

    def read_areas(self) -> pd.DataFrame:
        """Return the area of each structure."""
        import pandas as pd

        with _naming_damage(require_file(self.structures, "table of areas"), "table of areas"):
            # "NA" is an acronym, not a missing value
            return pd.read_csv(self.structures, keep_default_na=False)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _read_json(path: Path, what: str) -> dict[str, Any]:
    try:
        return json.loads(require_file(path, what).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidFileError(
            f"A {what} must be JSON. Received: {path} ({one_line(error)}). Register the section again."
        ) from None


def _read_tiff(path: Path, what: str) -> np.ndarray:
    with _naming_damage(require_file(path, what), what), tifffile.TiffFile(path) as tiff:
        n_bytes = tiff.series[0].nbytes
        # zlib makes a thousand bytes of one, no more
        if n_bytes > 1100 * path.stat().st_size:
            raise ValueError(f"it claims to hold {n_bytes} bytes")
        return tiff.asarray()


def _naming_damage(path: Path, what: str) -> AbstractContextManager[None]:
    rule = f"The {what} of a result folder must be as it was written."
    return naming_damage(rule, path, "Register the section again.")

"""The sections of a batch: what is to be registered, and what is known of each."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from atlalign._files import require_file
from atlalign.plane import Plane
from atlalign.plane_slopes import Tilt, checked_tilt
from atlalign.registration.landmark_files import LandmarkPairs
from atlalign.registration.placing import HemisphereChoice, check_hemisphere
from atlalign.section import Section
from atlalign.section.orientation import Flip, Orientation, Turn
from atlalign.section.pixel_size import checked_pixel_size
from atlalign.section.reading import is_ome_zarr

if TYPE_CHECKING:
    from atlalign.atlas import Atlas

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".btf", ".svs", ".ndpi", ".scn", ".bif", ".qptiff", ".czi")


@dataclass(frozen=True)
class SectionJob:
    """A section that is to be registered.

    Parameters
    ----------
    section : path-like
        Its image.
    position_um, plane, pixel_size_um, hemisphere, mask, landmarks
        As in `Registrar.register`.
    tilt : "auto" or Tilt
        How far from coronal the section was cut: see `Section.tilted`. "auto" is not at all, unless it is searched for,
        as that of a series.
    channel, flip, rotate, invert
        As in `Section.read`.
    out : str
        Name of the result folder in the folder of the batch; by default that of the image without its ending.
    fault : str, optional
        What is already known to be wrong: the section counts as failed, and is not registered.
    note : str, optional
        What is to be looked at, however it is registered.
    in_series : bool
        Whether its position was found together with those of other sections.

    Examples
    --------
    >>> SectionJob("brain/s1.tif", position_um=5400).out
    's1'
    """

    section: Path
    position_um: float | None = None
    plane: Plane | None = None
    tilt: Tilt | Literal["auto"] = "auto"
    pixel_size_um: Any = None
    channel: int | None = None
    flip: Flip | None = None
    rotate: Turn = 0
    invert: bool | None = None
    hemisphere: HemisphereChoice = "auto"
    mask: Path | None = None
    landmarks: LandmarkPairs | None = field(default=None, compare=False)
    out: str = ""
    fault: str | None = None
    note: str | None = None
    in_series: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "section", Path(self.section))
        object.__setattr__(self, "mask", None if self.mask is None else Path(self.mask))
        object.__setattr__(self, "out", self.out or self.section.stem)

    def read(self) -> Section:
        """Read the section."""
        section = Section.read(
            self.section,
            pixel_size_um=self.pixel_size_um,
            channel=self.channel,
            flip=self.flip,
            rotate=self.rotate,
            invert=self.invert,
            mask=self.mask,
        )
        return section if self.tilt == "auto" else section.tilted(self.tilt)

    def check(self, atlas: Atlas) -> None:
        """Raise what can be said against the job without reading the image.

        Raises
        ------
        ValueError
            If the position lies outside the atlas, or an option is none.
        FileNotFoundError
            If the mask does not exist.
        """
        if self.position_um is not None:
            if self.plane is not None:
                raise ValueError(
                    "A section lies at a position_um or on a plane. "
                    f"Received: both for {self.section.name}. Leave one of them out."
                )
            atlas.plane(self.position_um)
        Orientation(self.flip, self.rotate)
        if self.tilt != "auto":
            checked_tilt(self.tilt)
        check_hemisphere(self.hemisphere)
        if self.pixel_size_um is not None:
            checked_pixel_size(self.pixel_size_um)
        if self.mask is not None:
            require_file(self.mask, "mask")


def as_jobs(jobs: Iterable[Any], atlas: Atlas) -> list[SectionJob]:
    """Return jobs, checked; of sections that are given as paths nothing else is known.

    Raises
    ------
    ValueError, FileNotFoundError
        As `SectionJob.check`; and if there is none, or two have one result folder.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> [job.out for job in as_jobs(["s1.tif", SectionJob("s2.tif")], Atlas.load("phantom:200"))]
    ['s1', 's2']
    """
    made = [job if isinstance(job, SectionJob) else SectionJob(Path(job)) for job in jobs]
    if not made:
        raise ValueError("A batch must have at least one section. Received: none.")
    for job in made:
        job.check(atlas)
    require_different(job.out for job in made)
    return made


def require_different(names: Iterable[str]) -> None:
    """Raise an error with the remedy if two result folders have one name.

    Examples
    --------
    >>> require_different(["s1", "s2"])
    """
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"Sections registered together need different names. Received: {count} called {name}. "
            "Rename them, or name their result folders in the column out of a manifest."
        )


def find_sections(folder: str | os.PathLike) -> list[Path]:
    """Return the images in a folder, not those in folders below it, in the order of the numbers in their names.

    An image is what is called one, such as ``.png``, ``.jpg``, ``.tif`` or ``.czi``, or is an OME-Zarr folder. Whether
    it can be read is seen when it is.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("s10.tif", "s9.tif", "notes.txt"):
    ...     (folder / name).touch()
    >>> [path.name for path in find_sections(folder)]
    ['s9.tif', 's10.tif']
    """
    found = [path for path in Path(folder).iterdir() if not path.name.startswith(".") and _is_image(path)]
    if not found:
        raise ValueError(
            f"A folder of sections must hold images: {', '.join(_SUFFIXES)} or OME-Zarr. Received: {folder}, which "
            "holds none; folders in it are not looked into. Name the folder with the images."
        )
    return sorted(found, key=_natural_order)


def _is_image(path: Path) -> bool:
    return (path.suffix.lower() in _SUFFIXES and path.is_file()) or is_ome_zarr(path)


def _natural_order(path: Path) -> list[str | int]:
    parts = re.split(r"([0-9]+)", path.name)  # text and numbers in turn
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]

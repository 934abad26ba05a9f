"""From options, as a command or a row of a manifest has them, to the jobs of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from atlalign.plane import Plane
from atlalign.plane_io import read_anchorings
from atlalign.plane_slopes import Tilt
from atlalign.registration.jobs import SectionJob, find_sections, require_different
from atlalign.registration.landmark_files import LandmarkPairs
from atlalign.registration.placing import HemisphereChoice
from atlalign.section.orientation import Flip, Turn

if TYPE_CHECKING:
    from atlalign.atlas import Atlas


@dataclass(frozen=True)
class SectionOptions:
    """How a section is to be read and placed, in the words of ``atlalign register``.

    Attributes
    ----------
    position_um, pixel_size_um, hemisphere
        As in `Registrar.register`.
    tilt : "auto" or Tilt
        As in `SectionJob`.
    anchoring : Path, optional
        Instead of a position: a file of QuickNII or DeepSlice that names the section.
    channel, flip, rotate, invert
        As in `Section.read`.
    mask : Path, optional
        Image of the tissue that counts, or a folder of such images with the sections' names.
    """

    position_um: float | None = None
    anchoring: Path | None = None
    tilt: Tilt | Literal["auto"] = "auto"
    pixel_size_um: Any = None
    channel: int | None = None
    flip: Flip | None = None
    rotate: Turn = 0
    invert: bool | None = None
    hemisphere: HemisphereChoice = "auto"
    mask: Path | None = None


class JobMaker:
    """Makes jobs, and reads what several of them share once.

    Parameters
    ----------
    atlas : Atlas
        To which the sections will be registered.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> maker = JobMaker(Atlas.load("phantom:200"))
    >>> maker.make(Path("s1.tif"), SectionOptions(position_um=5400)).position_um
    5400
    >>> maker.make(Path("s1.tif"), SectionOptions(position_um=20000))
    Traceback (most recent call last):
    ...
    ValueError: position_um must satisfy 0 <= position_um < 13200 (66 planes of 200 um). Received: 20000. See ...
    """

    def __init__(self, atlas: Atlas):
        self._atlas = atlas
        self._anchorings: dict[Path, dict[str, Plane]] = {}
        self._masks: dict[Path, list[Path]] = {}

    def make(self, path: Path, options: SectionOptions, *, out: str = "") -> SectionJob:
        """Return the job of a section, having seen that nothing is wrong with its options.

        Parameters
        ----------
        path : Path
            The section's image, which need not exist.
        options : SectionOptions
        out : str
            Name of its result folder.

        Raises
        ------
        ValueError
            If options contradict each other, or one is none.
        FileNotFoundError
            If the anchoring or the mask does not exist.
        """
        plane = None
        if options.anchoring is not None:
            _check_goes_with_anchoring(options)
            known = self._known(options.anchoring)
            if path.name not in known:
                raise ValueError(
                    f"The anchoring file must name every section. Received: {path.name}, which is not among the "
                    f"{len(known)} in {options.anchoring}. Rename the image or give --position-um."
                )
            plane = known[path.name]
        job = SectionJob(
            path,
            position_um=options.position_um,
            plane=plane,
            tilt=options.tilt,
            pixel_size_um=options.pixel_size_um,
            channel=options.channel,
            flip=options.flip,
            rotate=options.rotate,
            invert=options.invert,
            hemisphere=options.hemisphere,
            mask=self._mask_of(path, options.mask),
            out=out,
        )
        job.check(self._atlas)
        return job

    def make_all(
        self,
        paths: Sequence[Path],
        options: SectionOptions,
        *,
        landmarks: Mapping[Path, LandmarkPairs] | None = None,
        found: bool = False,
    ) -> list[SectionJob]:
        """Return the jobs of several sections that have the same options.

        Parameters
        ----------
        paths : sequence of Path
            The sections' images.
        options : SectionOptions
        landmarks : mapping of Path to LandmarkPairs, optional
            Of those that have some.
        found : bool
            Whether nobody named them: those that an anchoring file does not name are then jobs with a fault, as long
            as it names any.

        Raises
        ------
        ValueError, FileNotFoundError
            As `make`; and if two images have the same name, or a folder has a mask of none of them.
        """
        require_different(path.stem for path in paths)
        mask = options.mask
        if mask is not None and len(paths) > 1 and not mask.is_dir():
            raise ValueError(
                f"The masks of several sections must be in a folder. Received: {mask} for {len(paths)} sections. "
                "Name the folder, or the mask of each in a manifest."
            )
        if mask is not None and mask.is_dir() and not any(self._mask_of(path, mask) for path in paths):
            raise ValueError(
                f"A folder of masks must hold images with the sections' names. Received: {mask}, which has none "
                f"for {paths[0].name} or any other. Name masks as their sections are, such as {paths[0].stem}.png."
            )
        strangers = self._strangers(paths, options) if found else set()
        jobs = []
        for path in paths:
            job = self.make(path, replace(options, anchoring=None) if path in strangers else options)
            fault = f"{options.anchoring} does not say where it lies." if path in strangers else None
            jobs.append(replace(job, landmarks=(landmarks or {}).get(path), fault=fault))
        return jobs

    def _strangers(self, paths: Sequence[Path], options: SectionOptions) -> set[Path]:
        """Return the sections that the anchoring file does not name, if it names any of them."""
        if options.anchoring is None:
            return set()
        strangers = {path for path in paths if path.name not in self._known(options.anchoring)}
        return strangers if len(strangers) < len(paths) else set()

    def _known(self, anchoring: Path) -> dict[str, Plane]:
        if anchoring not in self._anchorings:
            self._anchorings[anchoring] = read_anchorings(anchoring, extent_um=self._atlas.shape_um)
        return self._anchorings[anchoring]

    def _mask_of(self, path: Path, mask: Path | None) -> Path | None:
        """Return the mask of a section, if there is one: the file that is given, or its namesake in the folder."""
        if mask is None or not mask.is_dir():
            return mask
        if mask not in self._masks:
            self._masks[mask] = find_sections(mask)
        return next((image for image in self._masks[mask] if image.stem in (path.stem, path.name)), None)


def _check_goes_with_anchoring(options: SectionOptions) -> None:
    if options.position_um is not None:
        raise ValueError("Give one of position_um and anchoring, or neither. Received: both.")
    if options.pixel_size_um is not None:
        raise ValueError(
            f"--pixel-size-um goes with --position-um: an anchoring implies its own pixel size. Received: "
            f"{options.pixel_size_um} with --anchoring {options.anchoring}. Leave one of them out."
        )
    if options.tilt != "auto":
        raise ValueError(
            f"--tilt goes with --position-um: an anchoring says how its plane lies. Received: --tilt "
            f"{options.tilt.dv:g},{options.tilt.ml:g} with --anchoring {options.anchoring}. Leave one of them out."
        )
    if options.flip is not None or options.rotate:
        received = f"--flip {options.flip}" if options.flip else f"--rotate {options.rotate}"
        raise ValueError(
            "--flip and --rotate go with --position-um: an anchoring says how each image lies. Received: "
            f"{received} with --anchoring {options.anchoring}. Leave one of them out."
        )

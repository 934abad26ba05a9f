"""From the words of `atlalign register` to the sections that are to be registered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from atlalign.cli.register_answers import some

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.registration import LandmarkPairs, SectionJob, SectionOptions


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder of sections, and not itself an image."""
    from atlalign.section.reading import is_ome_zarr

    return path.is_dir() and not is_ome_zarr(path)


def check_words(
    sections: list[Path], manifest: Path | None, options: SectionOptions, auto_orient: bool, series: bool
) -> None:
    """Raise an error if words contradict each other, whatever the files are.

    Raises
    ------
    ValueError
    """
    if bool(sections) == (manifest is not None):
        received = "both" if sections else "neither"
        raise ValueError(f"Give sections or folders of them, or --manifest instead. Received: {received}.")
    if options.position_um is not None and options.anchoring is not None:
        raise ValueError("Give one of --position-um and --anchoring, or neither. Received: both.")
    if series and (options.position_um is not None or options.anchoring is not None):
        raise ValueError("--series searches for positions. Received: also --position-um or --anchoring. Leave it out.")
    if auto_orient and options.anchoring is not None:
        raise ValueError(
            f"--auto-orient goes without an anchoring, which says how each image lies. Received: {options.anchoring}."
        )


def make_jobs(
    sections: list[Path], manifest: Path | None, options: SectionOptions, landmarks: Path | None, atlas: Atlas
) -> list[SectionJob]:
    """Return what is to be done with each section.

    Parameters
    ----------
    sections : list of Path
        Images and folders of images; empty if there is a manifest.
    manifest : Path, optional
        Where they and their own options are listed.
    options : SectionOptions
    landmarks : Path, optional
        Table of landmarks.
    atlas : Atlas

    Raises
    ------
    ValueError, FileNotFoundError
        If anything is wrong that can be known without reading an image.
    """
    from atlalign.registration import find_sections, read_manifest
    from atlalign.registration.job_making import JobMaker

    if manifest is not None:
        jobs = read_manifest(manifest, atlas, defaults=options)
    else:
        paths = [path for given in sections for path in (find_sections(given) if is_folder(given) else [given])]
        jobs = JobMaker(atlas).make_all(paths, options, found=any(is_folder(path) for path in sections))
    pairs = _landmarks([job.section for job in jobs], landmarks)
    return [replace(job, landmarks=pairs.get(job.section)) for job in jobs]


def _landmarks(sections: list[Path], file: Path | None) -> dict[Path, LandmarkPairs | None]:
    """Return the landmarks of each section that has some."""
    if file is None:
        return {}
    from atlalign.registration.landmark_files import read_landmark_pairs

    table = read_landmark_pairs(file)
    if len(sections) > 1 and not table.names_sections:
        raise ValueError(
            "Landmarks of several sections need a column section, with the name of the image. "
            f"Received: {file} without it, for {len(sections)} sections. Add it."
        )
    found = {path: table.of(path.name) for path in sections}
    if not any(found.values()):
        raise ValueError(
            f"A table of landmarks must name a section of the call. Received: {file} with "
            f"{some(list(table.by_section))}. Name images as their files are."
        )
    return found

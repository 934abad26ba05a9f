"""Making a dataset of a registered series: in parallel, resumable, without the sections that cannot be used."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

from atlalign._files import require_folder
from atlalign._jobs import require_positive
from atlalign._parts import begin_or_resume, block_path, is_whole, journal_path, own
from atlalign._progress import no_progress
from atlalign._workers import workforce
from atlalign.atlas import Atlas
from atlalign.dataset import Attributes
from atlalign.errors import AtlalignError
from atlalign.quint.conversion import Recipe, Task, assemble
from atlalign.quint.label import PLACEMENTS
from atlalign.quint.series import SeriesSection, find_images, read_series
from atlalign.section.section import checked_pixel_size
from atlalign.simulate.deformation import checked_shape


@dataclass(frozen=True)
class Conversion:
    """What became of a series.

    Attributes
    ----------
    tissue_overlap : dict of str to float
        The sections of the dataset, in its order, with the Dice of the registered section's tissue and the atlas's.
    left_out : dict of str to str
        The sections that have an image but could not be used, and why.
    without_image : list of str
        The sections that have none.
    without_anchoring : list of str
        The sections that a JSON file holds without an anchoring.
    """

    tissue_overlap: dict[str, float]
    left_out: dict[str, str]
    without_image: list[str]
    without_anchoring: list[str]


def dataset_from_quint(
    series: str | os.PathLike,
    images: str | os.PathLike,
    atlas: Atlas | str | os.PathLike,
    out: str | os.PathLike,
    *,
    shape: tuple[int, int] | None = None,
    place_by: str = "tissue",
    least_overlap: float = 0.0,
    pixel_size_um: Any = None,
    channel: int | None = None,
    dataset_id: int | None = None,
    stain: str = "",
    workers: int = 1,
    progress: Callable[..., Iterable[int]] = no_progress,
) -> Conversion:
    """Make a dataset of labelled pairs from a series that was registered with QuickNII, VisuAlign or DeepSlice.

    Each section becomes one pair. Its moving image is what `Registrar.register` shows its networks of the section; its
    reference plane is the whole slice of the atlas, tilted as the section is. Finished sections are kept in a folder
    beside the output until the file is whole, so that the same call goes on where an interrupted one stopped.

    Parameters
    ----------
    series : path-like
        A .json file, with or without VisuAlign's markers, an .xml or a .csv file: see `read_series`.
    images : path-like
        The folder of the sections' images: see `find_images`.
    atlas : Atlas, str or path-like
        The atlas, or what `Atlas.load` takes.
    out : path-like
        The HDF5 file, replaced if it exists.
    shape : (h, w), optional
        Size of the images, which cover the whole slice; the atlas's own grid by default.
    place_by : {"tissue", "anchoring"}
        What is left for the fields: see `label_section`. Pairs for networks that will register by position come by
        tissue, and mirrored or turned sections are put upright for them. By anchoring they hold the markers alone.
    least_overlap : float
        Sections whose registered tissue overlaps the atlas's with a lower Dice, in [0, 1], are left out.
    pixel_size_um : float or (x, y), optional
        Size of the images' pixels, with which tissue is placed; by default estimated, as `register` does.
    channel : int or None
        The channel to take of images of several, counted from 0.
    dataset_id : int, optional
        What tells this brain from others; by default a number that follows from the sections' names.
    stain : str
        How the sections look, in free words.
    workers : int
        Number of processes. With several, a script must call this under ``if __name__ == "__main__":``.
    progress : callable
        Takes an iterator of finished sections, ``total`` and ``done``, and yields the sections.

    Returns
    -------
    Conversion
        What the dataset holds, and what was left out and why.

    Raises
    ------
    ValueError
        If an argument is out of range, or "anchoring" is asked for and no section has markers.
    FileNotFoundError, NotADirectoryError, IsADirectoryError
        If a file or folder is missing, or no section has an image.
    InvalidFileError
        If the series is not one, or is anchored to another atlas.
    AtlalignError
        If no section can be used, another job is making the same file, an unfinished one with other settings is in the
        way, or workers fail.

    Examples
    --------
    >>> import cv2, json, pathlib, tempfile
    >>> from atlalign.dataset import check_dataset
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> atlas = Atlas.load("phantom:100")
    >>> section = (255 * atlas.reference_plane(5650)).astype("uint8")
    >>> _ = cv2.imwrite(str(folder / "brain_s012.png"), section)
    >>> entry = {"filename": "brain_s012.png", "width": 114, "height": 80, "nr": 12}
    >>> entry["anchoring"] = [456, 302, 320, -456, 0, 0, 0, 0, -320]
    >>> entry["markers"] = [[50, 40, 52, 41]]  # what the overlay showed at (50, 40) lies at (52, 41) of the section
    >>> series = {"target": "ABA_Mouse_CCFv3_2017_25um.cutlas", "slices": [entry]}
    >>> _ = (folder / "series.json").write_text(json.dumps(series))
    >>> made = dataset_from_quint(folder / "series.json", folder, atlas, folder / "pairs.h5")
    >>> list(made.tissue_overlap), check_dataset(folder / "pairs.h5")
    (['brain_s012.png'], [])
    """
    out = _checked_output(out)
    _check_numbers(place_by, least_overlap, channel, dataset_id, workers)
    size = None if pixel_size_um is None else checked_pixel_size(pixel_size_um)
    shape = None if shape is None else checked_shape(shape)
    atlas = atlas if isinstance(atlas, Atlas) else Atlas.load(atlas)
    shape = checked_shape(atlas.shape[1:]) if shape is None else shape
    sections, without_anchoring = read_series(series, extent_um=atlas.shape_um)
    if place_by == "anchoring" and not any(section.markers for section in sections):
        raise ValueError(
            "Placed by their anchoring, sections need markers: without any, every field is 0. "
            f"Received: {series}, which has none. Place them by their tissue, or refine them with VisuAlign."
        )
    found = find_images(sections, images)
    usable = [(section, image.absolute()) for section, image in zip(sections, found, strict=True) if image]
    task = Task(usable, Recipe(shape, place_by, size, channel), atlas.spec, atlas.brainglobe_dir, atlas)
    attributes = Attributes(
        atlas=atlas.spec,
        atlas_version=atlas.version,
        resolution_um=(atlas.shape_um[1] / shape[0], atlas.shape_um[2] / shape[1]),
        stain=stain,
    )
    number = _number_of(sections) if dataset_id is None else int(dataset_id)
    parts = out.with_name(f".{out.name}.parts")
    with workforce(workers) as run, own(parts, out):
        begin_or_resume(parts, task.settings, None, 0, "conversion")
        missing = [row for row in range(len(usable)) if not is_whole(block_path(parts, row))]
        made = run(partial(task, parts=parts), missing)
        with closing(made):
            for _ in progress(made, total=len(usable), done=len(usable) - len(missing)):
                pass
        overlap, left_out = assemble(parts, usable, shape, attributes, number, least_overlap)
        if overlap:
            os.replace(parts / "whole.h5", out)
        journal_path(parts).unlink()  # what may stay behind is no unfinished job any more
        shutil.rmtree(parts, ignore_errors=True)
    if not overlap:
        name, reason = next(iter(left_out.items()))
        raise AtlalignError(
            "A series must have a section that can be used. "
            f"Received: {len(left_out)} with an image, none of which can. {name}: {reason}"
        )
    without_image = [section.filename for section, image in zip(sections, found, strict=True) if not image]
    return Conversion(overlap, left_out, without_image, without_anchoring)


def _checked_output(out: str | os.PathLike) -> Path:
    path = Path(out).absolute()
    require_folder(path.parent)
    if path.is_dir():
        raise IsADirectoryError(f"The output must be a file. Received a folder: {path}. Add the file's name.")
    return path


def _check_numbers(
    place_by: str, least_overlap: float, channel: int | None, dataset_id: int | None, workers: int
) -> None:
    if place_by not in PLACEMENTS:
        raise ValueError(f"place_by must be one of {', '.join(PLACEMENTS)}. Received: {place_by!r}")
    if not 0 <= least_overlap <= 1:
        raise ValueError(f"least_overlap must be a Dice coefficient, from 0 to 1. Received: {least_overlap}")
    for name, value in (("channel", channel), ("dataset_id", dataset_id)):
        if value is not None and not (isinstance(value, Integral) and 0 <= value < 2**63):
            raise ValueError(f"{name} must be an integer of at least 0. Received: {value!r}")
    require_positive(workers=workers)


def _number_of(sections: list[SeriesSection]) -> int:
    """Return a number that follows from the names of a brain's sections, whatever is done to its registration."""
    names = "\n".join(sorted(section.filename for section in sections))
    return int.from_bytes(hashlib.sha256(names.encode()).digest()[:4], "big")

"""`atlalign register`: sections in, result folders out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from atlalign.cli import register_options as given
from atlalign.cli.options import AtlasOption, FlipOption, InvertOption, RotateOption, parse_numbers
from atlalign.cli.quiet import load_keras
from atlalign.cli.register_answers import report_on, say, say_series, some
from atlalign.cli.register_jobs import check_words, is_folder, make_jobs
from atlalign.errors import AtlalignError

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.registration import SectionJob
    from atlalign.registration.requests import BatchSettings


def register_command(
    atlas: AtlasOption,
    out: given.OutOption,
    sections: given.SectionsArgument = None,
    manifest: given.ManifestOption = None,
    position_um: given.PositionOption = None,
    anchoring: given.AnchoringOption = None,
    tilt: given.TiltOption = "auto",
    pixel_size_um: given.PixelSizeOption = None,
    channel: given.ChannelOption = None,
    flip: FlipOption = None,
    rotate: RotateOption = 0,
    invert: InvertOption = None,
    hemisphere: given.HemisphereOption = "auto",
    mask: given.MaskOption = None,
    series: given.SeriesOption = False,
    auto_orient: given.AutoOrientOption = False,
    global_model: given.GlobalModelOption = None,
    local_model: given.LocalModelOption = None,
    export: given.ExportOption = "",
    refine: given.RefineOption = 0,
    landmarks: given.LandmarksOption = None,
    landmarks_smoothing: given.LandmarksSmoothingOption = 0.0,
    variations: given.VariationsOption = 0,
    workers: given.WorkersOption = 1,
    dask: given.DaskOption = None,
    redo: given.RedoOption = False,
    report: given.ReportOption = False,
    as_json: given.JsonOption = False,
) -> None:
    """Register sections to an atlas.

    Each result folder holds the registered image, the structure of each pixel at the section's own size
    (labels.tif), the field both ways, structure areas, an overlay with outlines, and a record of it all.
    Of several sections, sections.csv says what became of each; the same call, given again, goes on with the rest.

    Example: atlalign register s1.tif --atlas allen_mouse_25um --position-um 5400 --pixel-size-um 10 --out s1
    """
    from atlalign._files import require_file
    from atlalign._progress import track
    from atlalign.atlas import Atlas
    from atlalign.registration import RegistrationFiles, SectionOptions
    from atlalign.registration.batch_files import check_free
    from atlalign.registration.exporting import check_exports
    from atlalign.registration.placing import check_hemisphere
    from atlalign.registration.requests import BatchSettings
    from atlalign.section.reading import is_ome_zarr

    lies: Any = {"flip": flip, "rotate": rotate}  # checked with each section
    options = SectionOptions(
        position_um=position_um,
        anchoring=anchoring,
        tilt=_tilt(tilt),
        pixel_size_um=_pixel_size(pixel_size_um),
        channel=channel,
        invert=invert,
        hemisphere=check_hemisphere(hemisphere),
        mask=mask,
        **lies,
    )
    settings = BatchSettings(
        global_model=global_model,
        local_model=local_model,
        refine=refine,
        landmarks_smoothing=landmarks_smoothing,
        variations=variations,
        auto_orient=auto_orient,
        export=check_exports([name.strip() for name in export.split(",") if name.strip()]),
    )
    named = sections or []
    check_words(named, manifest, options, auto_orient, series)
    one = len(named) == 1 and not is_folder(named[0])
    if one and (series or dask is not None):
        raise ValueError(f"{'--series' if series else '--dask'} goes with several sections. Received: {named[0]}.")
    if one:
        check_free(RegistrationFiles(out))
    loaded = Atlas.load(atlas)
    jobs = make_jobs(named, manifest, options, landmarks, loaded)
    if one:
        _register_one(jobs[0], loaded, out, settings, report, as_json)
        return
    for path in named:
        if not is_folder(path) and not is_ome_zarr(path):
            require_file(path, "section")
    how: dict[str, Any] = {"workers": workers, "dask": dask, "redo": redo, "series": series}
    if named and not any(is_folder(path) for path in named):
        how["check_progress"] = lambda items: track(items, "Reading sections")
    _register_all(jobs, loaded, out, settings, how, report, as_json)


def _register_one(
    job: SectionJob, atlas: Atlas, out: Path, settings: BatchSettings, report: bool, as_json: bool
) -> None:
    from atlalign.registration import BatchFiles, Registrar, RegistrationFiles
    from atlalign.registration.batch_worker import register_job
    from atlalign.registration.requests import Requests

    section = job.read()
    _ = section.tissue_box  # what cannot be read or is blank is refused before any work
    page = BatchFiles(out).report
    if report and page.is_dir():
        raise IsADirectoryError(
            f"A report must be a file. Received a folder: {page}. Remove it, or choose another --out."
        )
    load_keras()
    models: dict[str, Any] = {"global_model": settings.global_model, "local_model": settings.local_model}
    registrar = Registrar(atlas, refine=settings.refine, **models)
    requests = Requests(atlas, settings)
    outcome = register_job(registrar, job, RegistrationFiles(out), settings, requests, section=section)
    say(outcome, out, as_json)
    if report:
        report_on(page, [out], atlas, {})


def _register_all(
    jobs: list[SectionJob],
    atlas: Atlas,
    out: Path,
    settings: BatchSettings,
    how: dict[str, Any],
    report: bool,
    as_json: bool,
) -> None:
    """Register several sections, say what became of each, and fail in the end if any of them did."""
    from atlalign._progress import track
    from atlalign.registration import BatchFiles, register_batch

    files = BatchFiles(out)
    n_done = n_earlier = 0
    is_searching = False
    failed: dict[str, str] = {}
    how["progress"] = lambda items, **counts: track(items, "Registering sections", **counts)

    def searching(items: Iterable[Any], **counts: Any) -> Iterable[Any]:
        nonlocal is_searching
        is_searching = True
        return track(items, "Searching for positions", **counts)

    how["series_progress"] = searching
    try:
        outcomes = register_batch(jobs, atlas, out, **vars(settings), **how, begin=load_keras)
        is_searching = False
        if how["series"]:
            say_series(files)
        for outcome in outcomes:
            say(outcome, out / outcome.job.out, as_json)
            n_done += outcome.error is None
            n_earlier += outcome.earlier
            if outcome.error is not None:
                failed[outcome.job.section.name] = outcome.error
    except KeyboardInterrupt:
        done = f"at least {n_done} of {len(jobs)} sections are done"  # workers finish what they have begun
        rest = f"{done}. The same call does the rest."
        if is_searching:
            rest = "the positions of the series were not found yet. With the same call the search begins again."
        typer.echo(f"Interrupted: {rest}", err=True)
        raise SystemExit(130) from None
    if n_earlier:
        typer.echo(f"{n_earlier} of {len(jobs)} sections were done before. Do them again with --redo.", err=True)
    if report:
        folders = [out / row["out"] for row in files.read_sections() if row["state"] == "done"]
        report_on(files.report, folders, atlas, failed)
    if failed:
        raise AtlalignError(
            f"{len(failed)} of {len(jobs)} sections could not be registered: {some(list(failed))}. "
            f"{files.sections} says why; the same call tries them again."
        )


def _tilt(text: str) -> Any:
    from atlalign.plane_slopes import Tilt, checked_tilt

    if text in ("auto", "none"):
        return "auto" if text == "auto" else Tilt()
    try:
        return checked_tilt(parse_numbers(text, "--tilt"))
    except ValueError:
        raise ValueError(
            "--tilt must be auto, none, or two angles DV,ML between -45 and 45 degrees, such as 2.5,-3. "
            f"Received: {text!r}."
        ) from None


def _pixel_size(text: str | None) -> Any:
    size = None if text is None else parse_numbers(text, "--pixel-size-um")
    return size[0] if size and len(size) == 1 else size

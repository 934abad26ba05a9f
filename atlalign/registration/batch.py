"""Register many sections: in parallel, resumable, and whatever becomes of any of them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlalign._jobs import require_positive
from atlalign._parts import alone_in
from atlalign._progress import no_progress
from atlalign._workers import thread_share, workforce
from atlalign.errors import InvalidFileError
from atlalign.registration.batch_files import BatchFiles
from atlalign.registration.batch_worker import BatchWorker
from atlalign.registration.exporting import check_exports
from atlalign.registration.jobs import SectionJob, as_jobs
from atlalign.registration.landmark_step import check_smoothing
from atlalign.registration.outcomes import Outcome, SectionTable
from atlalign.registration.placed_series import place_series, read_series, require_series, write_series
from atlalign.registration.refinement import DEFAULT_LOSS, check_refinement
from atlalign.registration.requests import BatchSettings, Requests, is_done
from atlalign.weights.defaults import DEFAULT

if TYPE_CHECKING:
    from atlalign.atlas import Atlas

Progress = Callable[..., Iterable[Any]]


def register_batch(
    jobs: Iterable[SectionJob | str | os.PathLike],
    atlas: Atlas | str | os.PathLike,
    out: str | os.PathLike,
    *,
    global_model: Any = None,
    local_model: Any = None,
    refine: int = 0,
    landmarks_smoothing: float = 0.0,
    variations: int = 0,
    auto_orient: bool = False,
    series: bool = False,
    export: Sequence[str] = (),
    workers: int = 1,
    dask: str | None = None,
    redo: bool = False,
    begin: Callable[[], None] | None = None,
    progress: Progress = no_progress,
    check_progress: Progress | None = None,
    series_progress: Progress = no_progress,
) -> Iterator[Outcome]:
    """Register many sections, and save each result in a folder of its own.

    A section that fails is reported and does not stop the rest. With several workers, one whose process is ended by the
    system, as when memory is short, is tried once more alone before it counts as failed. Results are whole or not
    there, and say what was asked for: the same call, given again after an interruption of any kind, goes on with the
    sections that are not done, with those that failed, and with those whose file, options or models have changed.
    ``out/sections.csv`` says at any time what became of each.

    Parameters
    ----------
    jobs : iterable of SectionJob or path-like
        The sections, and what is known of each. What is known to be wrong with any of them is raised before any work.
    atlas : Atlas, str or path-like
        The atlas, or what `Atlas.load` takes.
    out : path-like
        The folder of the results; made if need be. See `atlalign.registration.batch_files.BatchFiles`.
    global_model, local_model, refine, landmarks_smoothing, variations, auto_orient
        As in `Registrar` and `Registrar.register`. With several workers, or a cluster, a model must be a path or a
        function of a module. To tell whether results are those of the same models, files are compared by their
        content, functions and Keras models only by name.
    series : bool
        Whether the sections, of which nothing must be known, are those of one brain: their positions are then found
        together, before any of them is registered; see `find_series_planes`. What was found is kept for later calls.
    export : sequence of str
        As in `Registration.save`.
    workers : int
        Number of processes, each with its own models and its share of the processor. With several, a script must call
        this under ``if __name__ == "__main__":``, since each process reads the script again.
    dask : str, optional
        Address of a Dask scheduler, whose workers do the work instead. They must see sections, models and `out` under
        the same paths. A worker registers one section at a time, however many threads it has.
    redo : bool
        Whether to register again what is done.
    begin : callable, optional
        Called in each process before it loads the models; a function of a module.
    progress : callable
        Takes an iterator of outcomes, ``total`` and ``done``, and yields the outcomes.
    check_progress : callable, optional
        Where given, all sections that are not done are first read, in this process, and the first that cannot be, or
        that shows no tissue, is an error before any work. Takes the jobs and yields them.
    series_progress : callable
        Takes the sections of a series as their positions are searched for, and ``total``, and yields them.

    Yields
    ------
    Outcome
        Of each section: first those that were done earlier, in their order, then the others as they are finished.

    Raises
    ------
    ValueError, FileNotFoundError
        If an option is none, or something is known to be wrong with a job.
    NotADirectoryError, IsADirectoryError
        If something is in the way of the results.
    ModelError
        If a model is of another architecture.
    MissingExtraError
        If a cluster is asked for and Dask is not installed.
    AtlalignError
        If another batch is at work in the same folder, the cluster does not answer, one of its workers ends by itself,
        or no process can be started.

    Examples
    --------
    >>> import tempfile
    >>> import imageio.v3 as iio
    >>> import numpy as np
    >>> from atlalign import Atlas
    >>> atlas = Atlas.load("phantom:200")
    >>> folder = Path(tempfile.mkdtemp())
    >>> for ap_um in (5000, 6000):
    ...     iio.imwrite(folder / f"s{ap_um}.png", np.uint8(255 * atlas.reference_plane(ap_um)))
    >>> _ = (folder / "s7000.png").write_text("no image")
    >>> jobs = [SectionJob(folder / f"s{ap_um}.png", position_um=ap_um) for ap_um in (5000, 6000, 7000)]
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2), np.float32)
    >>> for outcome in register_batch(jobs, atlas, folder / "out", local_model=nothing_to_do):
    ...     print(outcome.job.out, outcome.state, outcome.error)
    s5000 done None
    s6000 done None
    s7000 failed A section must be a PNG, JPEG, TIFF, CZI or OME-Zarr image. Received: ...
    >>> [outcome.earlier for outcome in register_batch(jobs, atlas, folder / "out", local_model=nothing_to_do)]
    [True, True, False]
    """
    require_positive(workers=workers)
    check_refinement(refine, DEFAULT_LOSS)
    check_smoothing(landmarks_smoothing)
    settings = BatchSettings(
        global_model=_absolute(global_model),
        local_model=_absolute(local_model),
        refine=refine,
        landmarks_smoothing=landmarks_smoothing,
        variations=variations,
        auto_orient=auto_orient,
        export=check_exports(export),
    )
    from atlalign.atlas import Atlas

    loaded = atlas if isinstance(atlas, Atlas) else Atlas.load(atlas)
    listed = as_jobs(jobs, loaded)
    files = BatchFiles(Path(out).absolute())
    files.check_free(job.out for job in listed)
    requests = Requests(loaded, settings)
    how = (loaded.spec, loaded.brainglobe_dir)
    worker = BatchWorker(uuid.uuid4().hex, how, files.folder, settings, requests, begin)
    if series:
        require_series(listed)
        placed = None if redo else read_series(files.series, listed, requests)
        if placed is None:
            listed, check_progress = _read(listed, check_progress), None
            placed = place_series(listed, worker.load(loaded), auto_orient=auto_orient, progress=series_progress)
            write_series(files.series, placed, listed, requests)
        listed = placed.place(listed)
        # Turned or mirrored together, they are not to be turned again one by one.
        worker = replace(worker, settings=replace(settings, auto_orient=False))
    table = SectionTable(files, listed)
    settled = [outcome for job in listed if (outcome := _settled(job, files, requests, redo))]
    names = {outcome.job.out for outcome in settled}
    missing = [job for job in listed if job.out not in names]
    _read(missing, check_progress)
    if missing and workers == 1 and dask is None:
        worker.load(loaded)
    return _outcomes(worker, files, table, settled, missing, workers, dask, progress)


def _outcomes(
    worker: BatchWorker,
    files: BatchFiles,
    table: SectionTable,
    settled: list[Outcome],
    missing: list[SectionJob],
    workers: int,
    dask: str | None,
    progress: Progress,
) -> Iterator[Outcome]:
    threads = thread_share(min(workers, max(1, len(missing))))
    given = {job.out: job for job in missing}
    # The workers of a cluster may have been started in any folder.
    sent = (
        [replace(job, section=job.section.absolute(), mask=_absolute(job.mask)) for job in missing] if dask else missing
    )
    with workforce(workers, dask, threads=threads, lost=partial(_lost, files)) as run, alone_in(files.folder):
        for outcome in settled:
            table.add(outcome)
            yield outcome
        with closing(run(worker, sent)) as made:
            for outcome in progress(made, total=len(settled) + len(missing), done=len(settled)):
                outcome = replace(outcome, job=given[outcome.job.out])
                table.add(outcome)
                table.write()
                yield outcome
        table.write()


def _lost(files: BatchFiles, job: SectionJob) -> Outcome:
    """Return the outcome of a section that ended every process that worked on it."""
    return Outcome(
        job,
        files.result(job.out).folder,
        f"A worker process must live until its section is registered. Received: {job.section.name}, whose process was "
        "ended by the system twice, the second time with no other beside it: memory may be short. Free memory, or give "
        "a smaller copy of the image, and repeat the call.",
    )


def _read(jobs: list[SectionJob], check_progress: Progress | None) -> list[SectionJob]:
    """Return the jobs, having seen that their sections can be read and show tissue, if that is wanted."""
    if check_progress is not None:
        for job in check_progress(jobs):
            _ = job.read().tissue_box
    return jobs


def _settled(job: SectionJob, files: BatchFiles, requests: Requests, redo: bool) -> Outcome | None:
    """Return the outcome of a section that needs no work: it was done, or is known to be wrong."""
    result = files.result(job.out)
    if job.fault is not None:
        return Outcome(job, result.folder, job.fault)
    try:
        return None if redo or not is_done(result, requests.of(job)) else Outcome.saved(job, result, earlier=True)
    except (OSError, InvalidFileError):  # the section's file is missing, or the record is damaged
        return None


def _absolute(path: Any) -> Any:
    return Path(path).absolute() if isinstance(path, str | os.PathLike) and os.fspath(path) != DEFAULT else path

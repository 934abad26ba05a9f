"""Registering one section after another, in whatever process: models are loaded once, results saved at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlalign.errors import AtlalignError, one_line
from atlalign.registration.batch_files import BatchFiles
from atlalign.registration.files import RegistrationFiles
from atlalign.registration.jobs import SectionJob
from atlalign.registration.outcomes import Outcome
from atlalign.registration.registrar import Registrar
from atlalign.registration.requests import BatchSettings, Requests, write_request
from atlalign.section import Section

if TYPE_CHECKING:
    from atlalign.atlas import Atlas

# What a section or its options can be blamed for, in words that are meant for a person.
_FORESEEN = (AtlalignError, ValueError, OSError)

_loaded: dict[str, Registrar] = {}  # of the batch that this process works for
_one_at_a_time = threading.RLock()  # a Dask worker may have several threads


def register_job(
    registrar: Registrar,
    job: SectionJob,
    files: RegistrationFiles,
    settings: BatchSettings,
    requests: Requests,
    *,
    section: Section | None = None,
) -> Outcome:
    """Register a section, save the result, and say in it what was asked for.

    Parameters
    ----------
    registrar : Registrar
    job : SectionJob
    files : RegistrationFiles
        Where the result goes.
    settings : BatchSettings
    requests : Requests
    section : Section, optional
        What the job reads, where it is already known.

    Returns
    -------
    Outcome

    Raises
    ------
    Exception
        Whatever is wrong with the section.

    Examples
    --------
    >>> import tempfile
    >>> import imageio.v3 as iio
    >>> import numpy as np
    >>> from atlalign import Atlas
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2), np.float32)
    >>> atlas, settings = Atlas.load("phantom:200"), BatchSettings(local_model=nothing_to_do)
    >>> folder = Path(tempfile.mkdtemp())
    >>> iio.imwrite(folder / "s1.png", np.uint8(255 * atlas.reference_plane(6000)))
    >>> registrar = Registrar(atlas, local_model=nothing_to_do)
    >>> job = SectionJob(folder / "s1.png", position_um=6000)
    >>> register_job(registrar, job, RegistrationFiles(folder / "s1"), settings, Requests(atlas, settings)).state
    'done'
    """
    started = time.monotonic()
    request = requests.of(job)  # before the file is read: should it change meanwhile, the result is of the old one
    given: dict[str, Any] = {
        "position_um": job.position_um,
        "plane": job.plane,
        "hemisphere": job.hemisphere,
        "auto_orient": settings.auto_orient and job.plane is None,  # an anchoring says how the image lies
        "landmarks": job.landmarks,
        "landmarks_smoothing": settings.landmarks_smoothing,
        "variations": settings.variations,
    }
    registration = registrar.register(job.read() if section is None else section, **given)
    files.request.unlink(missing_ok=True)  # from here on, until all is written, the folder is not what it was
    registration.save(files.folder, settings.export)
    write_request(files, request, time.monotonic() - started, job.section)
    return Outcome.saved(job, files)


@dataclass(frozen=True)
class BatchWorker:
    """The work on a section, to be sent to other processes: neither atlas nor models travel with it.

    Parameters
    ----------
    token : str
        Names the batch: what a process has loaded for one is not used for another.
    atlas : (str, str or None)
        What loads the atlas: its `spec` and its `brainglobe_dir`.
    out : Path
        The folder of the batch.
    settings : BatchSettings
    requests : Requests
    begin : callable, optional
        Called in a process before it loads the models.
    """

    token: str
    atlas: tuple[str, str | None]
    out: Path
    settings: BatchSettings
    requests: Requests
    begin: Callable[[], None] | None = None

    def load(self, atlas: Atlas | None = None) -> Registrar:
        """Load atlas and models, the first time; what is wrong with them ends the batch, not a section."""
        with _one_at_a_time:
            if self.token not in _loaded:
                if self.begin is not None:
                    self.begin()
                from atlalign.atlas import Atlas

                spec, brainglobe_dir = self.atlas
                _loaded.clear()
                _loaded[self.token] = Registrar(
                    atlas or Atlas.load(spec, brainglobe_dir=brainglobe_dir),
                    global_model=self.settings.global_model,
                    local_model=self.settings.local_model,
                    refine=self.settings.refine,
                )
            return _loaded[self.token]

    def __call__(self, job: SectionJob) -> Outcome:
        """Return what became of a section; whatever is wrong with it is said in one line."""
        with _one_at_a_time:
            registrar = self.load()
            files = BatchFiles(self.out).result(job.out)
            started = time.monotonic()
            try:
                return register_job(registrar, job, files, self.settings, self.requests)
            except _FORESEEN as error:
                reason = one_line(error)
            except Exception as error:  # a library's own error on an image that nobody foresaw
                reason = one_line(f"{type(error).__name__}: {error}")
            return Outcome(job, files.folder, reason, seconds=time.monotonic() - started)

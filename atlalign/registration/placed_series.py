"""A series in a batch: its sections are placed together, once, before each is registered alone."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlalign._files import atomic_path
from atlalign._progress import no_progress
from atlalign.errors import AtlalignError
from atlalign.plane_slopes import Tilt, checked_tilt
from atlalign.registration.jobs import SectionJob
from atlalign.registration.requests import Requests
from atlalign.registration.series import find_series_planes
from atlalign.registration.tilt_search import TiltSearch
from atlalign.section.canvas import Hemisphere
from atlalign.section.orientation import Flip, Turn

if TYPE_CHECKING:
    from atlalign.registration.registrar import Registrar
    from atlalign.section import Section


@dataclass(frozen=True)
class PlacedSeries:
    """Where the sections of a series lie, in types that JSON knows.

    Attributes
    ----------
    positions_um : tuple of float
        One a section.
    spacing_um : float
        From one section number to the next, um.
    direction : str
        "front to back" or "back to front", as the numbers grow.
    turned : bool
        Whether all of them are to be turned or mirrored.
    flip, rotate
        How, as in `Section.read`.
    tilt : Tilt
        How far from coronal all of them are, degrees.
    tilt_search : dict or None
        How that was found, where it was searched for: "tilts" that were tried and their "scores", "estimate",
        "standard_errors" (None of an angle that was not seen), "n_sections" and a "summary".
    hemisphere : {"both", "left", "right"}
        What most of the sections show of the animal.
    doubts : dict of str to str
        Result folders of the sections that are to be looked at, and why.
    """

    positions_um: tuple[float, ...]
    spacing_um: float
    direction: str
    turned: bool
    flip: Flip | None
    rotate: Turn
    tilt: Tilt
    tilt_search: dict[str, Any] | None
    hemisphere: Hemisphere
    doubts: dict[str, str]

    def place(self, jobs: Sequence[SectionJob]) -> list[SectionJob]:
        """Return the jobs with their positions, the ways in which they are turned, and what is to be looked at."""
        turned: dict[str, Any] = {"flip": self.flip, "rotate": self.rotate} if self.turned else {}
        return [
            replace(
                job,
                position_um=position_um,
                tilt=self.tilt if any(self.tilt) else job.tilt,
                # A series is of one kind: a single one that seems to be a half is damaged, or lies elsewhere.
                hemisphere=self.hemisphere if job.hemisphere == "auto" else job.hemisphere,
                note=self.doubts.get(job.out),
                in_series=True,
                **turned,
            )
            for job, position_um in zip(jobs, self.positions_um, strict=True)
        ]


def require_series(jobs: Sequence[SectionJob]) -> None:
    """Raise an error unless the sections can be placed together.

    Examples
    --------
    >>> require_series([SectionJob("s1.tif"), SectionJob("s2.tif", position_um=5000)])
    Traceback (most recent call last):
    ...
    ValueError: The positions of a series are searched for. Received: s2.tif, whose position is given. Leave it out.
    """
    if len(jobs) < 2:
        raise ValueError(f"A series must have several sections. Received: {len(jobs)}.")
    for job in jobs:
        if job.position_um is not None or job.plane is not None:
            raise ValueError(
                "The positions of a series are searched for. "
                f"Received: {job.section.name}, whose position is given. Leave it out."
            )


def place_series(
    jobs: Sequence[SectionJob],
    registrar: Registrar,
    *,
    auto_orient: bool = False,
    progress: Callable[..., Iterable[Any]] = no_progress,
) -> PlacedSeries:
    """Find where the sections of a series lie, all together: see `find_series_planes`.

    Parameters
    ----------
    jobs : sequence of SectionJob
        Their files' names hold their numbers, or their order counts. Hemisphere and tilt are those of the first.
    registrar : Registrar
    auto_orient : bool
        Whether to turn or mirror all of them where they fit clearly better so.
    progress : callable
        Takes what is gone through and ``total``.
    """
    found = find_series_planes(
        registrar,
        _ReadInTurn(jobs),
        hemisphere=jobs[0].hemisphere,
        auto_orient=auto_orient,
        tilt=jobs[0].tilt,
        progress=progress,
    )
    turned = found.orientation is not None and found.orientation.applied
    best = found.orientation.best if found.orientation is not None else None
    positions_um = tuple(float(position) for position in found.positions_um)
    doubts = {jobs[bad.index].out: bad.reason for bad in found.bad}
    for doubt in found.tilt_search.doubts() if found.tilt_search is not None else ():
        doubts = {job.out: f"{doubts[job.out]} {doubt}" if job.out in doubts else doubt for job in jobs}
    make_canvas = registrar.locator.canvas_maker(hemisphere=jobs[0].hemisphere)
    shown: Counter[Hemisphere] = Counter()
    for job, position_um in progress(list(zip(jobs, positions_um, strict=True)), total=len(jobs)):
        # A section that cannot be read is reported when its turn comes.
        with suppress(AtlalignError, ValueError, OSError):
            section = job.read().oriented(best.flip, best.rotate) if turned and best is not None else job.read()
            shown[make_canvas(section.tilted(found.tilt), position_um).hemisphere] += 1
    return PlacedSeries(
        positions_um=positions_um,
        spacing_um=float(found.spacing_um),
        direction=found.direction,
        turned=turned,
        flip=best.flip if best is not None else None,
        rotate=best.rotate if best is not None else 0,
        tilt=found.tilt,
        tilt_search=None if found.tilt_search is None else _record(found.tilt_search),
        hemisphere=shown.most_common(1)[0][0] if shown else "both",
        doubts=doubts,
    )


def read_series(path: Path, jobs: Sequence[SectionJob], requests: Requests) -> PlacedSeries | None:
    """Return what was found earlier for the same sections, models and options; None where it is something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["request"] != _request(jobs, requests):
            return None
        found = content["series"]
        return PlacedSeries(
            **{**found, "positions_um": tuple(found["positions_um"]), "tilt": checked_tilt(found["tilt"])}
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_series(path: Path, series: PlacedSeries, jobs: Sequence[SectionJob], requests: Requests) -> None:
    """Write what was found, and of what, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"series": asdict(series), "request": _request(jobs, requests)}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _record(search: TiltSearch) -> dict[str, Any]:
    """Return a search for a tilt in types that JSON knows."""
    errors = [error if math.isfinite(error) else None for error in search.errors]
    return {
        "tilts": [list(tilt) for tilt in search.tried],
        "scores": search.scores.tolist(),
        "n_sections": search.n_sections,
        "estimate": list(search.estimate),
        "standard_errors": errors,
        "summary": search.summary,
    }


def _request(jobs: Sequence[SectionJob], requests: Requests) -> list[Any]:
    return [requests.of(job) if job.section.exists() else str(job.section) for job in jobs]


class _ReadInTurn(Sequence):
    """Sections that are read with their own options when they are asked for, and are else known by their names."""

    def __init__(self, jobs: Sequence[SectionJob]):
        self._jobs = jobs

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Path]:
        return iter([job.section for job in self._jobs])

    def __getitem__(self, index: Any) -> Section:  # type: ignore[override]
        return self._jobs[index].read()

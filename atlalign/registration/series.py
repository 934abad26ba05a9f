"""Find where the sections of a series lie, all together: they were cut one after another, evenly spaced."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atlalign._progress import Progress, no_progress
from atlalign.errors import AtlalignError
from atlalign.plane_slopes import Tilt, checked_tilt
from atlalign.registration.orienting import OrientationSearch, common_orientation
from atlalign.registration.placing import HemisphereChoice, check_hemisphere
from atlalign.registration.quality.position import PositionSearch
from atlalign.registration.search import search_position
from atlalign.registration.series_line import Line, fit_line
from atlalign.registration.series_tilt import PlacedSection, common_shift_um, tilt_of
from atlalign.registration.tilt_search import TiltSearch
from atlalign.section import Section

if TYPE_CHECKING:
    from atlalign.plane import Plane
    from atlalign.registration.locating import Locator
    from atlalign.registration.registrar import Registrar

_NUMBER_IN_NAME = re.compile(r"_s(\d+)")  # as the tools of the QUINT workflow number sections
# A section off the line is bad where another place is so much likelier, and so far away.
_CLEARLY, _FAR_UM = 0.2, 600.0
_LEAST_OVERLAP = 0.6  # of whole, upright sections the least is 0.9
# So many sections show which way up a series is, and how it is tilted.
_ORIENTING_SECTIONS, _TILT_SECTIONS = 8, 16
# So near to either end of the brain a tilted plane may leave it.
_TIP_UM = 800.0

TiltChoice = Literal["auto"] | Sequence[float]


@dataclass(frozen=True)
class BadSection:
    """A section of a series that is to be looked at.

    Attributes
    ----------
    index : int
        Which one, from 0.
    name : str
    reason : str
        A sentence.
    """

    index: int
    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class SeriesPlanes:
    """Where the sections of a series lie.

    Attributes
    ----------
    names : tuple of str
        Of the sections, in the order given.
    numbers : ndarray, shape (n,)
        Their numbers in the series.
    positions_um : ndarray, shape (n,)
        Positions along the anterior-posterior axis, um, on a straight line over the numbers, cut off at the ends of
        the brain. Bad sections have theirs too.
    planes : tuple of Plane
        The planes there: coronal, or tilted.
    tilt : Tilt
        How far from coronal all of them are.
    tilt_search : TiltSearch or None
        How the tilt was found; None where it was given, or could not be looked for.
    spacing_um : float
        From one number to the next, um.
    direction : {"front to back", "back to front"}
        Where the sections lie as their numbers grow.
    orientation : OrientationSearch or None
        What turning and mirroring all of them would give, where any shows tissue.
    searches : tuple of PositionSearch or None
        What each section shows alone; None of those without tissue.
    bad : tuple of BadSection
        Sections to be looked at, and why.
    """

    names: tuple[str, ...]
    numbers: NDArray[np.float64]
    positions_um: NDArray[np.float64]
    planes: tuple[Plane, ...]
    tilt: Tilt
    tilt_search: TiltSearch | None
    spacing_um: float
    direction: Literal["front to back", "back to front"]
    orientation: OrientationSearch | None
    searches: tuple[PositionSearch | None, ...]
    bad: tuple[BadSection, ...]


def section_number(name: str | os.PathLike) -> int | None:
    """Return the number that a file's name gives a section, None without one.

    The number follows the last ``_s``, as in the tools of the QUINT workflow.

    Examples
    --------
    >>> section_number("x_s012.png"), section_number("folder_s1/overview.png")
    (12, None)
    """
    found = _NUMBER_IN_NAME.findall(Path(name).name)
    return int(found[-1]) if found else None


def find_series_planes(
    registrar: Registrar,
    sections: Sequence[Any],
    numbers: Sequence[float] | None = None,
    *,
    pixel_size_um: Any = None,
    hemisphere: HemisphereChoice = "auto",
    auto_orient: bool = False,
    tilt: TiltChoice = "auto",
    progress: Progress = no_progress,
) -> SeriesPlanes:
    """Find where the sections of a series lie along the anterior-posterior axis, and how far from coronal they are.

    Each section is searched for alone. The straight line over the section numbers is then taken that all of them
    together are likeliest on; a section that fits somewhere else is outvoted, and listed. Some of the sections are then
    compared with tilted planes, and if they show a tilt, the whole series is moved to where they fit planes so tilted.

    Parameters
    ----------
    registrar : Registrar
        Its atlas and networks are used.
    sections : sequence of path-like, array_like or Section, length n
        Upright, or in an orientation that is the same for all. Files are read one after another, and not kept.
    numbers : sequence of float, length n, optional
        Number of each section in the series. Without it, the number in each file's name if every name has one (see
        `section_number`), else the order given, equally spaced.
    pixel_size_um, hemisphere
        As in `atlalign.registration.register`, of all sections.
    auto_orient : bool
        Whether to turn or mirror all sections where they fit clearly better so; register them with
        ``orientation.best`` then, or with ``auto_orient=True``. Otherwise that is only reported.
    tilt : "auto" or sequence of 2 float
        How far from coronal all sections are cut, degrees about the DV and the ML axis: see
        `atlalign.plane_slopes.Tilt`. By default it is searched for. Register the sections ``section.tilted(tilt)``.
    progress : callable, optional
        Takes what is gone through and ``total``, their number, and gives them back one after another.

    Returns
    -------
    SeriesPlanes

    Raises
    ------
    ValueError
        If there are not as many numbers as sections, or no two different numbers among the sections that show tissue;
        or if the tilt is none.

    Examples
    --------
    >>> from atlalign import Atlas, Registrar
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> registrar = Registrar("phantom:200", global_model=nothing_to_do)
    >>> slices = [registrar.atlas.reference_plane(position_um) for position_um in (8600, 7400, 6200, 5000)]
    >>> series = find_series_planes(registrar, slices, numbers=[10, 16, 22, 28], pixel_size_um=200)
    >>> series.direction, bool(abs(series.spacing_um - 200) < 20), series.bad
    ('back to front', True, ())
    >>> bool(np.abs(series.positions_um - [8600, 7400, 6200, 5000]).max() < 200)
    True
    """
    check_hemisphere(hemisphere)
    given = None if isinstance(tilt, str) and tilt == "auto" else checked_tilt(tilt)
    names = tuple(_name_of(section, index) for index, section in enumerate(sections))
    along = _numbers(names, sections, numbers)
    series = _Series(registrar.locator, sections, pixel_size_um, hemisphere, given or Tilt())
    orientation = series.orientation()
    if orientation is not None and auto_orient:
        orientation = orientation.as_applied()
    found = [series.search(i, orientation) for i in progress(range(len(names)), total=len(names))]
    line = fit_line(along, [None if one is None or one.overlap < _LEAST_OVERLAP else one.search for one in found])
    tilt_search = None
    if given is None:
        sure = [one is not None and _doubt(one, at, at) is None for one, at in zip(found, line(along), strict=True)]
        tilt_search, line = series.search_tilt(line, along, sure, orientation, progress)
    common = tilt_search.tilt if tilt_search is not None else given or Tilt()
    on_line = line(along)
    positions = np.clip(on_line, *series.within_um)
    reasons = [
        series.refused.get(index) or _doubt(one, *at)
        for index, (one, *at) in enumerate(zip(found, positions, on_line, strict=True))
    ]
    return SeriesPlanes(
        names=names,
        numbers=along,
        positions_um=positions,
        planes=tuple(common.plane(float(position), registrar.atlas.shape_um) for position in positions),
        tilt=common,
        tilt_search=tilt_search,
        spacing_um=abs(line.slope_um),
        direction="front to back" if line.slope_um > 0 else "back to front",
        orientation=orientation,
        searches=tuple(None if one is None else one.search for one in found),
        bad=tuple(BadSection(i, names[i], reason) for i, reason in enumerate(reasons) if reason),
    )


class _Found(NamedTuple):
    """What a section shows alone: its curve, and the overlap of the tissues where it fits best."""

    search: PositionSearch
    overlap: float


class _Series:
    """Sections, which are read when it is their turn."""

    def __init__(
        self,
        locator: Locator,
        sections: Sequence[Any],
        pixel_size_um: Any,
        hemisphere: HemisphereChoice,
        tilt: Tilt,
    ):
        self._locator, self._sections, self._pixel_size_um, self._tilt = locator, sections, pixel_size_um, tilt
        self._make_canvas = locator.canvas_maker(pixel_size_um, hemisphere)
        self.within_um = locator.candidates_um[0], locator.candidates_um[-1]
        self.refused: dict[int, str] = {}

    def orientation(self) -> OrientationSearch | None:
        """Return what some of the sections, evenly spaced, say together."""
        chosen = np.unique(np.linspace(0, len(self._sections) - 1, _ORIENTING_SECTIONS).round().astype(int))
        sections = [section for section in map(self._read, chosen.tolist()) if section is not None]
        return common_orientation([self._locator.orient(section, self._make_canvas) for section in sections])

    def search(self, index: int, orientation: OrientationSearch | None) -> _Found | None:
        """Return what a section shows alone, None of one that was refused."""
        section = self._read(index, orientation)
        if section is None:
            return None
        likeness, make_canvas = self._locator.likeness, self._make_canvas
        search = search_position(section, likeness, make_canvas, prior_um=self._locator.proposed_um(section))
        return _Found(search, float(likeness(section, [make_canvas(section, search.position_um)]).overlaps[0]))

    def search_tilt(
        self,
        line: Line,
        along: NDArray[np.float64],
        sure: Sequence[bool],
        orientation: OrientationSearch | None,
        progress: Progress,
    ) -> tuple[TiltSearch, Line]:
        """Return what some of the sections, evenly spaced, show of a tilt, and the line on which they lie with it."""
        low, high = self.within_um[0] + _TIP_UM, self.within_um[1] - _TIP_UM
        usable = np.flatnonzero(np.array(sure) & (line(along) > low) & (line(along) < high))
        spread = np.linspace(0, max(0, usable.size - 1), min(usable.size, _TILT_SECTIONS)).round().astype(int)
        placed: dict[int, PlacedSection] = {}
        for index in usable[spread].tolist():
            section = self._read(index, orientation)
            if section is not None:
                how = self._locator.likeness, self._make_canvas, self.within_um
                placed[index] = PlacedSection(section, float(line(along[index])), *how)
        found = tilt_of(list(placed.values()), progress)
        if any(found.tilt):
            shift_um = common_shift_um(list(placed.values()), found.tilt)
            line = line._replace(position_um=line.position_um + shift_um)
        return found, line

    def _read(self, index: int, orientation: OrientationSearch | None = None) -> Section | None:
        if index in self.refused:
            return None
        try:
            section = _as_section(self._sections[index], self._pixel_size_um)
            section.tissue_box  # noqa: B018 (refuses a section without tissue)
        except (AtlalignError, ValueError, OSError) as error:
            self.refused[index] = str(error)
            return None
        if orientation is not None and orientation.applied:
            section = section.oriented(orientation.best.flip, orientation.best.rotate)
        return section.tilted(self._tilt)


def _doubt(found: _Found | None, position_um: float, on_line_um: float) -> str | None:
    """Return what is wrong with a section that has its place on the line, None if nothing is."""
    if found is None:
        return None
    if position_um != on_line_um:
        return f"The line over the section numbers puts it outside the brain, at {on_line_um:.0f} um."
    if found.overlap < _LEAST_OVERLAP:
        return f"Its tissue covers no plane well (Dice {found.overlap:.2f}), so that it says little of its position."
    curve, own_um = found.search, found.search.position_um
    gain = float(curve.scores.max() - np.interp(position_um, curve.positions_um, curve.scores))
    if abs(own_um - position_um) > _FAR_UM and gain > _CLEARLY:
        return f"It fits clearly better at {own_um:.0f} um than at {position_um:.0f} um, where the others put it."
    return None


def _numbers(names: Sequence[str], sections: Sequence[Any], numbers: Sequence[float] | None) -> NDArray[np.float64]:
    if numbers is None:
        named = [section_number(name) for name in names]
        numbers = range(len(names)) if any(number is None for number in named) else named  # type: ignore[assignment]
    along = np.asarray(numbers, dtype=np.float64)
    if along.shape != (len(sections),) or not np.isfinite(along).all():
        raise ValueError(
            f"A series must have a finite number for each of its {len(sections)} sections. "
            f"Received: {along.size} numbers. Give one for each, or none."
        )
    return along


def _name_of(section: Any, index: int) -> str:
    if isinstance(section, str | os.PathLike):
        return Path(section).name
    return section.name if isinstance(section, Section) else f"section {index}"


def _as_section(section: Any, pixel_size_um: Any) -> Section:
    if isinstance(section, str | os.PathLike):
        return Section.read(section, pixel_size_um=pixel_size_um)
    return section if isinstance(section, Section) else Section(section, pixel_size_um)

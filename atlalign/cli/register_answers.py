"""What `atlalign register` says of each section, and the report of them all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from atlalign.atlas import Atlas
    from atlalign.registration import BatchFiles, Outcome, SavedRegistration

_NAMES_SHOWN = 5


def say(outcome: Outcome, out: Path, as_json: bool) -> None:
    """Say what became of a section: why it failed, or its quality and what to look at.

    Parameters
    ----------
    outcome : Outcome
    out : Path
        Its result folder, as it is to be called.
    as_json : bool
        Whether as one line of JSON.
    """
    if as_json:
        record = {
            "section": str(outcome.job.section),
            "out": str(out),
            "state": outcome.state,
            "error": outcome.error,
            "earlier": outcome.earlier,
            "position_um": outcome.position_um,
            "quality": outcome.quality,
            "steps": outcome.step_quality,
        }
        typer.echo(json.dumps(record))
    elif outcome.error is not None:
        typer.echo(f"{outcome.job.section.name}: failed. {outcome.error}", err=True)
    elif not outcome.earlier:
        before, after = (outcome.quality[f"tissue_overlap_{when}"]["value"] for when in ("before", "after"))
        found = f"position {outcome.position_um:.0f} um (found), " if outcome.was_found else ""
        orientation = outcome.quality.get("orientation", {})
        tried = outcome.record.get("orientation") or {}
        if tried.get("applied") and tried["best"] != tried["given"]:
            found += f"{orientation['value']} (found), "
        typer.echo(f"{outcome.job.section.name}: {found}tissue overlap {before:.3f} -> {after:.3f}, results in {out}")
        # A position that was searched for with an image that lies wrong is wrong too.
        first = orientation.get("flag") if outcome.was_found else None
        for text in sorted(outcome.flags, key=lambda text: text != first):
            typer.echo(f"  note: {text}")


def say_series(files: BatchFiles) -> None:
    """Say where the sections of a series were found to lie, all together."""
    found = json.loads(files.series.read_text(encoding="utf-8"))["series"]
    text = f"Series: {found['spacing_um']:.1f} um from one section number to the next, {found['direction']}"
    if found["turned"]:
        text += f", with --rotate {found['rotate']}" + (f" --flip {found['flip']}" if found["flip"] else "")
    typer.echo(text, err=True)
    search = found["tilt_search"]
    dv, ml = found["tilt"]
    typer.echo(f"Tilt: {search['summary']}" if search else f"Tilt: {dv:g} degrees about DV, {ml:g} about ML", err=True)


def some(names: list[str]) -> str:
    """Return a few names, and how many there are besides.

    Examples
    --------
    >>> some(["a", "b"]), some(list("abcdefgh"))
    ('a, b', 'a, b, c, d, e and 3 more')
    """
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def report_on(page: Path, folders: list[Path], atlas: Atlas, failed: dict[str, str]) -> None:
    """Write the report of result folders, of which some may be of another atlas than the call's."""
    from atlalign._progress import track
    from atlalign.report import write_report

    write_report(page, _read(track(folders, "Writing the report"), atlas), failed=failed)


def _read(folders: Iterable[Path], atlas: Atlas) -> Iterator[SavedRegistration | Path]:
    from atlalign.registration import RegistrationFiles, read_registration

    for folder in folders:
        known = RegistrationFiles(folder).read_record().get("atlas", {})
        yield read_registration(folder, atlas=atlas) if known.get("spec") == atlas.spec else folder

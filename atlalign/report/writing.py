"""The report of a section or of a series: one file that needs no other."""

from __future__ import annotations

import html
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import atlalign
from atlalign._files import atomic_path
from atlalign.atlas import Atlas
from atlalign.registration.result import Registration
from atlalign.registration.saved import SavedRegistration, open_registrations
from atlalign.report.page import begin_page, end_page
from atlalign.report.sections import section_page

Reportable = Registration | SavedRegistration | str | os.PathLike


def write_report(
    path: str | os.PathLike,
    registrations: Reportable | Iterable[Reportable],
    *,
    title: str = "Registration report",
    failed: Mapping[str, str] | None = None,
    atlas: Atlas | None = None,
) -> Path:
    """Write a page to judge registrations by: pictures, quantities and flags.

    The page is one HTML file with everything in it. Of several sections an index comes first: a thumbnail of each, with
    its flags. Each section is worked on alone, so that a long series needs no more memory than a short one.

    Parameters
    ----------
    path : path-like
        The file to write, whole or not at all; its folder must exist.
    registrations : Registration, SavedRegistration, path-like, or an iterable of them
        What to report on; a path is that of a result folder.
    title : str
        Heading of the page.
    failed : mapping of str to str, optional
        Sections that could not be registered: name and reason.
    atlas : Atlas, optional
        For result folders whose atlas has moved; by default what their records name.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ValueError
        If there is nothing to report on.
    FileNotFoundError, atlalign.errors.InvalidFileError, atlalign.errors.AtlasError
        As `read_registration` raises them.

    Examples
    --------
    >>> import numpy as np
    >>> from atlalign import register
    >>> atlas = Atlas.load("phantom:200")
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2), np.float32)
    >>> registration = register(atlas.reference_plane(6000), atlas, position_um=6000, local_model=nothing_to_do)
    >>> page = write_report(Path(tempfile.mkdtemp()) / "report.html", [registration, registration])
    >>> text = page.read_text(encoding="utf-8")
    >>> text.count("<section"), "2 sections, 2 of them flagged." in text
    (2, True)
    """
    sections = [registrations] if isinstance(registrations, Reportable) else registrations
    failed = dict(failed or {})
    path, n_flagged, cards = Path(path), 0, []
    with atomic_path(path) as temporary, tempfile.TemporaryFile("w+", encoding="utf-8") as bodies:
        for number, section in enumerate(open_registrations(sections, atlas), start=1):
            page = section_page(section, number)
            n_flagged += bool(page.n_flags)
            cards.append(page.card)
            bodies.write(page.body)
        if not cards and not failed:
            raise ValueError("A report must have at least one section. Received: none. Register one first.")
        bodies.seek(0)
        with open(temporary, "w", encoding="utf-8") as report:
            begin_page(report, title)
            if len(cards) > 1 or failed:
                report.write(f"<p>{_summary(len(cards), n_flagged, len(failed))}</p>\n")
                report.writelines(['<div class="index">\n', *cards, *map(_failed_card, failed.items()), "</div>\n"])
            shutil.copyfileobj(bodies, report)
            report.write(
                f'<p class="soft">Written by atlalign {html.escape(atlalign.__version__)}. No number here is the '
                "truth: a registration without a flag can be wrong, and one with a flag can be right.</p>\n"
            )
            end_page(report)
    return path


def _summary(n: int, n_flagged: int, n_failed: int) -> str:
    text = f"{n} section{'' if n == 1 else 's'}, {n_flagged or 'none'} of them flagged."
    return text + (f" {n_failed} could not be registered." if n_failed else "")


def _failed_card(item: tuple[str, str]) -> str:
    name, reason = (html.escape(text) for text in item)
    return f'<div class="card flagged"><b>{name}</b><ul><li>Not registered: {reason}</li></ul></div>\n'

"""What follows from labels: the corrected registration, in the folder that it came from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from atlalign._field.sampling import pixel_grid
from atlalign._files import atomic_folder, atomic_path
from atlalign.base import DisplacementField
from atlalign.label.folder import MANUAL, SectionFolder
from atlalign.label.labels import Labels, points_of
from atlalign.label.saving import SavedLabels
from atlalign.label.subject import PictureSubject, SectionSubject, Subject
from atlalign.label.warping import Warp
from atlalign.registration.batch_files import BatchFiles
from atlalign.registration.files import RegistrationFiles
from atlalign.registration.result import Registration
from atlalign.registration.steps import new_folds

LANDMARKS = "landmarks.csv"
_FAR_PX = 0.5  # a landmark that is missed by more gets a flag


def corrected(subject: SectionSubject, saved: SavedLabels) -> Registration:
    """Return a registration with what a person corrected, as a last step "manual".

    Parameters
    ----------
    subject : SectionSubject
    saved : SavedLabels
        What was said, by whom and when.

    Returns
    -------
    Registration
        The automatic one, at the plane that the person chose, if nothing else was said of it. The `quality` of the step
        says who corrected what, and flags folds and landmarks that are missed.
    """
    labels = saved.on_canvas(subject)
    registration = subject.at(labels)
    if labels.is_untouched:
        return registration
    warp = subject.warper.correct(labels.counted, labels.method)
    return registration.with_step(MANUAL, warp.correction, quality=_quality(subject, labels, saved, warp))


def write_results(section: SectionFolder, subject: Subject, export: Sequence[str] = ()) -> Path | None:
    """Write what follows from what was last said of a section into its folder.

    Parameters
    ----------
    section : SectionFolder
    subject : Subject
        What `section.load` returned.
    export : sequence of str
        Formats of other tools that are written besides, as for `Registration.save`.

    Returns
    -------
    Path or None
        The folder; None if nobody has said anything.

    Notes
    -----
    With an atlas, everything that `Registration.save` writes, and ``landmarks.csv``: what a person placed, as
    ``atlalign register --landmarks`` reads it. A report of the section is written anew; that of a batch, which may be
    long, says that the section has changed. Of two pictures ``deltas_xy.npy``, which warps the moving picture onto
    the reference, ``inv_deltas_xy.npy``, ``registered.png`` and ``landmarks.csv``.
    """
    saved = section.latest()
    if saved is None:
        return None
    labels = saved.on_canvas(subject)
    if isinstance(subject, PictureSubject):
        return _write_pictures(section.folder, subject, labels)
    assert isinstance(subject, SectionSubject)
    section.keep_automatic(subject.registration)
    registration = corrected(subject, saved)
    registration.save(section.folder, export)
    _refresh_reports(section, registration)
    reference, moving = points_of(labels.placed)
    points_um = registration.canvas.plane.pixels_to_um(reference, subject.shape)
    rows = np.hstack([subject.to_section(moving), points_um])
    _write_table(section.folder / LANDMARKS, "x,y,ap_um,dv_um,ml_um", rows)
    return section.folder


def results_are_current(section: SectionFolder) -> bool:
    """Return whether the folder's results are those of what was last said, or nobody has said anything."""
    saved = section.latest()
    if saved is None:
        return True
    if section.is_pair_of_pictures:
        field = RegistrationFiles(section.folder).field
        newest = max(path.stat().st_mtime for path in section.labels_folder.glob("*.json"))
        return field.is_file() and field.stat().st_mtime >= newest
    steps = RegistrationFiles(section.folder).read_record().get("steps", [])
    manual = [step for step in steps if step.get("name") == MANUAL]
    if saved.labels.is_untouched:
        return not manual
    written = manual[0].get("quality", {}).get("manual_changed_at", {}).get("value") if manual else None
    return written == saved.changed_at


def _refresh_reports(section: SectionFolder, registration: Registration) -> None:
    from atlalign.report import write_report
    from atlalign.report.page import mark_outdated

    own, of_batch = BatchFiles(section.folder).report, BatchFiles(section.folder.absolute().parent).report
    if own.is_file():
        write_report(own, section.folder, atlas=registration.atlas)
    if of_batch.is_file():
        mark_outdated(of_batch, section.name, "The same atlalign register with --report writes it again.")


def _quality(subject: SectionSubject, labels: Labels, saved: SavedLabels, warp: Warp) -> dict[str, dict[str, Any]]:
    reference, moving = points_of(labels.placed)
    folded = int(np.count_nonzero(new_folds(subject.automatic, warp.correction)))
    residual = float(warp.residuals(labels.placed).max()) if labels.placed else 0.0
    points = np.hstack([reference, subject.to_section(moving)])
    return {
        "manual_person": _entry(saved.person),
        "manual_changed_at": _entry(saved.changed_at),
        "manual_method": _entry(labels.method),
        "manual_points": _entry(points.round(3).tolist(), "canvas x, y; section x, y; px"),
        "manual_points_held": _entry(len(labels.counted) - len(labels.placed)),
        "manual_residual": _entry(
            round(residual, 4),
            "px",
            residual > _FAR_PX and f"A landmark is missed by {residual:.1f} px: another one, or a fold, is in its way.",
        ),
        "manual_folded": _entry(folded, "px", folded > 0 and f"The correction folds {folded} px of the field."),
    }


def _entry(value: Any, unit: str = "", flag: Any = None) -> dict[str, Any]:
    return {"value": value, "unit": unit, "flag": flag or None}


def _write_pictures(folder: Path, subject: PictureSubject, labels: Labels) -> Path:
    warp = subject.warper.correct(labels.counted, labels.method)
    field = _to_moving(warp.field, subject)
    inverse = _from_moving(warp.field.pseudo_inverse(), subject)
    with atomic_folder(folder) as temporary:
        files = RegistrationFiles(temporary)
        field.save(files.field)
        inverse.save(files.inverse_field)
        image = subject.moving_image
        Image.fromarray(_eight_bits(field.warp(image))).save(temporary / "registered.png")
        reference, moving = points_of(labels.placed)
        rows = np.hstack([reference, subject.to_section(moving)])
        _write_table(temporary / LANDMARKS, "reference_x,reference_y,moving_x,moving_y", rows)
    return folder


def _to_moving(field: DisplacementField, subject: PictureSubject) -> DisplacementField:
    """Return the field with its displacements in px of the moving picture: it warps that picture itself."""
    points = np.stack(field.transformation, axis=-1)
    x, y = np.moveaxis(subject.to_section(points), -1, 0)
    return DisplacementField.from_transform(x, y)


def _from_moving(inverse: DisplacementField, subject: PictureSubject) -> DisplacementField:
    """Return the inverse field on the grid of the moving picture: it warps the reference itself."""
    grid = np.stack(pixel_grid(subject.moving_image.shape[:2]), axis=-1).astype(np.float64)
    there = subject.to_canvas(grid).reshape(-1, 2)
    x, y = np.moveaxis(inverse.transform_points(there).reshape(grid.shape), -1, 0)
    return DisplacementField.from_transform(x, y)


def _eight_bits(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    low, high = float(image.min()), float(image.max())
    return np.rint((image.astype(np.float32) - low) / max(high - low, 1e-6) * 255).astype(np.uint8)


def _write_table(path: Path, header: str, rows: np.ndarray) -> None:
    lines = [header, *(",".join(f"{value:.4f}" for value in row) for row in rows)]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8")

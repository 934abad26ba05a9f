"""What became of the sections of a batch, one by one and in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from atlalign.registration.batch_files import NUMBERS, BatchFiles
from atlalign.registration.files import RegistrationFiles
from atlalign.registration.jobs import SectionJob
from atlalign.registration.quality import flags
from atlalign.registration.requests import read_request

State = Literal["done", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of a section.

    Attributes
    ----------
    job : SectionJob
        What was to be registered.
    folder : Path
        Its result folder.
    error : str or None
        Why it failed, in one line.
    earlier : bool
        Whether it was done before this call.
    seconds : float or None
        How long it took.
    record, quality : dict
        The content of ``registration.json`` and of ``quality.json``; empty if it failed.
    """

    job: SectionJob
    folder: Path
    error: str | None = None
    earlier: bool = False
    seconds: float | None = None
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    quality: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def saved(cls, job: SectionJob, files: RegistrationFiles, *, earlier: bool = False) -> Outcome:
        """Return the outcome that a result folder tells of."""
        seconds = read_request(files).get("seconds")
        return cls(job, files.folder, None, earlier, seconds, files.read_record(), files.read_quality())

    @property
    def state(self) -> State:
        """What became of it."""
        return "failed" if self.error is not None else "done"

    @property
    def step_quality(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Quantities of single steps, by the step's name."""
        return {step["name"]: step["quality"] for step in self.record.get("steps", []) if step.get("quality")}

    @property
    def flags(self) -> list[str]:
        """Sentences that say what to look at."""
        noted = [] if self.job.note is None else [self.job.note]
        return noted + [text for entries in (self.quality, *self.step_quality.values()) for text in flags(entries)]

    @property
    def position_um(self) -> float | None:
        """Where the middle of the section's plane lies, um."""
        return self.record["canvas"]["position_um"] if self.record else None

    @property
    def was_found(self) -> bool:
        """Whether the position was searched for."""
        return self.job.in_series or self.record.get("search") is not None


class SectionTable:
    """``sections.csv`` while a batch is under way: rewritten, whole, whenever a section is finished.

    Rows of earlier calls stay below if their sections were done, and their result folders are still there.

    Parameters
    ----------
    files : BatchFiles
    jobs : sequence of SectionJob
        Of this call; they are waiting.
    """

    def __init__(self, files: BatchFiles, jobs: Sequence[SectionJob]):
        self._files = files
        rows = [{"section": str(job.section), "out": job.out, "state": "waiting"} for job in jobs]
        self._rows = {row["out"]: row for row in rows}
        for row in files.read_sections():
            if row["state"] == "done" and files.result(row["out"]).record.is_file():
                self._rows.setdefault(row["out"], row)

    def add(self, outcome: Outcome) -> None:
        """Say what became of a section."""
        numbers = {name: outcome.quality.get(name, {}).get("value") for name in NUMBERS}
        self._rows[outcome.job.out] = {
            "section": str(outcome.job.section),
            "out": outcome.job.out,
            "state": outcome.state,
            "error": outcome.error or "",
            "position_um": _text(outcome.position_um, 1),
            "position_from": _position_from(outcome),
            "seconds": _text(outcome.seconds, 2),
            **{name: _text(value, 4) for name, value in numbers.items()},
            "flags": "" if outcome.error else str(len(outcome.flags)),
            "reasons": " ".join(outcome.flags),
        }

    def write(self) -> None:
        """Write the table, whole or not at all."""
        self._files.write_sections(self._rows.values())


def _position_from(outcome: Outcome) -> str:
    if outcome.error is not None:
        return ""
    if outcome.was_found:
        return "series" if outcome.job.in_series else "search"
    return "given" if outcome.job.plane is None else "anchoring"


def _text(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"

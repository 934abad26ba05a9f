"""What the tabs of a page share: the folder, the person, and work that goes on beside the page."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from atlalign.errors import AtlalignError, one_line
from atlalign.export import write_quint
from atlalign.label.dataset import dataset_from_labels
from atlalign.label.folder import LabelFolder, SectionFolder
from atlalign.label.labels import Labels
from atlalign.label.results import corrected, results_are_current, write_results
from atlalign.label.saving import check_person
from atlalign.label.subject import SectionSubject, Subject
from atlalign.label.words import Line

if TYPE_CHECKING:
    from bokeh.document import Document

    from atlalign.label.page import Page

DATASET, VISUALIGN = "labels.h5", "visualign.json"
_ANY_STEP_UM = 25.0


class Workspace:
    """A folder that a person labels.

    Parameters
    ----------
    folder : LabelFolder
    person : str

    Attributes
    ----------
    current : Page or None
        The tab that was opened last: the others may only look.
    settings : dict
        How the page looks, for the next section: what was set of blend, colours, thresholds and lines.
    step_um : float
        Distance of the atlas's planes.
    """

    def __init__(self, folder: LabelFolder, person: str):
        self.folder, self.person = folder, check_person(person)
        self.current: Page | None = None
        self.settings: dict[str, Any] = {}
        self.step_um = _ANY_STEP_UM if folder.atlas is None else folder.atlas.resolution_um[0]
        self._lines = {section.name: _line(section) for section in folder.sections}
        self._work = ThreadPoolExecutor(max_workers=1)

    def open(self, document: Document) -> None:
        """Fill a new tab: with the section that its address names, or the first that nobody has looked at."""
        from atlalign.label.page import Page, fill_with_problem

        try:
            page = Page(document, self, self._wanted(document))
        except (AtlalignError, ValueError, KeyError, OSError) as error:
            text = error.args[0] if isinstance(error, KeyError) and error.args else error
            fill_with_problem(document, one_line(text), self.lines())
        else:
            page.fill_document()

    def load(self, section: SectionFolder) -> Subject:
        """Load a section with the atlas that all share."""
        return section.load(self.folder.atlas)

    def lines(self) -> list[Line]:
        """Return the list of sections as it is now."""
        return [self._lines[section.name] for section in self.folder.sections]

    def seen(self, name: str, labels: Labels) -> None:
        """Keep what the list says of a section up to date."""
        self._lines[name] = Line(name, labels.state, labels.note)

    def write(self, section: SectionFolder, subject: Subject) -> None:
        """Write the results of a section, beside the page."""

        def work() -> str:
            written = write_results(section, subject)
            return f"Results of {section.name} written." if written else "Nobody has said anything: nothing to write."

        self._later(f"Writing the results of {section.name} …", work)

    def write_if_needed(self, section: SectionFolder, subject: Subject) -> None:
        """Write the results of a section that is being left, unless they are there."""
        if not results_are_current(section):
            self.write(section, subject)

    def write_dataset(self) -> None:
        """Write all corrected sections as training pairs."""
        folder = self.folder

        def work() -> str:
            made = dataset_from_labels(
                folder.root, folder.root / DATASET, atlas=folder.atlas, images=folder.images, channel=folder.channel
            )
            return f"{len(made.written)} of {len(folder.sections)} sections written to {DATASET}."

        self._later("Writing the dataset …", work)

    def write_visualign(self) -> None:
        """Write all sections that are not rejected as a series of VisuAlign."""

        def work() -> str:
            registrations = []
            for section in self.folder.sections:
                subject, saved = self.load(section), section.latest()
                if not isinstance(subject, SectionSubject):
                    raise ValueError("A series is of sections in an atlas. Received: two pictures. Use deltas_xy.npy.")
                if saved is None:
                    registrations.append(subject.registration)
                elif saved.labels.state != "rejected":
                    registrations.append(corrected(subject, saved))
            path = write_quint(self.folder.root / VISUALIGN, registrations)
            return f"{len(registrations)} sections written to {path.name}."

        self._later("Writing a series for VisuAlign …", work)

    def wait(self) -> None:
        """Wait until all work beside the page is done."""
        self._work.shutdown(wait=True)

    def _later(self, begun: str, work: Callable[[], str]) -> None:
        self._tell(begun)
        self._work.submit(work).add_done_callback(self._report)

    def _report(self, done: Future[str]) -> None:
        error = done.exception()
        if error is None:
            self._tell(done.result(), "good")
        else:
            self._tell(one_line(error), "bad")

    def _tell(self, text: str, kind: str = "") -> None:
        if self.current is not None:
            self.current.tell(text, kind)

    def _wanted(self, document: Document) -> str:
        context = document.session_context
        named = context.request.arguments.get("section", []) if context is not None and context.request else []
        if named:
            return self.folder.section(named[0].decode("utf-8", "replace")).name
        if self.current is not None:
            return self.current.section.name
        untouched = [line.name for line in self.lines() if line.state == "untouched"]
        return (untouched or [self.lines()[0].name])[0]


def _line(section: SectionFolder) -> Line:
    latest = section.latest()
    return (
        Line(section.name, "untouched", "")
        if latest is None
        else Line(section.name, latest.labels.state, latest.labels.note)
    )

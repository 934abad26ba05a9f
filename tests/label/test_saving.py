"""Files of labels: written whole, read carefully."""

import json

import numpy as np
import pytest

from atlalign.errors import InvalidFileError
from atlalign.label import LabelSession, read_labels


@pytest.fixture
def written(folder):
    """A section, its subject, and a file of labels."""
    section = folder.sections[0]
    subject = section.load(folder.atlas)
    session = LabelSession(subject, on_change=lambda labels: section.save("anna", labels, subject))
    session.set_note("schön, 50 % torn")
    session.set_symmetric(True)
    session.set_method("rbf_cubic")
    session.add((40, 30), (43, 30.25))
    session.set_position(6250)
    session.set_state("rejected")
    return section, subject, session


def test_what_is_read_is_what_was_said(written):
    section, subject, session = written
    saved = section.latest()
    labels = saved.on_canvas(subject)
    assert saved.person == "anna"
    for name in ("method", "symmetric", "hold", "state", "note", "corners_um"):
        assert getattr(labels, name) == getattr(session.labels, name)
    for read, said in zip(labels.pairs, session.labels.pairs, strict=True):
        assert (read.number, read.automatic, read.twin) == (said.number, said.automatic, said.twin)
        assert read.reference_xy == said.reference_xy
        assert read.moving_xy == pytest.approx(said.moving_xy, abs=1e-9)


def test_moving_points_are_kept_in_pixels_of_the_section_itself(written):
    section, subject, session = written
    content = json.loads((section.labels_folder / "anna.json").read_text("utf-8"))
    row = next(row for row in content["pairs"] if not row["automatic"])
    placed = session.labels.placed[0]
    assert row["section_xy"] == pytest.approx(subject.to_section([placed.moving_xy])[0].tolist())
    assert content["note"] == "schön, 50 % torn"


def test_a_time_in_another_zone_sorts_by_when_it_was(written):
    section, _, _ = written
    path = section.labels_folder / "anna.json"
    content = json.loads(path.read_text("utf-8"))
    content["changed_at"] = "2020-01-01T12:00:00+05:00"
    path.write_text(json.dumps(content), "utf-8")
    assert read_labels(path).changed_at == "2020-01-01T07:00:00.000000+00:00"


def broken_files(content):
    def changed(**more):
        return json.dumps(content | more)

    pair = content["pairs"][0]
    yield ""
    yield "{"
    yield "[]"
    yield "[" * 100_000
    yield changed(format="something else")
    yield changed(version=99)
    yield changed(state="perfect")
    yield changed(method="__import__('os')")
    yield changed(person="../../etc/passwd")
    yield changed(changed_at="yesterday")
    yield changed(note=["a list"])
    yield changed(note="x" * 100_000)
    yield changed(pairs=[pair, pair])
    yield changed(pairs=[pair | {"reference_xy": [1]}])
    yield changed(pairs=[pair | {"reference_xy": [1, float("nan")]}])
    yield changed(pairs=[pair | {"section_xy": [1e300, 1]}])
    yield changed(pairs=[pair | {"number": "one"}])
    yield changed(pairs={"a": 1})
    yield changed(corners_um=[[0, 0, 0]])
    yield changed(corners_um=[[0, 0, 0], [0, 0, 1], [0, 1, 0], [5, 5, 5]])


def test_whatever_else_a_file_holds_is_refused_in_one_line(written):
    section, _, _ = written
    path = section.labels_folder / "anna.json"
    for text in broken_files(json.loads(path.read_text("utf-8"))):
        path.write_text(text, "utf-8")
        with pytest.raises(InvalidFileError, match="A file of labels must be one that atlalign label wrote") as error:
            read_labels(path)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 1000


@pytest.mark.parametrize("person", ["", " ", "a/b", "..", ".hidden", "a\\b", "x" * 65, "nul\0", "anna "])
def test_a_name_that_could_lead_elsewhere_is_no_person(written, person):
    section, subject, session = written
    with pytest.raises(ValueError, match="A person must be named"):
        section.save(person, session.labels, subject)
    assert [path.name for path in section.labels_folder.iterdir()] == ["anna.json"]


def test_numbers_survive_to_the_last_digit(written):
    section, subject, session = written
    section.save("anna", session.labels, subject)
    first = section.latest().on_canvas(subject)
    section.save("anna", first, subject)
    again = section.latest().on_canvas(subject)
    assert np.allclose([p.moving_xy for p in first.pairs], [p.moving_xy for p in again.pairs], rtol=0, atol=1e-9)

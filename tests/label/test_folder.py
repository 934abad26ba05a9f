"""Folders of sections: states, several people, and processes that are killed."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from atlalign.errors import InvalidFileError
from atlalign.label import LabelFolder, Labels, LabelSession, Pair
from tests.label.run_maker import make_section


def work(section, person, change, atlas=None):
    """Let a person change a section."""
    subject = section.load(atlas)
    session = LabelSession(
        subject, section.initial(subject), on_change=lambda labels: section.save(person, labels, subject)
    )
    change(session)
    return session


def test_a_series_lists_its_sections_untouched(folder):
    assert [section.name for section in folder.sections] == ["brain_s001", "brain_s002", "brain_s003"]
    assert {section.state for section in folder.sections} == {"untouched"}


def test_one_result_folder_is_a_folder_of_one_section(project):
    folder = LabelFolder(project / "run" / "brain_s002", [project / "images"])
    assert [section.name for section in folder.sections] == ["brain_s002"]


def test_numbers_in_names_count_as_numbers(project):
    (project / "run" / "brain_s002").rename(project / "run" / "brain_s10")
    (project / "run" / "brain_s001").rename(project / "run" / "brain_s9")
    names = [section.name for section in LabelFolder(project / "run").sections]
    assert names == ["brain_s003", "brain_s9", "brain_s10"]


def test_looking_at_a_section_leaves_it_untouched(folder):
    section = folder.sections[0]
    LabelSession(section.load(folder.atlas))
    assert section.state == "untouched"
    assert not section.labels_folder.exists()


def test_what_a_person_did_is_found_when_the_folder_is_opened_again(folder, project):
    session = work(folder.sections[1], "anna", lambda s: (s.add((40, 30), (43, 30)), s.set_note("torn")))
    section = LabelFolder(project / "run", [project / "images"]).sections[1]
    labels = section.initial(section.load())
    assert section.state == "corrected"
    assert labels.note == "torn"
    assert len(labels.pairs) == len(session.labels.pairs)
    assert labels.placed[0].moving_xy == pytest.approx((43, 30))


def test_copies_on_which_two_people_worked_merge_whichever_is_copied_into_the_other(folder, project, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(project, tmp_path / name)
    a, b = (LabelFolder(tmp_path / name / "run", [project / "images"]) for name in ("a", "b"))
    work(a.sections[0], "anna", lambda s: s.add((40, 30), (43, 30)))
    work(b.sections[1], "bob", lambda s: s.set_state("rejected"))
    work(a.sections[2], "anna", lambda s: s.set_note("first"))
    work(b.sections[2], "bob", lambda s: s.set_note("second"))
    for source, target in (("a", "into_b"), ("b", "into_a")):
        shutil.copytree(tmp_path / ("b" if source == "a" else "a"), tmp_path / target)
        shutil.copytree(tmp_path / source, tmp_path / target, dirs_exist_ok=True)
    for target in ("into_a", "into_b"):
        merged = LabelFolder(tmp_path / target / "run", [project / "images"])
        assert [section.state for section in merged.sections] == ["corrected", "rejected", "untouched"]
        assert [saved.person for saved in merged.sections[2].saved()] == ["anna", "bob"]
        assert merged.sections[2].latest().labels.note == "second"


def test_who_goes_on_with_anothers_section_starts_from_their_points_and_leaves_their_file(folder):
    section = folder.sections[0]
    work(section, "anna", lambda s: s.add((40, 30), (43, 30)))
    before = (section.labels_folder / "anna.json").read_bytes()
    work(section, "bob", lambda s: s.add((60, 30), (61, 30)))
    assert len(section.latest().labels.placed) == 2
    assert (section.labels_folder / "anna.json").read_bytes() == before


@pytest.mark.parametrize("moved", ["both", "results"])
def test_an_image_is_found_where_it_was_labelled_though_the_folder_was_moved(project, tmp_path, moved):
    far = tmp_path / "far" / "images"
    shutil.move(project / "images", far)
    section = LabelFolder(project / "run", [far]).sections[0]
    work(section, "anna", lambda s: s.add((40, 30), (43, 30)))
    there = tmp_path / "other" / "place"
    if moved == "both":
        shutil.move(project, there / "project")
        shutil.move(far.parent, there / "far")
        run = there / "project" / "run"
    else:
        shutil.move(project / "run", there)
        run = there
    again, never_labelled = LabelFolder(run).sections[:2]
    assert again.load().name == "brain_s001.png"
    with pytest.raises(FileNotFoundError, match="Name its folder with --images"):
        never_labelled.load()


def test_labels_that_name_another_file_lead_to_no_image(project, tmp_path):
    section = LabelFolder(project / "run", [project / "images"]).sections[0]
    work(section, "anna", lambda s: s.add((40, 30), (43, 30)))
    path = section.labels_folder / "anna.json"
    content = json.loads(path.read_text())
    content["image"] = dict.fromkeys(content["image"], str(project / "images" / "brain_s002.png"))
    path.write_text(json.dumps(content))
    shutil.move(project / "run", tmp_path / "a" / "b" / "run")
    with pytest.raises(FileNotFoundError):
        LabelFolder(tmp_path / "a" / "b" / "run").sections[0].load()


def test_a_process_that_is_killed_loses_nothing_that_was_said(folder, project):
    program = (
        "import sys\n"
        "from atlalign.label import LabelFolder, LabelSession\n"
        "folder = LabelFolder(sys.argv[1], [sys.argv[2]])\n"
        "section = folder.sections[0]\n"
        "subject = section.load()\n"
        "session = LabelSession(subject, on_change=lambda labels: section.save('anna', labels, subject))\n"
        "for i in range(10**6):\n"
        "    session.add((20 + i % 70, 20 + i // 70 % 40), (21 + i % 70, 20))\n"
        "    print(len(session.labels.placed), flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(project / "run"), str(project / "images")],
        stdout=subprocess.PIPE,
        text=True,
    )
    said = 0
    while said < 5:
        said = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    said = int(rest[-1]) if rest else said
    assert said <= len(folder.sections[0].latest().labels.placed) <= said + 1


def test_what_a_killed_process_left_unfinished_counts_for_nothing(folder):
    section = folder.sections[0]
    work(section, "anna", lambda s: s.set_note("kept"))
    (section.labels_folder / ".anna.x1y2.json").write_text('{"format": "atla')
    assert section.latest().labels.note == "kept"


def test_saving_takes_the_place_of_a_file_in_one_go(folder, monkeypatch):
    section = folder.sections[0]
    work(section, "anna", lambda s: s.set_note("kept"))
    monkeypatch.setattr(json, "dumps", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        work(section, "anna", lambda s: s.set_note("lost"))
    assert section.latest().labels.note == "kept"


def test_a_section_is_found_by_its_name_and_never_by_a_path(folder):
    assert folder.section("brain_s002").name == "brain_s002"
    for name in ("../run/brain_s002", "brain_s002/", "/etc", "", ".", "x" * 1000):
        with pytest.raises(KeyError, match="one of the folder's"):
            folder.section(name)


def test_a_record_that_names_an_image_elsewhere_does_not_lead_there(folder, project, tmp_path):
    secret = project / "secret.png"
    shutil.copy(project / "images" / "brain_s001.png", secret)
    record = project / "run" / "brain_s001" / "registration.json"
    for name in ("../secret.png", str(secret), "..\\secret.png", "../../project/secret.png"):
        content = json.loads(record.read_text())
        content["section"]["name"] = name
        record.write_text(json.dumps(content))
        section = LabelFolder(project / "run" / "brain_s001", [project / "images"]).sections[0]
        shallow = type(section)(section.name, section.folder, (project / "images",))
        with pytest.raises(FileNotFoundError, match="Name its folder with --images"):
            shallow.load()


def test_an_image_that_is_not_the_registered_one_is_refused(folder, project):
    other = make_section(project / "elsewhere")
    assert other.is_dir()
    import imageio.v3 as iio
    import numpy as np

    iio.imwrite(project / "images" / "brain_s001.png", np.zeros((50, 60), np.uint8))
    with pytest.raises(InvalidFileError, match="must be the one that was registered"):
        folder.sections[0].load(folder.atlas)


def test_a_folder_without_registrations_is_refused(tmp_path):
    with pytest.raises(InvalidFileError, match=r"without any registration\.json"):
        LabelFolder(tmp_path)


def test_a_file_of_a_hundred_pairs_is_small_enough_to_be_written_at_every_click(folder):
    section = folder.sections[0]
    subject = section.load(folder.atlas)
    pairs = (Pair(i, (10.5 + i % 10 * 9, 10.5 + i // 10 * 6), (11.25, 12.125)) for i in range(1, 101))
    path = section.save("anna", Labels(tuple(pairs)), subject)
    assert path.stat().st_size < 50_000

"""`atlalign label`, `label-tool` and `atlalign dataset from-labels`: what they open, and how they refuse."""

import json
import shutil
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from atlalign.cli import main_label
from atlalign.dataset import check_dataset
from atlalign.label import LabelFolder, LabelSession
from atlalign.registration import Registrar, RegistrationFiles, SectionJob
from atlalign.registration.batch_worker import register_job
from atlalign.registration.requests import BatchSettings, Requests
from tests.label.run_maker import ATLAS, make_series, nothing
from tests.quint.series_maker import small_series


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    make_series(folder, 2)
    [section, _] = LabelFolder(folder / "run", [folder / "images"]).sections
    subject = section.load()
    session = LabelSession(subject, on_change=lambda labels: section.save("anna", labels, subject))
    session.add((40, 30), (42, 30))
    return folder


@pytest.fixture
def opened(monkeypatch):
    """What would be served."""
    calls = []
    monkeypatch.setattr("atlalign.cli.label._serve", lambda *args: calls.append(args))
    return calls


def test_a_result_folder_is_opened_as_it_is(run, made, opened):
    answer = run("atlalign", "label", made / "run", "--images", made / "images", "--person", "bob", "--port", 1234)
    assert answer.code == 0, answer.err
    [(folder, person, port, browser)] = opened
    assert [section.name for section in folder.sections] == ["brain_s001", "brain_s002"]
    assert (person, port, browser) == ("bob", 1234, True)


def test_a_section_is_placed_in_a_folder_of_its_name(run, made, opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = made / "images" / "brain_s001.png"
    answer = run("atlalign", "label", image, "--atlas", "phantom:100", "--position-um", 5000, "--no-browser")
    assert answer.code == 0, answer.err
    [(folder, _, _, browser)] = opened
    assert (folder.root.name, browser) == ("brain_s001", False)
    assert (tmp_path / "brain_s001" / "registration.json").is_file()


def test_a_series_becomes_a_folder_of_sections(run, opened, tmp_path):
    series = small_series(tmp_path)
    (tmp_path / "brain_s010.png").unlink()
    words = ["--images", tmp_path, "--atlas", "phantom:100", "--out", tmp_path / "run"]
    answer = run("atlalign", "label", series, *words)
    assert answer.code == 0, answer.err
    assert len(opened[0][0].sections) == 2
    assert "Left out brain_s010.png" in answer.err


def test_two_pictures_and_a_folder_as_the_old_tool_was_called(made, opened, tmp_path, monkeypatch):
    images = made / "images"
    words = [str(images / "brain_s001.png"), str(images / "brain_s002.png"), str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["label-tool", *words])
    with pytest.raises(SystemExit) as exit_:
        main_label()
    assert exit_.value.code == 0
    assert opened[0][0].sections[0].is_pair_of_pictures


def test_apply_writes_the_results_of_what_was_said_without_a_page(run, made, tmp_path, opened):
    answer = run("atlalign", "label", made / "run", "--images", made / "images", "--apply", "--export", "quint")
    assert answer.code == 0, answer.err
    assert answer.out.strip() == f"Wrote the results of 1 of 2 sections to {made / 'run'}"
    record = json.loads((made / "run" / "brain_s001" / "registration.json").read_text())
    assert record["steps"][-1]["name"] == "manual"
    assert (made / "run" / "brain_s001" / "quint.json").is_file()
    assert opened == []


def test_from_labels_writes_pairs_and_says_what_was_left_out(run, made, tmp_path):
    words = ["--images", made / "images", "--stain", "Nissl", "--shape", "96,128"]
    answer = run("atlalign", "dataset", "from-labels", made / "run", tmp_path / "pairs.h5", *words)
    assert answer.code == 0, answer.err
    assert answer.out.strip() == f"Wrote 1 pairs to {tmp_path / 'pairs.h5'}"
    assert "Left out brain_s002: A section of a dataset must be called corrected. Received: untouched" in answer.err
    assert check_dataset(tmp_path / "pairs.h5") == []


def test_a_program_reads_the_same_as_json(run, made, tmp_path):
    words = ["--images", made / "images", "--json"]
    answer = run("atlalign", "dataset", "from-labels", made / "run", tmp_path / "pairs.h5", *words)
    assert json.loads(answer.out)["written"] == {"brain_s001": "anna"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere"], "nowhere"),
        (["empty"], "registration.json"),
        (["text.png", "--atlas", "phantom:100", "--position-um", "5000"], "text.png"),
        (["s.png"], "without --atlas"),
        (["s.png", "--atlas", "phantom:100"], "without --position-um"),
        (["s.png", "--atlas", "phantom:100", "--position-um", "99999"], "position_um must satisfy"),
        (["s.png", "--atlas", "no_such_atlas", "--position-um", "5000"], "no_such_atlas"),
        (["s.png", "--atlas", "phantom:100", "--position-um", "5000", "--out", "full"], "new or empty"),
        (["s.png", "--atlas", "phantom:100", "--position-um", "5000", "--pixel-size-um", "wide"], "--pixel-size-um"),
        (["s.png", "s.png"], "one thing to label, or three"),
        (["s.png", "text.png", "out"], "text.png"),
        (["s.png", "nowhere.png", "out"], "nowhere.png"),
        (["s.png", "s.png", "text.png"], "must be a folder"),
        (["series.json"], "needs an atlas and its images"),
        (["broken.json", "--atlas", "phantom:100", "--images", "."], "must be a series"),
        (["run", "--images", "nowhere"], "must be in a folder"),
        (["run", "--person", "../anna"], "A person must be named"),
        (["run", "--port", "99999"], "port"),
        (["run", "--export", "quint"], "--export goes with --apply"),
        (["run", "--apply", "--export", "nothing"], "An export must be one of"),
        ([], "what"),
    ],
)
def test_wrong_input_gets_one_line_and_leaves_nothing(run, made, opened, tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "cat.txt").write_text("")
    (tmp_path / "text.png").write_text("Dear colleague,")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "series.json").write_text("{}")
    (tmp_path / "s.png").write_bytes((made / "images" / "brain_s001.png").read_bytes())
    (tmp_path / "run").symlink_to(made / "run")
    before = sorted(tmp_path.rglob("*"))
    answer = run("atlalign", "label", *words)
    assert answer.code == 2
    assert len(answer.err.strip().splitlines()) == 1, answer.err
    assert expected in answer.err.lower() if expected.islower() else expected in answer.err
    assert sorted(tmp_path.rglob("*")) == before
    assert opened == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere", "o.h5"], "nowhere"),
        (["empty", "o.h5"], "registration.json"),
        (["run", "nowhere/o.h5"], "folder must exist"),
        (["run", "empty"], "must be a file"),
        (["run", "o.h5", "--shape", "big"], "--shape"),
        (["run", "o.h5", "--shape", "4,4"], "shape"),
        (["run", "o.h5", "--atlas", "no_such_atlas"], "no_such_atlas"),
        (["run", "o.h5", "--max-folded-pixels", "0"], "max-folded-pixels"),
        (["run", "o.h5", "--images", "nowhere"], "must be in a folder"),
        (["run/brain_s002", "o.h5"], "must have a corrected section"),
    ],
)
def test_from_labels_refuses_in_one_line_and_leaves_nothing(run, made, tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").symlink_to(made / "run")
    (tmp_path / "images").symlink_to(made / "images")
    before = sorted(tmp_path.rglob("*"))
    answer = run("atlalign", "dataset", "from-labels", *words, *([] if "--images" in words else ["--images", "images"]))
    assert answer.code == 2
    lines = [line for line in answer.err.strip().splitlines() if not line.startswith("Making pairs")]
    assert len(lines) == 1, answer.err
    assert expected in answer.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A result whose image lies in a folder that label does not look at, and from where the section is registered."""
    images, work = tmp_path / "data" / "images", tmp_path / "work" / "today"
    images.mkdir(parents=True)
    work.mkdir(parents=True)
    iio.imwrite(images / "s1.png", np.uint8(255 * ATLAS.reference_plane(6000)))
    monkeypatch.chdir(work)
    job, settings = SectionJob("../../data/images/s1.png", position_um=6000), BatchSettings(local_model=nothing)
    registrar = Registrar(ATLAS, local_model=nothing)
    register_job(registrar, job, RegistrationFiles("s1"), settings, Requests(ATLAS, settings))
    return images / "s1.png"


def test_a_result_opens_with_the_image_where_it_was_registered(run, elsewhere, opened):
    answer = run("atlalign", "label", "s1")
    assert answer.code == 0, answer.err
    [section] = opened[0][0].sections
    assert section.load().image.samefile(elsewhere)


def test_a_result_and_its_image_that_were_moved_together_are_found(run, elsewhere, opened, tmp_path, monkeypatch):
    (tmp_path / "copy").mkdir()
    for name in ("data", "work"):
        (tmp_path / name).rename(tmp_path / "copy" / name)
    monkeypatch.chdir(tmp_path)
    answer = run("atlalign", "label", "copy/work/today/s1")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("request_text", [None, "{}", '{"image": 3}', '{"image": {"path": 3}}', "["])
def test_an_image_that_is_nowhere_is_said_before_anything_is_served(run, elsewhere, opened, request_text):
    elsewhere.unlink()
    if request_text is not None:
        Path("s1/request.json").write_text(request_text)
    answer = run("atlalign", "label", "s1")
    assert answer.code == 2
    [line] = answer.err.strip().splitlines()
    assert "'s1.png', which is not in s1, " in line
    assert line.endswith("Name its folder with --images.")
    looked = line.partition("which is not in ")[2].partition(". Name")[0].split(", ")
    assert len({Path(folder).resolve() for folder in looked}) == len(looked)
    assert opened == []


def test_a_folder_is_served_if_any_section_can_be_shown(run, made, opened, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    (tmp_path / "copy" / "images" / "brain_s001.png").unlink()
    for file in (tmp_path / "copy" / "run").rglob("labels/*.json"):
        file.unlink()
    answer = run("atlalign", "label", tmp_path / "copy" / "run", "--images", tmp_path / "copy" / "images")
    assert answer.code == 0, answer.err
    assert len(opened) == 1

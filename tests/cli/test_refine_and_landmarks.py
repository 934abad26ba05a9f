"""`atlalign register` with --refine and --landmarks."""

import json

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from atlalign import Atlas
from atlalign.registration.files import RegistrationFiles

ATLAS = Atlas.load("phantom:100")
HEADER = "section,x,y,ap_um,dv_um,ml_um\n"


@pytest.fixture
def sections(tmp_path):
    """Two phantom planes, 80 x 114 px of 100 um."""
    paths = [tmp_path / "s1.png", tmp_path / "s2.png"]
    for path in paths:
        iio.imwrite(path, np.uint8(255 * ATLAS.reference_plane(6000)))
    return paths


@pytest.fixture
def register(run, workshop, tmp_path):
    def register(*words):
        words = (*words, "--atlas", "phantom:100", "--position-um", 6000, "--pixel-size-um", 100)
        return run(
            "atlalign", "register", *words, "--global-model", workshop / "g" / "best.keras", "--out", tmp_path / "out"
        )

    return register


def test_refinement_is_a_step_in_the_record_and_the_answer(register, sections, tmp_path):
    answer = register(sections[0], "--refine", 2, "--json")
    assert answer.code == 0, answer.err
    assert set(json.loads(answer.out)["steps"]) == {"refinement"}
    steps = RegistrationFiles(tmp_path / "out").read_record()["steps"]
    assert [step["name"] for step in steps] == ["canvas", "global", "refinement"]


def test_landmarks_move_the_labels_of_their_section_alone(register, sections, tmp_path):
    register(*sections)
    before = [tifffile.imread(tmp_path / "out" / name / "labels.tif") for name in ("s1", "s2")]
    file = tmp_path / "pairs.csv"
    file.write_text(f"{HEADER}s1.png,57,40,6000,4500,5700\n")
    answer = register(*sections, "--landmarks", file)
    assert answer.code == 0, answer.err
    after = [tifffile.imread(tmp_path / "out" / name / "labels.tif") for name in ("s1", "s2")]
    assert (after[0] != before[0]).any()
    assert (after[1] == before[1]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y,ap_um,dv_um,ml_um\n57,40,6000,4500,5700\n", "need a column section"),
        (f"{HEADER}other.png,57,40,6000,4500,5700\n", "must name a section of the call"),
        (f"{HEADER}s1.png,57,40,6000,here,5700\n", "row 2"),
    ],
)
def test_tables_that_do_not_fit_the_sections_are_refused_before_any_work(register, sections, tmp_path, text, message):
    file = tmp_path / "pairs.csv"
    file.write_text(text)
    answer = register(*sections, "--landmarks", file)
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_landmarks_that_contradict_each_other_are_refused_and_softened(register, sections, tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text(f"{HEADER}s1.png,50,40,6000,4000,6500\ns1.png,60,40,6000,4000,5000\n")
    answer = register(sections[0], "--landmarks", file)
    assert answer.code == 2
    assert "pairs 1 and 2" in answer.err
    softer = register(sections[0], "--landmarks", file, "--landmarks-smoothing", 0.1)
    assert softer.code == 0, softer.err
    assert "note: Landmarks are missed by up to" in softer.out

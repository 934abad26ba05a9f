"""`atlalign register --tilt`."""

import json

import imageio.v3 as iio
import numpy as np
import pytest

from atlalign import Atlas
from atlalign.plane_slopes import Tilt


@pytest.mark.parametrize("text", ["1", "1,2,3", "50,0", "some", ""])
def test_what_is_no_tilt_is_refused(run, tmp_path, text):
    answer = run("atlalign", "register", tmp_path, "--atlas", "phantom:200", "--tilt", text, "--out", tmp_path / "o")
    assert answer.code == 2
    assert "--tilt must be auto, none, or two angles" in answer.err


def test_an_anchoring_says_the_tilt_itself(run, tmp_path):
    (tmp_path / "a.json").write_text(
        json.dumps({"slices": [{"filename": "s1.png", "anchoring": [456, 250, 320, -456, 0, 0, 0, 0, -320]}]})
    )
    iio.imwrite(tmp_path / "s1.png", np.full((40, 57), 9, np.uint8))
    answer = run(
        *("atlalign", "register", tmp_path / "s1.png", "--atlas", "phantom:200", "--tilt", "2,3"),
        *("--anchoring", tmp_path / "a.json", "--out", tmp_path / "o"),
    )
    assert answer.code == 2
    assert "--tilt goes with --position-um" in answer.err


def test_a_section_is_registered_on_the_plane_of_its_tilt(tmp_path):
    from atlalign.registration import SectionJob
    from atlalign.registration.job_making import JobMaker, SectionOptions

    maker = JobMaker(Atlas.load("phantom:200"))
    job = maker.make(tmp_path / "s1.png", SectionOptions(position_um=6000, tilt=Tilt(2, -3)))
    assert job == SectionJob(tmp_path / "s1.png", position_um=6000, tilt=Tilt(2, -3))

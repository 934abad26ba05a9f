"""`atlalign register` of many sections: folders, manifests, failures, resuming."""

import json
from functools import partial

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest

from atlalign import Atlas

ATLAS = Atlas.load("phantom:100")


@pytest.fixture
def folder(tmp_path):
    """Two phantom planes, 80 x 114 px of 100 um, a text that is called an image, and another text."""
    folder = tmp_path / "brain"
    folder.mkdir()
    for number in (2, 10):
        iio.imwrite(folder / f"x_s{number:03d}.png", np.uint8(255 * ATLAS.reference_plane(5000 + 100 * number)))
    (folder / "x_s011.png").write_text("Dear colleague,")
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.fixture
def register(run, workshop, tmp_path):
    common = ("--atlas", "phantom:100", "--global-model", workshop / "g" / "best.keras", "--out", tmp_path / "out")
    return partial(run, "atlalign", "register", *common)


@pytest.fixture
def sections_csv(tmp_path):
    return lambda: pd.read_csv(tmp_path / "out" / "sections.csv", keep_default_na=False)


def test_a_folder_stands_for_its_images(register, folder, sections_csv, tmp_path):
    (folder / "x_s011.png").unlink()
    answer = register(folder, "--position-um", 6000, "--report")
    assert answer.code == 0, answer.err
    assert sections_csv()["out"].tolist() == ["x_s002", "x_s010"]
    assert (tmp_path / "out" / "x_s010" / "labels.tif").is_file()
    assert (tmp_path / "out" / "report.html").read_text().count("<section") == 2


def test_a_section_that_fails_does_not_stop_the_rest_and_the_exit_code_says_so(register, folder, sections_csv):
    iio.imwrite(folder / "x_s012.png", iio.imread(folder / "x_s010.png"))
    answer = register(folder, "--position-um", 6000)
    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith("Error: 1 of 4 sections could not be registered: x_s011.png. ")
    assert "sections.csv" in answer.err.splitlines()[-1]
    assert "x_s011.png: failed. A section must be" in answer.err
    assert "Traceback" not in answer.err
    assert sections_csv()["state"].tolist() == ["done", "done", "failed", "done"]


def test_the_same_call_does_what_is_missing_and_reports_on_all(register, folder, tmp_path):
    register(folder, "--position-um", 6000)
    iio.imwrite(folder / "x_s011.png", iio.imread(folder / "x_s010.png"))
    answer = register(folder, "--position-um", 6000, "--report")
    assert answer.code == 0, answer.err
    assert answer.out.count("results in") == 1
    assert "2 of 3 sections were done before. Do them again with --redo." in answer.err
    assert (tmp_path / "out" / "report.html").read_text().count("<section") == 3
    assert register(folder, "--position-um", 6000, "--redo").out.count("results in") == 3


def test_json_is_a_line_a_section_whatever_became_of_it(register, folder):
    for _ in range(2):
        lines = [json.loads(line) for line in register(folder, "--position-um", 6000, "--json").out.splitlines()]
        assert [line["state"] for line in sorted(lines, key=lambda line: line["section"])] == ["done", "done", "failed"]
        assert all(bool(line["quality"]) == (line["error"] is None) for line in lines)
    assert [line["earlier"] for line in lines].count(True) == 2


def test_a_manifest_says_what_each_section_is(register, folder, sections_csv, tmp_path):
    iio.imwrite(tmp_path / "mask.png", np.full((80, 114), 255, np.uint8))
    manifest = tmp_path / "brain.csv"
    manifest.write_text("section,position_um,mask,out\nbrain/x_s002.png,5200,,front/a\nbrain/x_s010.png,,mask.png,\n")
    answer = register("--manifest", manifest, "--position-um", 6000)
    assert answer.code == 0, answer.err
    table = sections_csv()
    assert table["out"].tolist() == ["front/a", "x_s010"]
    assert table["position_um"].tolist() == [5200, 6000]
    assert table["position_from"].tolist() == ["given", "given"]


def test_without_a_position_one_is_searched_for(register, folder, sections_csv):
    answer = register(folder / "x_s010.png", "--pixel-size-um", 100)
    assert answer.code == 0, answer.err
    assert "position 60" in answer.out
    assert " um (found), tissue overlap" in answer.out


def test_sections_of_a_series_are_placed_together(register, folder, sections_csv):
    iio.imwrite(folder / "x_s020.png", np.uint8(255 * ATLAS.reference_plane(7000)))
    answer = register(folder, "--series", "--pixel-size-um", 100)
    assert answer.code == 2
    assert "um from one section number to the next, front to back" in answer.err
    table = sections_csv()
    assert table["state"].tolist() == ["done", "done", "failed", "done"]
    found = table[table["state"] == "done"]
    assert set(found["position_from"]) == {"series"}
    assert np.abs(found["position_um"].astype(float) - [5200, 6000, 7000]).max() < 200
    assert "3 of 4 sections were done before" in register(folder, "--series", "--pixel-size-um", 100).err


def test_a_folder_of_masks_goes_with_sections_of_the_same_names(register, folder, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    left = np.zeros((80, 114), np.uint8)
    left[:, :57] = 1
    iio.imwrite(masks / "x_s010.png", left)
    (folder / "x_s011.png").unlink()
    assert register(folder, "--position-um", 6000, "--mask", masks).code == 0
    sides = [iio.imread(tmp_path / "out" / name / "labels.tif")[:, 60:].any() for name in ("x_s002", "x_s010")]
    assert sides == [True, False]


def test_images_that_an_anchoring_does_not_name_fail_where_nobody_named_them(register, folder, sections_csv):
    anchoring = [0, 290, 320, 456, 0, 0, 0, 0, -320]
    series = folder / "series.json"
    series.write_text(json.dumps({"slices": [{"filename": "x_s010.png", "anchoring": anchoring}]}))
    answer = register(folder, "--anchoring", series)
    assert answer.code == 2
    assert sections_csv()["state"].tolist() == ["failed", "done", "failed"]
    assert "does not say where it lies" in sections_csv()["error"][0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "Give sections or folders of them, or --manifest"),
        (("brain", "--manifest", "brain.csv"), "Received: both"),
        (("brain", "--position-um", 1, "--anchoring", "x.json"), "--position-um and --anchoring"),
        (("brain", "--auto-orient", "--anchoring", "x.json"), "--auto-orient goes without an anchoring"),
        (("brain", "--series", "--position-um", 1), "--series searches for positions"),
        (("brain/x_s002.png", "--series"), "--series goes with several sections"),
        (("brain/x_s002.png", "--dask", "tcp://x:1"), "--dask goes with several sections"),
        (("brain", "--mask", "brain/x_s002.png"), "must be in a folder"),
        (("brain", "--mask", "empty"), "must hold images"),
        (("empty",), "must hold images"),
        (("brain", "none.png"), "none.png"),
        (("brain", "brain"), "need different names"),
        (("brain/x_s002.png", "brain/x_s011.png", "--position-um", 6000), "x_s011.png, which holds none"),
        (("--manifest", "none.csv"), "none.csv"),
        (("--manifest", "typo.csv"), "Did you mean position_um?"),
        (("brain", "--dask="), "--dask"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_from_the_start_is_refused_before_any_work(
    register, folder, tmp_path, monkeypatch, words, expected
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "typo.csv").write_text("section,positon_um\nbrain/x_s002.png,1\n")
    answer = register(*words)
    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_ctrl_c_ends_with_a_line_that_says_how_to_go_on(register, folder, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("atlalign.registration.batch_worker.register_job", interrupt)
    answer = register(folder, "--position-um", 6000)
    assert answer.code == 130
    assert answer.err.splitlines()[-1] == (
        "Interrupted: at least 0 of 3 sections are done. The same call does the rest."
    )

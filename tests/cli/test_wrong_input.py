"""Wrong input gets one line and exit code 2, and nothing is written."""

import json

import h5py
import imageio.v3 as iio
import keras
import numpy as np
import pytest

from atlalign.dataset import Attributes, create_dataset


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.h5"
    with create_dataset(path, 4, (32, 48), Attributes(atlas="phantom:100")) as file:
        file["img"][:] = 100
        file["p"][:] = 6000
        file["image_id"][:] = np.arange(4)
        width, height = 11400, 8000
        file["corners_um"][:] = [
            [6000, 0, 0],
            [6000, 0, width],
            [6000, height, 0],
            [6000, height, width],
        ]
    return path


@pytest.fixture
def section(tmp_path):
    path = tmp_path / "section.png"
    image = np.zeros((60, 80), np.uint8)
    image[15:45, 20:60] = 200
    iio.imwrite(path, image)
    return path


def assert_refused(answer, folder, before, *expected):
    lines = answer.err.strip().splitlines()
    assert answer.code == 2, answer.err
    assert len(lines) == 1, answer.err
    assert lines[0].startswith("Error: ")
    for text in expected:
        assert text in lines[0]
    assert sorted(folder.rglob("*")) == before


def refused_register(run, tmp_path, *words, expected=()):
    before = sorted(tmp_path.rglob("*"))
    answer = run("atlalign", "register", "--atlas", "phantom:100", "--out", tmp_path / "out", *words)
    assert_refused(answer, tmp_path, before, *expected)


def refused_training(run, tmp_path, *words, expected=()):
    before = sorted(tmp_path.rglob("*"))
    answer = run("atlalign-train", "global", "--out", tmp_path / "run", *words)
    assert_refused(answer, tmp_path, before, *expected)


def test_missing_section(run, tmp_path):
    refused_register(run, tmp_path, tmp_path / "none.tif", "--position-um", 6000, expected=["none.tif"])


def test_position_with_a_decimal_comma(run, tmp_path, section):
    expected = ["'--position-um'", "must be a number of um, with a point", "Received: 5,4"]
    refused_register(run, tmp_path, section, "--position-um", "5,4", expected=expected)


def test_position_outside_the_atlas(run, tmp_path, section):
    refused_register(
        run,
        tmp_path,
        section,
        "--position-um",
        20000,
        expected=["position_um must satisfy 0 <= position_um < 13200", "Received: 20000"],
    )


def test_text_file_named_png(run, tmp_path):
    (tmp_path / "text.png").write_text("Dear colleague,")
    refused_register(run, tmp_path, tmp_path / "text.png", "--position-um", 6000, expected=["text.png"])


def test_empty_image_file(run, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    refused_register(run, tmp_path, tmp_path / "empty.png", "--position-um", 6000, expected=["empty.png"])


def test_truncated_image(run, tmp_path, section):
    section.write_bytes(section.read_bytes()[:80])
    refused_register(run, tmp_path, section, "--position-um", 6000, expected=["section.png"])


@pytest.mark.parametrize("size", ["wide", "0", "-3", "nan", "1,2,3"])
def test_pixel_size_that_is_none(run, tmp_path, section, size):
    refused_register(run, tmp_path, section, "--position-um", 6000, f"--pixel-size-um={size}", expected=["Received"])


def test_model_of_another_architecture(run, tmp_path, section):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save(tmp_path / "other.keras")
    refused_register(
        run,
        tmp_path,
        section,
        "--position-um",
        6000,
        "--global-model",
        tmp_path / "other.keras",
        expected=["A global model must take pairs", "(None, 4)"],
    )


def test_model_that_is_no_model(run, tmp_path, section):
    (tmp_path / "bad.keras").write_text("not a model")
    refused_register(
        run,
        tmp_path,
        section,
        "--position-um",
        6000,
        "--local-model",
        tmp_path / "bad.keras",
        expected=["bad.keras"],
    )


def test_section_that_the_anchoring_file_does_not_name(run, tmp_path, section):
    anchoring = [0, 300, 320, 456, 0, 0, 0, 0, -320]
    series = {"slices": [{"filename": "x.png", "width": 9, "height": 9, "anchoring": anchoring}]}
    (tmp_path / "series.json").write_text(json.dumps(series))
    refused_register(
        run,
        tmp_path,
        section,
        "--anchoring",
        tmp_path / "series.json",
        expected=["section.png", "series.json"],
    )


def test_a_series_of_which_the_last_section_is_blank(run, tmp_path, section):
    iio.imwrite(tmp_path / "blank.png", np.full((60, 80), 250, np.uint8))
    words = section, tmp_path / "blank.png", "--position-um", 6000
    refused_register(run, tmp_path, *words, expected=["must show tissue", "blank.png"])


def test_an_output_that_is_a_file(run, tmp_path, section):
    other = tmp_path / "other.png"
    other.write_bytes(section.read_bytes())
    (tmp_path / "out").write_text("mine")
    expected = ["The output must be a folder", str(tmp_path / "out")]
    refused_register(run, tmp_path, section, "--position-um", 6000, expected=expected)
    refused_register(run, tmp_path, section, other, "--position-um", 6000, expected=expected)
    (tmp_path / "out").unlink()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "section").write_text("mine")
    expected = ["The output must be a folder", str(tmp_path / "out" / "section")]
    refused_register(run, tmp_path, other, section, "--position-um", 6000, expected=expected)


def test_a_result_that_is_a_folder(run, tmp_path, section):
    (tmp_path / "out" / "labels.tif").mkdir(parents=True)
    refused_register(run, tmp_path, section, "--position-um", 6000, expected=["must be a file", "labels.tif"])


def test_pixel_size_with_an_anchoring(run, tmp_path, section):
    anchoring = [0, 300, 320, 456, 0, 0, 0, 0, -320]
    series = {"slices": [{"filename": "section.png", "width": 80, "height": 60, "anchoring": anchoring}]}
    (tmp_path / "series.json").write_text(json.dumps(series))
    words = section, "--anchoring", tmp_path / "series.json", "--pixel-size-um", 10
    refused_register(run, tmp_path, *words, expected=["--pixel-size-um", "implies its own"])


@pytest.mark.parametrize(
    "option", ["--pixel-size-um", "--out", "--atlas", "--anchoring", "--global-model", "--local-model"]
)
def test_an_option_that_is_empty(run, tmp_path, section, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    refused_register(run, tmp_path, section, "--position-um", 6000, f"{option}=", expected=[option, "Received: ''"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("simulate", "--atlas", "phantom:100", "--n", 1, "--shape", "", "x.h5"), "--shape"),
        (("simulate", "--atlas", "", "--n", 1, "x.h5"), "--atlas"),
        (("simulate", "--atlas", "phantom:100", "--n", 1, ""), "OUT.h5"),
        (("simulate", "--atlas", "phantom:100", "--n", 1, "--shape", "100000,100000", "x.h5"), "px in all at most"),
        (("simulate", "--atlas", "phantom:100", "--n", 1, "--shape", "15,40", "x.h5"), "at least 16 px"),
        (("simulate", "--atlas", "phantom:100", "--n", 1, "--deformation", "rigid", "x.h5"), "affine, local, both"),
        (("augment", "data.h5", ""), "OUT.h5"),
        (("augment", "", "x.h5"), "IN.h5"),
        (("augment", "data.h5", "x.h5", "--dask", ""), "--dask"),
        (("check", ""), "FILE.h5"),
    ],
)
def test_datasets_are_not_begun_on_wrong_input(run, tmp_path, data, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert_refused(run("atlalign", "dataset", *words), tmp_path, before, expected)


def test_atlas_that_does_not_exist(run, tmp_path, section):
    before = sorted(tmp_path.rglob("*"))
    answer = run("atlalign", "register", section, "--atlas", "phantasm", "--position-um", 1, "--out", tmp_path / "out")
    assert_refused(answer, tmp_path, before, "phantasm")


def test_missing_dataset(run, tmp_path):
    refused_training(run, tmp_path, tmp_path / "none.h5", expected=["none.h5"])


def test_truncated_dataset(run, tmp_path, data):
    data.write_bytes(data.read_bytes()[:5000])
    refused_training(run, tmp_path, data, expected=["whole HDF5 file"])


def test_dataset_of_another_shape(run, tmp_path, data):
    with h5py.File(data, "r+") as file:
        del file["deltas_xy"]
        file["deltas_xy"] = np.zeros((4, 32, 40, 2), np.float16)
    refused_training(run, tmp_path, data, expected=["'deltas_xy' must have shape (4, 32, 48, 2)"])


def test_field_that_is_not_finite(run, tmp_path, data):
    with h5py.File(data, "r+") as file:
        file["inv_deltas_xy"][2, 5, 5] = np.nan
    refused_training(run, tmp_path, data, expected=["sample 2", "not finite"])


def test_unknown_loss(run, tmp_path, data):
    refused_training(run, tmp_path, data, "--losses", "nccc,grad", expected=["'nccc'", "ncc_9"])


def test_unknown_optimizer(run, tmp_path, data):
    refused_training(run, tmp_path, data, "--optimizer", "adamant", expected=["adamant"])


@pytest.mark.parametrize(
    "words",
    [("--epochs", "0"), ("--learning-rate", "-1"), ("--validation-share", "2"), ("--augmenter-mov", "x")],
)
def test_settings_out_of_range(run, tmp_path, data, words):
    refused_training(run, tmp_path, data, *words, expected=[words[0]])


def test_resuming_what_was_never_started(run, tmp_path, data):
    refused_training(run, tmp_path, data, "--resume", expected=["without --resume"])


def test_simulating_into_a_missing_folder(run, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    answer = run("atlalign", "dataset", "simulate", "--atlas", "phantom", "--n", 3, tmp_path / "no" / "x.h5")
    assert_refused(answer, tmp_path, before, "mkdir -p")


def test_checking_a_dataset_with_faults_lists_them(run, data):
    with h5py.File(data, "r+") as file:
        file["deltas_xy"][1, 0, 0] = np.inf
    answer = run("atlalign", "dataset", "check", data)
    assert answer.code == 2
    assert answer.out.startswith("sample 1: 'deltas_xy' is not finite")


def test_the_demo_leaves_a_full_folder_alone(run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert_refused(run("atlalign", "demo", tmp_path), tmp_path, before, "new or empty folder")


def test_a_traceback_appears_only_for_developers(run, tmp_path, monkeypatch):
    monkeypatch.setenv("ATLALIGN_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        run("atlalign", "dataset", "check", tmp_path / "none.h5")

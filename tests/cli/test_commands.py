"""The commands end to end, and what they write."""

import json
import subprocess
import sys
import tomllib

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

from atlalign import Atlas, DisplacementField
from atlalign.ml_utils.models import load_model


@pytest.fixture
def section(tmp_path):
    """A phantom plane on a bright background, 160 x 228 px of 50 um."""
    plane = Atlas.load("phantom:50").reference_plane(6000)
    path = tmp_path / "section.png"
    iio.imwrite(path, np.uint8(255 - 255 * plane))
    return path


def models(workshop):
    return "--global-model", workshop / "g" / "best.keras", "--local-model", workshop / "l" / "best.keras"


def register(run, workshop, out, *words):
    return run(
        "atlalign", "register", *words, "--atlas", "phantom:100", "--position-um", 6000, "--pixel-size-um", 50,
        "--out", out, *models(workshop),
    )  # fmt: skip


def test_training_leaves_models_history_curves_and_configuration(workshop):
    for kind in ("g", "l"):
        names = {path.name for path in (workshop / kind).iterdir()}
        assert names == {
            *("config.toml", "provenance.json", "history.csv", "curves.png", "batch.png", "preview.png"),
            *("best.keras", "last.keras"),
        }
    history = pd.read_csv(workshop / "g" / "history.csv")
    assert history["epoch"].tolist() == [1]
    assert np.isfinite(history["val_dvf_endpoint_error"]).all()
    assert tomllib.loads((workshop / "l" / "config.toml").read_text())["losses"] == [
        "ncc_9",
        "vector_distance",
        "vector_distance",
    ]


def test_trained_models_are_of_the_datasets_size(workshop):
    assert load_model(workshop / "g" / "best.keras").input_shape == (None, 80, 114, 2)


def test_register_writes_every_output(run, workshop, section, tmp_path):
    answer = register(run, workshop, tmp_path / "out", section)
    assert answer.code == 0, answer.err
    out = tmp_path / "out"
    labels = tifffile.imread(out / "labels.tif")
    assert labels.shape == (160, 228)
    assert labels.dtype == np.uint32
    assert set(np.unique(labels)) <= {0, *Atlas.load("phantom:100").structures}
    assert tifffile.imread(out / "registered.tif").shape == (80, 114)
    field, inverse = (DisplacementField.from_file(out / name) for name in ("deltas_xy.npy", "inv_deltas_xy.npy"))
    assert field.shape == inverse.shape == (80, 114)
    areas = pd.read_csv(out / "structures.csv")
    assert areas["total_area_mm2"].sum() == pytest.approx((labels > 0).sum() * 0.05**2, rel=1e-6)
    assert iio.imread(out / "overlay.png").ndim == 3
    record = json.loads((out / "registration.json").read_text())
    assert [step["name"] for step in record["steps"]] == ["canvas", "global", "local"]


def test_several_sections_get_a_folder_each(run, workshop, section, tmp_path):
    other = section.with_name("other.png")
    other.write_bytes(section.read_bytes())
    answer = register(run, workshop, tmp_path / "out", section, other)
    assert answer.code == 0, answer.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["other", "section", "sections.csv"]


def test_json_answer_is_one_object_a_section(run, workshop, section, tmp_path):
    answer = register(run, workshop, tmp_path / "out", section, "--json")
    quality = json.loads(answer.out)["quality"]
    assert 0 <= quality["tissue_overlap_after"]["value"] <= 1
    assert quality["background"]["value"] == "bright"


def test_files_of_others_in_the_output_folder_stay(run, workshop, section, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert register(run, workshop, tmp_path / "out", section).code == 0
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_resuming_ends_where_an_uninterrupted_run_ends(run, workshop, tmp_path):
    common = ("--seed", 3, "--validation-share", 0.2, "--augmenter-mov", "augmenter_1", "--batch-size", 4)
    data = workshop / "g.h5"
    assert run("atlalign-train", "global", data, "--out", tmp_path / "whole", "--epochs", 3, *common).code == 0
    assert run("atlalign-train", "global", data, "--out", tmp_path / "parts", "--epochs", 1, *common).code == 0
    answer = run("atlalign-train", "global", data, "--out", tmp_path / "parts", "--epochs", 3, "--resume")
    assert answer.code == 0, answer.err
    whole, parts = (pd.read_csv(tmp_path / name / "history.csv") for name in ("whole", "parts"))
    assert parts["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(parts["loss"], whole["loss"], rtol=1e-3)
    np.testing.assert_allclose(parts["val_loss"], whole["val_loss"], rtol=1e-3)


def test_resuming_with_another_setting_is_refused_by_name(run, workshop):
    answer = run("atlalign-train", "global", workshop / "g.h5", "--out", workshop / "g", "--resume", "--seed", 9)
    assert answer.code == 2
    assert "seed=9" in answer.err


def test_a_run_is_not_overwritten(run, workshop):
    answer = run("atlalign-train", "global", workshop / "g.h5", "--out", workshop / "g")
    assert answer.code == 2
    assert "--resume" in answer.err


def test_dataset_check_answers_in_words_and_in_json(run, workshop):
    assert run("atlalign", "dataset", "check", workshop / "g.h5").out.endswith("no faults\n")
    answer = run("atlalign", "dataset", "check", workshop / "g.h5", "--json")
    assert json.loads(answer.out)["faults"] == []


def test_atlas_info_says_which_positions_there_are(run):
    assert "0 <= position_um < 13200" in run("atlalign", "atlas", "info", "phantom").out
    facts = json.loads(run("atlalign", "atlas", "info", "phantom:100", "--json").out)
    assert facts["shape"] == [132, 80, 114]


def test_atlas_list_names_the_phantom(run):
    assert "phantom" in json.loads(run("atlalign", "atlas", "list", "--json").out)


@pytest.mark.parametrize(
    "words",
    [
        ("atlalign", "atlas", "info"),
        ("atlalign", "atlas", "list"),
        ("atlalign", "register"),
        ("atlalign", "points"),
        ("atlalign", "demo"),
        ("atlalign", "evaluate"),
        ("atlalign", "weights", "fetch"),
        ("atlalign", "dataset", "simulate"),
        ("atlalign", "dataset", "check"),
        ("atlalign", "train", "global"),
        ("atlalign-train", "global"),
        ("atlalign-train", "local"),
    ],
)
def test_help_of_each_command_has_an_example(run, words):
    answer = run(*words, "--help")
    assert answer.code == 0
    assert "Example: atlalign" in answer.out


def test_importing_the_package_and_its_commands_loads_no_keras():
    code = "import sys, atlalign, atlalign.cli; print({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "set()"

"""`atlalign evaluate`: what it prints and writes, which pairs it takes, how it answers wrong input."""

import csv
import json
import sys

import h5py
import numpy as np
import pytest

from atlalign.ml_utils.models import merge_global_local, save_model
from atlalign.nn import supervised_global_model_factory, supervised_model_factory
from atlalign.simulate import simulate_dataset
from atlalign.training import TrainingConfig, fit
from atlalign.weights import default_models

SHAPE = (48, 64)
DEPTHS = ("--depths", "0,4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with pairs, of two sizes, and models that learned nothing."""
    folder = tmp_path_factory.mktemp("evaluate")
    simulate_dataset(folder / "pairs.h5", "phantom:100", n=5, shape=SHAPE, random_state=0)
    simulate_dataset(folder / "small.h5", "phantom:100", n=2, shape=(32, 48), random_state=0)
    model_g = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=SHAPE)
    model_l = supervised_model_factory(*[(2,)] * 5, compute_inv=True, shape=SHAPE)
    merged = merge_global_local(model_g, model_l)
    for name, model in (("g", model_g), ("l", model_l), ("m", merged)):
        save_model(model, folder / f"{name}.keras", separate=False)
    save_model(model_g, folder / "g_folder")
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    """A run that kept two of the five pairs."""
    config = TrainingConfig(
        kind="global", data=folder / "pairs.h5", out=folder / "run", epochs=1, validation_share=0.4,
        filters=(2,), dense_layers=(2,), losses=("mse", "mse_po"), workers=0,
    )  # fmt: skip
    fit(config)
    return config.out


def evaluate(run, *words):
    return run("atlalign", "evaluate", *words)


def summary_of(answer):
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


@pytest.mark.parametrize(
    ("models", "methods"),
    [
        (["g.keras"], ["identity", "global"]),
        (["g_folder"], ["identity", "global"]),
        (["l.keras"], ["identity", "local"]),
        (["g.keras", "l.keras"], ["identity", "global", "global+local"]),
        (["l.keras", "g.keras"], ["identity", "global", "global+local"]),
        (["m.keras"], ["identity", "merged"]),
    ],
)
def test_each_kind_of_model_stands_beside_the_identity(run, folder, models, methods):
    words = [folder / name for name in models]
    answer = summary_of(evaluate(run, *words, folder / "pairs.h5", *DEPTHS, "--pairs", 1, "--json"))
    assert list(answer["methods"]) == methods
    assert answer["models"] == [str(word) for word in words]
    assert answer["pairs"] == 1
    assert answer["depths"] == [0, 4]


def test_table_files_and_json_say_the_same(run, folder, tmp_path):
    words = folder / "g.keras", folder / "pairs.h5", *DEPTHS
    answer = evaluate(run, *words, "--out", tmp_path / "scores")
    assert answer.code == 0, answer.err
    written = json.loads((tmp_path / "scores" / "summary.json").read_text())
    printed = summary_of(evaluate(run, *words, "--json"))
    for values in (written, printed):
        for method in values["methods"].values():
            method.pop("seconds_median")
    assert written == printed
    with open(tmp_path / "scores" / "summary.csv", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    error = written["methods"]["global"]["endpoint_error_um"]
    assert float(rows["global"]["endpoint_error_um_mean"]) == error["mean"]
    (line,) = (line for line in answer.out.splitlines() if line.startswith("vector distance, um"))
    assert line.endswith(f"{error['mean']:.1f} ± {error['std']:.1f}")
    with open(tmp_path / "scores" / "per_pair.csv", newline="") as file:
        lengths = [float(row["endpoint_error_px"]) for row in csv.DictReader(file) if row["method"] == "identity"]
    with h5py.File(folder / "pairs.h5") as file:
        labels = file["deltas_xy"][:].astype(np.float64)
    assert lengths == pytest.approx(np.linalg.norm(labels, axis=-1).mean(axis=(1, 2)), rel=1e-6)
    assert answer.out.splitlines()[-1] == f"Results in {tmp_path / 'scores'}"
    for name in ("dice.png", "endpoint_error.png"):
        assert (tmp_path / "scores" / name).read_bytes().startswith(b"\x89PNG")


def test_several_datasets_are_one(run, folder):
    data = folder / "pairs.h5"
    answer = summary_of(evaluate(run, folder / "g.keras", data, data, *DEPTHS, "--json"))
    assert answer["pairs"] == 10
    assert answer["data"] == [str(data)] * 2


def test_a_run_is_evaluated_on_the_pairs_that_it_did_not_train_on(run, trained):
    answer = summary_of(evaluate(run, "--run", trained, *DEPTHS, "--json"))
    assert answer["pairs"] == 2
    assert answer["models"] == [str(trained / "best.keras")]
    assert answer["run"] == str(trained)
    assert answer["notes"] == []


def test_who_evaluates_on_training_pairs_is_told(run, folder, trained):
    answer = evaluate(run, trained / "best.keras", folder / "pairs.h5", *DEPTHS, "--json")
    (note,) = summary_of(answer)["notes"]
    assert "trained on 3 of these 5 pairs" in note
    assert answer.err.strip() == f"Note: {note}"


def test_other_models_are_evaluated_on_the_pairs_of_a_run(run, folder, trained):
    answer = summary_of(evaluate(run, folder / "l.keras", "--run", trained, *DEPTHS, "--json"))
    assert list(answer["methods"]) == ["identity", "local"]
    assert answer["pairs"] == 2


def test_default_names_both_networks_that_come_with_the_package(run, folder):
    answer = summary_of(evaluate(run, "default", folder / "pairs.h5", *DEPTHS, "--pairs", 1, "--json"))
    assert list(answer["methods"]) == ["identity", "global", "global+local"]
    assert answer["models"] == [str(default_models()[kind]) for kind in ("global", "local")]


def test_a_baseline_needs_no_model(run, folder):
    answer = summary_of(evaluate(run, folder / "pairs.h5", "--baseline", "features", *DEPTHS, "--json"))
    assert list(answer["methods"]) == ["identity", "features"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ["a dataset, DATA.h5", "Received: nothing"]),
        ("g.keras", ["a dataset, DATA.h5", "Received: g.keras"]),
        ("pairs.h5", ["a model or a --baseline", "Received: pairs.h5"]),
        ("none.keras pairs.h5", ["must be an existing file or folder", "none.keras"]),
        ("g.keras none.h5", ["The dataset must be an existing file", "none.h5"]),
        ("g.keras pairs.h5 small.h5", ["one size", "(48, 64)", "(32, 48)"]),
        ("l.keras l.keras pairs.h5", ["a global and a local one", "l.keras (local)"]),
        ("m.keras g.keras pairs.h5", ["a global and a local one", "m.keras (merged)"]),
        ("g.keras l.keras m.keras pairs.h5", ["a global and a local one"]),
        ("text.keras pairs.h5", ["text.keras"]),
        ("text.h5 g.keras", ["whole HDF5 file", "text.h5"]),
        ("g.keras pairs.h5 --depths deep", ["--depths must be numbers", "'deep'"]),
        ("g.keras pairs.h5 --depths -1", ["at least 0"]),
        ("g.keras pairs.h5 --pairs 0", ["--pairs"]),
        ("g.keras pairs.h5 --baseline antz", ["ants, elastix, features", "'antz'"]),
        ("g.keras pairs.h5 --atlas phantasm", ["phantasm"]),
        ("g.keras pairs.h5 --atlas=", ["--atlas", "Received: ''"]),
        ("g.keras pairs.h5 --out=", ["--out", "Received: ''"]),
        ("g.keras pairs.h5 --out pairs.h5", ["must be a folder", "pairs.h5"]),
        ("--run none", ["config.toml", "none"]),
        ("--run run small.h5", ["datasets that it was given", "small.h5"]),
    ],
)
def test_wrong_input_gets_one_line_and_nothing_is_written(run, folder, trained, monkeypatch, words, expected):
    monkeypatch.chdir(folder)
    for name in ("text.keras", "text.h5"):
        (folder / name).write_text("Dear colleague,")
    before = sorted(folder.rglob("*"))
    answer = evaluate(run, *words.split())
    assert answer.code == 2, answer.out
    (line,) = answer.err.strip().splitlines()
    assert line.startswith("Error: ")
    for text in expected:
        assert text in line
    assert answer.out == ""
    assert sorted(folder.rglob("*")) == before


def test_a_missing_extra_is_named_before_any_work(run, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ants", None)
    answer = evaluate(run, folder / "none.keras", folder / "none.h5", "--baseline", "ants")
    assert answer.code == 2
    assert answer.err.strip().endswith("Run: pip install 'atlalign[ants]'")


def test_its_help_has_examples(run):
    assert "Example: atlalign evaluate" in evaluate(run, "--help").out

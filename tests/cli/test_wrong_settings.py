"""Settings of a training that make no sense are refused in one line, before anything is written."""

import pytest

from atlalign.simulate import simulate_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=4, shape=(48, 64), random_state=0)
    return path


@pytest.mark.parametrize(
    "words",
    [
        ("--losses-weights", "1,nan"),
        ("--losses-weights", "0,0"),
        ("--losses-weights", "1,-1"),
        ("--losses-weights", "1,2,3,4"),
        ("--losses", "mse"),
        ("--optimizer", "Optimizer"),
        ("--learning-rate", "inf"),
        ("--atlas", ""),
    ],
    ids=" ".join,
)
def test_refused(run, tmp_path, data, words):
    answer = run("atlalign-train", "global", data, "--out", tmp_path / "run", *words)
    assert answer.code == 2
    assert answer.err.startswith("Error: ")
    assert len(answer.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_empty_run_folder_is_not_the_current_one(run, tmp_path, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = run("atlalign-train", "global", data, "--out", "")
    assert answer.code == 2
    assert "must not be empty" in answer.err
    assert not list(tmp_path.iterdir())


def test_a_rate_that_makes_the_loss_diverge_is_named(run, tmp_path, data):
    answer = run(
        "atlalign-train", "local", data, "--out", tmp_path / "run", "--optimizer", "sgd", "--learning-rate", "1e30"
    )
    assert answer.code == 2
    assert "Traceback" not in answer.err
    *_, last = answer.err.strip().splitlines()  # before it TensorFlow may say what it likes
    assert last.startswith("Error: The ")
    assert "Lower the learning rate" in last

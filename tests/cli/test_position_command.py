"""`atlalign-train position`."""

import pandas as pd
import pytest

from atlalign.simulate import simulate_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=6, shape=(48, 64), random_state=0)
    return path


def test_it_trains_and_names_the_model(run, tmp_path, data):
    answer = run(
        *("atlalign-train", "position", data, "--out", tmp_path / "run", "--epochs", 1, "--filters", "2,2"),
        *("--workers", 0, "--validation-share", 0.3),
    )
    assert answer.code == 0
    assert str(tmp_path / "run" / "best.keras") in answer.out
    assert "val_position_error_um" in pd.read_csv(tmp_path / "run" / "history.csv")


@pytest.mark.parametrize("words", [("--losses", "mse,mse_po"), ("--preset", "paper"), ("--passes", "2")], ids=" ".join)
def test_options_of_registration_networks_are_not_its_own(run, tmp_path, data, words):
    answer = run("atlalign-train", "position", data, "--out", tmp_path / "run", *words)
    assert answer.code == 2
    assert not (tmp_path / "run").exists()

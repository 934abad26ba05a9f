"""Which pairs a run did not train on."""

import json
import shutil

import h5py
import numpy as np
import pytest

from atlalign.errors import InvalidFileError
from atlalign.pairs import PairSource
from atlalign.simulate import simulate_dataset
from atlalign.training import TrainingConfig
from atlalign.training.config_file import write_config
from atlalign.training.data import open_data
from atlalign.training.held_out import cautions, held_out_pairs
from atlalign.training.provenance import sha256_of


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=10, shape=(32, 48), random_state=0)
    return path


@pytest.fixture
def run(data, tmp_path):
    """A function that makes the folder of a run, without the training."""

    def make(name="run", **changes):
        settings = {"kind": "global", "data": data, "out": tmp_path / name, "validation_share": 0.3, "seed": 4}
        config = TrainingConfig(**{**settings, **changes})
        config.out.mkdir()
        write_config(config.out / "config.toml", config)
        checksums = {str(path): sha256_of(path) for path in config.data}
        (config.out / "provenance.json").write_text(json.dumps({"data": checksums}))
        return config

    return make


def test_they_are_the_pairs_that_training_validates_on(run):
    config = run()
    trained = open_data(config, list)
    held_out = held_out_pairs(config.out)
    assert held_out.indexes.tolist() == sorted(trained.validation.indexes)
    assert not set(held_out.indexes) & set(trained.training.indexes)
    assert len(held_out.source) == 10
    trained.close()


def test_the_models_are_the_best_one_and_what_comes_before_it(run, tmp_path):
    assert held_out_pairs(run().out).models == [tmp_path / "run" / "best.keras"]
    local = run("local", kind="local", global_model=tmp_path / "run" / "best.keras")
    assert held_out_pairs(local.out).models == [tmp_path / "run" / "best.keras", tmp_path / "local" / "best.keras"]


def test_a_run_that_was_moved_is_found_where_it_is(run, tmp_path):
    shutil.move(run().out, tmp_path / "elsewhere")
    assert held_out_pairs(tmp_path / "elsewhere").models == [tmp_path / "elsewhere" / "best.keras"]


def test_datasets_that_were_moved_can_be_given(run, data, tmp_path):
    config = run()
    moved = tmp_path / "moved.h5"
    shutil.copy(data, moved)
    held_out = held_out_pairs(config.out, [moved])
    assert held_out.source.paths == [moved]
    assert held_out.indexes.tolist() == held_out_pairs(config.out).indexes.tolist()


def test_datasets_that_changed_are_refused(run, data, tmp_path):
    config = run()
    changed = tmp_path / "changed.h5"
    shutil.copy(data, changed)
    with h5py.File(changed, "r+") as file:
        file["image_id"][0] = 77
    with pytest.raises(InvalidFileError, match=r"only in the datasets that it was given.*changed\.h5") as caught:
        held_out_pairs(config.out, [changed])
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no config\.toml"):
        held_out_pairs(tmp_path)


def test_a_run_that_trained_on_all_has_nothing_to_evaluate_on(run):
    with pytest.raises(ValueError, match=r"validation_share 0"):
        held_out_pairs(run(validation_share=0).out)


def test_a_model_that_saw_the_pairs_is_named_with_their_number(run, data):
    config = run()
    validation = held_out_pairs(config.out).indexes
    training = np.setdiff1d(np.arange(10), validation)
    model, source = config.out / "best.keras", PairSource([data])
    (caution,) = cautions([model], source, range(10))
    assert f"{model} was trained on {len(training)} of these 10 pairs" in caution
    assert f"--run '{config.out}'" in caution
    assert cautions([model], source, validation) == []
    assert "trained on 1 of these 1" in cautions([model], source, training[:1])[0]


def test_pairs_are_recognised_among_other_datasets(run, data, tmp_path):
    other = tmp_path / "other.h5"
    simulate_dataset(other, "phantom:100", n=3, shape=(32, 48), random_state=9)
    config = run()
    training = np.setdiff1d(np.arange(10), held_out_pairs(config.out).indexes)
    source = PairSource([other, data])
    assert cautions([config.out / "best.keras"], source, range(3)) == []
    assert f"on {len(training)} of these 13" in cautions([config.out / "best.keras"], source, range(13))[0]


def test_a_local_model_that_expects_another_before_it_says_so(run, data, tmp_path):
    before = tmp_path / "global.keras"
    config = run(kind="local", global_model=before)
    model, source = config.out / "best.keras", PairSource([data])
    unseen = held_out_pairs(config.out).indexes
    assert cautions([model], source, unseen) == [f"{model} was trained on what {before} leaves. Give that model too."]
    assert cautions([before, model], source, unseen) == []


def test_models_outside_of_runs_and_runs_whose_data_are_gone_tell_nothing(run, data, tmp_path):
    source, gone = PairSource([data]), tmp_path / "gone.h5"
    assert cautions([tmp_path / "model.keras"], source, range(10)) == []
    (tmp_path / "config.toml").write_text("kind = 3")
    assert cautions([tmp_path / "model.keras"], source, range(10)) == []
    shutil.copy(data, gone)
    config = run(data=(data, gone))
    gone.unlink()
    assert cautions([config.out / "best.keras"], source, range(10)) == []

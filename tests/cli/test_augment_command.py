"""`atlalign dataset augment`: what it writes, and how it answers wrong input."""

import inspect
import os
import sys

import h5py
import numpy as np
import pytest

from atlalign.augmentations import DatasetAugmenter
from atlalign.dataset import check_dataset, open_dataset
from atlalign.simulate import simulate_dataset


@pytest.fixture
def original(tmp_path):
    path = tmp_path / "in.h5"
    simulate_dataset(path, "phantom:100", n=3, shape=(48, 64), deformation="local", random_state=0)
    return path


def augment(run, original, out, *words):
    return run("atlalign", "dataset", "augment", original, out, *words)


def assert_refused(answer, folder, *expected):
    lines = answer.err.strip().splitlines()
    assert answer.code == 2, answer.err
    assert len(lines) == 1, answer.err
    assert lines[0].startswith("Error: ")
    for text in expected:
        assert text in lines[0]
    assert [path.name for path in folder.iterdir()] == ["in.h5"]


def test_it_writes_a_dataset_without_faults(run, original, tmp_path):
    answer = augment(run, original, tmp_path / "out.h5", "--per-sample", 4)
    assert answer.code == 0, answer.err
    assert answer.out.startswith(f"Wrote 12 pairs to {tmp_path / 'out.h5'}")
    assert check_dataset(tmp_path / "out.h5") == []
    with open_dataset(tmp_path / "out.h5") as file:
        assert file["image_id"][:].tolist() == np.repeat([0, 1, 2], 4).tolist()
        assert file.attrs["atlas"] == "phantom:100"


def test_the_seed_decides_and_the_workers_do_not(run, original, tmp_path):
    for name, *words in (("a", "--seed", 3), ("b", "--seed", 3, "--workers", 2), ("c", "--seed", 4)):
        assert augment(run, original, tmp_path / name, *words).code == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_the_options_reach_the_augmentation(run, original, tmp_path, monkeypatch):
    received = {}
    signature = inspect.signature(DatasetAugmenter.augment)

    def record(*args, **kwargs):
        received.update(signature.bind(*args, **kwargs).arguments)
        return 0

    monkeypatch.setattr(DatasetAugmenter, "augment", record)
    words = "--per-sample 7 --p-reg 0.25 --no-anchor --max-corrupted-pixels 9 --max-trials 2 --workers 3 --seed 4"
    assert augment(run, original, tmp_path / "out.h5", *words.split(), "--dask", "tcp://x:1").code == 0
    expected = {
        "n_iter": 7,
        "p_reg": 0.25,
        "anchor": False,
        "max_corrupted_pixels": 9,
        "max_trials": 2,
        "workers": 3,
        "random_state": 4,
        "dask": "tcp://x:1",
    }
    assert {name: received[name] for name in expected} == expected


def test_it_says_how_many_pairs_are_copies(run, original, tmp_path):
    with h5py.File(original, "r+") as file:
        file["img"][0] = 100  # an image without edges
    answer = augment(run, original, tmp_path / "out.h5", "--per-sample", 5, "--p-reg", 0)
    assert answer.code == 0, answer.err
    assert "5 of them are copies of their original pair" in answer.out


def test_help_has_an_example_and_defaults(run):
    answer = run("atlalign", "dataset", "augment", "--help")
    assert answer.code == 0
    assert "Example: atlalign dataset augment" in answer.out
    assert "[default: 500" in answer.out


def test_missing_input(run, original, tmp_path):
    assert_refused(augment(run, tmp_path / "none.h5", tmp_path / "out.h5"), tmp_path, "none.h5")


def test_input_that_is_no_dataset(run, original, tmp_path):
    original.write_bytes(original.read_bytes()[:3000])
    assert_refused(augment(run, original, tmp_path / "out.h5"), tmp_path, "whole HDF5 file")


def test_input_with_a_field_that_is_not_finite(run, original, tmp_path):
    with h5py.File(original, "r+") as file:
        file["deltas_xy"][2, 5, 5] = np.nan
    answer = augment(run, original, tmp_path / "out.h5")
    assert_refused(answer, tmp_path, "sample 2", "not finite", "atlalign dataset check")


def test_one_file_for_input_and_output(run, original, tmp_path):
    before = original.read_bytes()
    assert_refused(augment(run, original, original), tmp_path, "another file than the original")
    answer = augment(run, original, os.path.relpath(original))
    assert_refused(answer, tmp_path, "another file than the original")
    assert original.read_bytes() == before


def test_output_in_a_missing_folder(run, original, tmp_path):
    assert_refused(augment(run, original, tmp_path / "none" / "out.h5"), tmp_path, "mkdir -p")


def test_output_that_is_a_folder(run, original, tmp_path):
    (tmp_path / "folder").mkdir()
    answer = augment(run, original, tmp_path / "folder")
    (tmp_path / "folder").rmdir()
    assert_refused(answer, tmp_path, "folder")


@pytest.mark.parametrize(
    "words",
    [("--per-sample", 0), ("--workers", 0), ("--max-trials", 0), ("--max-corrupted-pixels", 0), ("--seed", -1)],
)
def test_numbers_out_of_range(run, original, tmp_path, words):
    assert_refused(augment(run, original, tmp_path / "out.h5", *words), tmp_path, words[0])


@pytest.mark.parametrize("p_reg", ["1.5", "-0.1", "nan"])
def test_a_probability_that_is_none(run, original, tmp_path, p_reg):
    assert_refused(augment(run, original, tmp_path / "out.h5", f"--p-reg={p_reg}"), tmp_path, "p_reg", p_reg)


def test_without_dask(run, original, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    answer = augment(run, original, tmp_path / "out.h5", "--dask", "tcp://127.0.0.1:1")
    assert_refused(answer, tmp_path, "pip install 'atlalign[dask]'")


def test_a_cluster_that_does_not_answer(run, original, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("atlalign._workers._CONNECT_SECONDS", 1)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        answer = augment(run, original, tmp_path / "out.h5", "--dask", address)
        assert_refused(answer, tmp_path, "dask must be the address of a running Dask scheduler", address)

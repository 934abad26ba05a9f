"""Samples of sections that nobody has placed."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlalign.errors import InvalidFileError
from atlalign.ml_utils.io import UnplacedGenerator
from atlalign.pairs import UnplacedSource
from atlalign.pairs.unplaced import random_change
from atlalign.plane_slopes import position_and_slopes
from atlalign.section import Section
from atlalign.section.unplaced import unplaced_view
from atlalign.simulate import simulate_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=6, shape=(40, 57), random_state=0)
    return path


def test_a_sample_is_the_view_of_the_moving_image_and_its_plane(data):
    source = UnplacedSource([data])
    with h5py.File(data) as file:
        image = file["img"][3]
    view, plane = source.sample(3)
    np.testing.assert_allclose(view, unplaced_view(Section(image, invert=False), (40, 57)), atol=0.01)
    shape_um = source.atlas.shape_um
    expected = position_and_slopes(source.pairs.plane(3), shape_um) / [shape_um[0], 1, 1]
    np.testing.assert_allclose(plane, expected, rtol=1e-5)


def test_the_slope_across_changes_its_sign_with_the_mirror_and_nothing_else(data):
    plain, changed = UnplacedSource([data]), UnplacedSource([data], changes=True)
    tilted = next(i for i in range(6) if plain.sample(i).plane[1] != 0)
    true = plain.sample(tilted).plane
    signs = set()
    for seed in range(8):
        _, mirrored = random_change((40, 57), np.random.default_rng(seed))
        found = changed.sample(tilted, seed).plane
        np.testing.assert_array_equal(found, true * [1, -1 if mirrored else 1, 1])
        signs.add(mirrored)
    assert signs == {True, False}


def test_the_same_seed_gives_the_same_view_in_range(data):
    source = UnplacedSource([data], changes=True)
    first, again, other = (source.sample(2, seed).view for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
    assert 0 <= first.min() < first.max() <= 1


def test_a_dark_image_teaches_no_more_than_what_is_likeliest(data, tmp_path):
    dark = tmp_path / "dark.h5"
    dark.write_bytes(data.read_bytes())
    with h5py.File(dark, "a") as file:
        file["img"][0] = 0
    assert not UnplacedSource([dark], changes=True).sample(0, 0).view.any()


def test_a_plane_that_is_not_coronal_is_refused_with_its_file(data, tmp_path):
    sagittal = tmp_path / "sagittal.h5"
    sagittal.write_bytes(data.read_bytes())
    with h5py.File(sagittal, "a") as file:
        file["corners_um"][1] = [[0, 0, 5000], [13200, 0, 5000], [0, 8000, 5000], [13200, 8000, 5000]]
    with pytest.raises(InvalidFileError, match=r"nearer to coronal.*sample 1 of .*sagittal\.h5"):
        UnplacedSource([sagittal]).sample(1)


@given(st.integers(0, 2**32))
def test_a_change_is_small(seed):
    change, mirrored = random_change((80, 114), np.random.default_rng(seed))
    corners = np.array([[0, 0], [113, 0], [0, 79], [113, 79]])
    before = corners * [-1, 1] + [113, 0] if mirrored else corners
    assert np.abs(corners @ change[:, :2].T + change[:, 2] - before).max() < 25


def test_batches_have_the_same_samples_in_processes(data):
    how = {"batch_size": 3, "shuffle": True, "changes": True, "random_state": 1}
    here, there = UnplacedGenerator(data, **how), UnplacedGenerator(data, processes=1, **how)
    try:
        for one, other in zip(here[1], there[1], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    finally:
        there.close()

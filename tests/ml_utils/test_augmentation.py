"""Intensity augmentation, and the one place that makes imgaug work."""

import numpy as np
import pytest

from atlalign.ml_utils.augmentation import augment, augmenter_1


@pytest.fixture
def image():
    return np.random.default_rng(0).random((40, 52)).astype("float32")


def test_every_branch_stays_in_range_and_finite(image):
    augmenter = augmenter_1(p=1)
    for seed in range(60):
        augmented = augment(augmenter, image, seed)
        assert augmented.shape == image.shape
        assert augmented.dtype == np.float32
        assert augmented.min() >= 0
        assert augmented.max() <= 1


def test_the_same_seed_gives_the_same_image_and_another_another(image):
    augmenter = augmenter_1(p=1)
    np.testing.assert_array_equal(augment(augmenter, image, 3), augment(augmenter, image, 3))
    assert (augment(augmenter, image, 3) != augment(augmenter, image, 4)).any()


def test_geometry_is_left_alone():
    image = np.zeros((40, 52), "float32")
    image[10:20, 30:40] = 1
    augmenter = augmenter_1(p=1)
    for seed in range(20):
        augmented = augment(augmenter, image, seed)
        contrast = augmented[12:18, 32:38].mean() - augmented[25:35, 5:15].mean()
        assert abs(contrast) > 0.1  # the square is still where it was, brighter or (inverted) darker


def test_probability_zero_changes_nothing(image):
    np.testing.assert_array_equal(augment(augmenter_1(p=0), image, 0), image)


def test_numpy_is_left_as_it_was():
    assert not hasattr(np, "sctypes")


def test_a_probability_above_one_is_refused():
    with pytest.raises(ValueError, match="p must be a probability"):
        augmenter_1(p=2)

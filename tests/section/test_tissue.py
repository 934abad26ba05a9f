"""Background, polarity and tissue of grey images."""

import numpy as np
import pytest
from scipy import ndimage

from atlalign.section.tissue import find_tissue, mask_box


def _disc(shape=(120, 160), centre=(60, 80), radius=40):
    y, x = np.indices(shape)
    return np.hypot(y - centre[0], x - centre[1]) < radius


def _textured(mask, background, tissue, noise, dtype, seed=0):
    generator = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(generator.normal(size=mask.shape), 3)
    texture *= 0.3 * abs(tissue - background) / texture.std() / 2
    image = np.where(mask, tissue + texture, background) + generator.normal(0, noise, mask.shape)
    limits = (0, 1) if np.dtype(dtype).kind == "f" else (0, np.iinfo(dtype).max)
    return np.clip(image, *limits).astype(dtype)


@pytest.mark.parametrize(
    ("background", "tissue", "noise", "dtype", "polarity"),
    [
        (250, 120, 1, "uint8", "bright"),
        (235, 200, 1, "uint8", "bright"),
        (3, 90, 1, "uint8", "dark"),
        (100, 900, 20, "uint16", "dark"),
        (60000, 30000, 300, "uint16", "bright"),
        (0.02, 0.4, 0.01, "float32", "dark"),
    ],
)
def test_polarity_background_and_mask_are_found(background, tissue, noise, dtype, polarity):
    truth = _disc()
    found = find_tissue(_textured(truth, background, tissue, noise, dtype))
    assert found.polarity == polarity
    assert found.background == pytest.approx(background, abs=2 * noise)
    assert np.mean(found.mask == truth) > 0.97


def test_an_image_is_found_the_same_inverted():
    image = _textured(_disc(), 250, 120, 2, "uint8")
    bright, dark = find_tissue(image), find_tissue(255 - image)
    assert (bright.polarity, dark.polarity) == ("bright", "dark")
    assert np.array_equal(bright.mask, dark.mask)


@pytest.mark.parametrize("polarity", ["bright", "dark"])
def test_a_polarity_that_is_known_is_not_doubted(polarity):
    image = np.where(_disc(), 120, 128).astype(np.uint8)
    image[_disc(centre=(30, 30), radius=15)] = 136
    found = find_tissue(image, polarity=polarity)
    assert found.polarity == polarity
    assert found.mask[60, 80] == (polarity == "bright")


def test_the_box_is_in_pixels_of_a_large_image():
    image = np.zeros((900, 1600), np.uint8)
    image[200:700, 400:1300] = 200
    assert find_tissue(image).box == pytest.approx((399.5, 199.5, 1299.5, 699.5), abs=8)


def test_holes_are_filled_and_specks_dropped():
    truth = _disc()
    image = np.where(truth & ~_disc(radius=8), 200, 0).astype(np.uint8)
    image[5:8, 5:8] = 200
    assert np.mean(find_tissue(image).mask == truth) > 0.97


def test_a_flat_image_has_no_tissue():
    found = find_tissue(np.full((30, 40), 7, np.uint8))
    assert found.box is None
    assert not found.mask.any()


def test_noise_alone_has_no_tissue():
    noise = np.random.default_rng(0).normal(100, 5, (120, 160)).clip(0, 255).astype(np.uint8)
    assert find_tissue(noise).mask.mean() < 0.02


def test_tissue_that_is_cut_off_names_its_sides():
    image = np.where(_disc(centre=(60, 10)), 200, 0).astype(np.uint8)
    assert find_tissue(image).touches_border == ["left"]
    assert find_tissue(np.where(_disc(), 200, 0).astype(np.uint8)).touches_border == []


def test_tissue_along_most_of_the_border_does_not_become_background():
    image = np.full((120, 160), 245, np.uint8)
    image[40:, :] = _textured(np.ones((80, 160), bool), 245, 130, 2, "uint8")
    assert find_tissue(image).polarity == "bright"


def test_pixels_known_to_be_outside_are_no_tissue():
    image = np.where(_disc(), 200, 0).astype(np.uint8)
    outside = np.zeros(image.shape, bool)
    outside[:, :80] = True
    assert not find_tissue(image, outside=outside).mask[:, :70].any()


def test_an_empty_mask_has_no_box():
    assert mask_box(np.zeros((3, 4), bool)) is None


@pytest.mark.shared
@pytest.mark.parametrize(
    ("pattern", "polarity"),
    [
        ("brightfield_glta/*.png", "bright"),
        ("nissl_ptm902/*N116*.jpg", "bright"),
        ("stpt_hippocampus/sample_hipp.tif", "dark"),
    ],
)
def test_real_sections_show_tissue_of_a_plausible_size(shared, pattern, polarity):
    from atlalign import Section

    for path in sorted((shared / "sections").glob(pattern)):
        tissue = Section.read(path).tissue
        assert tissue.polarity == polarity, path
        assert 0.15 < tissue.mask.mean() < 0.85, path

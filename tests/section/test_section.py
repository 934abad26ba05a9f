"""Sections: what is accepted, how colour and transparency count, what the networks see."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from atlalign.errors import InvalidFileError
from atlalign.section import Section


def _image(background=250, tissue=100, dtype="uint8"):
    image = np.full((60, 80), background, dtype)
    image[20:40, 10:50] = tissue
    return image


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_every_documented_dtype_is_accepted(dtype):
    assert Section(_image(dtype=dtype)).normalized()[30, 30] == 1


def test_a_mask_is_accepted():
    assert Section(_image(0, 1, "bool")).image.max() == 255


def test_big_endian_pixels_are_read(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _image(0, 900, "uint16"), byteorder=">")
    assert Section.read(tmp_path / "a.tif").image[30, 30] == 900


@pytest.mark.parametrize("shape", [(5,), (5, 6, 2), (5, 6, 5), (2, 5, 6, 3)])
def test_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="one 2D image"):
        Section(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0, 3)])
def test_an_image_without_pixels_is_refused(shape):
    with pytest.raises(ValueError, match="at least one pixel"):
        Section(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", ["int32", "complex64", "int64", "float16"])
def test_another_dtype_is_refused(dtype):
    with pytest.raises(ValueError, match=f"dtype {dtype}"):
        Section(np.zeros((5, 6), dtype))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2e24, -1e30, 3e38])
def test_values_that_are_not_finite_are_refused(bad):
    image = _image(dtype="float32")
    image[3, 4] = bad
    with pytest.raises(ValueError, match="1 of whose values"):
        Section(image)


def test_a_file_with_nan_is_refused_as_a_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((5, 6), np.nan, np.float32))
    with pytest.raises(InvalidFileError, match=r"a\.tif"):
        Section.read(tmp_path / "a.tif")


@pytest.mark.parametrize("size", [0, -1, np.nan, np.inf, (1, 2, 3), (1, 0), "wide", [[1]] * 3, 9e-4, 1.1e5])
def test_a_pixel_size_that_is_not_positive_is_refused(size):
    with pytest.raises(ValueError, match="pixel_size_um must be"):
        Section(_image(), size)


def test_a_pixel_size_may_differ_across_and_down():
    assert Section(_image(), (12, 14)).pixel_size_um == (12.0, 14.0)


def test_the_name_of_a_file_is_the_name_of_its_section(tmp_path):
    Image.fromarray(_image()).save(tmp_path / "brain_s001.png")
    assert Section.read(tmp_path / "brain_s001.png").name == "brain_s001.png"


def test_colour_counts_by_its_luminance():
    image = np.zeros((60, 80, 3), np.uint8)
    image[..., 1] = 100
    assert Section(image).grey[0, 0] == pytest.approx(59, abs=1)


@pytest.mark.parametrize(("background", "tissue"), [(255, 120), (0, 90)])
def test_transparent_pixels_take_the_background_they_border_on(background, tissue):
    image = np.zeros((60, 80, 4), np.uint8)
    image[..., :3] = _image(background, tissue)[..., None]
    image[10:50, 5:60, 3] = 255
    image[image[..., 3] == 0, :3] = 77  # colours that nobody sees
    section = Section(image)
    assert section.tissue.background == background
    assert section.tissue_box == pytest.approx((9.5, 19.5, 49.5, 39.5), abs=1.1)


def test_a_tight_cut_out_of_pale_tissue_lies_on_a_bright_background():
    image = np.zeros((60, 80, 4), np.uint8)
    image[20:40, 10:50] = (180, 180, 180, 255)
    image[25:35, 20:40, :3] = 90
    image[22, 12, :3] = 250
    assert Section(image).tissue.polarity == "bright"


def test_a_wholly_transparent_image_is_refused():
    with pytest.raises(ValueError, match="opaque"):
        Section(np.zeros((5, 6, 4), np.uint8))


def test_both_polarities_give_the_same_model_image():
    bright, dark = Section(_image(250, 100)), Section(_image(5, 155))
    assert np.allclose(bright.normalized((30, 40)), dark.normalized((30, 40)), atol=0.02)


def test_the_model_image_is_dark_outside_the_tissue_and_within_0_and_1():
    generator = np.random.default_rng(0)
    image = np.clip(_image().astype(float) + generator.normal(0, 4, (60, 80)), 0, 255).astype(np.uint8)
    model_image = Section(image).normalized()
    assert model_image.dtype == np.float32
    assert model_image.min() >= 0
    assert model_image.max() <= 1
    assert model_image[:15].max() == 0


def test_a_few_bright_specks_do_not_darken_the_tissue():
    image = _image(0, 1000, "uint16")
    image[30, 30:33] = 60000
    assert Section(image).normalized()[25, 20] > 0.9


@pytest.mark.parametrize(("invert", "polarity"), [(None, "bright"), (True, "bright"), (False, "dark")])
def test_inverting_can_be_asked_for_and_forbidden(tmp_path, invert, polarity):
    image = _image(128, 100)
    image[24:28, 15:20] = 136
    Image.fromarray(image).save(tmp_path / "a.png")
    assert Section.read(tmp_path / "a.png", invert=invert).tissue.polarity == polarity


def test_a_given_pixel_size_counts_more_than_that_of_the_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _image(), resolution=(1 / 3, 1 / 3), imagej=True, metadata={"unit": "um"})
    section = Section.read(tmp_path / "a.tif")
    assert section.pixel_size_um == pytest.approx((3, 3))
    assert section.pixel_size_source == "ImageJ"
    section = Section.read(tmp_path / "a.tif", pixel_size_um=7)
    assert (section.pixel_size_um, section.pixel_size_source) == ((7, 7), "given")


def test_a_section_without_a_pixel_size_has_no_source_of_it():
    assert Section(_image()).pixel_size_source is None


def test_a_section_without_tissue_says_so_when_it_matters():
    section = Section(np.full((20, 30), 9, np.uint8), name="blank")
    assert not section.normalized().any()
    with pytest.raises(ValueError, match="blank, where none was found"):
        _ = section.tissue_box


def test_the_tissue_mask_follows_the_grid():
    section = Section(_image())
    shift = np.array([[1.0, 0, 10], [0, 1, 0]])
    shifted = section.tissue_mask((60, 60), grid_to_section=shift)
    assert np.array_equal(shifted, section.tissue_mask()[:, 10:70])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("level", [9e23, -9e23, 1e-300])
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.filterwarnings("error")
def test_the_largest_and_smallest_values_raise_no_warnings(dtype, level, channels):
    image = np.random.default_rng(0).uniform(-0.02, 0.02, (300, 400, *channels)).astype(dtype) * level
    image[100:200, 50:250] = level
    normalized = Section(image).normalized()
    assert np.isfinite(normalized).all()


def test_a_file_with_enormous_values_is_refused_as_a_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((5, 6), 1e200))
    with pytest.raises(InvalidFileError, match=r"at most 1e\+24 in size.*a\.tif, 30 of") as caught:
        Section.read(tmp_path / "a.tif")
    assert "\n" not in str(caught.value)

"""Masks: read from files and arrays of any shape that fits, and what they take away from a section's tissue."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from atlalign.errors import InvalidFileError
from atlalign.section import Section
from atlalign.section import mask as mask_module
from atlalign.section.mask import SectionMask, open_mask

SHAPE = (120, 160)
LEFT = np.zeros(SHAPE, bool)
LEFT[:, :80] = True


def two_squares(level=200, background=0):
    """A section of two pieces of tissue, one in either half of the image."""
    image = np.full(SHAPE, background, np.uint8)
    image[40:80, 20:60] = level
    image[40:80, 100:150] = level
    return image


class TestReading:
    @pytest.mark.parametrize("ending", ["png", "tif"])
    @pytest.mark.parametrize("value", [1, 255])
    def test_a_file_that_is_not_0_counts(self, tmp_path, ending, value):
        path = tmp_path / f"mask.{ending}"
        image = (LEFT * value).astype(np.uint8)
        Image.fromarray(image).save(path) if ending == "png" else tifffile.imwrite(path, image)
        assert np.array_equal(open_mask(path, SHAPE).counts, LEFT)

    @pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.uint32, np.float32, np.float64])
    def test_arrays_of_any_kind_of_number_are_masks(self, dtype):
        assert np.array_equal(open_mask(LEFT.astype(dtype), SHAPE).counts, LEFT)

    def test_of_colours_any_counts_and_what_is_transparent_does_not(self):
        colours = np.zeros((*SHAPE, 4), np.uint8)
        colours[..., 3] = 255
        colours[:, :80, 2] = 1
        colours[:10, :, 3] = 0
        expected = LEFT.copy()
        expected[:10] = False
        assert np.array_equal(open_mask(colours, SHAPE).counts, expected)

    @pytest.mark.parametrize("shape", [(60, 80), (240, 320), (40, 53), (41, 54)])
    def test_smaller_and_larger_copies_fit_rounded_either_way(self, shape):
        mask = open_mask(np.ones(shape), SHAPE)
        assert mask.at([[0, 0], [159, 119]]).all()

    @pytest.mark.parametrize("shape", [(160, 120), (120, 100), (1, 160)])
    def test_other_proportions_are_refused_with_both_shapes(self, shape):
        with pytest.raises(ValueError, match="same proportions") as refusal:
            open_mask(np.ones(shape), SHAPE)
        assert str(shape) in str(refusal.value)
        assert str(SHAPE) in str(refusal.value)
        assert "\n" not in str(refusal.value)

    @pytest.mark.parametrize("mask", [np.ones(7), np.ones((2, 2, 2, 2))])
    def test_what_is_no_image_is_refused(self, mask):
        with pytest.raises(ValueError, match="must be an image"):
            open_mask(mask, SHAPE)

    def test_a_mask_that_leaves_nothing_is_refused(self):
        with pytest.raises(ValueError, match="0 everywhere"):
            open_mask(np.zeros(SHAPE), SHAPE)

    def test_a_missing_file_and_one_that_is_no_image_are_named_as_masks(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"The mask must be an existing file.*none\.png"):
            open_mask(tmp_path / "none.png", SHAPE)
        (tmp_path / "text.png").write_text("no image")
        with pytest.raises(InvalidFileError, match=r"A mask must be an image.*text\.png"):
            open_mask(tmp_path / "text.png", SHAPE)

    def test_a_huge_mask_is_made_coarser_by_what_most_of_its_pixels_say(self, tmp_path, monkeypatch):
        monkeypatch.setattr(mask_module, "_MOST_PIXELS", 60 * 80)
        monkeypatch.setattr(mask_module, "_ROWS_AT_ONCE", 16)
        tifffile.imwrite(tmp_path / "mask.tif", LEFT.astype(np.uint8), tile=(16, 16))
        mask = open_mask(tmp_path / "mask.tif", SHAPE)
        assert np.array_equal(mask.counts, LEFT[::2, ::2])

    def test_of_a_pyramid_the_finest_level_that_is_small_enough_is_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(mask_module, "_MOST_PIXELS", 70 * 90)
        image = LEFT.astype(np.uint8)
        with tifffile.TiffWriter(tmp_path / "mask.tif") as tif:
            tif.write(image, subifds=1, tile=(16, 16))
            tif.write(image[::2, ::2], subfiletype=1, tile=(16, 16))
        assert open_mask(tmp_path / "mask.tif", SHAPE).counts.shape == (60, 80)


class TestLookup:
    mask = SectionMask(LEFT[::4, ::4], SHAPE)

    def test_a_point_counts_by_the_pixel_of_the_mask_that_holds_it(self):
        assert self.mask.at([[79.4, 5], [79.6, 5], [-0.5, -0.5], [-0.6, 0], [5, 119.6]]).tolist() == [
            True,
            False,
            True,
            False,
            False,
        ]

    def test_a_grid_counts_as_its_points_do(self):
        columns, rows = np.linspace(-3, 163, 50), np.linspace(-3, 123, 40)
        points = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        assert np.array_equal(self.mask.grid(columns, rows).ravel(), self.mask.at(points))

    def test_what_lies_beside_the_image_is_not_masked_out(self):
        hidden = self.mask.hides((10, 20), np.array([[20.0, 0, -100], [0, 20, -40]]))
        assert not hidden[:2].any()
        assert not hidden[:, :9].any()
        assert hidden[2:8, 10:12].all()


class TestSection:
    @pytest.mark.parametrize(("level", "background"), [(200, 0), (80, 240)])
    def test_what_is_masked_out_is_no_tissue(self, level, background):
        section = Section(two_squares(level, background), mask=LEFT)
        assert np.allclose(section.tissue_box, [19.5, 39.5, 59.5, 79.5], atol=2)
        assert section.tissue_mask()[60, 40]
        assert not section.tissue_mask()[:, 80:].any()

    def test_the_networks_see_background_there_to_the_pixel(self):
        image = two_squares()
        image[:, 60:100] = 200  # tissue on both sides of the mask's edge
        seen = Section(image, mask=LEFT).normalized()
        assert seen[60, 79] == 1
        assert not seen[:, 80:].any()

    def test_a_hole_in_the_mask_is_not_filled(self):
        image = np.zeros(SHAPE, np.uint8)
        image[20:100, 20:140] = 200
        torn = np.ones(SHAPE, bool)
        torn[50:70, 60:90] = False
        section = Section(image, mask=torn)
        assert not section.tissue_mask()[50:70, 60:90].any()
        assert not section.normalized()[50:70, 60:90].any()

    def test_an_artefact_that_is_masked_out_decides_nothing(self):
        image = np.full(SHAPE, 100, np.uint8)
        image[40:80, 20:60] = 170
        image[10:110, 90:150] = 0  # darker than the background, and larger than the tissue
        assert Section(image).tissue.polarity == "bright"
        assert Section(image, mask=LEFT).tissue.polarity == "dark"

    def test_without_what_the_mask_takes_away_there_may_be_no_tissue(self):
        hole = ~LEFT
        image = two_squares()
        image[:, 80:] = 0
        with pytest.raises(ValueError, match="none was found that its mask leaves"):
            _ = Section(image, mask=hole).tissue_box

    def test_the_mask_lies_on_the_image_as_it_is_stored(self):
        turned = Section(two_squares(), mask=LEFT).oriented("horizontal", 90)
        assert turned.mask.at([[40, 60], [120, 60]]).tolist() == [True, False]

    def test_with_mask_leaves_the_section_as_it_was_and_none_lifts_the_mask(self):
        section = Section(two_squares())
        whole = section.tissue_box
        masked = section.with_mask(LEFT)
        assert masked.tissue_box != whole
        assert section.mask is None
        assert section.tissue_box == whole
        assert masked.with_mask(None).tissue_box == whole

    def test_a_file_is_read_with_its_mask(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", two_squares())
        section = Section.read(tmp_path / "a.tif", mask=LEFT)
        assert section.mask.masked_out == 0.5

    def test_a_mask_of_another_shape_is_no_fault_of_the_section_s_file(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", two_squares())
        with pytest.raises(ValueError, match="A mask must have the section's height and width") as refusal:
            Section.read(tmp_path / "a.tif", mask=np.ones((10, 50)))
        assert not isinstance(refusal.value, InvalidFileError)

"""The size of a pixel from what image files state."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from atlalign.section.pixel_size import from_density, from_metadata
from atlalign.section.reading import open_pixels

IMAGE = np.zeros((8, 9), np.uint8)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"PhysicalSizeX": 0.65, "PhysicalSizeY": 0.7}, (0.65, 0.7)),
        ({"PhysicalSizeX": 0.65, "PhysicalSizeXUnit": "µm"}, (0.65, 0.65)),
        (
            {"PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 7e-4, "PhysicalSizeYUnit": "mm"},
            (0.65, 0.7),
        ),
    ],
)
def test_ome_xml_states_the_size_with_its_unit(tmp_path, metadata, expected):
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE, metadata=metadata)
    size = open_pixels(tmp_path / "a.ome.tif").pixel_size
    assert size.um == pytest.approx(expected)
    assert size.source == "OME-XML"


@pytest.mark.parametrize("metadata", [{}, {"PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel"}, {"PhysicalSizeX": 0}])
def test_ome_xml_without_a_length_states_nothing(tmp_path, metadata):
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE, metadata=metadata)
    assert open_pixels(tmp_path / "a.ome.tif").pixel_size is None


@pytest.mark.parametrize(("unit", "factor"), [("um", 1), ("micron", 1), ("\\u00B5m", 1), ("mm", 1000), ("nm", 1e-3)])
def test_imagej_states_pixels_per_unit(tmp_path, unit, factor):
    resolution = (factor / 2.5, factor / 5.0)
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, imagej=True, resolution=resolution, metadata={"unit": unit})
    size = open_pixels(tmp_path / "a.tif").pixel_size
    assert size.um == pytest.approx((2.5, 5), rel=1e-4)
    assert size.source == "ImageJ"


def test_imagej_without_a_calibration_states_nothing(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, imagej=True, resolution=(1, 1))
    assert open_pixels(tmp_path / "a.tif").pixel_size is None


@pytest.mark.parametrize(("unit", "per_unit"), [("CENTIMETER", 20_000), ("INCH", 50_800)])
def test_the_resolution_of_a_scanner_is_a_pixel_size(tmp_path, unit, per_unit):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, resolution=(per_unit, per_unit / 2), resolutionunit=unit)
    size = open_pixels(tmp_path / "a.tif").pixel_size
    assert size.um == pytest.approx((0.5, 1))
    assert size.source == "TIFF resolution"


@pytest.mark.parametrize(("unit", "per_unit"), [("INCH", 300), ("CENTIMETER", 118), ("NONE", 20_000), ("INCH", 72)])
def test_the_resolution_of_a_print_is_none(tmp_path, unit, per_unit):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, resolution=(per_unit, per_unit), resolutionunit=unit)
    assert open_pixels(tmp_path / "a.tif").pixel_size is None


def test_a_scanner_of_aperio_states_micrometres_per_pixel(tmp_path):
    text = "Aperio Image Library v12.0.15\n80x90 [0,0 80x90] (16x16) J2K|AppMag = 20|MPP = 0.4990|Left = 1"
    image = np.zeros((80, 90, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.svs", image, photometric="rgb", tile=(16, 16), description=text, metadata=None)
    size = open_pixels(tmp_path / "a.svs").pixel_size
    assert (size.um, size.source) == ((0.499, 0.499), "Aperio")


@pytest.mark.parametrize(("name", "source"), [("a.png", "PNG"), ("a.jpg", "JPEG")])
def test_the_density_of_a_picture_counts_where_it_is_that_of_a_scanner(tmp_path, name, source):
    Image.fromarray(IMAGE).save(tmp_path / name, dpi=(2540, 2540))
    size = open_pixels(tmp_path / name).pixel_size
    assert size.um == pytest.approx((10, 10), rel=1e-3)
    assert size.source == source
    Image.fromarray(IMAGE).save(tmp_path / name, dpi=(96, 96))
    assert open_pixels(tmp_path / name).pixel_size is None
    Image.fromarray(IMAGE).save(tmp_path / name)
    assert open_pixels(tmp_path / name).pixel_size is None


@pytest.mark.parametrize("dpi", [1, 72, 90, 96, 100, 150, 300, 299.9994, 299.72, 360, 480, 600, 720, 1200])
def test_what_screens_and_printers_have_is_no_pixel_size(dpi):
    assert from_density((dpi, dpi), "PNG") is None


@pytest.mark.parametrize("dots", [None, (0, 0), (2540,), (float("nan"), 2540), (2540, -1), ("a", "b"), (1e12, 1e12)])
def test_a_density_that_is_none_states_nothing(dots):
    assert from_density(dots, "PNG") is None


@given(st.floats(0.01, 9))
def test_fine_densities_come_back_as_sizes(size_um):
    assert from_density((25_400 / size_um,) * 2, "PNG").um == pytest.approx((size_um, size_um))


@pytest.mark.parametrize("stated", [(None, None, "um"), ("wide", 1, "um"), (1, 1, None), (1e9, 1, "m"), (-1, 1, "um")])
def test_metadata_that_make_no_sense_state_nothing(stated):
    assert from_metadata(*stated, "OME-XML") is None

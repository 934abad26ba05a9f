"""The registered image as OME-TIFF: sizes, channels and depth as tifffile reads them."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import tifffile

from atlalign import Atlas, DisplacementField, Section, register
from atlalign.export.ome import write_registered_ome

ATLAS = Atlas.load("phantom:100")
GREY = np.rint(ATLAS.reference_plane(6000, (160, 228)) * 4000).astype(np.uint16)


def _bent(reference, moving):
    return DisplacementField.generate(reference.shape, "diffeomorphic", amplitude=2, random_state=1).deltas_xy


@pytest.fixture(scope="module")
def registration():
    return register(Section(GREY), ATLAS, position_um=6000, pixel_size_um=50, local_model=_bent)


def _pixels(path):
    """Return the attributes of OME's Pixels, and those of its channels."""
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        root = ElementTree.fromstring(file.ome_metadata)
    space = {"ome": root.tag[1:].split("}")[0]}
    pixels = root.find(".//ome:Pixels", space)
    return pixels.attrib, [channel.attrib for channel in pixels.findall("ome:Channel", space)]


CHANNELS = np.stack([GREY, GREY // 2, GREY // 3, GREY // 4, GREY // 5], axis=-1)
IMAGES = {
    "grey": (GREY, "YX", 1, 1),
    "rgb": (CHANNELS[..., :3], "YXS", 1, 3),
    "rgba": (CHANNELS[..., :4], "YXS", 1, 4),
    "two": (CHANNELS[..., :2], "CYX", 2, 1),
    "five": (CHANNELS, "CYX", 5, 1),
    "float": (CHANNELS[..., :2].astype(np.float32), "CYX", 2, 1),
}


@pytest.mark.parametrize("name", IMAGES)
def test_channels_are_channels_and_colours_colours(tmp_path, registration, name):
    image, axes, n_channels, samples = IMAGES[name]
    path = write_registered_ome(tmp_path / "registered.ome.tif", registration, image)
    with tifffile.TiffFile(path) as file:
        assert file.series[0].axes == axes
        read = file.asarray()
        assert (file.pages[0].photometric == tifffile.PHOTOMETRIC.RGB) == (axes == "YXS")
    expected = registration.warp(image)
    assert read.dtype == image.dtype
    assert np.array_equal(read, np.moveaxis(expected, 2, 0) if axes == "CYX" else expected)
    pixels, channels = _pixels(path)
    assert pixels["SizeC"] == str(n_channels * samples)
    assert [int(channel["SamplesPerPixel"]) for channel in channels] == [samples] * n_channels


def test_pixels_are_as_large_as_those_of_the_canvas(tmp_path, registration):
    pixels, _ = _pixels(write_registered_ome(tmp_path / "registered.ome.tif", registration))
    assert (float(pixels["PhysicalSizeX"]), float(pixels["PhysicalSizeY"])) == (100, 100)
    assert (pixels["PhysicalSizeXUnit"], pixels["PhysicalSizeYUnit"]) == ("µm", "µm")


def test_named_channels_are_no_colours(tmp_path, registration):
    names = ["DAPI", "GFP", "Cy3"]
    path = write_registered_ome(tmp_path / "r.ome.tif", registration, CHANNELS[..., :3], channel_names=names)
    assert tifffile.imread(path).shape == (3, 80, 114)
    assert [channel["Name"] for channel in _pixels(path)[1]] == names


def test_our_own_reader_takes_the_file(tmp_path, registration):
    section = Section.read(write_registered_ome(tmp_path / "registered.ome.tif", registration))
    assert np.array_equal(section.image, registration.warp())


def test_too_few_names_are_refused_and_nothing_is_written(tmp_path, registration):
    with pytest.raises(ValueError, match="Received: 1 for 2"):
        write_registered_ome(tmp_path / "r.ome.tif", registration, CHANNELS[..., :2], channel_names=["DAPI"])
    assert list(tmp_path.iterdir()) == []

"""Reading the image file of a section."""

import contextlib
import logging

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from atlalign.errors import InvalidFileError
from atlalign.section import _pictures
from atlalign.section.reading import is_ome_zarr, read_image


def _noise(shape, dtype):
    generator = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return generator.random(shape).astype(dtype)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 3), (9, 13, 4)])
def test_a_tiff_comes_back_as_it_was_written(tmp_path, shape, dtype):
    image = _noise(shape, dtype)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack" if len(shape) == 2 else "rgb")
    read = read_image(tmp_path / "a.tif")
    assert read.dtype == image.dtype
    assert np.array_equal(read, image)


@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 3), (9, 13, 4)])
def test_an_8_bit_png_comes_back_as_it_was_written(tmp_path, shape):
    image = _noise(shape, "uint8")
    Image.fromarray(image).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), image)


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_a_16_bit_png_keeps_its_depth_and_the_order_of_its_colours(tmp_path, channels):
    image = _noise((9, 13) if channels is None else (9, 13, channels), "uint16")
    stored = image if channels is None else image[..., [2, 1, 0, 3][:channels]]
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint16
    assert np.array_equal(read, image)


def test_a_palette_png_gives_its_colours(tmp_path):
    picture = Image.fromarray(np.full((4, 5, 3), (200, 10, 30), np.uint8)).quantize(4)
    picture.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [200, 10, 30]


def test_a_palette_tiff_gives_its_colours(tmp_path):
    colours = np.zeros((3, 256), np.uint16)
    colours[:, 7] = (200 << 8, 10 << 8, 30 << 8)
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 5), 7, np.uint8), photometric="palette", colormap=colours)
    assert read_image(tmp_path / "a.tif")[0, 0].tolist() == [200, 10, 30]


def test_the_content_counts_and_not_the_name(tmp_path):
    image = _noise((9, 13), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", image)
    (tmp_path / "a.tif").rename(tmp_path / "a.jpg")
    assert np.array_equal(read_image(tmp_path / "a.jpg"), image)


def test_a_channel_of_several_is_taken(tmp_path):
    image = _noise((3, 9, 13), "uint16")
    tifffile.imwrite(tmp_path / "a.ome.tif", image, metadata={"axes": "CYX"}, photometric="minisblack")
    assert np.array_equal(read_image(tmp_path / "a.ome.tif", channel=1), image[1])


def test_a_channel_of_a_palette_is_one_of_its_colours(tmp_path):
    colours = np.zeros((3, 256), np.uint16)
    colours[:, 7] = (200 << 8, 10 << 8, 30 << 8)
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 5), 7, np.uint8), photometric="palette", colormap=colours)
    assert read_image(tmp_path / "a.tif", channel=1)[0, 0] == 10


def test_a_channel_of_colour_is_taken(tmp_path):
    image = _noise((9, 13, 3), "uint8")
    Image.fromarray(image).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png", channel=2), image[..., 2])


def test_several_channels_without_a_choice_are_refused_with_the_choices(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", _noise((3, 9, 13), "uint16"), metadata={"axes": "CYX"})
    with pytest.raises(InvalidFileError, match=r"channel=0\.\.2"):
        read_image(tmp_path / "a.ome.tif")


def test_a_channel_that_is_not_there_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _noise((9, 13), "uint8"))
    with pytest.raises(InvalidFileError, match="0 <= channel < 1"):
        read_image(tmp_path / "a.tif", channel=1)


@pytest.mark.parametrize("axes", ["ZYX", "TYX"])
def test_a_stack_is_refused(tmp_path, axes):
    tifffile.imwrite(tmp_path / "a.ome.tif", _noise((5, 9, 13), "uint8"), metadata={"axes": axes})
    with pytest.raises(InvalidFileError, match=r"one 2D image.*\(5, 9, 13\)"):
        read_image(tmp_path / "a.ome.tif")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be an existing file"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.xyz"])
@pytest.mark.parametrize("content", [b"", b"this is a text file, whatever it is called"])
def test_a_file_that_is_no_image_is_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidFileError, match=name) as caught:
        read_image(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "deflated.tif"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_file_is_refused_in_one_line(tmp_path, name, kept):
    path = tmp_path / name
    image = _noise((64, 64), "uint8")
    if path.suffix == ".tif":
        tifffile.imwrite(path, image, compression="zlib" if name.startswith("deflated") else None)
    else:
        Image.fromarray(image).save(path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InvalidFileError, match=r"whole, readable.*a damaged") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_picture_too_large_to_decode_is_refused_by_its_header_with_the_remedy(tmp_path, monkeypatch, name):
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) - 30])  # it would not decode
    monkeypatch.setattr(_pictures, "_MOST_PIXELS", 1999)
    remedy = r"at most 1999 pixels.*50 x 40.*vips tiffsave.*bfconvert -tilex"
    with pytest.raises(InvalidFileError, match=remedy) as caught:
        read_image(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_large_picture_is_refused_by_us_and_not_by_pillow(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_image(tmp_path / "a.png").shape == (40, 50)


def _cmyk(tmp_path, dtype="uint8"):
    image = np.zeros((9, 13, 4), dtype)
    image[..., 1:3] = np.iinfo(dtype).max
    image[:4] = 0
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="separated")
    return tmp_path / "a.tif"


def test_a_cmyk_tiff_is_converted_to_rgb(tmp_path):
    image = read_image(_cmyk(tmp_path))
    assert image.shape == (9, 13, 3)
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[8, 0].tolist() == [255, 0, 0]


def test_a_planar_cmyk_tiff_is_converted_to_rgb(tmp_path):
    inks = np.zeros((4, 9, 13), np.uint8)
    inks[1:3] = 255
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated", planarconfig="separate")
    image = read_image(tmp_path / "a.tif")
    assert image.shape == (9, 13, 3)
    assert image[8, 0].tolist() == [255, 0, 0]


def test_a_channel_of_a_cmyk_tiff_is_the_ink_as_stored(tmp_path):
    assert read_image(_cmyk(tmp_path), channel=1)[8, 0] == 255


def test_cmyk_of_16_bits_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(InvalidFileError, match=r"SEPARATED of uint16. Save it as RGB") as caught:
        read_image(_cmyk(tmp_path, "uint16"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["LAB", "YCbCr"])
def test_other_colour_spaces_are_refused_with_the_remedy(tmp_path, mode):
    Image.frombytes(mode, (13, 9), bytes(9 * 13 * 3)).save(tmp_path / "a.tif")
    with pytest.raises(InvalidFileError, match=r"(CIELAB|YCBCR) of uint8. Save it as RGB"):
        read_image(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif", channel=0).shape == (9, 13)


@pytest.mark.parametrize(
    "written",
    [
        {"photometric": "minisblack", "planarconfig": "contig"},
        {"photometric": "rgb", "extrasamples": ["unspecified"]},
        {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"] * 3},
    ],
)
def test_four_channels_without_a_stated_alpha_need_a_choice(tmp_path, written):
    image = _noise((9, 13, 4), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", image, **written)
    with pytest.raises(InvalidFileError, match=r"channel=0\.\.3"):
        read_image(tmp_path / "a.tif")
    assert np.array_equal(read_image(tmp_path / "a.tif", channel=3), image[..., 3])


def test_associated_alpha_is_alpha(tmp_path):
    image = _noise((9, 13, 4), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["assocalpha"])
    assert np.array_equal(read_image(tmp_path / "a.tif"), image)


def test_reading_an_odd_tiff_logs_and_warns_nothing(tmp_path, caplog, recwarn):
    tifffile.imwrite(tmp_path / "a.tif", _noise((64, 64), "uint8"), description="x" * 200)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    # the type of each tag after the second becomes nonsense, which tifffile logs
    for tag in range(2, 6):
        content[8 + 2 + 12 * tag + 2] = 99
    (tmp_path / "a.tif").write_bytes(bytes(content))
    with tifffile.TiffFile(tmp_path / "a.tif"):
        assert caplog.records
    caplog.clear()
    with contextlib.suppress(InvalidFileError):
        read_image(tmp_path / "a.tif")
    assert not caplog.records
    assert not recwarn.list
    assert not logging.getLogger("tifffile").disabled


def test_a_folder_of_sections_is_no_zarr_image(tmp_path):
    (tmp_path / "s001.tif").write_bytes(b"")
    assert not is_ome_zarr(tmp_path)
    (tmp_path / "zarr.json").write_text("{}")
    assert is_ome_zarr(tmp_path)

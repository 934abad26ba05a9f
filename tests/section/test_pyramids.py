"""Slides: levels of pyramids, windows by tiles and strips, and what is read of them."""

import pickle

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign.errors import InvalidFileError
from atlalign.section import Section, _levels, _segments, _tiff
from atlalign.section._pixels import ArrayPixels
from atlalign.section._tiff import TiffPixels
from atlalign.section.reading import open_pixels, read_image


def _smooth(shape, dtype="uint8", seed=0):
    """Return noise that is smooth enough for every level to look alike."""
    coarse = np.random.default_rng(seed).uniform(0, 1, (7, 9, *shape[2:]))
    y, x = np.linspace(0, 6, shape[0]), np.linspace(0, 8, shape[1])
    i, j = np.minimum(y.astype(int), 5), np.minimum(x.astype(int), 7)
    a, b = (y - i).reshape(-1, 1), x - j
    if len(shape) == 3:
        a, b = a[..., None], b[:, None]
    corners = [coarse[np.ix_(i + di, j + dj)] for di in (0, 1) for dj in (0, 1)]
    image = (1 - a) * ((1 - b) * corners[0] + b * corners[1]) + a * ((1 - b) * corners[2] + b * corners[3])
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return (image * 0.8 * top).astype(dtype)


def _half(image):
    height, width = (n // 2 * 2 for n in image.shape[:2])
    blocks = image[:height, :width].reshape(height // 2, 2, width // 2, 2, *image.shape[2:])
    return blocks.mean(axis=(1, 3)).astype(image.dtype)


def _write_pyramid(path, image, layout, n_levels=3, **options):
    levels = [image]
    while len(levels) < n_levels:
        levels.append(_half(levels[-1]))
    options = {"photometric": "rgb" if image.ndim == 3 else "minisblack", "tile": (64, 64), **options}
    with tifffile.TiffWriter(path, ome=layout in ("ome-subifds", "ome-images")) as tif:
        if layout in ("subifds", "ome-subifds"):
            tif.write(levels[0], subifds=n_levels - 1, **options)
            for level in levels[1:]:
                tif.write(level, subfiletype=1, **options)
        else:
            for level in levels:
                reduced = layout == "pages" and level is not image
                tif.write(level, subfiletype=int(reduced), **options)
    return levels


@pytest.mark.parametrize("layout", ["subifds", "ome-subifds", "ome-images", "pages", "series"])
@pytest.mark.parametrize("shape", [(301, 410), (300, 411, 3)])
def test_the_levels_of_every_kind_of_pyramid_are_found(tmp_path, layout, shape):
    levels = _write_pyramid(tmp_path / "a.tif", _smooth(shape), layout)
    section = Section.read(tmp_path / "a.tif")
    assert section.level_shapes == tuple(level.shape[:2] for level in levels)
    for number, level in enumerate(levels):
        assert np.array_equal(section.level(number), level)


def test_other_images_in_the_file_are_no_levels(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(_smooth((300, 400)), metadata=None)
        tif.write(_smooth((60, 60)), metadata=None)  # a picture of the label
        tif.write(_smooth((150, 200), "uint16"), metadata=None)
        tif.write(_smooth((240, 320)), metadata=None)
    assert Section.read(tmp_path / "a.tif").level_shapes == ((300, 400),)


STORED = {
    "plain": {},
    "strips": {"rowsperstrip": 7},
    "deflated strips": {"rowsperstrip": 7, "compression": "zlib", "predictor": True},
    "tiles": {"tile": (16, 32)},
    "deflated tiles": {"tile": (32, 16), "compression": "zlib"},
    "big-endian": {"byteorder": ">"},
    "separate planes": {"planarconfig": "separate"},
    "separate tiles": {"planarconfig": "separate", "tile": (16, 16), "compression": "lzw"},
}


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_window_is_that_part_of_the_image_however_it_is_stored(tmp_path, stored, dtype):
    options = dict(STORED[stored])
    colour = "separate" in stored
    image = _smooth((61, 83, 3) if colour else (61, 83), dtype)
    written = np.moveaxis(image, -1, 0) if colour else image
    byteorder = options.pop("byteorder", None)
    tifffile.imwrite(
        tmp_path / "a.tif", written, photometric="rgb" if colour else "minisblack", byteorder=byteorder, **options
    )
    section = Section.read(tmp_path / "a.tif")

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 82), st.integers(0, 60), st.integers(1, 83), st.integers(1, 61))
    def check(x, y, width, height):
        width, height = min(width, 83 - x), min(height, 61 - y)
        assert np.array_equal(section.read_window(x, y, width, height), image[y : y + height, x : x + width])

    check()


def test_a_jpeg_compressed_tile_is_decoded_to_rgb(tmp_path):
    image = np.full((64, 96, 3), (200, 60, 20), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", tile=(32, 32), compression="jpeg")
    window = Section.read(tmp_path / "a.tif").read_window(40, 20, 30, 30)
    assert np.abs(window.astype(int) - image[0, 0]).max() < 6


@pytest.mark.parametrize("written", [{"metadata": {"axes": "CYX"}, "ome": True}, {"imagej": True}, {"shaped": True}])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_one_channel_of_several_is_read_alone(tmp_path, written, compression):
    image = np.stack([_smooth((60, 80), "uint16", seed) for seed in range(3)])
    options = {key: value for key, value in written.items() if key != "shaped"}
    if "imagej" in options:
        options["metadata"] = {"axes": "CYX"}
    if "shaped" in written:
        options["metadata"] = {"axes": "CYX"}
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", compression=compression, **options)
    section = Section.read(tmp_path / "a.tif", channel=2)
    assert np.array_equal(section.read_window(5, 6, 30, 20), image[2, 6:26, 5:35])
    assert isinstance(open_pixels(tmp_path / "a.tif", channel=2), TiffPixels)


def test_a_channel_of_a_pyramid_is_read_at_each_level(tmp_path):
    images = np.stack([_smooth((128, 160), seed=seed) for seed in range(2)])
    halves = np.stack([_half(image) for image in images])
    options = {"photometric": "minisblack", "tile": (32, 32), "metadata": {"axes": "CYX"}}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        tif.write(images, subifds=1, **options)
        tif.write(halves, subfiletype=1, **options)
    section = Section.read(tmp_path / "a.ome.tif", channel=1)
    assert np.array_equal(section.level(0), images[1])
    assert np.array_equal(section.level(1), halves[1])


def test_empty_tiles_hold_nothing(tmp_path):
    tiles = iter([b"", np.full((16, 16), 9, np.uint8).tobytes()])
    tifffile.imwrite(tmp_path / "a.tif", tiles, shape=(16, 32), dtype="uint8", tile=(16, 16))
    assert read_image(tmp_path / "a.tif")[3].tolist() == [0] * 16 + [9] * 16


@pytest.mark.parametrize("window", [(-1, 0, 5, 5), (0, 0, 81, 5), (0, 58, 5, 3), (3, 3, 0, 2)])
def test_a_window_outside_the_section_is_refused(window):
    with pytest.raises(ValueError, match="window must be"):
        Section(np.zeros((60, 80), np.uint8)).read_window(*window)


@pytest.mark.parametrize("level", [-1, 1])
def test_a_level_that_is_not_there_is_refused(level):
    with pytest.raises(ValueError, match="0 <= level < 1"):
        Section(np.zeros((60, 80), np.uint8)).level(level)


@pytest.fixture
def small_working(monkeypatch):
    """Make everything large: the working resolution is 100 px, whole is what has 20 000."""
    monkeypatch.setattr(_levels, "_WORKING", 100)
    monkeypatch.setattr(_levels, "_WHOLE", 20_000)


def _never_whole(monkeypatch, most):
    """Fail when more pixels than `most` are read at once."""
    read_window = _segments.read_window

    def checked(page, x, y, width, height):
        assert width * height <= most
        return read_window(page, x, y, width, height)

    monkeypatch.setattr(_tiff, "read_window", checked)


@pytest.mark.usefixtures("small_working")
def test_the_working_image_is_the_coarsest_level_that_is_fine_enough(tmp_path, monkeypatch):
    levels = _write_pyramid(tmp_path / "a.tif", _smooth((600, 800)), "subifds", n_levels=5)
    _never_whole(monkeypatch, levels[2].size)
    section = Section.read(tmp_path / "a.tif")
    assert section.shape == (600, 800)
    assert np.array_equal(section.image, levels[3])


@pytest.mark.usefixtures("small_working")
@pytest.mark.parametrize("stored", [{"tile": (64, 64)}, {"rowsperstrip": 10, "compression": "zlib"}, {}])
def test_without_a_pyramid_the_image_is_averaged_band_by_band(tmp_path, monkeypatch, stored):
    image = _smooth((601, 803), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", image, **stored)
    _never_whole(monkeypatch, image.size - 1)
    section = Section.read(tmp_path / "a.tif")
    assert section.shape == (601, 803)
    assert section.image.shape == (76, 101)
    means = image[:600, :800].reshape(75, 8, 100, 8).mean(axis=(1, 3))
    assert np.abs(section.image[:75, :100] - means).max() <= 0.51


@pytest.mark.usefixtures("small_working")
@pytest.mark.parametrize("layout", ["subifds", "single"])
def test_a_slide_gives_what_the_array_of_its_pixels_gives(tmp_path, layout):
    y, x = np.indices((640, 800))
    tissue = np.hypot((x - 420) / 300, (y - 300) / 220) < 1
    image = np.where(tissue, 60 + _smooth((640, 800)) // 3, 240).astype(np.uint8)
    _write_pyramid(tmp_path / "a.tif", image, layout, n_levels=3 if layout == "subifds" else 1)
    slide, array = Section.read(tmp_path / "a.tif"), Section(image)
    assert slide.tissue.polarity == array.tissue.polarity
    assert slide.tissue_box == pytest.approx(array.tissue_box, abs=8)
    turned = np.array([[3.0, 1.2, 40], [-1.2, 3.0, 120]])
    for shape, grid in [((60, 80), None), ((150, 160), turned), ((50, 60), np.array([[0.7, 0, 300], [0, 0.7, 280]]))]:
        difference = slide.normalized(shape, grid_to_section=grid) - array.normalized(shape, grid_to_section=grid)
        assert np.abs(difference).mean() < 0.01


@pytest.mark.usefixtures("small_working")
@pytest.mark.parametrize("layout", ["subifds", "single"])
@pytest.mark.parametrize(
    "grid",
    [
        [[3.0, 1.2, 40], [-1.2, 3.0, 120]],
        [[1.0, 0, 100.5], [0, 1, 200.25]],
        [[0.0, -8, 500], [8, 0, 90]],
        [[2.5, 0, 20], [0, 5.5, 30]],
    ],
)
def test_a_grid_over_a_slide_has_the_values_of_the_array(tmp_path, layout, grid):
    image = _smooth((640, 800), "uint16")
    _write_pyramid(tmp_path / "a.tif", image, layout, n_levels=3 if layout == "subifds" else 1)
    sections = Section.read(tmp_path / "a.tif"), Section(image)
    slide, array = (section.resample((70, 60), np.array(grid)).astype(int) for section in sections)
    assert np.abs(slide - array).max() <= 0.005 * 2**16


@pytest.mark.usefixtures("small_working")
def test_a_small_grid_reads_only_its_window_at_full_resolution(tmp_path, monkeypatch):
    image = _smooth((640, 800))
    _write_pyramid(tmp_path / "a.tif", image, "subifds")
    section = Section.read(tmp_path / "a.tif")
    _never_whole(monkeypatch, 40 * 40)
    assert np.array_equal(section.resample((20, 20), np.array([[1.0, 0, 300], [0, 1, 200]])), image[200:220, 300:320])
    assert (section.resample((20, 20), np.array([[1.0, 0, 5000], [0, 1, -900]]), fill=3) == 3).all()


@pytest.mark.usefixtures("small_working")
def test_displacements_widen_the_window(tmp_path):
    image = _smooth((640, 800))
    _write_pyramid(tmp_path / "a.tif", image, "subifds")
    deltas_xy = np.full((20, 20, 2), 50.0)
    grid = np.array([[1.0, 0, 300], [0, 1, 200]])
    moved = Section.read(tmp_path / "a.tif").resample((20, 20), grid, deltas_xy=deltas_xy)
    assert np.array_equal(moved, image[250:270, 350:370])


def test_a_section_of_a_file_can_be_sent_to_another_process(tmp_path):
    levels = _write_pyramid(tmp_path / "a.tif", _smooth((300, 400)), "subifds")
    section = pickle.loads(pickle.dumps(Section.read(tmp_path / "a.tif")))
    assert np.array_equal(section.level(1), levels[1])


def test_damage_in_a_tile_that_is_read_later_is_named(tmp_path):
    _write_pyramid(tmp_path / "a.tif", _smooth((300, 400)), "single", n_levels=1, compression="zlib")
    section = Section.read(tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        offset = tif.pages.first.dataoffsets[-1]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[offset : offset + 20] = b"x" * 20
    (tmp_path / "a.tif").write_bytes(bytes(content))
    assert section.read_window(0, 0, 10, 10).shape == (10, 10)
    with pytest.raises(InvalidFileError, match=r"a\.tif, a damaged TIFF"):
        section.read_window(390, 290, 10, 10)


def test_a_level_whose_data_end_early_is_refused(tmp_path):
    _write_pyramid(tmp_path / "a.tif", _smooth((300, 400)), "pages", n_levels=2)
    size = (tmp_path / "a.tif").stat().st_size
    with (tmp_path / "a.tif").open("r+b") as file:
        file.truncate(size - 4000)
    with pytest.raises(InvalidFileError, match="damaged TIFF"):
        Section.read(tmp_path / "a.tif")


def test_one_huge_compressed_strip_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(_segments, "_LARGEST_SEGMENT", 2**20)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((1024, 1100), np.uint8), rowsperstrip=1024, compression="zlib")
    with pytest.raises(
        InvalidFileError, match=r"vips tiffsave 'a.tif' 'a.ome.tif' --tile --pyramid.*bfconvert"
    ) as caught:
        Section.read(tmp_path / "a.tif")
    assert "\n" not in str(caught.value)


def test_the_image_of_an_array_is_the_array_itself():
    image = _smooth((300, 400))
    section = Section(image)
    assert section.image is section._pixels.image
    assert section.level_shapes == ((300, 400),)
    assert isinstance(section._pixels, ArrayPixels)

"""OME-Zarr and CZI: what is asked of bioio, and what is made of its answers."""

import sys
from collections import namedtuple
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from atlalign.errors import InvalidFileError, MissingExtraError
from atlalign.section import Section

Sizes = namedtuple("Sizes", "Z Y X")


class FakeImage:
    """An image as bioio shows it: five dimensions and samples, levels, windows."""

    opened: list = []  # noqa: RUF012
    windows: list = []  # noqa: RUF012
    levels: list
    sizes = Sizes(None, 0.7, 0.65)
    unit = None

    def __init__(self, path, **options):
        FakeImage.opened.append((path, options))
        self.resolution_levels = tuple(range(len(self.levels)))
        self.level = 0

    def set_resolution_level(self, level):
        self.level = level

    @property
    def dims(self):
        data = self.levels[self.level]  # T, C, Z, Y, X and perhaps S
        order = "TCZYXS"[: data.ndim]
        return SimpleNamespace(order=order, **dict(zip(order, data.shape, strict=True)))

    @property
    def physical_pixel_sizes(self):
        return self.sizes

    @property
    def dimension_properties(self):
        return SimpleNamespace(X=SimpleNamespace(unit=self.unit))

    def get_image_data(self, order, *, T, C, Z, Y, X):
        FakeImage.windows.append((self.level, Y.stop - Y.start, X.stop - X.start))
        return self.levels[self.level][T, C, Z, Y, X]


@pytest.fixture
def bioio(monkeypatch):
    """Install a module of the name of bioio whose image the tests set."""
    module = ModuleType("bioio")
    module.BioImage = FakeImage
    monkeypatch.setitem(sys.modules, "bioio", module)
    monkeypatch.setattr(FakeImage, "windows", [])
    monkeypatch.setattr(FakeImage, "opened", [])
    return FakeImage


@pytest.fixture
def zarr(tmp_path):
    folder = tmp_path / "section.ome.zarr"
    folder.mkdir()
    (folder / "zarr.json").write_text("{}")
    return folder


@pytest.fixture
def czi(tmp_path):
    path = tmp_path / "section.czi"
    path.write_bytes(b"ZISRAWFILE and more")
    return path


def _image(*shape, dtype="uint16"):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def test_without_bioio_the_command_that_installs_it_is_named(zarr, czi, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioio", None)
    for path in (zarr, czi):
        with pytest.raises(MissingExtraError, match=r"pip install 'atlalign\[bioio\]'"):
            Section.read(path)


def test_levels_channels_and_windows_come_from_bioio(bioio, zarr):
    bioio.levels = [_image(1, 2, 1, 40, 60), _image(1, 2, 1, 20, 30)]
    section = Section.read(zarr, channel=1)
    assert section.level_shapes == ((40, 60), (20, 30))
    assert section.image.dtype == np.uint16
    bioio.windows.clear()
    assert np.array_equal(section.read_window(3, 4, 10, 5, 1), bioio.levels[1][0, 1, 0, 4:9, 3:13])
    assert bioio.windows == [(1, 5, 10)]


@pytest.mark.parametrize(("unit", "factor"), [(None, 1), ("micrometer", 1), ("millimeter", 1000)])
def test_the_pixel_size_comes_with_its_unit(bioio, zarr, monkeypatch, unit, factor):
    bioio.levels = [_image(1, 1, 1, 40, 60)]
    monkeypatch.setattr(bioio, "unit", unit)
    section = Section.read(zarr)
    assert section.pixel_size_um == pytest.approx((0.65 * factor, 0.7 * factor))
    assert section.pixel_size_source == "bioio"


@pytest.mark.parametrize("sizes", [Sizes(None, None, None), Sizes(0.0, 0.0, 0.0)])
def test_no_pixel_size_is_none(bioio, zarr, monkeypatch, sizes):
    bioio.levels = [_image(1, 1, 1, 40, 60)]
    monkeypatch.setattr(bioio, "sizes", sizes)
    assert Section.read(zarr).pixel_size_um is None


def test_colours_of_czi_are_stored_blue_first(bioio, czi):
    bioio.levels = [_image(1, 1, 1, 40, 60, 3, dtype="uint8")]
    assert np.array_equal(Section.read(czi).level(0), bioio.levels[0][0, 0, 0, :, :, ::-1])
    assert np.array_equal(Section.read(czi, channel=0).level(0), bioio.levels[0][0, 0, 0, :, :, 2])


def test_czi_is_read_by_the_reader_that_reads_colours_and_windows(bioio, czi):
    bioio.levels = [_image(1, 1, 1, 40, 60)]
    Section.read(czi)
    assert all(options == {"use_aicspylibczi": False} for _, options in bioio.opened)


@pytest.mark.parametrize("shape", [(2, 1, 1, 8, 9), (1, 1, 5, 8, 9), (1, 2, 1, 8, 9, 3)])
def test_a_stack_is_refused(bioio, zarr, shape):
    bioio.levels = [_image(*shape)]
    with pytest.raises(InvalidFileError, match="one 2D image"):
        Section.read(zarr, channel=0)


def test_several_channels_without_a_choice_are_refused_with_the_choices(bioio, zarr):
    bioio.levels = [_image(1, 3, 1, 8, 9)]
    with pytest.raises(InvalidFileError, match=r"channel=0\.\.2"):
        Section.read(zarr)
    with pytest.raises(InvalidFileError, match="0 <= channel < 3"):
        Section.read(zarr, channel=3)


def test_what_bioio_cannot_read_is_refused_in_one_line(bioio, czi, monkeypatch):
    def fail(self, path, **options):
        raise OSError("not\na CZI")

    monkeypatch.setattr(bioio, "__init__", fail)
    with pytest.raises(InvalidFileError, match=r"a damaged CZI \(not a CZI\)") as caught:
        Section.read(czi)
    assert "\n" not in str(caught.value)


def test_a_real_zarr_is_read(tmp_path):
    pytest.importorskip("bioio")
    writers = pytest.importorskip("bioio_ome_zarr.writers")
    shapes = [(2, 40, 60), (2, 20, 30)]
    writer = writers.OMEZarrWriter(
        str(tmp_path / "a.ome.zarr"),
        shapes,
        "uint16",
        axes_names=["c", "y", "x"],
        axes_types=["channel", "space", "space"],
        axes_units=[None, "millimeter", "millimeter"],
        physical_pixel_size=[1.0, 0.002, 0.001],
    )
    image = _image(*shapes[0])
    writer.write_full_volume(image)
    section = Section.read(tmp_path / "a.ome.zarr", channel=1)
    assert section.level_shapes == ((40, 60), (20, 30))
    assert np.array_equal(section.level(0), image[1])
    assert section.pixel_size_um == pytest.approx((1, 2))


@pytest.mark.parametrize("colour", [False, True])
def test_a_real_czi_is_read(tmp_path, colour):
    pytest.importorskip("bioio_czi")
    czi = pytest.importorskip("pylibCZIrw.czi")
    image = _image(40, 60, *([3] if colour else [1]), dtype="uint8")
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        file.write(data=image)
        file.write_metadata(scale_x=0.5e-6, scale_y=0.75e-6)
    section = Section.read(tmp_path / "a.czi")
    assert np.array_equal(section.level(0), image[..., ::-1] if colour else image[..., 0])
    assert np.array_equal(section.read_window(7, 5, 20, 10), section.level(0)[5:15, 7:27])
    assert section.pixel_size_um == pytest.approx((0.5, 0.75))

"""Sections from files, registered: results lie on the file's own pixels, on each level of a pyramid."""

import numpy as np
import pytest
import tifffile

from atlalign import register
from atlalign.atlas import Atlas
from atlalign.registration import Registration
from atlalign.registration.files import RegistrationFiles
from atlalign.section import Section, _levels
from atlalign.section.canvas import Canvas

ATLAS = Atlas.load("phantom:100")
SHAPE = (80, 114)
POSITION_UM = 6000


def _nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2))


def _three_across(reference, moving):
    return np.broadcast_to(np.float32([3, 0]), (*reference.shape, 2))


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    path = tmp_path_factory.mktemp("slide") / "slide.tif"
    image = (ATLAS.reference_plane(POSITION_UM, (640, 912)) * 255).astype(np.uint8)
    with tifffile.TiffWriter(path) as tif:
        tif.write(image, subifds=2, tile=(64, 64))
        for step in (2, 4):
            size = (640 // step, step, 912 // step, step)
            level = image.reshape(size).mean(axis=(1, 3)).astype(np.uint8)
            tif.write(level, subfiletype=1, tile=(64, 64))
    return path, image


def _register(section, predict=_nothing_to_do):
    return register(section, ATLAS, position_um=POSITION_UM, local_model=predict)


def test_labels_of_a_level_are_those_at_its_pixel_centres(slide):
    registration = _register(Section.read(slide[0], pixel_size_um=12.5))
    labels = registration.labels(level=2)
    assert labels.shape == (160, 228)
    centres = (np.arange(228) + 0.5) * 4 - 0.5, (np.arange(160) + 0.5) * 4 - 0.5
    assert np.array_equal(labels, registration.labels_at(*centres))
    assert np.array_equal(registration.labels((30, 20, 50, 40), level=2), labels[20:60, 30:80])
    assert np.mean(labels == ATLAS.annotation_plane(POSITION_UM, (160, 228))) > 0.97


def test_labels_of_level_0_are_those_of_the_section(slide):
    registration = _register(Section.read(slide[0], pixel_size_um=12.5))
    assert np.array_equal(registration.labels((300, 200, 90, 70), level=0), registration.labels((300, 200, 90, 70)))
    assert np.array_equal(registration.labels(), registration.labels_at(np.arange(912), np.arange(640)))


def test_labels_of_a_level_that_is_not_there_are_refused(slide):
    with pytest.raises(ValueError, match="0 <= level < 3"):
        _register(Section.read(slide[0])).labels(level=3)


def test_a_window_is_checked_against_its_level(slide):
    with pytest.raises(ValueError, match=r"inside the section of 228 x 160 px"):
        _register(Section.read(slide[0])).labels((0, 0, 912, 640), level=2)


def test_a_slide_is_warped_as_its_pixels_in_memory_are(slide, monkeypatch):
    monkeypatch.setattr(_levels, "_WORKING", 100)
    path, image = slide
    section = Section.read(path, pixel_size_um=12.5)
    assert section.image.shape == (160, 228)
    from_file, from_memory = _register(section, _three_across), _register(Section(image, 12.5), _three_across)
    assert np.abs(from_file.canvas.from_section - from_memory.canvas.from_section).max() < 1
    same = Registration(Section(image, 12.5), ATLAS, from_file.canvas, [("local", from_file.field)])
    assert np.abs(from_file.warp().astype(int) - same.warp()).max() < 16
    assert np.abs(from_file.warp().astype(int) - same.warp()).mean() < 1


@pytest.mark.parametrize("level", [0, 1, 2])
def test_an_image_of_the_size_of_any_level_can_be_warped(slide, level):
    section = Section.read(slide[0], pixel_size_um=12.5)
    registration = _register(section, _three_across)
    difference = registration.warp(section.level(level)).astype(int) - registration.warp()
    assert np.abs(difference).mean() < 1.5


@pytest.mark.parametrize(
    ("flip", "rotate"), [("horizontal", 0), ("vertical", 0), (None, 90), (None, 180), ("vertical", 270)]
)
def test_labels_points_and_overlay_of_a_turned_section_lie_on_the_file_s_own_pixels(tmp_path, flip, rotate):
    def lie(image):
        image = np.rot90(image, rotate // 90)
        return image if flip is None else image[:, ::-1] if flip == "horizontal" else image[::-1]

    upright = (ATLAS.reference_plane(POSITION_UM, (160, 228)) * 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", lie(upright))
    registration = _register(Section.read(tmp_path / "a.tif", pixel_size_um=50, flip=flip, rotate=rotate))
    truth = lie(ATLAS.annotation_plane(POSITION_UM, (160, 228)))
    labels = registration.labels()
    assert labels.shape == truth.shape == registration.section.shape
    assert np.mean(labels == truth) > 0.97
    points = np.array([[60.0, 70.0], [90, 100]])
    points_um = registration.section_to_atlas(points)
    assert [int(i) for i in ATLAS.annotation_at(points_um)] == [labels[70, 60], labels[100, 90]]
    assert np.allclose(registration.atlas_to_section(points_um), points, atol=1e-4)
    assert np.abs(registration.warp() / 255 - registration.reference).mean() < 0.02


def test_the_record_says_where_the_pixel_size_is_from_and_how_the_section_lies(tmp_path, slide):
    tifffile.imwrite(tmp_path / "a.ome.tif", slide[1][:, ::-1], metadata={"PhysicalSizeX": 12.5})
    section = Section.read(tmp_path / "a.ome.tif", flip="horizontal")
    _register(section).save(tmp_path / "out")
    record = RegistrationFiles(tmp_path / "out").read_record()["section"]
    assert (record["pixel_size_source"], record["pixel_size_um"]) == ("OME-XML", [12.5, 12.5])
    assert (record["width"], record["height"], record["dtype"]) == (912, 640, "uint8")
    assert record["animal_left_in_image"] == "left"


def test_a_canvas_finer_than_the_working_image_is_filled_from_a_finer_level(slide, monkeypatch):
    monkeypatch.setattr(_levels, "_WORKING", 100)
    path, image = slide
    section = Section.read(path, pixel_size_um=12.5)
    canvas = Canvas.by_tissue(section, ATLAS, POSITION_UM, (640, 912))
    fine = section.normalized(canvas.shape, grid_to_section=canvas.to_section)
    expected = Section(image).normalized(canvas.shape, grid_to_section=canvas.to_section)
    assert np.abs(fine - expected).mean() < 0.01

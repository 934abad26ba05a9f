"""Reading a registered series and finding its images."""

import json

import numpy as np
import pytest

from atlalign.errors import InvalidFileError
from atlalign.quint import read_series
from atlalign.quint.series import find_images
from tests.quint.series_maker import ATLAS, SHAPE, entry, write_series

HEADER = "Filenames,ox,oy,oz,ux,uy,uz,vx,vy,vz"
ROW = "0,300,320,456,0,0,0,0,-320"


def series_of(folder, *names, **more):
    plane = ATLAS.plane(6050)
    return write_series(folder, [(name, None, entry(name, plane, SHAPE, **more)) for name in names])


def numbers(path):
    return [section.number for section in read_series(path)[0]]


def test_a_json_file_gives_planes_markers_sizes_and_numbers(tmp_path):
    [section], _ = read_series(series_of(tmp_path, "a_s003.png", markers=[[1, 2, 3, 4]], nr=7))
    assert np.allclose(section.plane.corners_um, ATLAS.plane(6050).corners_um, atol=1e-3)
    assert section.markers.section_xy.tolist() == [[3, 4]]
    assert section.size == (SHAPE[1], SHAPE[0])
    assert section.number == 7


def test_without_nr_the_name_gives_the_number_and_else_the_order(tmp_path):
    assert numbers(series_of(tmp_path, "a_s012.png", "b.png", "c_s1_s9.jpg")) == [12, 1, 9]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.csv", f"{HEADER}\nbrain_s012.png,{ROW}\n"),
        (
            "s.xml",
            '<series><slice filename="brain_s012.png" nr="12" '
            'anchoring="ox=0&amp;oy=300&amp;oz=320&amp;ux=456&amp;uy=0&amp;uz=0&amp;vx=0&amp;vy=0&amp;vz=-320"/></series>',
        ),
    ],
)
def test_csv_and_xml_files_have_no_markers(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    [section], without = read_series(tmp_path / name)
    assert (section.number, section.markers, section.size, without) == (12, None, None, [])


def test_sections_without_an_anchoring_are_named(tmp_path):
    path = series_of(tmp_path, "a.png")
    series = json.loads(path.read_text())
    series["slices"].append({"filename": "b.png", "nr": 2})
    path.write_text(json.dumps(series))
    sections, without = read_series(path)
    assert [section.filename for section in sections] == ["a.png"]
    assert without == ["b.png"]


@pytest.mark.parametrize("number", ["twelve", 1.5, float("inf"), float("nan"), 1e30, [1]])
def test_a_number_that_is_none_is_refused(tmp_path, number):
    with pytest.raises(InvalidFileError, match=r"number must be an integer.*a\.png"):
        read_series(series_of(tmp_path, "a.png", nr=number))


def found(folder, *names):
    sections, _ = read_series(series_of(folder, *names))
    return [image and image.name for image in find_images(sections, folder)]


def test_an_image_is_found_by_its_name_then_by_its_name_without_the_ending(tmp_path):
    for name in ("a.png", "a.tif", "b.tif", "b.txt"):
        (tmp_path / name).touch()
    assert found(tmp_path, "a.png", "b.png", "c.png") == ["a.png", "b.tif", None]


@pytest.mark.parametrize("name", ["C:\\brain\\a.png", "/brain/a.png", "../a.png"])
def test_folders_in_a_name_count_for_nothing(tmp_path, name):
    (tmp_path / "a.png").touch()
    assert found(tmp_path, name) == ["a.png"]


def test_several_images_for_a_section_are_refused(tmp_path):
    for name in ("a.tif", "a.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(InvalidFileError, match=r"a\.jpg, a\.tif"):
        found(tmp_path, "a.png")


def test_several_sections_with_one_image_are_refused(tmp_path):
    (tmp_path / "a.tif").touch()
    with pytest.raises(InvalidFileError, match=r"a\.png and a\.jpg"):
        found(tmp_path, "a.png", "a.jpg")


def test_a_folder_without_any_image_of_the_series_is_refused(tmp_path):
    (tmp_path / "other.png").touch()
    with pytest.raises(FileNotFoundError, match=r"none of 2, such as a\.png"):
        found(tmp_path, "a.png", "b.png")

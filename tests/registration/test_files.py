"""The result folder: what is in it, and that it is whole or absent."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from atlalign import Atlas, DisplacementField, Plane, Section, register
from atlalign.errors import InvalidFileError
from atlalign.registration.files import RegistrationFiles

ATLAS = Atlas.load("phantom:100")


def _shifting(reference, moving):
    return np.broadcast_to(np.float32([2, 1]), (*reference.shape, 2))


def _registration(image, **where):
    where = where or {"position_um": 6000, "pixel_size_um": 50}
    return register(Section(image, name="s001.tif"), ATLAS, local_model=_shifting, **where)


GREY = np.rint(ATLAS.reference_plane(6000, (160, 228)) * 4000).astype(np.uint16)
RGB = np.repeat(255 - (GREY // 16)[..., None].clip(0, 255), 3, axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    registration = _registration(GREY)
    folder = tmp_path_factory.mktemp("result") / "out"
    assert registration.save(folder) == folder
    return registration, RegistrationFiles(folder)


def test_every_named_file_is_there_and_no_other(saved):
    _, files = saved
    assert sorted(path.name for path in files.folder.iterdir()) == [
        "deltas_xy.npy",
        "inv_deltas_xy.npy",
        "labels.tif",
        "overlay.png",
        "quality.json",
        "registered.tif",
        "registration.json",
        "structures.csv",
    ]


def test_labels_are_uint32_at_the_sections_size(saved):
    registration, files = saved
    labels = files.read_labels()
    assert labels.dtype == np.uint32
    assert np.array_equal(labels, registration.labels())


def test_labels_larger_than_a_tile_are_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("atlalign.registration.labels_file._TILE", 64)
    registration = _registration(GREY)
    registration.save(tmp_path / "out")
    assert np.array_equal(tifffile.imread(tmp_path / "out" / "labels.tif"), registration.labels())


def test_fields_load_as_displacement_fields(saved):
    registration, files = saved
    assert DisplacementField.from_file(files.field) == registration.field == files.read_field()
    assert files.read_inverse_field() == registration.inverse_field
    assert np.load(files.field).dtype == np.float32


@pytest.mark.parametrize("image", [GREY, RGB, np.float32(GREY)], ids=["uint16", "rgb", "float32"])
def test_the_registered_image_keeps_depth_and_colours(tmp_path, image):
    registration = _registration(image)
    registration.save(tmp_path / "out")
    registered = RegistrationFiles(tmp_path / "out").read_registered()
    assert registered.dtype == image.dtype
    assert np.array_equal(registered, registration.warp())


def test_areas_are_the_table(saved):
    registration, files = saved
    areas = files.read_areas()
    pd.testing.assert_frame_equal(areas, registration.structure_areas(), check_dtype=False)


def test_the_record_is_strict_json_and_says_what_was_done(saved):
    _, files = saved

    def refuse(constant):
        raise AssertionError(constant)

    record = json.loads(files.record.read_text(), parse_constant=refuse)
    assert record == files.read_record()
    assert record["section"]["name"] == "s001.tif"
    assert (record["section"]["width"], record["section"]["height"]) == (228, 160)
    assert record["section"]["pixel_size_um"] == [50, 50]
    assert record["section"]["pixel_size_source"] == "given"
    assert record["section"]["animal_left_in_image"] == "right"
    assert record["atlas"]["spec"] == "phantom:100"
    assert record["canvas"]["corners_um"] == ATLAS.plane(6000).corners_um.tolist()
    assert [step["name"] for step in record["steps"]] == ["canvas", "local"]
    assert "quality" not in record
    quality = json.loads(files.quality.read_text(), parse_constant=refuse)
    assert quality == files.read_quality()
    assert quality["folded"]["value"] == 0


def test_what_cannot_be_measured_is_null_in_the_record(tmp_path):
    section = Section(GREY, pixel_size_um=50)

    def away(reference, moving):
        return np.broadcast_to(np.float32([1000, 0]), (*reference.shape, 2))

    register(section, ATLAS, position_um=6000, local_model=away).save(tmp_path / "out")
    quality = RegistrationFiles(tmp_path / "out").read_quality()
    assert quality["correlation_before"]["value"] > 0.9
    assert quality["correlation_after"]["value"] is None


def test_the_record_of_a_mirrored_section_names_the_other_side(tmp_path):
    plane = Plane([6000, 0, 11400], [0, 0, -11400], [0, 8000, 0])
    _registration(np.ascontiguousarray(GREY[:, ::-1]), plane=plane).save(tmp_path / "out")
    record = RegistrationFiles(tmp_path / "out").read_record()
    assert record["section"]["animal_left_in_image"] == "left"
    assert record["canvas"]["animal_left_in_image"] == "right"


def test_what_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    registration = _registration(GREY)
    monkeypatch.setattr(type(registration), "overlay", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        registration.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_other_files_of_the_folder_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    _registration(GREY).save(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "labels.tif").is_file()


def test_a_damaged_record_is_refused(tmp_path):
    (tmp_path / "registration.json").write_text("{")
    with pytest.raises(InvalidFileError, match="must be JSON"):
        RegistrationFiles(tmp_path).read_record()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"labels\.tif"):
        RegistrationFiles(tmp_path).read_labels()


def test_the_overlay_is_a_readable_picture(saved):
    registration, files = saved
    picture = np.asarray(Image.open(files.overlay))
    assert np.array_equal(picture, registration.overlay())

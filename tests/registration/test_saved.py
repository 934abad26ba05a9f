"""A result folder read again gives the points that the live registration gave."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign import Atlas, DisplacementField, Plane, Section, register
from atlalign.errors import AtlasError, InvalidFileError
from atlalign.registration import PointMap, locate_points, read_registration, structure_areas

ATLAS = Atlas.load("phantom:100")
SHAPE = (80, 114)
PIXEL_UM = 50
IMAGE = ATLAS.reference_plane(7400, (160, 228))

PLANES = {
    "upright": ATLAS.plane(7400),
    "mirrored": Plane([7400, 0, 11400], [0, 0, -11400], [0, 8000, 0]),
    "upside down": Plane([7400, 8000, 11400], [0, 0, -11400], [0, -8000, 0]),
    "oblique": Plane([6400, 200, 300], [500, 0, 10800], [900, 7600, 0]),
}


def _registration(random_state=0, plane="upright", sigma=12.0):
    field = DisplacementField.generate(
        SHAPE, "diffeomorphic", amplitude=3, sigma=sigma, random_state=np.random.default_rng(random_state)
    )
    section = Section(IMAGE, name="s001.tif")
    return register(section, ATLAS, plane=PLANES[plane], local_model=lambda reference, moving: field.deltas_xy)


def _points(n=200, random_state=0):
    return np.random.default_rng(random_state).uniform(-0.5, [227.5, 159.5], (n, 2))


def _in_tissue(registration, points):
    return points[locate_points(registration, points)["structure_id"].to_numpy() > 0]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    registration = _registration()
    return registration, read_registration(registration.save(tmp_path_factory.mktemp("result") / "out"))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(sorted(PLANES)), st.floats(8, 30))
def test_points_of_a_saved_registration_are_those_of_the_live_one_and_come_back(
    tmp_path_factory, random_state, plane, sigma
):
    registration = _registration(random_state, plane, sigma)
    registration.overlay = lambda: np.zeros((2, 2, 3), np.uint8)  # drawing it would be most of the time
    read = read_registration(registration.save(tmp_path_factory.mktemp("result")))
    points = _in_tissue(registration, _points())
    assert len(points) > 40
    points_um = registration.section_to_atlas(points)
    assert np.allclose(read.section_to_atlas(points), points_um, rtol=0, atol=1e-6)
    assert np.allclose(read.atlas_to_section(points_um), registration.atlas_to_section(points_um), rtol=0, atol=1e-6)
    for one, other in ((registration, read), (read, registration)):
        there_and_back = other.atlas_to_section(one.section_to_atlas(points))
        assert np.abs(there_and_back - points).max() < 0.5
        back_and_there = other.section_to_atlas(one.atlas_to_section(points_um))
        assert np.abs(back_and_there - points_um).max() < 0.5 * min(registration.canvas.section_pixel_um)


def test_everything_known_of_the_place_is_read_again(saved):
    registration, read = saved
    assert read.section.name == "s001.tif"
    assert read.section.shape == registration.section.shape
    assert read.canvas.shape == SHAPE
    assert np.allclose(read.canvas.plane.corners_um, registration.canvas.plane.corners_um, rtol=0, atol=1e-6)
    assert read.canvas.animal_left == registration.canvas.animal_left
    assert read.canvas.section_pixel_um == registration.canvas.section_pixel_um
    assert "s001.tif" in repr(read)


@pytest.mark.parametrize("how", [{}, {"depth": 3}, {"groups": {"cortex": ["CTX"], "stem": ["BS"]}}], ids=str)
def test_areas_are_those_of_the_live_registration(saved, how):
    registration, read = saved
    pd.testing.assert_frame_equal(read.structure_areas(**how), registration.structure_areas(**how))
    measured = structure_areas(read, **how)
    pd.testing.assert_frame_equal(measured, structure_areas(registration, **how))


def test_labels_are_the_structures_of_the_points_at_the_pixels(saved):
    registration, read = saved
    labels = registration.labels()
    y, x = np.nonzero(labels)
    found = locate_points(read, np.stack([x, y], axis=1))["structure_id"]
    assert (found == labels[y, x]).mean() > 0.995


def test_an_atlas_that_has_moved_can_be_given(saved, tmp_path):
    registration, _ = saved
    folder = shutil.copytree(saved[1].files.folder, tmp_path / "out")
    record = json.loads((folder / "registration.json").read_text())
    record["atlas"]["spec"] = "/nowhere/atlas"
    (folder / "registration.json").write_text(json.dumps(record))
    with pytest.raises(AtlasError, match=r"/nowhere/atlas.*give the atlas if it has moved"):
        read_registration(folder)
    for atlas in (ATLAS, "phantom:100"):
        read = read_registration(folder, atlas=atlas)
        assert np.array_equal(read.section_to_atlas([[9, 9]]), registration.section_to_atlas([[9, 9]]))


@pytest.mark.parametrize(
    ("key", "value", "match"), [("name", "rat", "name rat"), ("resolution_um", [25, 25, 25], "resolution_um")]
)
def test_another_atlas_is_refused(saved, tmp_path, key, value, match):
    folder = _with_record(saved, tmp_path, "atlas", key, value)
    for atlas in (None, ATLAS):
        with pytest.raises(AtlasError, match=f"registered to, of {match}"):
            read_registration(folder, atlas=atlas)


def test_another_version_of_the_atlas_is_refused_unless_it_is_given(saved, tmp_path):
    folder = _with_record(saved, tmp_path, "atlas", "version", "0.0")
    with pytest.raises(AtlasError, match=r"version 0\.0.*--atlas: give this one"):
        read_registration(folder)
    assert read_registration(folder, atlas=ATLAS).atlas is ATLAS


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("atlas", "resolution_um", None),
        ("canvas", "corners_um", [[0, 0, 0]]),
        ("canvas", "width", "wide"),
        ("section", "pixel_size_um", [1]),
        ("section", "height", None),
        ("steps", 0, {"name": "canvas"}),
        ("steps", 0, {"name": "canvas", "section_px_to_canvas_px": [[1, 0, float("nan")], [0, 1, 0]]}),
        ("steps", 0, {"name": "canvas", "section_px_to_canvas_px": [1, 0]}),
    ],
)
def test_a_record_that_does_not_say_enough_is_refused_in_one_line(saved, tmp_path, part, key, value):
    folder = _with_record(saved, tmp_path, part, key, value)
    with pytest.raises(InvalidFileError, match=r"registration\.json.*Register the section again") as caught:
        read_registration(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_record_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"registration\.json"):
        read_registration(tmp_path)


def test_a_table_of_areas_that_is_none_is_refused(saved, tmp_path):
    folder = shutil.copytree(saved[1].files.folder, tmp_path / "out")
    (folder / "structures.csv").write_text("id,pixels\n1,many\n")
    with pytest.raises(InvalidFileError, match="table of areas"):
        read_registration(folder).structure_areas()


def test_a_field_of_another_shape_is_refused(saved):
    canvas = saved[0].canvas
    with pytest.raises(ValueError, match="shape of its canvas"):
        PointMap(canvas, DisplacementField.generate((5, 5)))
    with pytest.raises(ValueError, match="shape of its canvas"):
        PointMap(canvas, DisplacementField.generate(SHAPE), DisplacementField.generate((5, 5)))


def _with_record(saved, tmp_path, part, key, value):
    folder = shutil.copytree(saved[1].files.folder, tmp_path / "out")
    record = json.loads((folder / "registration.json").read_text())
    record[part][key] = value
    (folder / "registration.json").write_text(json.dumps(record))
    return folder

"""QuPath's annotations: valid, without gaps, on the right side, whole."""

import json

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atlalign.errors import InvalidFileError
from atlalign.export._polygons import label_polygons
from atlalign.export.qupath import read_qupath, write_qupath
from tests.export.export_maker import ATLAS, POSITION_UM, bending, registered

MARKER = ATLAS.structures["MRK"].id
REGISTRATION = registered()
SIDES = {"left": 1, "right": 2}


def rasterised(outlines, shape, pixel=1.0):
    """Return the structure and the side at each pixel's centre; no pixel may lie in two outlines."""
    y, x = (np.indices(shape) + 0.5) * pixel
    labels, sides = np.zeros(shape, np.uint32), np.zeros(shape, np.uint8)
    for outline in outlines:
        inside = shapely.contains_xy(outline.geometry, x, y)
        assert not labels[inside].any()
        labels[inside], sides[inside] = outline.structure_id, SIDES[outline.side]
    return labels, sides


def features(path):
    return json.loads(path.read_text())["features"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_qupath(tmp_path_factory.mktemp("qupath") / "section.geojson", REGISTRATION)


@given(hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 3)))
def test_outlines_of_any_labels_are_valid_and_cover_their_pixels_alone(labels):
    outlines = label_polygons(labels)
    assert set(outlines) == set(np.unique(labels)) - {0}
    y, x = np.indices(labels.shape) + 0.5
    for label, outline in outlines.items():
        assert outline.is_valid
        assert np.array_equal(shapely.contains_xy(outline, x, y), labels == label)


def test_a_hole_that_touches_the_outside_at_a_corner_stays_a_hole():
    labels = np.ones((4, 4), int)
    labels[0, 0] = labels[1, 1] = 0
    [polygon] = label_polygons(labels)[1].geoms
    assert polygon.area == 14
    assert shapely.get_num_interior_rings(polygon) == 1


def test_every_polygon_of_a_section_is_valid_and_its_rings_are_closed(written):
    assert all(outline.geometry.is_valid for outline in read_qupath(written))
    for feature in features(written):
        coordinates = feature["geometry"]["coordinates"]
        polygons = [coordinates] if feature["geometry"]["type"] == "Polygon" else coordinates
        assert all(len(ring) >= 4 and ring[0] == ring[-1] for polygon in polygons for ring in polygon)


def test_the_outlines_are_the_labels_on_the_side_that_the_atlas_says(written):
    labels, sides = rasterised(read_qupath(written), REGISTRATION.section.shape)
    assert np.array_equal(labels, REGISTRATION.labels())
    y, x = np.nonzero(labels)
    points_um = REGISTRATION.section_to_atlas(np.stack([x, y], axis=1))
    assert np.mean(sides[y, x] == ATLAS.hemisphere_at(points_um)) > 0.995  # pixels on the midline may round


def test_what_a_structure_surrounds_is_a_hole_in_it(written):
    assert any(shapely.get_num_interior_rings(shapely.get_parts(o.geometry)).any() for o in read_qupath(written))


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_structure_on_one_side_alone_is_on_the_animals_side(tmp_path, mirrored):
    plane = ATLAS.plane(POSITION_UM)
    corners = plane.corners_um[[1, 0, 3, 2]] if mirrored else plane.corners_um
    registration = registered(type(plane).from_corners(corners), (80, 114), model=bending(0.5))
    outlines = read_qupath(write_qupath(tmp_path / "a.geojson", registration))
    [marker] = [outline for outline in outlines if outline.structure_id == MARKER]
    there_um = np.argwhere(ATLAS.annotation_plane(POSITION_UM) == MARKER)[0] * 100 + 50
    hemisphere = ATLAS.hemisphere_at([POSITION_UM, *there_um])
    assert SIDES[marker.side] == hemisphere
    # an asr slice shows the animal's left on the right of the image
    on_the_right = marker.geometry.centroid.x > 57
    assert on_the_right == ((hemisphere == 1) != mirrored)


def test_names_colours_and_classes_are_the_ontologys(written):
    for feature in features(written):
        properties = feature["properties"]
        structure = ATLAS.structures[properties["measurements"]["ID"]]
        assert properties["objectType"] == "annotation"
        assert properties["isLocked"]
        assert properties["name"] == structure.acronym
        assert properties["color"] == properties["classification"]["color"] == list(structure.rgb)
        assert properties["classification"]["name"] in (f"Left: {structure.acronym}", f"Right: {structure.acronym}")
        assert properties["metadata"] == {"structure": structure.name}
        assert "Parent ID" not in properties["measurements"]


def test_the_same_section_gives_the_same_file_and_each_object_its_own_id(written, tmp_path):
    again = write_qupath(tmp_path / "again.geojson", registered())
    assert again.read_bytes() == written.read_bytes()
    ids = [feature["id"] for feature in features(written)]
    assert len(set(ids)) == len(ids)


def test_a_large_section_is_outlined_on_a_coarser_grid_and_enlarged(tmp_path):
    path = write_qupath(tmp_path / "a.geojson", REGISTRATION, max_pixels=94 * 126 // 4)
    outlines = read_qupath(path)
    assert all(outline.geometry.is_valid for outline in outlines)
    labels, _ = rasterised(outlines, (47, 63), pixel=2)
    assert np.array_equal(labels, REGISTRATION.labels_at(np.arange(63) * 2 + 0.5, np.arange(47) * 2 + 0.5))


def test_structures_below_a_depth_are_one_with_their_ancestor(tmp_path):
    outlines = read_qupath(write_qupath(tmp_path / "a.geojson", REGISTRATION, depth=2))
    labels, _ = rasterised(outlines, REGISTRATION.section.shape)
    assert np.array_equal(labels, ATLAS.structures.at_depth(REGISTRATION.labels(), 2))


@pytest.fixture(scope="module")
def written_as_abba(tmp_path_factory):
    return write_qupath(tmp_path_factory.mktemp("abba") / "a.geojson", REGISTRATION, style="abba")


class TestAbba:
    def test_each_annotation_but_the_root_lies_in_its_parents(self, written_as_abba):
        outlines = {(o.structure_id, o.side): o for o in read_qupath(written_as_abba)}
        measured = [feature["properties"]["measurements"] for feature in features(written_as_abba)]
        parents = {measurements["ID"]: measurements for measurements in measured}
        for (identifier, side), outline in outlines.items():
            assert outline.geometry.is_valid
            parent = parents[identifier].get("Parent ID")
            assert parent == ATLAS.structures[identifier].parent_id
            if parent is not None:
                assert outlines[parent, side].geometry.covers(outline.geometry)

    def test_the_root_on_either_side_is_all_there_is(self, written_as_abba):
        root = ATLAS.structures["root"].id
        roots = [outline for outline in read_qupath(written_as_abba) if outline.structure_id == root]
        assert {outline.side for outline in roots} == {"left", "right"}
        assert sum(outline.geometry.area for outline in roots) == np.count_nonzero(REGISTRATION.labels())


def test_what_older_and_newer_qupath_write_is_read(tmp_path):
    square = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]}
    old = {"classification": {"name": "Left: CP"}, "measurements": [{"name": "ID", "value": 80.0}]}
    new = {"classification": {"names": ["Right", "CP"]}, "measurements": {"ID": 80}, "color": [1, 2, 3]}
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {}}
    drawn = [{"type": "Feature", "geometry": square, "properties": properties} for properties in (old, new)]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps([*drawn, point]))
    read = read_qupath(path)
    assert [(o.structure_id, o.side, o.rgb) for o in read] == [(80, "left", None), (80, "right", (1, 2, 3))]


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"features": [{}]}', '[{"geometry": {"type": "Polygon", "coordinates": [[[0, 0]]]}}]']
)
def test_a_file_that_is_no_geojson_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "a.geojson"
    path.write_text(text)
    with pytest.raises(InvalidFileError, match=r"must be GeoJSON.*Received") as refusal:
        read_qupath(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("wrong", "message"), [({"style": "napari"}, "style must be"), ({"max_pixels": 0}, "must be positive")]
)
def test_wrong_arguments_are_refused_before_anything_is_written(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        write_qupath(tmp_path / "a.geojson", REGISTRATION, **wrong)
    assert not list(tmp_path.iterdir())


def test_the_file_is_whole_or_what_was_there_before_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.geojson"
    path.write_text("before")

    def half(collection, file, **options):
        file.write('{"type"')
        raise OSError("disk full")

    monkeypatch.setattr("atlalign.export.qupath.json.dump", half)
    with pytest.raises(OSError, match="disk full"):
        write_qupath(path, REGISTRATION)
    assert [file.name for file in tmp_path.iterdir()] == ["a.geojson"]
    assert path.read_text() == "before"

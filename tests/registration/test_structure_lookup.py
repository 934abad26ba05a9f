"""Labels by the million: the same as point by point, on planes of every kind and grids of every size."""

import numpy as np
import pytest

from atlalign import Atlas, DisplacementField, Plane, Section, register
from atlalign.registration import point_map
from atlalign.registration.files import RegistrationFiles
from atlalign.registration.labels_file import labels_shape
from atlalign.registration.structure_lookup import SIDES_IN_KEY, StructureLookup
from atlalign.section import Canvas

ATLAS = Atlas.load("phantom:100")
IMAGE = ATLAS.reference_plane(7400, (160, 228))

PLANES = {
    "coronal": ATLAS.plane(7400),
    "coronal, beyond the atlas": Plane([7400, -900, -1200], [0, 0, 14000], [0, 10000, 0]),
    "coronal, turned": Plane([7400, 300, 200], [0, 400, 11000], [0, 7300, -500]),
    "oblique": Plane([6400, 200, 300], [500, 0, 10800], [900, 7600, 0]),
}


def _bend(reference, moving):
    field = DisplacementField.generate(reference.shape, "diffeomorphic", amplitude=3, sigma=12, random_state=0)
    return field.deltas_xy


def _registration(plane="coronal", image=IMAGE, **how):
    return register(Section(image, name="s001.tif"), ATLAS, plane=PLANES[plane], local_model=_bend, **how)


@pytest.mark.parametrize("plane", PLANES)
def test_it_says_what_the_atlas_says_of_each_point(plane):
    canvas = Canvas(PLANES[plane], (80, 114), np.eye(2, 3), (100, 100), "given")
    x, y = np.random.default_rng(0).uniform([[-9], [-9]], [[123], [89]], (2, 5000)).reshape(2, 50, 100)
    points_um = canvas.plane.pixels_to_um(np.stack([x, y], axis=-1).reshape(-1, 2), canvas.shape).reshape(50, 100, 3)
    lookup = StructureLookup(ATLAS, canvas)
    labels, keys = lookup.labels(x, y), lookup.keys(x, y)
    assert labels.dtype == np.uint32
    assert labels.any()
    assert np.array_equal(labels, ATLAS.annotation_at(points_um))
    assert np.array_equal(keys // SIDES_IN_KEY, labels)
    assert np.array_equal(keys % SIDES_IN_KEY, ATLAS.hemisphere_at(points_um))


def test_pixels_on_the_very_border_of_voxels_belong_where_points_there_do():
    image = ATLAS.reference_plane(7400, (40, 57))  # every centre of a pixel is a corner of four voxels
    section = Section(image, pixel_size_um=200)
    registration = register(section, ATLAS, plane=PLANES["coronal"], local_model=lambda r, m: np.zeros((*r.shape, 2)))
    y, x = np.indices((40, 57)).reshape(2, -1)
    by_point = ATLAS.annotation_at(registration.section_to_atlas(np.stack([x, y], axis=1)))
    assert np.array_equal(registration.labels().ravel(), by_point)


@pytest.mark.parametrize("plane", ["coronal", "oblique"])
@pytest.mark.parametrize("hemisphere", ["both", "left"])
def test_labels_sides_and_areas_are_those_of_the_points_in_space(plane, hemisphere):
    registration = _registration(plane, hemisphere=hemisphere)
    columns, rows = np.arange(228), np.arange(160)
    labels = registration.labels()
    counted = {}
    for part, found, sides in registration.labels_and_sides_at(columns, rows):
        assert np.array_equal(found, labels[part])
        for key in zip(found[found > 0].tolist(), sides[found > 0].tolist(), strict=True):
            counted[key] = counted.get(key, 0) + 1
    assert registration.count_pixels() == counted
    for part, points_um, counts in registration.atlas_points(columns, rows):
        assert np.array_equal(np.where(counts, ATLAS.annotation_at(points_um), 0), labels[part])


@pytest.mark.parametrize("at_once", [1, 1000, 10**9])
def test_the_size_of_bands_changes_nothing(monkeypatch, at_once):
    registration = _registration()
    expected = registration.labels()
    monkeypatch.setattr(point_map, "_POINTS_AT_ONCE", at_once)
    monkeypatch.setattr(point_map, "_COLUMNS_AT_ONCE", 1 + at_once % 97)
    assert np.array_equal(registration.labels(), expected)


def test_rows_longer_than_opencv_counts_are_labelled_as_short_ones():
    registration = _registration()
    columns = np.linspace(0, 227, 40_000)
    labels = registration.labels_at(columns, [70, 90])
    assert np.array_equal(labels[:, ::100], registration.labels_at(columns[::100], [70, 90]))


class TestCoarserFile:
    def test_of_a_huge_section_the_labels_are_those_at_the_coarser_pixels_centres(self, tmp_path, monkeypatch):
        monkeypatch.setattr("atlalign.registration.labels_file._MOST_PIXELS", 81 * 114)
        image = ATLAS.reference_plane(7400, (161, 228))
        registration = _registration(image=image)
        registration.save(tmp_path / "out")
        files = RegistrationFiles(tmp_path / "out")
        record = files.read_record()["labels"]
        assert (record["width"], record["height"]) == (114, 81)
        assert record["section_px_per_label_px"] == [2, pytest.approx(161 / 81)]
        centres = (np.arange(114) + 0.5) * 2 - 0.5, (np.arange(81) + 0.5) * 161 / 81 - 0.5
        assert np.array_equal(files.read_labels(), registration.labels_at(*centres))
        assert files.read_areas()["pixels"].sum() == np.count_nonzero(registration.labels())

    def test_a_level_of_the_section_is_taken_where_it_is_finer_than_half_its_size(self, monkeypatch):
        monkeypatch.setattr("atlalign.registration.labels_file._MOST_PIXELS", 120 * 171)
        assert labels_shape(((160, 228), (120, 171), (40, 57))) == (120, 171)
        assert labels_shape(((160, 228), (40, 57))) == (80, 114)

    @pytest.mark.parametrize("shape", [(1, 2**27), (2**14, 2**12), (40_000, 40_001)])
    def test_it_has_at_most_so_many_pixels_and_at_least_a_fourth_of_them(self, shape):
        height, width = labels_shape((shape,))
        size = shape[0] * shape[1]
        assert min(size, 2**26) // 4 - max(shape) <= height * width <= 2**26
        assert abs(height / width - shape[0] / shape[1]) < 0.01

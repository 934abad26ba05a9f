"""Dummy images and loaders."""

import json

import nrrd
import numpy as np
import pytest
from scipy.ndimage import label

from atlalign.atlas import Atlas
from atlalign.data import (
    annotation_volume,
    circles,
    manual_registration,
    nissl_volume,
    rectangles,
    segmentation_collapsing_labels,
)
from atlalign.dataset import Attributes, create_dataset
from atlalign.errors import AtlasError, InvalidFileError
from atlalign.utils import find_labels_dic

DRAWING = {
    "rectangles": lambda **kwargs: rectangles(
        **({"n_samples": 4, "shape": (30, 40), "height": 9, "width": 12} | kwargs)
    ),
    "circles": lambda **kwargs: circles(**({"n_samples": 4, "shape": (30, 40), "radius": 7.5} | kwargs)),
}


@pytest.mark.parametrize("draw", DRAWING.values(), ids=DRAWING)
class TestDummyImages:
    @pytest.mark.parametrize("n_levels", [1, 3, 5])
    def test_every_image_has_one_shape_with_all_grey_levels(self, draw, n_levels):
        images = draw(n_levels=n_levels, random_state=0)
        assert images.shape == (4, 30, 40, 1)
        assert images.dtype == np.float32
        for image in images:
            np.testing.assert_allclose(np.unique(image), np.arange(n_levels + 1) / n_levels, rtol=1e-6)
            assert label(image[..., 0] > 0)[1] == 1

    def test_the_seed_decides_where_the_shapes_are(self, draw):
        first, same, other = (draw(random_state=seed) for seed in (1, np.random.default_rng(1), 2))
        np.testing.assert_array_equal(first, same)
        assert not np.array_equal(first, other)

    @pytest.mark.parametrize("kwargs", [{"n_samples": 0}, {"n_levels": 0}, {"n_levels": 99}, {"n_levels": 1.5}])
    def test_numbers_out_of_range_are_refused(self, draw, kwargs):
        with pytest.raises(ValueError, match="must be an integer"):
            draw(**kwargs)


def test_rectangles_have_the_size_asked_for_wherever_they_are():
    images = rectangles(50, (12, 11), height=10, width=7, random_state=0)
    assert {int((image > 0).sum()) for image in images} == {70}
    corners = {tuple(np.argwhere(image[..., 0] > 0)[0]) for image in images}
    assert corners == {(row, column) for row in range(3) for column in range(5)}


def test_circles_are_whole_wherever_they_are():
    images = circles(50, (16, 13), radius=4.5, random_state=0)
    assert len({int((image > 0).sum()) for image in images}) == 1


def test_a_circle_may_fill_the_image():
    assert (circles(1, (9, 9), radius=4, random_state=0)[0, 4, [0, 8]] > 0).all()


@pytest.mark.parametrize("radius", [0, -1, 4.5, np.nan, "3"])
def test_a_circle_that_does_not_fit_is_refused(radius):
    with pytest.raises(ValueError, match="radius must be"):
        circles(1, (9, 40), radius)


@pytest.mark.parametrize("size", [(10, 5), (5, 10)])
def test_a_rectangle_that_does_not_fit_is_refused(size):
    with pytest.raises(ValueError, match="must be an integer from 1 to 9"):
        rectangles(1, (9, 9), *size)


@pytest.mark.parametrize(
    "load",
    [annotation_volume, nissl_volume, manual_registration, segmentation_collapsing_labels],
    ids=lambda f: f.__name__,
)
class TestEveryLoader:
    def test_without_a_path_the_argument_and_a_source_are_named(self, load):
        with pytest.raises(TypeError, match=r"needs path=.*(https://|atlalign dataset)") as error:
            load()
        assert load.__name__ in str(error.value)
        assert "\n" not in str(error.value)

    def test_a_missing_file_is_not_found(self, load, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"missing\.npy"):
            load(tmp_path / "missing.npy")

    def test_another_file_is_refused_by_name(self, load, tmp_path):
        path = tmp_path / "wrong.npy"
        path.write_bytes(b"\x93NUMPY wrong")
        with pytest.raises((AtlasError, InvalidFileError), match=r"wrong\.npy"):
            load(path)


@pytest.mark.parametrize("load", [annotation_volume, nissl_volume])
@pytest.mark.parametrize("suffix", [".npy", ".nrrd"])
def test_volumes_come_back_as_they_were_written(load, suffix, tmp_path):
    volume = np.random.default_rng(0).integers(0, 2**32, (4, 3, 5), dtype="uint32")
    path = tmp_path / f"volume{suffix}"
    np.save(path, volume) if suffix == ".npy" else nrrd.write(str(path), volume)
    loaded = load(path)
    assert loaded.dtype == volume.dtype
    np.testing.assert_array_equal(loaded, volume)


def test_an_annotation_of_floats_is_refused(tmp_path):
    np.save(tmp_path / "reference.npy", np.ones((2, 3, 4)))
    with pytest.raises(InvalidFileError, match="must be of integers"):
        annotation_volume(tmp_path / "reference.npy")


def test_pairs_come_back_as_they_were_written(tmp_path):
    fields = np.random.default_rng(0).normal(size=(2, 6, 8, 2)).astype("float16")
    with create_dataset(tmp_path / "pairs.h5", 2, (6, 8), Attributes()) as file:
        file["deltas_xy"][:] = fields
        file["p"][:] = 25, 50
        del file["corners_um"]
    pairs = manual_registration(tmp_path / "pairs.h5")
    assert sorted(pairs) == ["dataset_id", "deltas_xy", "image_id", "img", "inv_deltas_xy", "p"]
    np.testing.assert_array_equal(pairs["deltas_xy"], fields)
    assert pairs["p"].tolist() == [25, 50]


@pytest.mark.parametrize("content", [[], {"msg": []}, {"id": "x"}, 3])
def test_json_that_is_no_ontology_is_refused(content, tmp_path):
    path = tmp_path / "ontology.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidFileError, match="must be JSON with a root"):
        segmentation_collapsing_labels(path)


@pytest.mark.shared
def test_the_allen_ontology_collapses_as_the_atlas_does(shared):
    folder = shared / "atlas" / "ccf_2017"
    annotation = annotation_volume(folder / "annotation_100um.nrrd")
    hierarchy = segmentation_collapsing_labels(folder / "structure_graph_1.json")
    structures = Atlas.load(folder).structures
    plane = annotation[66]
    for depth in (0, 3, 6):
        np.testing.assert_array_equal(find_labels_dic(plane, hierarchy, depth), structures.at_depth(plane, depth))

"""The phantom atlas: a brain that looks like one, the same every time, different left and right."""

import pickle

import numpy as np
import pytest
from scipy import ndimage

from atlalign.atlas import Atlas
from atlalign.errors import AtlasError
from atlalign.plane import Plane

POSITIONS = (1500, 3000, 4600, 6000, 7400, 9000, 10300, 11600, 12400)


@pytest.fixture(scope="module")
def phantom():
    return Atlas.load("phantom")


@pytest.fixture(scope="module")
def coarse():
    return Atlas.load("phantom", spacing_um=200)


def test_default_grid_is_that_of_the_25_um_mouse_atlases(phantom):
    assert phantom.shape == (528, 320, 456)
    assert phantom.resolution_um == (25, 25, 25)
    assert phantom.shape_um == (13200, 8000, 11400)


@pytest.mark.parametrize("position", POSITIONS)
def test_reference_is_in_range_dark_outside_and_never_saturated(phantom, position):
    reference, annotation = phantom.reference_plane(position), phantom.annotation_plane(position)
    assert reference.dtype == np.float32
    assert annotation.dtype == np.uint32
    assert np.isfinite(reference).all()
    assert reference.min() == 0
    assert 0.4 < reference.max() < 0.98
    np.testing.assert_array_equal(reference > 0, annotation > 0)


@pytest.mark.parametrize("position", POSITIONS)
def test_every_annotated_id_is_a_structure(phantom, position):
    assert set(np.unique(phantom.annotation_plane(position))) <= {0, *phantom.structures}


@pytest.mark.parametrize("position", POSITIONS)
def test_the_brain_keeps_clear_of_the_edges(phantom, position):
    annotation = phantom.annotation_plane(position)
    rows, columns = np.nonzero(annotation)
    assert rows.min() >= 20
    assert rows.max() < 300
    assert columns.min() >= 20
    assert columns.max() < 436


def test_the_middle_of_the_brain_spans_most_of_the_plane(phantom):
    rows, columns = np.nonzero(phantom.annotation_plane(7400))
    assert 0.75 < np.ptp(rows) / 320 < 0.85
    assert 0.75 < np.ptp(columns) / 456 < 0.88


@pytest.mark.parametrize("position", POSITIONS[2:])
def test_the_brain_is_one_piece_without_holes(phantom, position):
    brain = phantom.annotation_plane(position) > 0
    assert ndimage.label(brain)[1] == 1
    np.testing.assert_array_equal(ndimage.binary_fill_holes(brain), brain)


def test_the_olfactory_bulbs_are_two(phantom):
    assert ndimage.label(phantom.annotation_plane(1500) > 0)[1] == 2


def test_the_ends_of_the_atlas_are_empty(phantom):
    for position in (0, 13199):
        assert not phantom.annotation_plane(position).any()
        assert not phantom.reference_plane(position).any()


def test_hierarchy_has_many_structures_at_many_depths(phantom):
    structures = phantom.structures
    assert len(structures) >= 30
    assert len({s.depth for s in structures.values()}) >= 6
    assert [s.acronym for s in structures.values() if s.parent_id is None] == ["root"]
    assert len({s.acronym for s in structures.values()}) == len(structures)


def test_every_leaf_structure_takes_voxels_somewhere(phantom):
    seen = set()
    for position in range(600, 12900, 200):
        seen |= set(np.unique(phantom.annotation_plane(position, shape=(160, 228))))
    leaves = {s.id for s in phantom.structures.values() if not phantom.structures.children(s.id)}
    missing = {phantom.structures[int(i)].acronym for i in leaves - seen}
    assert not missing, missing


def test_isocortex_has_its_layers_in_order_from_the_surface(phantom):
    ap, dv, ml = 6000, np.arange(0, 4000, 25), 2700
    ids = phantom.annotation_at(np.stack(np.broadcast_arrays(ap, dv, ml), -1))
    names = [phantom.structures[int(i)].acronym for i in dict.fromkeys(ids[ids > 0])]
    assert names[:5] == ["SSp1", "SSp2/3", "SSp4", "SSp5", "SSp6"]


def test_dense_layers_are_brighter_and_fluid_is_darker_than_their_surroundings(phantom):
    reference, annotation = phantom.reference_plane(7400), phantom.annotation_plane(7400)

    def mean(acronym):
        return reference[annotation == phantom.structures[acronym].id].mean()

    assert mean("DGg") > 2 * mean("DGm")
    assert mean("CA1p") > 2 * mean("CA1m")
    assert mean("V3") < 0.5 * mean("HY")
    assert mean("cc") < 0.6 * mean("PTL6")


def test_the_marker_is_only_in_the_animals_left_hemisphere(phantom):
    annotation = phantom.annotation_plane(7400)
    columns = np.nonzero(annotation == phantom.structures["MRK"].id)[1]
    assert columns.size > 100
    # image right is the animal's left
    assert columns.min() >= 228
    sides = phantom.hemisphere_at(
        phantom.plane(7400).pixels_to_um(np.stack([columns, np.zeros_like(columns)], 1), (320, 456))
    )
    assert set(sides) == {1}


def test_the_left_hemisphere_is_wider(phantom):
    brain = phantom.annotation_plane(7400) > 0
    assert brain[:, 228:].sum() > 1.01 * brain[:, :228].sum()


def test_neighbouring_planes_are_alike_and_distant_ones_are_not(phantom):
    def overlap(a, b):
        return (phantom.annotation_plane(a) == phantom.annotation_plane(b)).mean()

    for position in POSITIONS:
        assert overlap(position, position + 25) > 0.97
    assert overlap(4600, 7400) < 0.7


def test_planes_of_a_second_atlas_are_identical(phantom):
    again = Atlas.load("phantom")
    np.testing.assert_array_equal(again.reference_plane(7400), phantom.reference_plane(7400))
    np.testing.assert_array_equal(again.annotation_plane(7400), phantom.annotation_plane(7400))


def test_reference_has_texture_inside_a_structure(phantom):
    reference, annotation = phantom.reference_plane(4600), phantom.annotation_plane(4600)
    inside = ndimage.binary_erosion(annotation == phantom.structures["CP"].id, iterations=4)
    assert 0.02 < reference[inside].std() / reference[inside].mean() < 0.3


def test_volumes_are_the_planes_stacked(coarse):
    reference, annotation = coarse.reference_volume(), coarse.annotation_volume()
    assert reference.shape == annotation.shape == coarse.shape == (66, 40, 57)
    for index in (10, 33, 50):
        position = index * 200 + 77
        np.testing.assert_array_equal(reference[index], coarse.reference_plane(position))
        np.testing.assert_array_equal(annotation[index], coarse.annotation_plane(position))


def test_annotation_at_is_the_voxel_that_holds_the_point(coarse):
    points = np.random.default_rng(0).uniform((0, 0, 0), coarse.shape_um, (500, 3))
    i, j, k = np.floor(points / 200).astype(int).T
    np.testing.assert_array_equal(coarse.annotation_at(points), coarse.annotation_volume()[i, j, k])


def test_an_oblique_plane_agrees_with_its_points(phantom):
    plane = Plane([6500, 200, 300], [900, 300, 10800], [-500, 7600, -300])
    shape = (33, 47)
    annotation = phantom.annotation_plane(plane, shape)
    np.testing.assert_array_equal(annotation, phantom.annotation_at(plane.grid_um(shape)))
    assert (annotation > 0).mean() > 0.3
    assert phantom.reference_plane(plane, shape).shape == shape


def test_planes_can_have_any_shape_and_keep_their_content(phantom):
    small, large = phantom.annotation_plane(7400, (160, 228)), phantom.annotation_plane(7400)
    assert small.shape == (160, 228)
    np.testing.assert_array_equal(small, large[1::2, 1::2])


def test_a_coronal_plane_covering_part_of_the_atlas_has_the_spacing_of_the_atlas(phantom):
    part = Plane([7400, 1000, 2000], [0, 0, 5000], [0, 2500, 0])
    np.testing.assert_array_equal(phantom.annotation_plane(part), phantom.annotation_plane(7400)[40:140, 80:280])


def test_returned_planes_are_the_callers_own(phantom):
    first = phantom.reference_plane(5000)
    first[:] = 7
    assert phantom.reference_plane(5000).max() < 1


@pytest.mark.parametrize("spacing", [10, 40, 100, 400])
def test_any_spacing_gives_the_same_brain(phantom, spacing):
    other = Atlas.load("phantom", spacing_um=spacing)
    shape = (80, 114)
    mask = other.annotation_plane(Plane.coronal(7400, other.shape_um), shape) > 0
    expected = phantom.annotation_plane(7400, shape) > 0
    assert (mask == expected).mean() > 0.9


def test_the_name_carries_the_spacing():
    atlas = Atlas.load("phantom:100")
    assert atlas.resolution_um == (100, 100, 100)
    assert atlas.spec == Atlas.load("phantom", spacing_um=100).spec == "phantom:100"
    assert Atlas.load("phantom", spacing_um=12.5).spec == "phantom:12.5"


def test_an_atlas_survives_pickling(coarse):
    again = pickle.loads(pickle.dumps(coarse))
    assert again.shape == coarse.shape
    np.testing.assert_array_equal(again.annotation_plane(7400), coarse.annotation_plane(7400))


def test_hemispheres_split_at_the_middle_and_end_with_the_atlas(phantom):
    points = [[0, 0, 0], [0, 0, 5699], [0, 0, 5700], [0, 0, 11399], [0, 0, 11400], [-1, 0, 0]]
    assert phantom.hemisphere_at(points).tolist() == [2, 2, 1, 1, 0, 0]


@pytest.mark.parametrize("position", [-0.1, 13200, 20000, float("nan")])
def test_a_position_outside_is_refused_with_the_planes_and_the_remedy(phantom, position):
    for call in (phantom.plane, phantom.reference_plane, phantom.annotation_plane):
        with pytest.raises(ValueError, match=r"0 <= position_um < 13200 \(528 planes of 25 um\)") as caught:
            call(position)
        assert "atlalign atlas info phantom" in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 5), (5, -1), (5,), (2, 3, 4)])
def test_a_shape_that_is_none_is_refused(phantom, shape):
    with pytest.raises(ValueError, match="shape must be two positive numbers"):
        phantom.reference_plane(5000, shape)


def test_points_that_are_not_triples_are_refused(phantom):
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\)"):
        phantom.annotation_at([1, 2])


@pytest.mark.parametrize("spacing", [0, -25, 1, 5000, float("nan")])
def test_an_impossible_spacing_is_refused(spacing):
    with pytest.raises(ValueError, match="spacing_um must satisfy"):
        Atlas.load("phantom", spacing_um=spacing)


def test_names_that_contradict_themselves_are_refused():
    with pytest.raises(AtlasError, match="phantom:SPACING"):
        Atlas.load("phantom:fine")
    with pytest.raises(ValueError, match="must agree"):
        Atlas.load("phantom:50", spacing_um=25)


@pytest.mark.parametrize("spacing_um", [100 / 3, 12.5, 50, 123.456789012345, np.float64(400 / 7)])
def test_any_spacing_is_loaded_again_exactly(spacing_um):
    atlas = Atlas.load("phantom", spacing_um=spacing_um)
    for again in (Atlas.load(atlas.spec), pickle.loads(pickle.dumps(atlas))):
        assert again.resolution_um == atlas.resolution_um
        assert again.spec == atlas.spec

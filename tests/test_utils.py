"""Small helpers."""

import numpy as np
import pytest

from atlalign.utils import as_generator, find_labels_dic, griddata_custom, inside_hull

SQUARE = np.array([[0.0, 0], [0, 4], [4, 0], [4, 4]])


def test_the_same_seed_gives_the_same_draws():
    assert as_generator(5).integers(10**9) == as_generator(np.int64(5)).integers(10**9)


def test_a_generator_is_used_as_it_is():
    generator = np.random.default_rng(0)
    assert as_generator(generator) is generator


def test_none_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    as_generator(None).random(10)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("wrong", ["1", 1.5, True, np.random])
def test_other_random_states_are_refused(wrong):
    with pytest.raises(TypeError, match="random_state must be"):
        as_generator(wrong)


def test_negative_seeds_are_refused():
    with pytest.raises(ValueError, match="Received: -1"):
        as_generator(-1)


def test_griddata_custom_is_exact_for_linear_functions():
    generator = np.random.default_rng(0)
    points = np.concatenate([SQUARE, generator.uniform(0, 4, (10, 2))])
    where = generator.uniform(0, 4, (30, 2))
    f_1, f_2 = griddata_custom(points, points @ [1, 2], points @ [-3, 0.5] + 1, where)
    np.testing.assert_allclose(f_1, where @ [1, 2])
    np.testing.assert_allclose(f_2, where @ [-3, 0.5] + 1)


def test_griddata_custom_takes_grids_as_a_tuple():
    grid = np.meshgrid(np.arange(5.0), np.arange(5.0), indexing="ij")
    f_1, f_2 = griddata_custom(SQUARE, SQUARE[:, 0], SQUARE[:, 1], tuple(grid))
    np.testing.assert_allclose([f_1, f_2], grid)


def test_griddata_custom_marks_what_lies_outside_the_hull():
    f_1, f_2 = griddata_custom(SQUARE, np.ones(4), np.ones(4), [[9.0, 9.0]])
    assert np.isnan([f_1, f_2]).all()
    assert griddata_custom(SQUARE, np.ones(4), np.ones(4), [[9.0, 9.0]], fill_value=7)[0] == 7


@pytest.mark.parametrize("n_values", [3, 5])
def test_griddata_custom_refuses_lengths_that_differ(n_values):
    with pytest.raises(ValueError, match="one value a point"):
        griddata_custom(SQUARE, np.ones(4), np.ones(n_values), SQUARE)


@pytest.mark.parametrize("points", [[[0, 0], [1, 1]], [[0, 0], [1, 1], [2, 2], [3, 3]]])
def test_griddata_custom_refuses_points_without_a_triangle(points):
    values = np.ones(len(points))
    with pytest.raises(ValueError, match="at least one triangle"):
        griddata_custom(points, values, values, [[0.5, 0.5]])


def test_the_hull_holds_its_border():
    assert inside_hull(SQUARE, [[0, 0], [2, 0], [4, 4], [2, 2]]).all()
    assert not inside_hull(SQUARE, [[-0.01, 0], [2, 4.01]]).any()


def test_no_points_span_no_hull():
    with pytest.raises(ValueError, match="Received: 0"):
        inside_hull(np.empty((0, 2)), [[0, 0]])


TREE = {
    "id": 997,
    "children": [
        {"id": 8, "children": [{"id": 567, "children": [{"id": 20, "children": []}]}, {"id": 343, "children": []}]},
        {"id": 1009, "children": []},
    ],
}


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, [0, 997, 997, 997, 997, 997, 4]),
        (1, [0, 997, 8, 8, 8, 1009, 4]),
        (2, [0, 997, 8, 567, 567, 1009, 4]),
        (9, [0, 997, 8, 567, 20, 1009, 4]),
    ],
)
@pytest.mark.parametrize("wrap", [lambda tree: tree, lambda tree: {"success": True, "msg": [tree]}])
def test_structures_collapse_to_their_ancestors_and_others_stay(depth, expected, wrap):
    annotation = np.array([[0, 997, 8, 567, 20, 1009, 4]], dtype="int16")
    collapsed = find_labels_dic(annotation, wrap(TREE), depth)
    assert collapsed.dtype == annotation.dtype
    np.testing.assert_array_equal(collapsed, [expected])


def test_an_ancestor_that_the_dtype_cannot_hold_is_not_cut():
    assert find_labels_dic(np.array([20], dtype="uint8"), TREE, 0).tolist() == [997]


def test_an_annotation_without_pixels_stays_without():
    assert find_labels_dic(np.zeros((0, 3), int), TREE, 0).shape == (0, 3)


@pytest.mark.parametrize("wrong", [[1, 2], {"msg": 3}, {"children": []}, {"id": "x"}, None])
def test_what_is_no_hierarchy_is_refused(wrong):
    with pytest.raises(ValueError, match="dic must be"):
        find_labels_dic([1], wrong, 0)


def test_annotations_must_be_integers_and_depths_not_negative():
    with pytest.raises(TypeError, match="float64"):
        find_labels_dic([1.0], TREE, 0)
    with pytest.raises(ValueError, match="Received: -1"):
        find_labels_dic([1], TREE, -1)

"""Registration errors of landmarks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atlalign.metrics import improvement_kp, rtre_kp, tre_kp

points = hnp.arrays(np.float64, (6, 2), elements=st.floats(-100, 100, width=32))


def test_errors_are_distances():
    average, tre, weights = tre_kp([[0, 0], [1, 1]], [[3, 4], [1, 1]])
    assert average == 2.5
    np.testing.assert_array_equal(tre, [5, 0])
    np.testing.assert_array_equal(weights, [0.5, 0.5])


@given(points)
def test_weights_sum_to_one_and_none_is_negative(true):
    weights = tre_kp(true, true + 1, weighted=True)[2]
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()


def test_a_point_far_from_the_others_weighs_more():
    weights = tre_kp([[0, 0], [1, 0], [0, 1], [50, 50]], np.zeros((4, 2)), weighted=True)[2]
    assert weights.argmax() == 3


@pytest.mark.parametrize("true", [[[4, 4]], [[1, 1], [1, 1]]])
def test_points_that_coincide_weigh_the_same(true):
    weights = tre_kp(true, np.zeros_like(true), weighted=True)[2]
    np.testing.assert_array_equal(weights, 1 / len(true))


@pytest.mark.parametrize("weighted", [False, True])
@given(true=points, pred=points)
def test_relative_errors_are_a_fraction_of_the_diagonal(weighted, true, pred):
    average, tre, weights = tre_kp(true, pred, weighted)
    relative_average, rtre, relative_weights = rtre_kp(true, pred, 300, 400, weighted)
    assert relative_average == pytest.approx(average / 500)
    np.testing.assert_allclose(rtre, tre / 500)
    np.testing.assert_array_equal(relative_weights, weights)


def test_improvement_is_the_share_of_points_that_came_closer():
    true = np.array([[i, i] for i in range(4)])
    assert improvement_kp(true, true + 2, true + 3) == (1.0, pytest.approx(np.full(4, True)))
    assert improvement_kp(true, true + 3, true + 1)[0] == 0
    assert improvement_kp(true, true + 1, true + 1)[0] == 0


@pytest.mark.parametrize(
    ("pred", "message"),
    [
        (np.ones((3, 2)), r"Received: \(2, 2\) and \(3, 2\)"),
        (np.ones(2), r"must be \(n, 2\)"),
        (np.ones((0, 2)), "at least one point"),
        ([[np.nan, 1], [1, 1]], "y_pred must be finite"),
    ],
)
def test_points_that_do_not_pair_are_refused(pred, message):
    for call in (tre_kp, lambda true, other: rtre_kp(true, other, 9, 9), lambda t, o: improvement_kp(t, o, o)):
        with pytest.raises(ValueError, match=message):
            call(np.ones((2, 2)), pred)


def test_an_image_without_size_is_refused():
    with pytest.raises(ValueError, match="h and w must be positive"):
        rtre_kp([[0, 0]], [[0, 0]], 0, 10)

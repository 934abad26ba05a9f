"""How far predicted displacement fields are from the true ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atlalign import DisplacementField
from atlalign.metrics import (
    angular_error_of,
    correlation_combined,
    mae_combined,
    mse_combined,
    r2_combined,
    vector_distance_combined,
)

ALL = [
    angular_error_of,
    correlation_combined,
    mae_combined,
    mse_combined,
    r2_combined,
    vector_distance_combined,
]
ERRORS = [angular_error_of, mae_combined, mse_combined, vector_distance_combined]
fields = hnp.arrays(np.float64, (4, 3, 5, 2), elements=st.floats(-50, 50, width=32))


def random_fields(seed=0, n=5, shape=(4, 6)):
    return np.random.default_rng(seed).normal(0, 5, (n, *shape, 2))


@pytest.mark.parametrize("metric", ALL)
class TestEveryFieldMetric:
    def test_takes_lists_of_fields_and_arrays_alike(self, metric):
        true, pred = random_fields(0).astype("float32"), random_fields(1).astype("float32")
        average, per_output = metric(true, pred)
        as_lists = [[DisplacementField.from_deltas_xy(field) for field in batch] for batch in (true, pred)]
        for pair in (as_lists, (as_lists[0], pred), (true, as_lists[1])):
            assert metric(*pair)[0] == average
            np.testing.assert_array_equal(metric(*pair)[1], per_output)

    def test_leaves_its_arguments_as_they_are(self, metric):
        true, pred = random_fields(0), random_fields(1)
        before = true.copy(), pred.copy()
        metric(true, pred)
        np.testing.assert_array_equal((true, pred), before)

    def test_averages_what_it_returns_for_each_output(self, metric):
        average, per_output = metric(random_fields(0), random_fields(1))
        assert isinstance(average, float)
        assert average == pytest.approx(per_output.mean())

    @pytest.mark.parametrize("dtype", ["float16", "float32", "int16"])
    def test_takes_other_dtypes(self, metric, dtype):
        true, pred = (10 * random_fields(0)).astype(dtype), (10 * random_fields(1)).astype(dtype)
        expected = metric(true.astype("float64"), pred.astype("float64"))[0]
        assert metric(true, pred)[0] == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize(
        ("wrong", "error", "message"),
        [
            ("1111", TypeError, "Received: str"),
            ([DisplacementField.generate((4, 6)), "no field"], TypeError, "a list with a str"),
            ([], ValueError, "one shape"),
            (np.full((5, 4, 6, 2), "a"), TypeError, "Received: <U1"),
            (np.zeros((5, 4, 6, 3)), ValueError, r"shape \(5, 4, 6, 3\)"),
            (np.zeros((5, 4, 6, 2, 2)), ValueError, r"shape \(5, 4, 6, 2, 2\)"),
            (np.zeros((4, 6, 2)), ValueError, r"shape \(4, 6, 2\)"),
            (np.zeros((5, 4, 7, 2)), ValueError, "the same shape"),
            (np.full((5, 4, 6, 2), np.nan), ValueError, "240 of 240 numbers are NaN"),
        ],
    )
    def test_refuses_in_one_line_what_are_no_fields(self, metric, wrong, error, message):
        for arguments in ((wrong, random_fields()), (random_fields(), wrong)):
            with pytest.raises(error, match=message) as caught:
                metric(*arguments)
            assert "\n" not in str(caught.value)


class TestErrors:
    @pytest.mark.parametrize("metric", ERRORS)
    def test_are_zero_for_equal_fields(self, metric):
        average, per_output = metric(random_fields(), random_fields())
        assert average == 0
        assert not per_output.any()

    @pytest.mark.parametrize("metric", ERRORS)
    @given(true=fields, pred=fields)
    @settings(max_examples=20, deadline=None)
    def test_do_not_change_when_truth_and_prediction_swap(self, metric, true, pred):
        np.testing.assert_array_equal(metric(true, pred)[1], metric(pred, true)[1])

    def test_of_a_constant_shift_are_its_components(self):
        true = random_fields()
        pred = true + np.array([3.0, -4.0])
        assert vector_distance_combined(true, pred)[0] == pytest.approx(5)
        np.testing.assert_allclose(mae_combined(true, pred)[1], np.broadcast_to([3, 4], true.shape[1:]))
        np.testing.assert_allclose(mse_combined(true, pred)[1], np.broadcast_to([9, 16], true.shape[1:]))

    def test_have_one_value_a_pixel_or_one_a_component(self):
        shapes = {metric: metric(random_fields(0), random_fields(1))[1].shape for metric in ALL}
        per_pixel = {metric for metric, shape in shapes.items() if shape == (4, 6)}
        assert per_pixel == {angular_error_of, vector_distance_combined}
        assert {shapes[metric] for metric in ALL if metric not in per_pixel} == {(4, 6, 2)}


class TestAngularError:
    @pytest.mark.parametrize(("scale", "angle"), [(0.2, 0), (4, 0), (-0.2, 180), (-3, 180)])
    def test_depends_on_directions_alone(self, scale, angle):
        average, per_pixel = angular_error_of(random_fields(), scale * random_fields())
        assert average == pytest.approx(angle, abs=1e-9)
        np.testing.assert_allclose(per_pixel, angle, atol=1e-9)

    @given(st.floats(-180, 180))
    def test_is_the_angle_by_which_vectors_were_turned(self, degrees):
        turn = np.deg2rad(degrees)
        true = random_fields()
        pred = true @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        assert angular_error_of(true, pred)[0] == pytest.approx(abs(degrees), abs=1e-9)

    def test_is_nan_where_a_vector_points_nowhere(self):
        zeros, ones = np.zeros((2, 3, 4, 2)), np.ones((2, 3, 4, 2))
        for pair in ((zeros, ones), (ones, zeros)):
            average, per_pixel = angular_error_of(*pair)
            assert np.isnan(average)
            assert np.isnan(per_pixel).all()

    def test_averages_over_the_samples_that_have_an_angle(self):
        true = np.array([[[[0.0, 0.0]]], [[[1.0, 0.0]]]])
        assert angular_error_of(true, np.array([[[[1.0, 0.0]]], [[[0.0, 1.0]]]]))[0] == 90

    def test_weights_pixels_by_the_length_of_the_truth(self):
        true = np.array([[[[0.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [-1.0, 0.0]]]])
        pred = np.broadcast_to([1.0, 0.0], true.shape)
        assert angular_error_of(true, pred)[0] == pytest.approx(135)
        assert angular_error_of(true, pred, weighted=True)[0] == pytest.approx(120)

    def test_weighted_leaves_out_pixels_whose_prediction_points_nowhere(self):
        true = np.array([[[[5.0, 0.0], [1.0, 0.0]]]])
        pred = np.array([[[[0.0, 0.0], [0.0, 1.0]]]])
        assert angular_error_of(true, pred, weighted=True)[0] == 90
        assert np.isnan(angular_error_of(true, np.zeros_like(true), weighted=True)[0])

    def test_weighted_refuses_several_samples(self):
        with pytest.raises(ValueError, match=r"takes one sample\. Received: 5"):
            angular_error_of(random_fields(), random_fields(), weighted=True)


class TestOverSamples:
    @pytest.mark.parametrize("metric", [correlation_combined, r2_combined])
    def test_are_exactly_one_for_equal_fields(self, metric):
        average, per_output = metric(random_fields(), random_fields())
        assert average == 1
        assert (per_output == 1).all()

    def test_r2_is_zero_for_the_mean_of_the_samples(self):
        true = random_fields()
        pred = np.broadcast_to(true.mean(axis=0), true.shape)
        average, per_output = r2_combined(true, pred)
        assert average == 0
        assert not per_output.any()

    def test_r2_of_a_constant_truth_is_one_if_exact_and_zero_else(self):
        true = np.full((3, 1, 2, 2), 0.1)
        pred = true.copy()
        pred[0, 0, 0] += 1
        np.testing.assert_array_equal(r2_combined(true, pred)[1], [[[0, 0], [1, 1]]])

    def test_r2_of_one_sample_is_nan(self):
        assert np.isnan(r2_combined(random_fields(n=1), random_fields(n=1))[0])

    def test_correlation_is_that_of_numpy_pixel_by_pixel(self):
        true, pred = random_fields(0), random_fields(1)
        per_output = correlation_combined(true, pred)[1]
        for index in np.ndindex(per_output.shape):
            expected = np.corrcoef(true[(slice(None), *index)], pred[(slice(None), *index)])[0, 1]
            assert per_output[index] == pytest.approx(expected)

    def test_correlation_keeps_its_sign(self):
        assert correlation_combined(random_fields(), 3 - 2 * random_fields())[0] == pytest.approx(-1)

    def test_correlation_with_a_constant_is_nan(self):
        true, constant = random_fields(), np.full((5, 4, 6, 2), 0.1)
        for pair in ((true, constant), (constant, true)):
            average, per_output = correlation_combined(*pair)
            assert np.isnan(average)
            assert np.isnan(per_output).all()

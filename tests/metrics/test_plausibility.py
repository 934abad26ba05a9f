"""Folds of fields, and whether an inverse undoes them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign import DisplacementField
from atlalign.metrics import inverse_consistency, percent_nonpositive_jacobian

DEFINITIONS = ["nonpositive", "negative", "published"]


def folded_column(column, fold=-3.0, shape=(20, 40)):
    """Make a field whose Jacobian is at most 0 in the column to the left of `column` alone."""
    deltas = np.zeros((*shape, 2))
    deltas[:, column, 0] = fold
    return deltas


class TestPercentNonpositiveJacobian:
    @pytest.mark.parametrize("definition", DEFINITIONS)
    def test_is_zero_without_folds_and_a_hundred_of_a_mirror(self, definition):
        y, x = np.mgrid[:20, :40]
        mirror = DisplacementField.from_transform(39 - x, y)
        assert percent_nonpositive_jacobian(DisplacementField.generate((20, 40)), definition) == 0
        assert percent_nonpositive_jacobian(mirror, definition) == 100

    def test_a_determinant_of_exactly_zero_counts_unless_it_must_be_negative(self):
        collapsed = folded_column(20, fold=-2.0)  # 1 + (-2 - 0) / 2 = 0 to its left
        assert percent_nonpositive_jacobian(collapsed, "nonpositive") == 100 / 40
        assert percent_nonpositive_jacobian(collapsed, "negative") == 0

    @pytest.mark.parametrize(("column", "counts"), [(6, False), (7, True), (34, True), (35, False)])
    def test_published_leaves_out_six_columns_each_side(self, column, counts):
        percent = percent_nonpositive_jacobian(folded_column(column), "published")
        assert percent == (pytest.approx(100 / 28) if counts else 0)

    def test_published_leaves_out_one_row_above_and_below(self):
        deltas = np.zeros((20, 40, 2))
        deltas[[0, -1], 20, 0] = -3
        assert percent_nonpositive_jacobian(deltas, "nonpositive") == 100 * 2 / 800
        assert percent_nonpositive_jacobian(deltas, "published") == 0

    def test_published_of_a_field_that_is_all_margin_is_nan(self):
        assert np.isnan(percent_nonpositive_jacobian(np.zeros((20, 12, 2)), "published"))

    def test_of_a_batch_is_one_value_a_field(self):
        batch = np.stack([np.zeros((20, 40, 2)), folded_column(20)])
        np.testing.assert_array_equal(percent_nonpositive_jacobian(batch), [0, 2.5])
        assert isinstance(percent_nonpositive_jacobian(batch[1]), float)

    def test_refuses_unknown_definitions_and_fields_that_are_not_finite(self):
        with pytest.raises(ValueError, match="must be one of nonpositive, negative, published"):
            percent_nonpositive_jacobian(np.zeros((20, 40, 2)), "folds")
        with pytest.raises(ValueError, match="deltas_xy must be finite"):
            percent_nonpositive_jacobian(np.full((20, 40, 2), np.inf))


class TestInverseConsistency:
    @given(seed=st.integers(0, 10**6))
    @settings(max_examples=10, deadline=None)
    def test_is_tiny_for_a_field_and_its_inverse_both_ways_round(self, seed):
        df = DisplacementField.generate((40, 56), "diffeomorphic", amplitude=4, sigma=8, random_state=seed)
        inverse = df.pseudo_inverse()
        assert inverse_consistency(df, inverse)[0] < 0.05
        assert inverse_consistency(inverse, df)[0] < 0.05

    def test_of_two_shifts_is_what_is_left_of_them(self):
        there = np.broadcast_to([2.0, 0.0], (2, 10, 20, 2))
        back = np.broadcast_to([1.0, 4.0], (2, 10, 20, 2))
        average, per_pixel = inverse_consistency(there, back)
        assert average == 5
        np.testing.assert_array_equal(per_pixel[..., :18], 5)

    def test_counts_no_pixel_that_leaves_the_grid(self):
        shift = DisplacementField.generate((10, 20), "affine_simple", translation_x=2.5)
        _, per_pixel = inverse_consistency(shift, shift)
        assert np.isnan(per_pixel[:, 17:]).all()
        assert not np.isnan(per_pixel[:, :17]).any()

    def test_is_nan_where_every_pixel_leaves_the_grid(self):
        away = np.full((4, 5, 2), 100.0)
        assert np.isnan(inverse_consistency(away, -away)[0])

    def test_reads_the_inverse_where_points_arrive_between_pixels(self):
        there, back = np.zeros((1, 3, 2)), np.zeros((1, 3, 2))
        there[..., 0] = 0.25
        back[0, :, 0] = [0, 4, 8]
        np.testing.assert_allclose(inverse_consistency(there, back)[1][0, :2], [1.25, 5.25])

    def test_refuses_fields_of_different_shapes(self):
        with pytest.raises(ValueError, match="the same shape"):
            inverse_consistency(np.zeros((4, 5, 2)), np.zeros((4, 6, 2)))

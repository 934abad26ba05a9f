"""Fields made from a field: resize, resize_constant, adjust, mask, anchor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.transform import resize as resize_image

from atlalign.base import DisplacementField

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14)
SEEDS = st.integers(0, 2**32)


def random_field(shape, seed, scale=3.0):
    return DisplacementField(*np.random.default_rng(seed).normal(scale=scale, size=(2, *shape)))


class TestResize:
    @settings(deadline=None, max_examples=40)
    @given(SHAPES, SHAPES)
    def test_resize_constant_of_the_identity_is_the_identity(self, shape, new_shape):
        assert DisplacementField.generate(shape).resize_constant(new_shape) == DisplacementField.generate(new_shape)

    @settings(deadline=None, max_examples=25)
    @given(SHAPES, SEEDS)
    def test_the_same_size_changes_nothing(self, shape, seed):
        df = random_field(shape, seed)
        np.testing.assert_allclose(df.resize(shape).deltas_xy, df.deltas_xy, atol=1e-5)
        np.testing.assert_allclose(df.resize_constant(shape).deltas_xy, df.deltas_xy, atol=1e-5)

    @settings(deadline=None, max_examples=25)
    @given(SHAPES, SHAPES)
    def test_resize_of_the_identity_maps_pixel_centres(self, shape, new_shape):
        f_x, f_y = DisplacementField.generate(shape).resize(new_shape).transformation
        (h, w), (new_h, new_w) = shape, new_shape
        np.testing.assert_allclose(f_x[0], (np.arange(new_w) + 0.5) * w / new_w - 0.5, atol=1e-5)
        np.testing.assert_allclose(f_y[:, 0], (np.arange(new_h) + 0.5) * h / new_h - 0.5, atol=1e-5)

    @pytest.mark.parametrize("new_shape", [(120, 160), (30, 40), (77, 50)])
    def test_resize_warps_as_the_warped_image_resized(self, new_shape):
        shape = (60, 80)
        y, x = np.mgrid[: shape[0], : shape[1]]
        img = (np.sin(x / 9) * np.cos(y / 8)).astype(np.float32)
        df = DisplacementField.generate(shape, "diffeomorphic", amplitude=3, sigma=12, random_state=0)
        expected = resize_image(
            df.warp(img, border_mode="replicate"), new_shape, order=1, mode="edge", anti_aliasing=False
        )
        inner = tuple(slice(size // 6, -(size // 6)) for size in new_shape)  # where no value comes from outside
        got = df.resize(new_shape).warp(img, border_mode="replicate")
        np.testing.assert_allclose(got[inner], expected[inner], atol=0.01)

    def test_resize_constant_scales_each_displacement_with_its_side(self):
        df = DisplacementField(np.full((10, 20), 3.0), np.full((10, 20), 4.0)).resize_constant((20, 60))
        assert df.shape == (20, 60)
        np.testing.assert_allclose(df.delta_x, 9, rtol=1e-6)
        np.testing.assert_allclose(df.delta_y, 8, rtol=1e-6)

    def test_resize_constant_of_an_affine_field_is_exact_inside(self):
        parts = {"rotation": 0.2, "scale_x": 1.1}
        small = DisplacementField.generate((40, 60), "affine_simple", **parts).resize_constant((120, 180))
        big = DisplacementField.generate((120, 180), "affine_simple", **parts)
        np.testing.assert_allclose(small.deltas_xy[3:-3, 3:-3], big.deltas_xy[3:-3, 3:-3], atol=1e-3)

    @pytest.mark.parametrize("new_shape", [(0, 4), (3,), (2.5, 4), (2, 3, 4)])
    @pytest.mark.parametrize("method", ["resize", "resize_constant"])
    def test_other_sizes_are_refused(self, method, new_shape):
        with pytest.raises(ValueError, match="new_shape must be"):
            getattr(DisplacementField.generate((3, 4)), method)(new_shape)


class TestAdjust:
    @settings(deadline=None, max_examples=40)
    @given(SHAPES, SEEDS)
    def test_targets_stay_inside_the_image(self, shape, seed):
        assert not random_field(shape, seed, 20).adjust().outsiders.any()

    @settings(deadline=None, max_examples=25)
    @given(SHAPES, SEEDS)
    def test_directions_stay_and_displacements_that_stay_inside_are_kept(self, shape, seed):
        df = random_field(shape, seed, 5)
        adjusted = df.adjust()
        cross = df.delta_x * adjusted.delta_y - df.delta_y * adjusted.delta_x
        np.testing.assert_allclose(cross, 0, atol=1e-3)
        kept = ~df.outsiders
        np.testing.assert_allclose(adjusted.deltas_xy[kept], df.deltas_xy[kept], atol=1e-5)

    def test_components_are_clipped(self):
        df = random_field((5, 6), 0, 20).adjust(delta_x_max=2, delta_y_max=3, force_inside_border=False)
        assert np.abs(df.delta_x).max() == 2
        assert np.abs(df.delta_y).max() == 3

    def test_without_limits_nothing_changes(self):
        df = random_field((5, 6), 0, 20)
        assert df.adjust(force_inside_border=False) == df

    def test_a_negative_limit_is_refused(self):
        with pytest.raises(ValueError, match="delta_y_max"):
            random_field((5, 6), 0).adjust(delta_y_max=-1)


class TestMask:
    def test_false_pixels_are_filled_and_true_ones_kept(self):
        df = random_field((4, 5), 0)
        mask = np.random.default_rng(0).random((4, 5)) > 0.5
        masked = df.mask(mask, fill_value=7)
        np.testing.assert_array_equal(masked.deltas_xy[mask], df.deltas_xy[mask])
        np.testing.assert_array_equal(masked.deltas_xy[~mask], 7)

    def test_each_component_may_have_its_value(self):
        masked = random_field((1, 1), 0).mask([[False]], fill_value=(1, 2))
        assert masked.deltas_xy.tolist() == [[[1, 2]]]

    @pytest.mark.parametrize("mask", [np.ones((4, 5)), np.ones((5, 4), bool)])
    def test_other_masks_are_refused(self, mask):
        with pytest.raises(ValueError, match="mask_matrix must be a bool array"):
            random_field((4, 5), 0).mask(mask)


class TestAnchor:
    @pytest.mark.parametrize("kept", [0.5, 20, 1.0])
    def test_corners_are_fixed(self, kept):
        df = DisplacementField.generate((40, 50), "affine_simple", translation_x=5).anchor(kept, kept, ds_f=10)
        np.testing.assert_allclose(df.norm[[0, 0, -1, -1], [0, -1, 0, -1]], 0, atol=1e-4)

    def test_sampled_displacements_are_kept(self):
        df = random_field((40, 50), 0)
        anchored = df.anchor(20, 30, ds_f=10)
        rows, columns = np.ix_([10, 20], [10, 20, 30])
        np.testing.assert_allclose(anchored.deltas_xy[rows, columns], df.deltas_xy[rows, columns], atol=1e-3)

    def test_the_identity_stays_the_identity(self):
        assert DisplacementField.generate((40, 50)).anchor().average_displacement == 0

    def test_smoothing_calms_noise(self):
        df = random_field((40, 50), 0)
        assert df.anchor(smooth=50).average_displacement < df.anchor(smooth=0).average_displacement

    @pytest.mark.parametrize(
        "kwargs",
        [{"h_kept": 0}, {"h_kept": 41}, {"w_kept": 1.5}, {"w_kept": -0.5}, {"ds_f": 0}, {"ds_f": 2.0}],
    )
    def test_arguments_out_of_range_are_named(self, kwargs):
        with pytest.raises(ValueError, match=next(iter(kwargs))):
            random_field((40, 50), 0).anchor(**kwargs)

    def test_too_many_displacements_are_refused_before_any_work(self):
        with pytest.raises(ValueError, match="a larger ds_f"):
            DisplacementField.generate((320, 456)).anchor(ds_f=1)

    def test_a_field_that_is_not_finite_is_refused(self):
        with pytest.raises(ValueError, match="must be finite"):
            DisplacementField(np.full((9, 9), np.nan), np.zeros((9, 9))).anchor()

"""DisplacementField: warping images and annotations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import map_coordinates

from atlalign.base import DisplacementField

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
BIG_SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=24, max_side=40)
SEEDS = st.integers(0, 2**32)
ANNOTATION_DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def random_field(shape, seed, scale=3.0):
    return DisplacementField(*np.random.default_rng(seed).normal(scale=scale, size=(2, *shape)))


def translation(shape, x, y=0.0):
    return DisplacementField(np.full(shape, x), np.full(shape, y))


def identity(shape):
    return DisplacementField.generate(shape)


class TestWarp:
    def test_adding_to_x_moves_the_picture_to_the_left(self):
        img = np.zeros((5, 20), dtype=np.float32)
        img[2, 12] = 1
        assert np.argwhere(translation(img.shape, 5).warp(img)).tolist() == [[2, 7]]

    def test_adding_to_y_moves_the_picture_up(self):
        img = np.zeros((20, 5), dtype=np.float32)
        img[12, 2] = 1
        assert np.argwhere(translation(img.shape, 0, 5).warp(img)).tolist() == [[7, 2]]

    def test_a_quarter_turn_is_exact(self):
        img = np.random.default_rng(0).random((7, 7), dtype=np.float32)
        turned = DisplacementField.generate(img.shape, "affine_simple", rotation=np.pi / 2).warp(img)
        # A positive angle takes the output's x axis to the input's y axis: the picture turns the other way.
        np.testing.assert_allclose(turned, np.rot90(img), atol=1e-5)

    @settings(deadline=None, max_examples=25)
    @given(BIG_SHAPES, SEEDS)
    def test_linear_interpolation_is_exact_against_float64(self, shape, seed):
        df = random_field(shape, seed)
        img = np.random.default_rng(seed).random(shape, dtype=np.float32)
        x, y = df.transformation
        padded = np.pad(img.astype(float), 40)
        expected = map_coordinates(padded, [np.float64(y) + 40, np.float64(x) + 40], order=1)
        np.testing.assert_allclose(df.warp(img), expected, atol=2e-5)

    @pytest.mark.parametrize(
        ("dtype", "expected"),
        [("uint8", "uint8"), ("uint16", "uint16"), ("float32", "float32"), ("float64", "float32")],
    )
    @pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "area", "lanczos"])
    @pytest.mark.parametrize("channels", [None, 1, 2, 3, 4, 5, 7])
    def test_the_identity_keeps_every_kind_of_image(self, dtype, expected, interpolation, channels):
        shape = (9, 11) if channels is None else (9, 11, channels)
        img = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
        warped = identity((9, 11)).warp(img, interpolation=interpolation)
        assert warped.dtype == expected
        np.testing.assert_array_equal(warped, img.astype(expected))

    @settings(deadline=None, max_examples=20)
    @given(st.integers(1, 6), SEEDS, st.sampled_from(["linear", "cubic", "lanczos"]))
    def test_channels_are_warped_as_each_would_be_alone(self, channels, seed, interpolation):
        df = random_field((8, 9), seed)
        img = np.random.default_rng(seed).random((8, 9, channels), dtype=np.float32)
        alone = [df.warp(img[..., i], interpolation) for i in range(channels)]
        np.testing.assert_allclose(df.warp(img, interpolation), np.stack(alone, axis=-1), atol=1e-6)

    @pytest.mark.parametrize(
        ("border_mode", "padding"),
        [("replicate", "edge"), ("reflect", "symmetric"), ("wrap", "wrap"), ("reflect_101", "reflect")],
    )
    def test_borders_go_on_as_they_are_called(self, border_mode, padding):
        img = np.arange(12, dtype=np.float32).reshape(1, 12)
        warped = translation(img.shape, 4).warp(img, border_mode=border_mode)
        np.testing.assert_array_equal(warped[0], np.pad(img[0], (0, 4), mode=padding)[4:])

    def test_constant_border_fills(self):
        img = np.ones((3, 6), dtype=np.uint8)
        np.testing.assert_array_equal(translation(img.shape, 4).warp(img, c=7)[0], [1, 1, 7, 7, 7, 7])

    def test_constant_fills_every_channel(self):
        img = np.ones((3, 6, 5), dtype=np.float32)
        np.testing.assert_array_equal(translation((3, 6), 4).warp(img, c=7)[0, -1], [7] * 5)

    def test_transparent_border_keeps_the_pixel_at_that_place(self):
        img = np.arange(6, dtype=np.float32).reshape(1, 6)
        warped = translation(img.shape, 4).warp(img, border_mode="transparent")
        np.testing.assert_array_equal(warped[0], [4, 5, 2, 3, 4, 5])

    def test_the_input_may_have_another_size_than_the_field(self):
        img = np.arange(24, dtype=np.float32).reshape(4, 6)
        np.testing.assert_array_equal(identity((2, 3)).warp(img), img[:2, :3])

    def test_the_input_is_not_changed(self):
        img = np.random.default_rng(0).random((5, 6), dtype=np.float32)
        copy = img.copy()
        random_field(img.shape, 0).warp(img, border_mode="transparent")
        np.testing.assert_array_equal(img, copy)

    @pytest.mark.parametrize("dtype", ["bool", "int32", "float16", "complex64"])
    def test_other_dtypes_are_refused(self, dtype):
        with pytest.raises(ValueError, match=f"Received: {dtype}"):
            identity((3, 4)).warp(np.zeros((3, 4), dtype=dtype))

    @pytest.mark.parametrize("argument", ["interpolation", "border_mode"])
    def test_unknown_names_are_key_errors(self, argument):
        with pytest.raises(KeyError, match=f"{argument} must be one of"):
            identity((3, 4)).warp(np.zeros((3, 4), dtype=np.float32), **{argument: "reflect101"})

    def test_an_image_too_long_for_remap_is_refused_in_one_line(self):
        with pytest.raises(ValueError, match="shorter than 32767 px"):
            identity((1, 4)).warp(np.zeros((1, 40000), dtype=np.float32))

    def test_a_field_too_long_for_remap_is_refused_in_one_line(self):
        with pytest.raises(ValueError, match="shorter than 32767 px"):
            identity((1, 40000)).warp(np.zeros((1, 4), dtype=np.float32))

    def test_an_annotation_may_be_of_any_size(self):
        labels = np.arange(40000, dtype=np.uint32)[np.newaxis]
        assert translation(labels.shape, 7).warp_annotation(labels)[0, 39000] == 39007

    def test_a_fill_value_that_is_no_number_is_refused(self):
        with pytest.raises(TypeError, match="c must be a real number"):
            identity((1, 4)).warp(np.zeros((1, 4), dtype=np.float32), c="black")

    def test_a_field_that_is_not_finite_is_refused(self):
        with pytest.raises(ValueError, match="1 of 2 pixels are not"):
            DisplacementField([[np.inf, 0]], [[0, 0]]).warp(np.zeros((1, 2), dtype=np.float32))


class TestWarpAnnotation:
    @settings(deadline=None, max_examples=40)
    @given(st.sampled_from(ANNOTATION_DTYPES), SHAPES, SEEDS)
    def test_no_label_appears_and_the_dtype_stays(self, dtype, shape, seed):
        info = np.iinfo(dtype)
        generator = np.random.default_rng(seed)
        labels = generator.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        warped = random_field(shape, seed).warp_annotation(labels)
        assert warped.dtype == dtype
        assert set(warped.ravel().tolist()) <= set(labels.ravel().tolist())

    def test_the_border_is_replicated(self):
        labels = np.array([[1, 2, 3]], dtype=np.uint32)
        np.testing.assert_array_equal(translation((1, 3), 2).warp_annotation(labels), [[3, 3, 3]])

    def test_both_approaches_mean_the_same(self):
        labels = np.arange(30, dtype=np.int32).reshape(5, 6)
        df = random_field(labels.shape, 0)
        np.testing.assert_array_equal(df.warp_annotation(labels), df.warp_annotation(labels, approach="scipy"))

    @pytest.mark.parametrize("labels", [np.zeros((2, 2)), np.zeros((2, 2), bool), np.zeros(4, int)])
    def test_other_arrays_are_refused(self, labels):
        with pytest.raises(ValueError, match="integer array"):
            identity((2, 2)).warp_annotation(labels)

    def test_an_unknown_approach_is_refused(self):
        with pytest.raises(ValueError, match="approach must be"):
            identity((2, 2)).warp_annotation(np.zeros((2, 2), int), approach="pil")

"""Bilinear sampling: exact, differentiable, and the same however Keras runs it."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign._field.sampling import sample_points
from atlalign.ml_utils.sampling import bilinear_sample, bilinear_warp
from tests.ml_utils.layers_support import (
    MODES,
    as_numpy,
    assert_gradients_are_differences,
    gradients,
    off_grid_field,
    run,
)

BORDER_MODES = ["constant", "replicate"]


def expected_samples(images, points_xy, border_mode):
    """The same in double precision NumPy; a frame of zeros makes the constant border of the replicated one."""
    if border_mode == "constant":
        images, points_xy = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))), points_xy + 1
    pairs = zip(images, points_xy, strict=True)
    return np.stack([sample_points(image, points[..., 0], points[..., 1]) for image, points in pairs])


def images_and_points(seed=0, n=2, shape=(6, 7), out=(5, 8), channels=3, reach=3):
    """Images, and positions inside and outside them, off whole pixels."""
    rng = np.random.default_rng(seed)
    points_xy = np.stack([rng.integers(-reach, size + reach, (n, *out)) for size in shape[::-1]], axis=-1)
    return rng.random((n, *shape, channels)), points_xy + rng.uniform(0.2, 0.8, points_xy.shape)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("border_mode", BORDER_MODES)
def test_samples_are_those_of_double_precision_numpy(border_mode, mode):
    images, points_xy = images_and_points()
    sampled = run(lambda *tensors: bilinear_sample(*tensors, border_mode), images, points_xy, mode=mode)
    assert sampled.dtype == np.float64
    np.testing.assert_allclose(sampled, expected_samples(images, points_xy, border_mode), rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    out=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.integers(1, 6),
    border_mode=st.sampled_from(BORDER_MODES),
)
def test_any_size_down_to_one_pixel_is_sampled_exactly(seed, shape, out, channels, border_mode):
    images, points_xy = images_and_points(seed, 2, shape, out, channels)
    sampled = as_numpy(bilinear_sample(images, points_xy, border_mode))
    np.testing.assert_allclose(sampled, expected_samples(images, points_xy, border_mode), rtol=0, atol=1e-12)


@pytest.mark.parametrize("border_mode", BORDER_MODES)
def test_warping_is_sampling_at_the_pixel_grid_plus_the_field(border_mode):
    images, points_xy = images_and_points(out=(6, 7))
    y, x = np.mgrid[:6, :7]
    warped = as_numpy(bilinear_warp(images, points_xy - np.stack([x, y], axis=-1), border_mode))
    np.testing.assert_allclose(warped, expected_samples(images, points_xy, border_mode), rtol=0, atol=1e-12)


def test_a_warp_keeps_every_digit_of_a_displacement_far_from_the_origin():
    ramp = np.arange(4000, dtype="float32").reshape(1, 1, -1, 1) - 3000
    displacement = np.float32(0.123456789)
    field = np.zeros((1, 1, 4000, 2), "float32")
    field[..., 0] = displacement
    warped = as_numpy(bilinear_warp(ramp, field, "replicate"))
    assert warped[0, 0, 3000, 0] == displacement


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("border_mode", "channels"), [("constant", 1), ("replicate", 2), ("constant", 5)])
def test_gradients_agree_with_finite_differences(border_mode, channels, mode):
    images, points_xy = images_and_points(channels=channels)
    weights = np.random.default_rng(1).random((2, 5, 8, channels))

    def value(images, points_xy):
        return keras.ops.sum(bilinear_sample(images, points_xy, border_mode) * weights)

    assert_gradients_are_differences(value, images, points_xy, mode=mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("border_mode", BORDER_MODES)
def test_gradients_in_single_precision_are_those_in_double(border_mode, mode):
    rng = np.random.default_rng(0)
    images, fields = rng.random((3, 9, 8, 2)), off_grid_field(rng, (3, 9, 8, 2), reach=4)
    weights = rng.random((3, 9, 8, 2))

    def value(images, fields):
        return keras.ops.sum(bilinear_warp(images, fields, border_mode) * keras.ops.cast(weights, images.dtype))

    expected = gradients(value, images, fields)
    actual = gradients(value, images.astype("float32"), fields.astype("float32"), mode=mode)
    for one, other in zip(actual, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def squared_gradient(images, points_xy):
    """A function of the first derivatives of a sampling."""

    def value(images, points_xy):
        return keras.ops.sum(keras.ops.square(bilinear_sample(images, points_xy, "constant")))

    if keras.backend.backend() == "jax":
        import jax

        to_images, to_points = jax.grad(value, (0, 1))(images, points_xy)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch((images, points_xy))
            inner = value(images, points_xy)
        to_images, to_points = tape.gradient(inner, (images, points_xy))
    return keras.ops.sum(to_images**2) + keras.ops.sum(to_points**2)


class TestSecondDerivatives:
    inputs = images_and_points(n=1, shape=(4, 4), out=(3, 3), channels=1, reach=1)

    def test_agree_with_finite_differences(self):
        if keras.backend.backend() == "torch":
            pytest.skip("squared_gradient is not written for torch")
        assert_gradients_are_differences(squared_gradient, *self.inputs, atol=1e-6)

    def test_are_refused_rather_than_wrong_where_kernels_are_compiled(self):
        if keras.backend.backend() != "tensorflow":
            pytest.skip("JAX differentiates compiled kernels")
        with pytest.raises(LookupError, match="sampling has no second derivative"):
            gradients(squared_gradient, *self.inputs, mode="graph")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("border_mode", BORDER_MODES)
def test_infinite_positions_are_outside(border_mode, mode):
    image = np.arange(1, 5, dtype="float32").reshape(1, 2, 2, 1)
    field = np.zeros((1, 2, 2, 2), "float32")
    field[0, 0] = [(-np.inf, 0), (np.inf, np.inf)]
    field[0, 1] = [(1e30, -1e30), (0, 0)]
    warped = run(lambda *tensors: bilinear_warp(*tensors, border_mode), image, field, mode=mode)
    assert warped.ravel().tolist() == ([0, 0, 0, 4] if border_mode == "constant" else [1, 4, 2, 4])


@pytest.mark.parametrize("mode", MODES)
def test_a_position_that_is_not_a_number_spoils_its_own_pixel_only(mode):
    field = np.zeros((1, 2, 2, 2), "float32")
    field[0, 0, 1, 0] = np.nan
    warped = run(
        lambda *tensors: bilinear_warp(*tensors, "constant"), np.ones((1, 2, 2, 1), "float32"), field, mode=mode
    )
    assert np.isnan(warped[0, 0, 1, 0])
    assert (np.delete(warped.ravel(), 1) == 1).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_images_of_another_dtype_are_sampled_in_the_positions(dtype, mode):
    image = np.array([1, 2], dtype).reshape(1, 1, 2, 1)
    field = np.full((1, 1, 2, 2), (0.1, 0), "float32")
    warped = run(lambda *tensors: bilinear_warp(*tensors, "replicate"), image, field, mode=mode)
    assert warped.dtype == np.float32
    np.testing.assert_allclose(warped.ravel(), [1.1, 2], rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_half_precision_positions_are_possible(mode):
    image, field = np.ones((1, 3, 4, 1), "float16"), np.full((1, 3, 4, 2), 0.5, "float16")
    (gradient,) = gradients(
        lambda field: keras.ops.sum(bilinear_warp(keras.ops.convert_to_tensor(image), field, "constant")),
        field,
        mode=mode,
    )
    assert gradient.dtype == np.float16
    np.testing.assert_array_equal(gradient[0, 0, :, 0], [0, 0, 0, -1])


def test_refuses_an_unknown_border_mode():
    with pytest.raises(ValueError, match=r"one of constant, replicate\. Received: border_mode='mirror'"):
        bilinear_sample(np.zeros((1, 2, 2, 1)), np.zeros((1, 2, 2, 2)), "mirror")


def test_keras_tensors_make_a_model_that_is_saved_and_loaded(tmp_path):
    image, field = keras.Input((6, 7, 3)), keras.Input((6, 7, 2))
    warped = bilinear_warp(image, field, "replicate")
    assert (warped.shape, warped.dtype) == ((None, 6, 7, 3), "float32")
    model = keras.Model([image, field], [warped, bilinear_sample(warped, field, "constant")])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    rng = np.random.default_rng(0)
    inputs = [rng.random((2, 6, 7, 3)).astype("float32"), rng.normal(size=(2, 6, 7, 2)).astype("float32")]
    for one, other in zip(model(inputs), again(inputs), strict=True):
        np.testing.assert_array_equal(as_numpy(one), as_numpy(other))


def test_one_compiled_kernel_serves_every_size_of_batch():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only on TensorFlow do kernels compile apart from the model")
    import tensorflow as tf

    from atlalign.ml_utils._sampling import on_tensorflow

    shape = (11, 13)  # of no other test: kernels are kept for the whole process
    warp = tf.function(
        lambda images, fields: bilinear_warp(images, fields, "constant"),
        input_signature=[tf.TensorSpec((None, *shape, channels)) for channels in (1, 2)],
    )
    on_tensorflow._compiled_kernel.cache_clear()
    for n in (4, 1, 3):
        assert warp(tf.ones((n, *shape, 1)), tf.zeros((n, *shape, 2))).shape == (n, *shape, 1)
    (_, _, _, kernels) = on_tensorflow._compiled_kernel.cache_info()
    assert kernels == 1


def test_where_a_gpu_is_visible_a_graph_holds_plain_operations(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only on TensorFlow do kernels compile apart from the model")
    import tensorflow as tf

    from atlalign.ml_utils._sampling import on_tensorflow

    images, points_xy = images_and_points()
    expected = gradients(lambda *tensors: keras.ops.sum(bilinear_sample(*tensors, "constant") ** 2), images, points_xy)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [kind])
    monkeypatch.setattr(on_tensorflow, "_compiled_kernel", None)
    actual = gradients(
        lambda *tensors: keras.ops.sum(bilinear_sample(*tensors, "constant") ** 2), images, points_xy, mode="graph"
    )
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_sizes_may_be_unknown_until_a_graph_runs():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("a graph knows its sizes on other backends")
    import tensorflow as tf

    images, points_xy = images_and_points()
    sample = tf.function(
        lambda images, points_xy: bilinear_sample(images, points_xy, "constant"),
        input_signature=[tf.TensorSpec((None, None, None, channels), "float64") for channels in (3, 2)],
    )
    np.testing.assert_allclose(sample(images, points_xy), expected_samples(images, points_xy, "constant"), atol=1e-12)

"""LPIPS: known answers, an independent forward pass, gradients, precision, sizes, serialisation."""

import keras
import numpy as np
import pytest
from keras import ops

from atlalign.ml_utils.losses.perceptual import PerceptualLoss
from atlalign.ml_utils.lpips import LPIPS
from atlalign.weights import load_lpips
from tests.ml_utils.losses_support import gradient_of

pytestmark = pytest.mark.usefixtures("lpips_weights")

NETS = ("alex", "vgg")
MODELS = ("net-lin", "net")


def smooth_images(shape, seed=0, channels=1):
    """Two different images of blobs in [0, 1], (1, h, w, channels)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]][..., None, None] / max(shape)
    images = []
    for _ in range(2):
        across, down, start = rng.uniform(2, 40, (3, 2, channels))
        image = np.sin(across * x + down * y + start).mean(-2)
        images.append((image / 2 + 0.5).astype("float32")[None])
    return images


def reference_features(net, image):
    """The compared layers of a network by loops over the kernel's positions, in double precision."""
    weights = {name: array.astype(float) for name, array in load_lpips(net).items()}
    z = np.repeat(image, 3 // image.shape[-1], axis=-1).astype(float)
    z = (2 * z - 1 - np.array([-0.030, -0.088, -0.188])) / np.array([0.458, 0.448, 0.450])

    def convolved(x, i, stride, pad):
        x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
        kernel, bias = weights[f"kernel_{i}"], weights[f"bias_{i}"]
        h, w = ((size - kernel.shape[0]) // stride + 1 for size in x.shape[:2])
        total = np.zeros((h, w, kernel.shape[3])) + bias
        for dy in range(kernel.shape[0]):
            for dx in range(kernel.shape[1]):
                part = x[dy : dy + stride * h : stride, dx : dx + stride * w : stride][:h, :w]
                total += np.tensordot(part, kernel[dy, dx], axes=1)
        return np.maximum(total, 0)

    def pooled(x, size):
        h, w = ((n - size) // 2 + 1 for n in x.shape[:2])
        shifted = [x[dy : dy + 2 * h : 2, dx : dx + 2 * w : 2][:h, :w] for dy in range(size) for dx in range(size)]
        return np.max(shifted, axis=0)

    if net == "alex":
        first = convolved(z, 0, 4, 2)
        second = convolved(pooled(first, 3), 1, 1, 2)
        third = convolved(pooled(second, 3), 2, 1, 1)
        fourth = convolved(third, 3, 1, 1)
        return [first, second, third, fourth, convolved(fourth, 4, 1, 1)]
    taps, done = [], 0
    for n in (2, 2, 3, 3, 3):
        z = pooled(z, 2) if taps else z
        for _ in range(n):
            z = convolved(z, done, 1, 1)
            done += 1
        taps.append(z)
    return taps


def reference_distances(net, one, two):
    """The distance for each model, from the same features."""
    lin = cosine = 0.0
    for i, (f, g) in enumerate(zip(reference_features(net, one), reference_features(net, two), strict=True)):
        f, g = (x / (np.sqrt((x**2).sum(-1, keepdims=True)) + 1e-10) for x in (f, g))
        lin += (((f - g) ** 2) @ load_lpips(net)[f"head_{i}"].astype(float)).mean()
        cosine += 1 - (f * g).sum(-1).mean()
    return {"net-lin": lin, "net": cosine}


@pytest.mark.shared
@pytest.mark.parametrize(("net", "expected"), [("alex", (0.72188, 0.13757)), ("vgg", (0.56861, 0.42166))])
def test_distances_are_those_of_the_published_network(shared, net, expected):
    import imageio.v3 as iio

    paths = [shared / "reference" / "lpips" / f"ex_{name}.png" for name in ("ref", "p0", "p1")]
    ref, p0, p1 = (iio.imread(path)[None, ..., :3].astype("float32") / 255 for path in paths)
    found = LPIPS(net)(ref, np.concatenate([p0, p1]))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "shape", "channels"),
    [("alex", (64, 64), 1), ("alex", (65, 65), 1), ("alex", (100, 73), 1), ("alex", (66, 67), 3), ("vgg", (65, 71), 1)],
)
def test_distances_are_those_of_an_independent_forward_pass(net, shape, channels):
    one, two = smooth_images(shape, channels=channels)
    for model, expected in reference_distances(net, one[0], two[0]).items():
        assert expected > 0.1
        np.testing.assert_allclose(LPIPS(net, model)(one, two), [expected], rtol=2e-5)


@pytest.mark.parametrize("net", NETS)
def test_a_grey_image_is_its_own_copy_in_three_channels(net):
    one, two = smooth_images((64, 70))
    lpips = LPIPS(net)
    np.testing.assert_allclose(lpips(one, two), lpips(np.repeat(one, 3, -1), np.repeat(two, 3, -1)), rtol=1e-5)


@pytest.mark.parametrize(
    ("net", "model", "which"),
    [("alex", "net-lin", 0), ("alex", "net-lin", 1), ("alex", "net", 1), ("vgg", "net-lin", 1)],
)
def test_gradient_in_either_image_is_that_of_finite_differences(net, model, which):
    pair = [image.astype("float64") for image in smooth_images((64, 64))]
    lpips = LPIPS(net, model, dtype="float64")

    def value(image):
        return ops.sum(lpips(*(image if i == which else pair[i] for i in (0, 1))))

    direction = np.random.default_rng(1).normal(size=pair[0].shape)
    step = 1e-8 * direction  # so small that few activations change their sign
    expected = (float(value(pair[which] + step)) - float(value(pair[which] - step))) / 2e-8
    assert (gradient_of(value, pair[which]) * direction).sum() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_equal_images_are_at_zero_with_no_gradient_also_where_constant(model, level):
    structured = smooth_images((64, 64))[0]
    for image in (structured, np.full_like(structured, level)):
        lpips = LPIPS("alex", model)
        assert float(lpips(image, image)[0]) == 0
        gradient = gradient_of(lambda x, image=image, lpips=lpips: ops.sum(lpips(image, x)), image)
        assert (gradient == 0).all()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_gradient_between_a_constant_and_another_image_is_finite(level):
    image = smooth_images((64, 64))[0]
    constant = np.full_like(image, level)
    for one, two in ((image, constant), (constant, image)):
        gradient = gradient_of(lambda x, one=one: ops.sum(LPIPS("alex")(one, x)), two)
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("dead", [0.0, 1e-30])
def test_positions_without_any_feature_have_no_gradient(dead):
    from atlalign.ml_utils.lpips import _unit

    gradient = gradient_of(lambda x: ops.sum(_unit(x, "float32")), np.full((1, 2, 2, 3), dead, "float32"))
    assert np.isfinite(gradient).all()


def test_intensities_outside_the_unit_interval_work():
    one, two = (40 * (image - 0.5) for image in smooth_images((64, 64)))
    expected = reference_distances("alex", one[0], two[0])["net-lin"]
    np.testing.assert_allclose(LPIPS("alex")(one, two), [expected], rtol=1e-4)
    assert np.isfinite(LPIPS("vgg", dtype="mixed_float16")(one, two)).all()  # float16 ends at 65504


@pytest.mark.parametrize(
    ("net", "dtype", "tolerance"),
    [("alex", "mixed_float16", 0.01), ("vgg", "mixed_float16", 0.01), ("alex", "mixed_bfloat16", 0.05)],
)
def test_mixed_precision_gives_float32_and_almost_the_same(net, dtype, tolerance):
    one, two = smooth_images((64, 64))
    full, mixed = (LPIPS(net, dtype=policy)(one, two) for policy in ("float32", dtype))
    assert keras.backend.standardize_dtype(mixed.dtype) == "float32"
    np.testing.assert_allclose(mixed, full, rtol=tolerance)


def test_the_loss_follows_the_global_policy():
    one, two = smooth_images((64, 64))
    loss = PerceptualLoss()
    full = float(loss(one, two))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = float(loss(one, two))
    finally:
        keras.config.set_dtype_policy(before)
    assert mixed == pytest.approx(full, rel=0.05)
    assert mixed != full


def test_one_reference_is_compared_with_each_image_and_seen_once(monkeypatch):
    one, two = smooth_images((64, 64))
    others = np.concatenate([one, two, 1 - two])
    lpips = LPIPS("alex")
    seen = []
    features = LPIPS.features
    monkeypatch.setattr(LPIPS, "features", lambda self, images: seen.append(len(images)) or features(self, images))
    found = lpips(one, others)
    assert seen == [1, 3]
    np.testing.assert_allclose(found, lpips(np.repeat(one, 3, 0), others), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found, lpips(others, one), rtol=1e-4, atol=1e-7)


def test_features_that_were_computed_before_give_the_same_distance():
    one, two = smooth_images((64, 64))
    lpips = LPIPS("alex", "net")
    kept = lpips.features(one)
    np.testing.assert_allclose(lpips.distance(kept, lpips.features(two)), lpips(one, two), rtol=1e-6)


@pytest.mark.parametrize("shape", [(63, 64), (64, 63), (8, 8)])
def test_smaller_images_are_refused_in_one_line(shape):
    image = np.zeros((1, *shape, 1), "float32")
    for compute in (LPIPS(), PerceptualLoss(), PerceptualLoss().loss, lambda x, _: LPIPS().features(x)):
        with pytest.raises(ValueError, match=r"at least 64 px. Received: shape=\(1, ") as error:
            compute(image, image)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        ((2, 64, 64, 1), (3, 64, 64, 1), "as many on both sides"),
        ((1, 64, 64, 1), (1, 64, 65, 1), "one height and width"),
        ((1, 64, 64, 2), (1, 64, 64, 2), "must be"),
        ((64, 64), (64, 64), "must be"),
    ],
)
def test_images_that_do_not_fit_are_refused(one, two, message):
    with pytest.raises(ValueError, match=message):
        LPIPS()(np.zeros(one, "float32"), np.zeros(two, "float32"))


@pytest.mark.parametrize("arguments", [{"net": "squeeze"}, {"model": "baseline"}])
def test_unknown_networks_and_models_are_refused(arguments):
    for make in (LPIPS, PerceptualLoss):
        with pytest.raises(ValueError, match=r"must be one of .* Received: "):
            make(**arguments)


def test_a_model_that_contains_it_gains_no_variable_and_is_saved_without_the_weights(tmp_path):
    one, two = smooth_images((64, 64))
    inputs = [keras.Input((None, None, 1)) for _ in "ab"]
    model = keras.Model(inputs, LPIPS("alex")(*inputs))
    assert model.variables == []
    assert model.output_shape == (None,)
    model.save(tmp_path / "model.keras")
    assert (tmp_path / "model.keras").stat().st_size < 20_000
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded([one, two]), LPIPS("alex")(one, two), rtol=1e-5)


def test_a_network_that_learns_with_the_loss_gains_no_variable_and_is_saved_without_the_weights(tmp_path):
    one, two = smooth_images((64, 64))
    model = keras.Sequential([keras.Input((64, 64, 1)), keras.layers.Conv2D(1, 3, padding="same")])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=PerceptualLoss(net="alex"))
    before = [variable.numpy() for variable in model.trainable_variables]
    history = model.fit(one, two, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert history[-1] < history[0]
    assert [v.shape for v in model.trainable_variables] == [b.shape for b in before]
    model.save(tmp_path / "model.keras")
    assert (tmp_path / "model.keras").stat().st_size < 40_000
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(one, two, verbose=0) == pytest.approx(model.evaluate(one, two, verbose=0), rel=1e-5)


def test_the_loss_is_the_mean_distance_of_the_batch():
    one, two = smooth_images((64, 64))
    batch = [np.concatenate([one, two]), np.concatenate([two, two])]
    loss = PerceptualLoss("net", "alex")
    expected = float(LPIPS("alex", "net")(one, two)[0]) / 2
    assert float(loss.loss(*batch)) == pytest.approx(expected, rel=1e-5)
    assert float(loss(*batch)) == pytest.approx(expected, rel=1e-5)
    assert float(loss(*batch, sample_weight=np.array([0, 1], "float32"))) == pytest.approx(0, abs=1e-6)


def test_loss_and_layer_come_back_from_their_configuration():
    loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(PerceptualLoss("net", "vgg")))
    assert (type(loss), loss.model, loss.net) == (PerceptualLoss, "net", "vgg")
    layer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(LPIPS("vgg", dtype="bfloat16")))
    assert (type(layer), layer.net, layer.compute_dtype, layer.variables) == (LPIPS, "vgg", "bfloat16", [])

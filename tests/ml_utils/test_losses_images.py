"""Image losses: known answers from independent formulas, and what they must not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from atlalign.ml_utils.losses import MIND, NCC, cross_correlation, dice, mse, psnr, ssim
from tests.ml_utils.losses_support import ROUNDING, images


def blobs(seed=3, shape=(40, 48)):
    return gaussian_filter(np.random.default_rng(seed).random(shape), 2).astype("float32") * 4 - 1.5


def batch(*pictures):
    return np.stack(pictures)[..., None]


class TestMse:
    def test_refuses_shapes_that_would_broadcast(self):
        y_true, y_pred = images()
        with pytest.raises(ValueError, match=r"one shape. Received: \(2, 24, 30\) and \(2, 24, 30, 1\)"):
            mse(y_true[..., 0], y_pred)


class TestPsnr:
    def test_is_minus_that_of_scikit_image_averaged_over_the_batch(self):
        y_true, y_pred = images()
        each = [peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(y_true, y_pred, strict=True)]
        assert float(psnr(y_true, y_pred)) == pytest.approx(-np.mean(each), rel=1e-5)

    def test_a_negative_reference_value_does_not_change_the_range(self):
        y_true, y_pred = images()
        shifted = float(psnr(y_true - 0.01, y_pred - 0.01))
        assert shifted == pytest.approx(float(psnr(y_true, y_pred)), abs=1e-4)

    def test_is_100_db_at_equal_images(self):
        assert float(psnr(*images()[:1] * 2)) == pytest.approx(-100, abs=1e-3)


class TestSsim:
    def test_is_minus_that_of_scikit_image(self):
        y_true, y_pred = images(dtype="float64")
        y_pred = 0.7 * y_true + 0.3 * y_pred
        each = [
            structural_similarity(
                a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=-1
            )
            for a, b in zip(y_true, y_pred, strict=True)
        ]
        assert float(ssim(y_true, y_pred)) == pytest.approx(-np.mean(each), abs=ROUNDING)

    def test_a_narrower_window_and_other_constants_are_those_of_scikit_image(self):
        y_true, y_pred = images(dtype="float64", shape=(1, 24, 30, 1))
        kwargs = {"gaussian_weights": True, "sigma": 1, "use_sample_covariance": False, "data_range": 1}
        expected = structural_similarity(y_true[0, ..., 0], y_pred[0, ..., 0], K1=0.02, K2=0.05, **kwargs)
        actual = ssim(y_true, y_pred, filter_size=9, filter_sigma=1, k1=0.02, k2=0.05)
        assert float(actual) == pytest.approx(-expected, abs=ROUNDING)

    def test_float32_is_accurate_on_strong_fields(self):
        x = np.linspace(-12, 12, 60)
        y_true = batch(x + np.sin(x)[:, None])
        y_pred = y_true + batch(0.1 * np.cos(x)[:, None] + 0 * x)
        exact = float(ssim(y_true, y_pred))
        assert float(ssim(y_true.astype("float32"), y_pred.astype("float32"))) == pytest.approx(exact, abs=1e-2)

    def test_refuses_images_smaller_than_its_window(self):
        with pytest.raises(ValueError, match=r"at least 11 px high and wide. Received: \(2, 10, 30, 1\)"):
            ssim(*images(shape=(2, 10, 30, 1)))


class TestCrossCorrelation:
    def test_is_one_minus_r_times_its_size_averaged_over_the_batch(self):
        y_true, y_pred = images()
        y_pred = y_pred - 0.4 * y_true
        r = np.array([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(y_true, y_pred, strict=True)])
        assert (r < 0).all()
        assert float(cross_correlation(y_true, y_pred)) == pytest.approx(np.mean(1 - r * np.abs(r)), abs=1e-5)

    @settings(deadline=None, max_examples=20)
    @given(scale=st.floats(0.05, 20), offset=st.floats(-5, 5))
    def test_contrast_does_not_count_but_its_sign_does(self, scale, offset):
        image = images()[0]
        assert float(cross_correlation(image, scale * image + offset)) == pytest.approx(0, abs=1e-3)
        assert float(cross_correlation(image, offset - scale * image)) == pytest.approx(2, abs=1e-3)

    def test_a_constant_image_has_no_correlation(self):
        image = images()[0]
        assert float(cross_correlation(image, np.full_like(image, 0.3))) == pytest.approx(1, abs=1e-6)


class TestNCC:
    @pytest.mark.parametrize("win", [5, 9, 12, 20])
    def test_is_that_of_sums_over_zero_padded_windows(self, win):
        I, J = images(dtype="float64")
        assert float(NCC(win).loss(I, J)) == pytest.approx(-squared_local_correlation(I, J, win).mean(), abs=ROUNDING)

    @pytest.mark.parametrize("win", [5, 9, 12, 20])
    def test_float32_has_the_accuracy_of_the_gradient(self, win):
        I = blobs()
        J = 0.5 * I + 0.02 * blobs(4)
        exact = float(NCC(win).loss(batch(I).astype("float64"), batch(J).astype("float64")))
        assert float(NCC(win).loss(batch(I), batch(J))) == pytest.approx(exact, abs=1e-5)

    def test_does_not_change_with_contrast(self):
        I, J = images()
        assert float(NCC(9).loss(I, 0.5 * J)) == pytest.approx(float(NCC(9).loss(I, J)), abs=1e-3)

    def test_channels_count_each_for_itself(self):
        I, J = images(shape=(2, 16, 16, 3))
        each = [float(NCC(5).loss(I[..., c : c + 1], J[..., c : c + 1])) for c in range(3)]
        assert float(NCC(5).loss(I, J)) == pytest.approx(np.mean(each), abs=1e-6)

    @pytest.mark.parametrize("win", [1, 2.5])
    def test_refuses_a_window_without_neighbours(self, win):
        with pytest.raises(ValueError, match=f"win must be an integer of at least 2 px. Received: win={win}"):
            NCC(win)


class TestMIND:
    @pytest.mark.parametrize(("radius", "dilation", "neighbours"), [(1, 2, 4), (2, 1, 8), (0, 3, 8)])
    def test_descriptor_is_that_of_its_formula(self, radius, dilation, neighbours):
        image = images(dtype="float64", shape=(1, 24, 30, 1))[0]
        expected = mind_descriptor(image[0, ..., 0], radius, dilation, neighbours)
        actual = np.asarray(MIND(radius, dilation, neighbours).descriptor(image))[0, ..., 0, :]
        np.testing.assert_allclose(actual, expected, atol=ROUNDING)

    def test_is_the_mean_squared_difference_of_the_descriptors(self):
        y_true, y_pred = images()
        loss = MIND(2, 1, 8)
        expected = np.mean((np.asarray(loss.descriptor(y_true)) - np.asarray(loss.descriptor(y_pred))) ** 2)
        assert float(loss.loss(y_true, y_pred)) == pytest.approx(expected, rel=1e-5)

    @settings(deadline=None, max_examples=20)
    @given(scale=st.floats(0.1, 10), sign=st.sampled_from([1, -1]), offset=st.floats(-3, 3))
    def test_does_not_change_when_one_image_is_inverted_or_gets_another_contrast(self, scale, sign, offset):
        y_true, y_pred = batch(blobs()).astype("float64"), batch(blobs(4)).astype("float64")
        expected = float(MIND().loss(y_true, y_pred))
        assert float(MIND().loss(y_true, sign * scale * y_pred + offset)) == pytest.approx(expected, rel=1e-4)

    def test_is_smallest_where_an_inverted_image_is_aligned(self):
        image = blobs()
        inverted = 1 - image
        values = [float(MIND().loss(batch(image), batch(np.roll(inverted, shift, axis=1)))) for shift in range(-4, 5)]
        assert np.argmin(values) == 4
        assert values[4] < 1e-6
        assert values[3] < values[2] < values[1]
        assert values[5] < values[6] < values[7]

    @pytest.mark.parametrize(("kwargs", "message"), [({"radius": -1}, "radius"), ({"dilation": 0}, "dilation")])
    def test_refuses_a_geometry_without_sense(self, kwargs, message):
        with pytest.raises(ValueError, match=f"{message} must be an integer of at least"):
            MIND(**kwargs)

    def test_refuses_other_neighbourhoods(self):
        with pytest.raises(ValueError, match=r"neighbours must be 4 or 8. Received: neighbours=6"):
            MIND(neighbours=6)

    def test_refuses_images_smaller_than_it_looks(self):
        with pytest.raises(ValueError, match="at least 11 px"):
            MIND(radius=2, dilation=3).loss(*images(shape=(1, 10, 24, 1)))


class TestDice:
    def test_is_one_minus_the_mean_dice_of_hard_labels(self):
        labels = np.random.default_rng(0).integers(0, 4, (2, 1, 12, 12))
        y_true, y_pred = (np.eye(4, dtype="float32")[x] for x in labels)
        overlap = [
            2 * (y_true[..., k] * y_pred[..., k]).sum() / (y_true[..., k].sum() + y_pred[..., k].sum())
            for k in range(4)
        ]
        assert float(dice(y_true, y_pred)) == pytest.approx(1 - np.mean(overlap), abs=1e-5)

    def test_a_structure_in_neither_is_left_out(self):
        y_true, y_pred = (np.eye(3, dtype="float32")[x] for x in np.random.default_rng(0).integers(0, 3, (2, 1, 9, 9)))
        empty = np.zeros((1, 9, 9, 5), "float32")
        padded = (np.concatenate([x, empty], axis=-1) for x in (y_true, y_pred))
        assert float(dice(*padded)) == pytest.approx(float(dice(y_true, y_pred)), rel=1e-6)

    def test_a_structure_in_one_only_counts_as_missed(self):
        y_true = np.zeros((1, 8, 8, 2), "float32")
        y_true[..., 0] = 1
        y_pred = y_true.copy()
        y_pred[0, 2:4, 2:4, 1] = 1
        assert float(dice(y_true, y_pred)) == pytest.approx(0.5, abs=1e-5)

    def test_soft_labels_are_nearest_where_they_are_equal(self):
        soft = images(shape=(1, 9, 9, 2))[0]
        assert float(dice(soft, soft)) == pytest.approx(0, abs=1e-6)
        assert float(dice(soft, 0.9 * soft)) > 1e-3


def squared_local_correlation(I, J, win):
    """Of (n, h, w, 1) in NumPy: sums over windows of which an even one has one pixel more after than before."""

    def windows(x):
        around = ((win - 1) // 2, win // 2)
        return sliding_window_view(np.pad(x[..., 0], ((0, 0), around, around)), (win, win), axis=(1, 2)).sum((-1, -2))

    cross = windows(I * J) - windows(I) * windows(J) / win**2
    variances = [windows(x * x) - windows(x) ** 2 / win**2 for x in (I, J)]
    return cross**2 / (variances[0] * variances[1] + 1e-5)


def mind_descriptor(image, radius, dilation, neighbours):
    """Of one image (h, w) in NumPy, by shifting the whole image, cropped where a shift has no source."""
    steps = [(a, b) for a in (0, 1, -1) for b in (0, 1, -1) if 0 < abs(a) + abs(b) <= (1 if neighbours == 4 else 2)]
    order = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)][:neighbours]
    assert set(steps) == set(order)
    margin = radius + dilation
    distances = []
    for down, right in order:
        shifted = np.roll(image, (-down * dilation, -right * dilation), axis=(0, 1))
        patches = uniform_filter((image - shifted) ** 2, 2 * radius + 1)
        distances.append(patches[margin:-margin, margin:-margin])
    distances = np.stack(distances, axis=-1)
    variance = distances.mean(axis=-1, keepdims=True)
    descriptor = np.exp(-distances / (variance + 0.01 * variance.mean()))
    return descriptor / descriptor.max(axis=-1, keepdims=True)

"""How alike two grey images are."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from atlalign.metrics import (
    cross_correlation_img,
    demons_img,
    mae_img,
    mi_img,
    mse_img,
    psnr_img,
    ssmi_img,
)

ALL = [mse_img, mae_img, psnr_img, demons_img, cross_correlation_img, ssmi_img, mi_img]
BEST = {mse_img: 0, mae_img: 0, psnr_img: np.inf, demons_img: 0, cross_correlation_img: 1, ssmi_img: 1}


def smooth_image(seed=0, shape=(40, 56), dtype="float32"):
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = sum(np.sin(generator.uniform(0.05, 0.5) * x + generator.uniform(0.05, 0.5) * y) for _ in range(4))
    return ((waves + 4) / 8 + generator.normal(0, 0.01, shape)).astype(dtype)


@pytest.mark.parametrize("metric", ALL)
class TestEveryImageMetric:
    def test_returns_a_float_for_two_images_and_an_array_for_two_stacks(self, metric):
        true, pred = np.stack([smooth_image(0), smooth_image(1)]), np.stack([smooth_image(2), smooth_image(3)])
        of_stacks = metric(true, pred)
        assert of_stacks.shape == (2,)
        for first, second, value in zip(true, pred, of_stacks, strict=True):
            assert isinstance(metric(first, second), float)
            assert metric(first, second) == value

    def test_says_that_another_image_is_worse_than_the_same(self, metric):
        image, other = smooth_image(0), smooth_image(1)
        better = np.less if metric in (mse_img, mae_img, demons_img) else np.greater
        assert better(metric(image, image), metric(image, other))

    def test_of_equal_images_is_the_best_value(self, metric):
        if metric in BEST:
            assert metric(smooth_image(), smooth_image()) == BEST[metric]

    def test_does_not_change_when_the_images_swap(self, metric):
        tolerance = 0.05 if metric is mi_img else 1e-12
        image, other = smooth_image(0), smooth_image(1)
        assert metric(image, other) == pytest.approx(metric(other, image), rel=tolerance)

    def test_sees_nothing_outside_the_mask(self, metric):
        mask = np.zeros((40, 56), dtype=bool)
        mask[10:25, 12:40] = True
        image, other = smooth_image(0), smooth_image(1)
        changed = other.copy()
        reach = 3 if metric is ssmi_img else 0
        changed[: 10 - reach] = 0.5
        assert metric(image, changed, mask=mask) == pytest.approx(metric(image, other, mask=mask), abs=1e-12)
        assert metric(image, changed, mask=mask) != pytest.approx(metric(image, changed))

    def test_of_a_mask_of_all_pixels_is_that_without(self, metric):
        image, other = smooth_image(0), smooth_image(1)
        everywhere = np.ones(image.shape, dtype=bool)
        assert metric(image, other, mask=everywhere) == pytest.approx(metric(image, other))

    @pytest.mark.parametrize(
        ("other", "error", "message"),
        [
            (np.zeros((40, 56), "float64"), TypeError, "float32 and float64"),
            (np.zeros((40, 56), "uint8"), TypeError, "float32 and uint8"),
            (np.zeros((41, 56), "float32"), ValueError, "the same shape"),
            (np.zeros((1, 40, 56), "float32"), ValueError, "the same shape"),
            (np.full((40, 56), np.nan, "float32"), ValueError, "y_pred must be finite"),
        ],
    )
    def test_refuses_in_one_line_what_does_not_compare(self, metric, other, error, message):
        with pytest.raises(error, match=message) as caught:
            metric(smooth_image(), other)
        assert "\n" not in str(caught.value)

    def test_refuses_integer_images_channels_and_empty_images(self, metric):
        with pytest.raises(TypeError, match="uint8 and uint8"):
            metric(np.zeros((9, 9), "uint8"), np.zeros((9, 9), "uint8"))
        for shape in ((2, 9, 9, 1), (9,), (0, 9, 9)):
            with pytest.raises(ValueError, match="must be \\(h, w\\)"):
                metric(np.zeros(shape), np.zeros(shape))

    def test_refuses_masks_that_do_not_fit(self, metric):
        image = smooth_image()
        with pytest.raises(ValueError, match="mask must be"):
            metric(image, image, mask=np.ones((10, 50), dtype=bool))
        with pytest.raises(ValueError, match="with 0 True"):
            metric(image, image, mask=np.zeros(image.shape, dtype=bool))
        with pytest.raises(TypeError, match=r"boolean\. Received: float64"):
            metric(image, image, mask=np.ones(image.shape))


class TestKnownAnswers:
    def test_of_a_mask_are_those_of_its_pixels(self):
        true, pred = np.zeros((2, 2)), np.array([[0.5, 1.0], [0.0, 1.0]])
        mask = np.array([[True, False], [True, False]])
        assert mse_img(true, pred, mask) == 0.125
        assert mae_img(true, pred, mask) == 0.25

    @pytest.mark.parametrize("data_range", [1.0, 2.0, 255.0])
    def test_psnr_is_that_of_scikit_image(self, data_range):
        true, pred = smooth_image(0, dtype="float64"), smooth_image(1, dtype="float64")
        expected = peak_signal_noise_ratio(true, pred, data_range=data_range)
        assert psnr_img(true, pred, data_range=data_range) == pytest.approx(expected)

    def test_psnr_does_not_jump_where_a_pixel_is_negative(self):
        true, pred = smooth_image(0), smooth_image(1)
        true[0, 0] = 1e-9
        before = psnr_img(true, pred)
        true[0, 0] = -1e-9
        assert psnr_img(true, pred) == pytest.approx(before)

    @pytest.mark.parametrize("shape", [(7, 7), (7, 20), (31, 24), (40, 56)])
    @pytest.mark.parametrize("data_range", [1.0, 2.0])
    def test_ssim_is_that_of_scikit_image(self, shape, data_range):
        true, pred = smooth_image(0, shape, "float64"), smooth_image(1, shape, "float64")
        expected = structural_similarity(true, pred, data_range=data_range)
        assert ssmi_img(true, pred, data_range=data_range) == pytest.approx(expected, abs=1e-12)

    def test_ssim_of_a_mask_is_the_mean_of_the_map_of_scikit_image(self):
        true, pred = smooth_image(0, dtype="float64"), smooth_image(1, dtype="float64")
        mask = np.zeros(true.shape, dtype=bool)
        mask[5:20, 6:30] = True
        _, similarity = structural_similarity(true, pred, data_range=1, full=True)
        assert ssmi_img(true, pred, mask=mask) == pytest.approx(similarity[mask].mean())

    def test_ssim_refuses_images_smaller_than_its_window(self):
        with pytest.raises(ValueError, match=r"at least 7 x 7 px.*Received: 6 x 20"):
            ssmi_img(np.zeros((6, 20)), np.zeros((6, 20)))

    def test_ssim_refuses_a_mask_at_the_edge_alone(self):
        mask = np.zeros((20, 20), dtype=bool)
        mask[0] = True
        with pytest.raises(ValueError, match="at least 3 px from the edge"):
            ssmi_img(np.zeros((20, 20)), np.zeros((20, 20)), mask=mask)

    @pytest.mark.parametrize("metric", [psnr_img, ssmi_img])
    def test_a_range_that_is_not_positive_is_refused(self, metric):
        with pytest.raises(ValueError, match="data_range must be a positive number"):
            metric(smooth_image(), smooth_image(), data_range=0)

    def test_correlation_is_that_of_numpy(self):
        true, pred = smooth_image(0), 1 - smooth_image(1)
        r = np.corrcoef(true.ravel(), pred.ravel())[0, 1]
        assert cross_correlation_img(true, pred) == pytest.approx(r**2)
        assert cross_correlation_img(true, pred, squared=False) == pytest.approx(r)

    def test_correlation_does_not_see_brightness_and_contrast(self):
        image = smooth_image(dtype="float64")
        assert cross_correlation_img(image, 0.2 + 0.5 * image, squared=False) == pytest.approx(1)

    @pytest.mark.parametrize("squared", [True, False])
    def test_correlation_with_a_constant_image_is_nan(self, squared):
        constant = np.full((40, 56), 0.1, dtype="float32")
        assert np.isnan(cross_correlation_img(constant, smooth_image(), squared=squared))
        assert np.isnan(cross_correlation_img(smooth_image(), constant, squared=squared))

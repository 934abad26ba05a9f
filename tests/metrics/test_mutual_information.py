"""The mutual information of the intensities of two images."""

import numpy as np
import pytest

from atlalign.metrics import cross_correlation_img, demons_img, mi_img

from .test_images import smooth_image

TYPES = ["MattesMutualInformation", "JointHistogramMutualInformation"]


@pytest.mark.parametrize("metric_type", TYPES)
class TestBothTypes:
    def test_are_zero_where_one_image_is_constant(self, metric_type):
        constant = np.full((40, 56), 0.3, dtype="float32")
        for pair in ((constant, smooth_image()), (smooth_image(), constant), (constant, constant)):
            assert mi_img(*pair, metric_type=metric_type) == pytest.approx(0, abs=1e-12)

    def test_are_zero_where_each_intensity_meets_each_as_often(self, metric_type):
        rows, columns = np.mgrid[:30, :30] / 29
        assert mi_img(rows, columns, metric_type=metric_type) == pytest.approx(0, abs=1e-9)

    def test_do_not_see_brightness_contrast_and_polarity(self, metric_type):
        image, other = smooth_image(0, dtype="float64"), smooth_image(1, dtype="float64")
        expected = mi_img(image, other, metric_type=metric_type)
        assert mi_img(image, 0.1 + 0.5 * other, metric_type=metric_type) == pytest.approx(expected, rel=1e-6)
        assert mi_img(image, 1 - other, metric_type=metric_type) == pytest.approx(expected, rel=0.05)

    def test_falls_as_noise_grows(self, metric_type):
        image = smooth_image(dtype="float64")
        noise = np.random.default_rng(0).normal(size=image.shape)
        values = [mi_img(image, image + sigma * noise, metric_type=metric_type) for sigma in (0, 0.05, 0.2, 1)]
        assert values == sorted(values, reverse=True)

    def test_refuses_too_few_bins(self, metric_type):
        for n_bins in (4, 32.0):
            with pytest.raises(ValueError, match="n_bins must be an integer of at least 5"):
                mi_img(smooth_image(), smooth_image(), metric_type=metric_type, n_bins=n_bins)


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match=r"metric_type must be one of Mattes.*Received: 'Mattes'"):
        mi_img(smooth_image(), smooth_image(), metric_type="Mattes")


@pytest.mark.parametrize("n_levels", [2, 3, 5])
def test_joint_histogram_of_an_image_with_itself_is_its_entropy(n_levels):
    image = np.tile(np.arange(n_levels) / (n_levels - 1), (n_levels, 1))
    value = mi_img(image, image, metric_type="JointHistogramMutualInformation")
    assert value == pytest.approx(np.log(n_levels))


def test_joint_histogram_is_the_formula_on_the_histogram_of_numpy():
    true, pred = smooth_image(0, dtype="float64"), smooth_image(1, dtype="float64")
    joint = np.histogram2d(true.ravel(), pred.ravel(), bins=12)[0] / true.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    expected = np.sum(joint[joint > 0] * np.log(joint[joint > 0] / independent[joint > 0]))
    value = mi_img(true, pred, metric_type="JointHistogramMutualInformation", n_bins=12)
    assert value == pytest.approx(expected)


class TestAgainstItk:
    """ANTs, which 0.6.2 asked for these numbers, asks ITK."""

    @pytest.fixture
    def evaluate(self):
        itk = pytest.importorskip("SimpleITK", reason="ITK is not installed")

        def value(true, pred, choose):
            method = itk.ImageRegistrationMethod()
            choose(method)
            method.SetInterpolator(itk.sitkLinear)
            still = itk.GetImageFromArray(np.zeros((*true.shape, 2)), isVector=True)
            method.SetInitialTransform(itk.DisplacementFieldTransform(still))
            return method.MetricEvaluate(itk.GetImageFromArray(true), itk.GetImageFromArray(pred))

        return value

    @pytest.mark.parametrize("n_bins", [8, 20, 32, 50])
    def test_mattes_mutual_information_is_the_same(self, evaluate, n_bins):
        true, pred = smooth_image(0), smooth_image(1)
        expected = -evaluate(true, pred, lambda method: method.SetMetricAsMattesMutualInformation(n_bins))
        assert mi_img(true, pred, n_bins=n_bins) == pytest.approx(expected, rel=1e-6)

    def test_correlation_is_the_same(self, evaluate):
        true, pred = smooth_image(0), 1 - smooth_image(1)
        expected = -evaluate(true, pred, lambda method: method.SetMetricAsCorrelation())
        assert cross_correlation_img(true, pred) == pytest.approx(expected)

    def test_demons_is_the_same(self, evaluate):
        true, pred = smooth_image(0), smooth_image(1)
        expected = evaluate(true, pred, lambda method: method.SetMetricAsDemons(0.001))
        assert demons_img(true, pred) == pytest.approx(expected)

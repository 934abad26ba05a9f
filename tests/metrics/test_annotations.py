"""IoU and Dice of labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from atlalign.metrics import dice_score, iou_score

BOTH = [iou_score, dice_score]
annotations = hnp.arrays(np.int64, (3, 4, 5), elements=st.integers(0, 4))
TRUE = np.array([[[1, 1, 1, 2], [2, 3, 0, 0]]])
PRED = np.array([[[1, 1, 2, 2], [2, 2, 0, 4]]])


def mask_by_mask(metric, true, pred, excluded=()):
    """Average over labels the way one would write it first."""
    scores = []
    for one_true, one_pred in zip(true, pred, strict=True):
        labels = set(np.unique(one_true)) - set(excluded)
        n_pixels = sum((one_true == label).sum() for label in labels)
        score = 0.0
        for label in labels:
            a, b = one_true == label, one_pred == label
            both, either = (a & b).sum(), (a | b).sum()
            score += a.sum() * (both / either if metric is iou_score else 2 * both / (a.sum() + b.sum()))
        scores.append(score / n_pixels if n_pixels else np.nan)
    return np.array(scores)


class TestOneLabel:
    @pytest.mark.parametrize(("k", "iou", "dice"), [(1, 2 / 3, 4 / 5), (2, 2 / 4, 4 / 6), (3, 0, 0), (0, 1 / 2, 2 / 3)])
    def test_known_answers(self, k, iou, dice):
        assert iou_score(TRUE, PRED, k=k)[0] == pytest.approx(iou)
        assert dice_score(TRUE, PRED, k=k)[0] == pytest.approx(dice)

    def test_is_zero_where_only_one_image_has_it(self):
        assert iou_score(TRUE, PRED, k=3)[0] == dice_score(TRUE, PRED, k=4)[0] == 0

    @pytest.mark.parametrize("metric", BOTH)
    def test_leaves_out_samples_that_do_not_have_it(self, metric):
        average, per_sample = metric(np.array([[[1, 1]], [[2, 2]]]), np.array([[[1, 1]], [[2, 2]]]), k=1)
        np.testing.assert_array_equal(per_sample, [1, np.nan])
        assert average == 1

    @pytest.mark.parametrize("metric", BOTH)
    def test_that_no_sample_has_is_refused_unless_the_check_is_off(self, metric):
        with pytest.raises(ValueError, match=r"must occur in y_true or y_pred\. Received: k=9"):
            metric(TRUE, PRED, k=9)
        average, per_sample = metric(TRUE, PRED, k=9, disable_check=True)
        assert np.isnan(average)
        assert np.isnan(per_sample).all()

    @pytest.mark.parametrize("metric", BOTH)
    def test_is_the_background_by_default(self, metric):
        assert metric(TRUE, PRED)[0] == metric(TRUE, PRED, k=0)[0]

    @given(true=annotations, pred=annotations, k=st.integers(0, 4))
    @settings(max_examples=30, deadline=None)
    def test_dice_follows_from_iou(self, true, pred, k):
        iou = iou_score(true, pred, k=k, disable_check=True)[1]
        np.testing.assert_allclose(dice_score(true, pred, k=k, disable_check=True)[1], 2 * iou / (1 + iou))


@pytest.mark.parametrize("metric", BOTH)
class TestAllLabels:
    @given(true=annotations, pred=annotations, excluded=st.sets(st.integers(0, 5)))
    @settings(max_examples=50, deadline=None)
    def test_average_is_weighted_by_the_share_of_the_truth(self, metric, true, pred, excluded):
        average, per_sample = metric(true, pred, k=None, excluded_labels=excluded)
        expected = mask_by_mask(metric, true, pred, excluded)
        np.testing.assert_allclose(per_sample, expected)
        assert average == pytest.approx(np.nanmean(expected) if not np.isnan(expected).all() else np.nan, nan_ok=True)

    def test_are_perfect_for_equal_annotations(self, metric):
        assert metric(TRUE, TRUE, k=None)[0] == 1

    def test_are_zero_where_nothing_overlaps(self, metric):
        assert metric(TRUE, TRUE + 10, k=None)[0] == 0

    def test_excluding_all_but_one_label_is_the_score_of_that_label(self, metric):
        expected = metric(TRUE, PRED, k=2)[0]
        assert metric(TRUE, PRED, k=None, excluded_labels=[0, 1, 3])[0] == pytest.approx(expected)

    def test_are_nan_where_every_true_pixel_is_excluded(self, metric):
        average, per_sample = metric(np.zeros((1, 2, 2), int), np.ones((1, 2, 2), int), k=None, excluded_labels=[0])
        assert np.isnan(average)
        assert np.isnan(per_sample).all()

    def test_large_ids_and_mixed_dtypes_are_told_apart(self, metric):
        true = np.array([[[614454277, 614454278]]], dtype="uint32")
        assert metric(true, true.astype("int64"), k=None)[0] == 1
        assert metric(true, true[..., ::-1].astype("float64"), k=None)[0] == 0


@pytest.mark.parametrize("metric", BOTH)
@pytest.mark.parametrize(
    ("true", "pred", "error", "message"),
    [
        ("ast", TRUE, TypeError, "Received: <U3"),
        (TRUE, TRUE[:, :1], ValueError, "the same shape"),
        (TRUE[0], TRUE[0], ValueError, r"must be \(n, h, w\). Received: shape \(2, 4\)"),
        (TRUE[None], TRUE[None], ValueError, r"must be \(n, h, w\)"),
        (TRUE[:0], TRUE[:0], ValueError, r"must be \(n, h, w\)"),
        (TRUE, np.full(TRUE.shape, np.nan), ValueError, "y_pred must be finite"),
    ],
)
def test_what_are_no_annotations_is_refused_in_one_line(metric, true, pred, error, message):
    with pytest.raises(error, match=message) as caught:
        metric(true, pred, k=None)
    assert "\n" not in str(caught.value)

"""Endpoint errors in the numbers that a table shows."""

import numpy as np
import pytest

from atlalign import DisplacementField
from atlalign.metrics import endpoint_error_summary, vector_distance_combined


def ramp():
    """Make a field (10, 10) with errors of 0, 1, ..., 99 px."""
    deltas = np.zeros((10, 10, 2))
    deltas[..., 0] = np.arange(100).reshape(10, 10)
    return deltas


def test_known_answers():
    summary = endpoint_error_summary(np.zeros((10, 10, 2)), ramp())
    assert summary == pytest.approx({"mean_px": 49.5, "median_px": 49.5, "p95_px": np.percentile(np.arange(100), 95)})


def test_micrometres_are_pixels_times_the_side_of_a_pixel():
    summary = endpoint_error_summary(np.zeros((10, 10, 2)), ramp(), resolution_um=25)
    assert [summary[f"{name}_um"] for name in ("mean", "median", "p95")] == pytest.approx(
        [25 * summary[f"{name}_px"] for name in ("mean", "median", "p95")]
    )


def test_pixels_may_be_taller_than_wide():
    shift = np.broadcast_to([3.0, 4.0], (2, 5, 6, 2))
    summary = endpoint_error_summary(np.zeros(shift.shape), shift, resolution_um=(20, 10))
    assert summary["mean_px"] == 5
    assert summary["mean_um"] == pytest.approx(np.hypot(3 * 10, 4 * 20))


def test_mean_is_the_vector_distance():
    true, pred = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 2))
    assert endpoint_error_summary(true, pred)["mean_px"] == pytest.approx(vector_distance_combined(true, pred)[0])


def test_takes_fields_lists_and_arrays_alike():
    df, zero = DisplacementField.from_deltas_xy(ramp()), DisplacementField.generate((10, 10))
    expected = endpoint_error_summary(np.zeros((10, 10, 2)), ramp())
    assert endpoint_error_summary(zero, df) == expected
    assert endpoint_error_summary([zero], [df]) == expected


def test_counts_the_pixels_of_the_mask_alone():
    mask = np.zeros((2, 10, 10), dtype=bool)
    mask[1, 0, :3] = True  # errors 0, 1, 2
    batch = np.stack([ramp(), ramp()])
    assert endpoint_error_summary(np.zeros(batch.shape), batch, mask=mask)["mean_px"] == 1
    assert endpoint_error_summary(np.zeros(batch.shape), batch, mask=mask[1])["mean_px"] == 1


@pytest.mark.parametrize("resolution_um", [0, -1, (1, 2, 3), (1, 0), np.nan])
def test_a_resolution_that_is_none_is_refused(resolution_um):
    with pytest.raises(ValueError, match="resolution_um must be"):
        endpoint_error_summary(ramp(), ramp(), resolution_um=resolution_um)


@pytest.mark.parametrize("mask", [np.ones((10, 9), bool), np.zeros((10, 10), bool), np.ones((10, 10))])
def test_a_mask_that_does_not_fit_is_refused(mask):
    with pytest.raises(ValueError, match="mask must be boolean"):
        endpoint_error_summary(ramp(), ramp(), mask=mask)

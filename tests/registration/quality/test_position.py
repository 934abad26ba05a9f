"""What is doubtful about a position."""

import numpy as np
import pytest

from atlalign.registration.quality import PositionSearch

POSITIONS = np.arange(2000, 8001, 250.0)


def _peak(at_um, height=1.0):
    return height * np.exp(-(((POSITIONS - at_um) / 600) ** 2))


def test_one_peak_inside_is_not_doubted():
    assert PositionSearch(POSITIONS, _peak(5000), 5000).doubts() == []


@pytest.mark.parametrize("at_um", [2000, 8000])
def test_either_edge_is_doubted(at_um):
    assert "edge of the search" in PositionSearch(POSITIONS, _peak(at_um), at_um).doubts()[0]


def test_a_second_peak_that_is_nearly_as_high_is_named():
    scores = _peak(3500) + _peak(6500, 0.97)
    assert PositionSearch(POSITIONS, scores, 3500).doubts() == [
        "The section fits nearly as well at 6500 um as at 3500 um."
    ]


def test_a_second_peak_that_is_lower_is_not():
    assert PositionSearch(POSITIONS, _peak(3500) + _peak(6500, 0.8), 3500).doubts() == []


@pytest.mark.parametrize(
    ("positions", "scores"),
    [([], []), ([1, 2], [1]), ([2, 1], [0, 0]), ([1, 2], [0, np.nan]), ([[1]], [[1]])],
)
def test_other_curves_are_refused(positions, scores):
    with pytest.raises(ValueError, match="as many finite scores as positions"):
        PositionSearch(positions, scores, 1)

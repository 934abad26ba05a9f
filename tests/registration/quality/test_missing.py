"""Missing parts are named by the animal's sides, and only where that can be told."""

import numpy as np
import pytest

from atlalign.registration.quality.missing import find_missing

LEFT = np.repeat([np.arange(20) >= 10], 12, axis=0)  # in upright slices the animal's left is the image's right
UPPER = np.arange(12)[:, None] < 6 + np.zeros((1, 20))
TISSUE = np.ones((12, 20), bool)


@pytest.mark.parametrize(
    ("gone", "parts"),
    [
        (LEFT, ["left half"]),
        (~LEFT, ["right half"]),
        (UPPER, ["upper half"]),
        (~UPPER, ["lower half"]),
        (LEFT & UPPER, ["upper left quarter"]),
        (~LEFT & ~UPPER, ["lower right quarter"]),
        (np.zeros_like(LEFT), []),
    ],
)
def test_a_missing_half_or_quarter_is_named(gone, parts):
    found = find_missing(TISSUE & ~gone, TISSUE & ~gone, TISSUE, LEFT)
    assert found.parts == parts
    assert len(found.reasons) == len(parts)


def test_half_a_section_that_lies_in_the_middle_has_no_side_but_wrong_proportions():
    middle = np.zeros_like(TISSUE)
    middle[:, 5:15] = True
    found = find_missing(middle, middle, TISSUE, LEFT)
    assert found.parts == []
    assert "too narrow for the plane: 50 percent" in found.reasons[0]


def test_half_the_height_is_too_flat():
    flat = np.zeros_like(TISSUE)
    flat[3:9] = True
    assert "too flat" in find_missing(flat, flat, TISSUE, LEFT).reasons[0]


def test_sparse_tissue_everywhere_is_no_missing_part():
    sparse = np.indices(TISSUE.shape).sum(axis=0) % 3 == 0
    assert find_missing(sparse, sparse, TISSUE, LEFT).parts == []


def test_no_tissue_at_all_is_no_error():
    nothing = np.zeros_like(TISSUE)
    assert find_missing(nothing, nothing, TISSUE, LEFT) == ([], [])
    assert find_missing(TISSUE, TISSUE, nothing, LEFT) == ([], [])

"""The view of a section whose plane and pixel size nobody knows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign.section import Section
from atlalign.section.tissue import mask_box
from atlalign.section.unplaced import FILLED, mirrored_view, unplaced_view

SHAPE = (80, 114)


def picture(height=150, width=200, scale=1):
    """A bright blob, brighter in its top right corner, on a dark background."""
    image = np.zeros((400, 500), np.uint8)
    image[90 : 90 + height, 130 : 130 + width] = 120
    image[90 : 90 + height // 3, 130 + width // 2 : 130 + width] = 240
    return np.kron(image, np.ones((scale, scale), np.uint8))


@settings(max_examples=15, deadline=None)
@given(height=st.integers(60, 250), width=st.integers(60, 300))
def test_the_tissue_is_centred_and_fills_a_fixed_share(height, width):
    view = unplaced_view(Section(picture(height, width)), SHAPE)
    left, top, right, bottom = mask_box(view > 0.25)
    assert max((right - left) / SHAPE[1], (bottom - top) / SHAPE[0]) == pytest.approx(FILLED, abs=0.03)
    assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=0.08)
    assert (left + right) / 2 == pytest.approx((SHAPE[1] - 1) / 2, abs=1.5)
    assert (top + bottom) / 2 == pytest.approx((SHAPE[0] - 1) / 2, abs=1.5)


def test_the_size_of_the_pixels_does_not_matter():
    one, three = (unplaced_view(Section(picture(scale=scale)), SHAPE) for scale in (1, 3))
    assert np.abs(one - three).mean() < 0.01


def test_the_polarity_does_not_matter():
    dark, bright = (unplaced_view(Section(image), SHAPE) for image in (picture(), 255 - picture()))
    assert np.abs(dark - bright).mean() < 0.01


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("flip", [None, "horizontal"])
def test_the_section_is_brought_upright(turns, flip):
    upright = unplaced_view(Section(picture()), SHAPE)
    # The image as a scanner may have it; the orientation undoes that.
    stored = np.rot90(picture(), turns)
    stored = stored[:, ::-1] if flip else stored
    view = unplaced_view(Section(np.ascontiguousarray(stored), flip=flip, rotate=90 * turns), SHAPE)
    assert np.abs(view - upright).mean() < 0.01


def test_a_mirrored_view_is_the_mirrored_view():
    section = Section(picture())
    view = unplaced_view(section, SHAPE)
    mirrored = unplaced_view(section, SHAPE, mirrored_view(SHAPE))
    np.testing.assert_allclose(mirrored, view[:, ::-1], atol=1e-4)


def test_a_section_without_tissue_is_refused():
    with pytest.raises(ValueError, match="must show tissue"):
        unplaced_view(Section(np.full((60, 80), 250, np.uint8)), SHAPE)

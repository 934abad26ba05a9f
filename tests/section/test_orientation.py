"""How a section must be mirrored and turned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlalign.section.orientation import Orientation
from atlalign.section.resampling import apply_affine

_ways = st.builds(Orientation, st.sampled_from([None, "horizontal", "vertical"]), st.sampled_from([0, 90, 180, 270]))


@given(_ways, st.integers(1, 7), st.integers(1, 7))
def test_every_pixel_comes_to_where_numpy_puts_it(way, height, width):
    image = np.arange(height * width).reshape(height, width)
    upright = image if way.flip is None else np.flip(image, axis=1 if way.flip == "horizontal" else 0)
    upright = np.rot90(upright, -way.rotate // 90)
    assert way.upright_shape(image.shape) == upright.shape
    y, x = np.indices(image.shape)
    there = apply_affine(way.to_upright(image.shape), np.stack([x, y], axis=-1)).astype(int)
    assert np.array_equal(upright[there[..., 1], there[..., 0]], image)


def test_only_the_way_that_changes_nothing_is_upright():
    assert Orientation().is_upright
    assert not Orientation("vertical").is_upright
    assert not Orientation(rotate=180).is_upright


@pytest.mark.parametrize("flip", ["left", True, 1, ""])
def test_another_flip_is_refused(flip):
    with pytest.raises(ValueError, match="flip must be None"):
        Orientation(flip)


@pytest.mark.parametrize("rotate", [45, -90, 360, None, "90"])
def test_another_turn_is_refused(rotate):
    with pytest.raises(ValueError, match="rotate must be 0, 90, 180 or 270"):
        Orientation(rotate=rotate)

"""Grids and annotations in colour."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlalign import DisplacementField
from atlalign.visualization import create_grid, create_segmentation_image


class TestGrid:
    @given(st.integers(2, 30), st.integers(1, 29), st.tuples(st.integers(1, 60), st.integers(1, 60)))
    def test_lines_are_as_thick_and_as_far_apart_as_asked(self, spacing, thickness, shape):
        thickness = min(thickness, spacing - 1)
        grid = create_grid(shape, spacing, thickness)
        assert grid.shape == shape
        for row, column in np.ndindex(*shape):
            assert grid[row, column] == (row % spacing < thickness or column % spacing < thickness)

    def test_a_field_warps_it(self):
        grid = create_grid((50, 60))
        np.testing.assert_array_equal(DisplacementField.generate((50, 60)).warp(grid), grid)

    @pytest.mark.parametrize(
        "kwargs", [{"grid_spacing": 0}, {"grid_thickness": 0}, {"grid_thickness": 20}, {"grid_spacing": 2.5}]
    )
    def test_grids_that_cannot_be_are_refused(self, kwargs):
        with pytest.raises(ValueError, match="Received"):
            create_grid((50, 60), **kwargs)


class TestSegmentationImage:
    def test_every_structure_has_one_colour_and_no_other_has_it(self):
        annotation = np.arange(300).reshape(15, 20)
        img, colors = create_segmentation_image(annotation)
        assert img.dtype == np.uint8
        assert img.shape == (15, 20, 3)
        assert len(set(colors.values())) == 300
        for row, column in np.ndindex(15, 20):
            assert tuple(img[row, column]) == colors[annotation[row, column]]

    def test_outside_is_black(self):
        assert create_segmentation_image([[0]])[1] == {0: (0, 0, 0)}

    def test_a_structure_looks_the_same_in_every_picture(self):
        first, second = (
            create_segmentation_image(np.array(ids, "uint32"))[1] for ids in ([[3, 614454277]], [[614454277]])
        )
        assert first[614454277] == second[614454277]

    def test_given_colours_are_taken_and_missing_ones_added(self):
        img, colors = create_segmentation_image([[7, 9]], {7: (1, 2, 3), 8: (4, 5, 6)})
        assert img[0, 0].tolist() == [1, 2, 3]
        assert set(colors) == {7, 9}

    def test_floats_are_refused(self):
        with pytest.raises(TypeError, match="float64"):
            create_segmentation_image([[1.0]])

    @pytest.mark.parametrize("color", [(1, 2), (1, 2, 256), (0.1, 0.2, 0.3), "red"])
    def test_what_is_no_colour_is_refused(self, color):
        with pytest.raises(ValueError, match="three integers"):
            create_segmentation_image([[1]], {1: color})

"""What fields draw."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from atlalign import DisplacementField

SHIFT = DisplacementField.generate((30, 40), "affine_simple", translation_x=10, translation_y=-3)
METHODS = ["plot_dvf", "plot_outside", "plot_ranges"]


@pytest.fixture
def ax():
    return Figure().add_subplot()


@pytest.mark.parametrize("method", METHODS)
class TestEveryPlot:
    def test_it_draws_into_the_axes_it_is_given_and_opens_no_figure(self, method, ax):
        open_before = plt.get_fignums()
        assert getattr(SHIFT, method)(ax=ax) is ax
        assert plt.get_fignums() == open_before

    def test_without_axes_it_makes_a_figure_of_pyplot(self, method):
        ax = getattr(SHIFT, method)(figsize=(4, 3))
        assert ax.figure.number in plt.get_fignums()
        assert ax.figure.get_size_inches().tolist() == [4, 3]
        plt.close(ax.figure)

    def test_y_points_down_and_pixels_are_square(self, method, ax):
        getattr(SHIFT, method)(ax=ax)
        assert ax.yaxis_inverted()
        assert ax.get_aspect() == 1

    def test_a_field_with_nan_is_drawn(self, method, ax):
        broken = DisplacementField(np.where(np.eye(30, 40) > 0, np.nan, 1), np.zeros((30, 40)))
        getattr(broken, method)(ax=ax)
        ax.figure.canvas.draw()


def test_arrows_go_from_the_output_pixel_to_its_source(ax):
    arrows = SHIFT.plot_dvf(ds_f=10, ax=ax).collections[0]
    assert arrows.get_offsets()[:2].tolist() == [[0, 0], [10, 0]]
    assert (arrows.U[0], arrows.V[0]) == (10, -3)
    assert arrows.scale == 1


def test_white_pixels_are_the_outsiders(ax):
    np.testing.assert_array_equal(SHIFT.plot_outside(ax=ax).images[0].get_array(), SHIFT.outsiders)


def test_points_of_both_images_are_drawn_as_asked(ax):
    SHIFT.plot_ranges(10, kwargs_domain={"c": "red"}, kwargs_range={"s": 99, "label": "there"}, ax=ax)
    domain, there = ax.collections
    np.testing.assert_array_equal(there.get_offsets() - domain.get_offsets(), np.tile([10, -3], (12, 1)))
    assert domain.get_facecolor()[0].tolist() == [1, 0, 0, 1]
    assert there.get_sizes().tolist() == [99]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["output (registered)", "there"]


@pytest.mark.parametrize("step", [0, -1, 2.5])
def test_a_step_that_is_no_number_of_pixels_is_refused(step, ax):
    with pytest.raises(ValueError, match="ds_f must be"):
        SHIFT.plot_dvf(step, ax=ax)
    with pytest.raises(ValueError, match="freq must be"):
        SHIFT.plot_ranges(step, ax=ax)


def test_importing_fields_does_not_import_matplotlib():
    code = "import sys, atlalign.base; print('matplotlib' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "False"

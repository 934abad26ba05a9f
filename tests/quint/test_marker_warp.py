"""The map that markers define: VisuAlign's, in both directions."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atlalign.quint import Markers, MarkerWarp

SIZE = (120, 80)
SHAPE = (80, 120)


def markers(*rows, size=SIZE):
    rows = np.array(rows, dtype=float)
    return Markers(rows[:, :2], rows[:, 2:], size)


def random_markers(seed, n, spread):
    rng = np.random.default_rng(seed)
    section = rng.uniform(0, SIZE, (n, 2))
    return Markers(section + rng.normal(0, spread, (n, 2)), section, SIZE)


def random_points(seed, n=200):
    return np.random.default_rng(seed).uniform([-20, -15], [139, 94], (n, 2))


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0, 6))
def test_the_two_directions_are_inverse_and_take_each_marker_to_its_other_end(seed, n, spread):
    both = random_markers(seed, n, spread)
    try:
        warp = MarkerWarp(both)
    except ValueError:
        assume(False)
    points = random_points(seed)
    there = warp.section_to_overlay(points, SHAPE)
    assert np.allclose(warp.overlay_to_section(there, SHAPE), points, atol=1e-6)
    assert np.allclose(warp.section_to_overlay(both.section_xy - 0.5, SHAPE), both.overlay_xy - 0.5, atol=1e-6)


@given(st.integers(0, 10**6))
def test_beyond_the_fixed_points_nothing_moves(seed):
    warp = MarkerWarp(markers([60, 40, 70, 45]))
    points = random_points(seed, 500)
    frame = (points + 0.5) / SIZE
    outside = ((frame < -0.1) | (frame > 1.1)).any(axis=1)
    assert np.array_equal(warp.section_to_overlay(points, SHAPE)[outside], points[outside])
    moved = np.abs(warp.section_to_overlay(points, SHAPE) - points).max(axis=1) > 1e-9
    assert moved[((frame > 0) & (frame < 1)).all(axis=1)].all()


def test_it_is_the_map_of_visualign():
    """Known answers of PyNutil 0.6.2, whose triangulation is VisuAlign's; its points count from the edges."""
    warp = MarkerWarp(
        markers([30, 25, 34, 22], [85, 20, 80, 24], [62, 55, 60, 60], [20, 60, 25, 58], [100, 62, 96, 66])
    )
    points = np.array([[10, 10], [40, 30], [58, 41], [75, 70], [110, 35], [3, 77]])
    to_overlay = [
        [7.9315, 11.3988],
        [37.3656, 31.2382],
        [59.1403, 38.3785],
        [76.2857, 66.7857],
        [112.4214, 32.6083],
        [1.4217, 77.4706],
    ]
    to_section = [
        [12.1278, 8.4333],
        [42.2265, 28.9779],
        [56.9878, 43.7768],
        [73.9091, 72.7273],
        [107.3099, 37.6216],
        [4.436, 76.7067],
    ]
    assert np.allclose(warp.section_to_overlay(points - 0.5, SHAPE) + 0.5, to_overlay, atol=1e-4)
    assert np.allclose(warp.overlay_to_section(points - 0.5, SHAPE) + 0.5, to_section, atol=1e-4)


def test_among_markers_of_an_affine_map_it_is_that_map():
    rng = np.random.default_rng(0)
    section = np.stack(np.meshgrid(np.arange(10, 120, 10), np.arange(10, 80, 10)), axis=-1).reshape(-1, 2)
    section = section + rng.uniform(-2, 2, section.shape)
    matrix, shift = np.array([[1.02, 0.03], [-0.02, 0.97]]), np.array([1.5, -2])
    warp = MarkerWarp(Markers(section @ matrix.T + shift, section, SIZE))
    points = rng.uniform([25, 25], [94, 54], (100, 2))
    expected = (points + 0.5) @ matrix.T + shift - 0.5
    assert np.allclose(warp.section_to_overlay(points, SHAPE), expected)


def test_the_image_may_have_another_size_than_the_markers():
    both = random_markers(3, 6, 2)
    points = random_points(4)
    at_stated_size = MarkerWarp(both).section_to_overlay(points, SHAPE)
    at_twice_the_size = MarkerWarp(both).section_to_overlay((points + 0.5) * 2 - 0.5, (160, 240))
    assert np.allclose((at_stated_size + 0.5) * 2 - 0.5, at_twice_the_size)


def test_points_of_a_grid_keep_their_shape():
    assert MarkerWarp(markers([60, 40, 61, 41])).section_to_overlay(np.zeros((3, 4, 2)), SHAPE).shape == (3, 4, 2)


def test_a_marker_that_occurs_twice_counts_once():
    once, twice = MarkerWarp(markers([60, 40, 70, 45])), MarkerWarp(markers([60, 40, 70, 45], [60, 40, 70, 45]))
    points = random_points(0)
    assert np.allclose(once.section_to_overlay(points, SHAPE), twice.section_to_overlay(points, SHAPE))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[30, 40, 80, 40], [80, 40, 30, 40]], "must not fold the section.*triangles"),
        ([[60, 40, 60, 20], [60, 20, 60, 40]], "must not fold"),
        ([[30, 40, 60, 40], [31, 40, 60, 40]], r"two at \(60, 40\)"),
        ([[60, 40, 140, 40]], r"from \(60, 40\) to \(140, 40\)"),
        ([[60, -20, 60, 40]], r"from \(60, -20\)"),
    ],
)
def test_markers_without_an_inverse_are_refused_with_their_place(rows, message):
    with pytest.raises(ValueError, match=message) as refusal:
        MarkerWarp(markers(*rows))
    assert "\n" not in str(refusal.value)

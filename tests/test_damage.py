"""Tears and missing tissue."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation, label

from atlalign import DisplacementField
from atlalign.zoo import missing, tear, tear_with_gap

SHAPE = (90, 120)
SEEDS = st.integers(0, 2**32)
TEARS = st.fixed_dictionaries(
    {
        "width": st.floats(0, 30),
        "length": st.none() | st.floats(1, 100),
        "reach": st.floats(1, 80),
        "bend": st.floats(0, 15),
        "random_state": SEEDS,
    }
)


class TestTear:
    @given(kwargs=TEARS)
    @settings(max_examples=40, deadline=None)
    def test_no_tear_folds_or_moves_tissue_by_more_than_half_its_width(self, kwargs):
        delta_x, delta_y, gap = tear_with_gap(SHAPE, **kwargs)
        assert delta_x.dtype == delta_y.dtype == np.float32
        assert np.hypot(delta_x, delta_y).max() <= kwargs["width"] / 2 + 1e-4
        # Central differences across the edge of the gap average a Jacobian of 0 and one above 1.
        smooth = ~gap & ~np.roll(gap, 1, 0) & ~np.roll(gap, -1, 0) & ~np.roll(gap, 1, 1) & ~np.roll(gap, -1, 1)
        if kwargs["length"] is None or kwargs["length"] > 20:
            assert DisplacementField(delta_x, delta_y).jacobian[smooth].min() > -1e-3

    def test_the_approach_is_the_field_of_the_gap_with_the_same_seed(self):
        delta_x, delta_y, _ = tear_with_gap(SHAPE, width=9, random_state=4)
        assert DisplacementField.generate(SHAPE, "tear", width=9, random_state=4) == DisplacementField(delta_x, delta_y)

    def test_another_seed_tears_elsewhere(self):
        assert not np.array_equal(tear_with_gap(SHAPE, random_state=1)[2], tear_with_gap(SHAPE, random_state=2)[2])

    @pytest.mark.parametrize("seed", range(5))
    def test_a_gap_through_the_image_has_two_sides(self, seed):
        gap = tear_with_gap(SHAPE, width=8, bend=3, random_state=seed)[2]
        assert label(gap)[1] == 1
        assert label(~gap)[1] == 2

    @pytest.mark.parametrize("seed", range(5))
    def test_a_tear_with_a_tip_touches_the_edge_and_leaves_the_rest_whole(self, seed):
        delta_x, delta_y, gap = tear_with_gap(SHAPE, width=8, length=35, reach=20, bend=2, random_state=seed)
        assert label(~gap)[1] == 1
        assert np.concatenate([gap[0], gap[-1], gap[:, 0], gap[:, -1]]).any()
        assert 8 * 35 / 3 < gap.sum() < 8 * 40
        assert np.mean((delta_x == 0) & (delta_y == 0)) > 0.5

    @pytest.mark.parametrize("seed", range(5))
    def test_both_sides_of_the_gap_were_one_place(self, seed):
        delta_x, delta_y, gap = tear_with_gap(SHAPE, width=10, bend=0, random_state=seed)
        x, y = DisplacementField(delta_x, delta_y).transformation
        sources = np.stack([x, y], axis=-1)
        middle = sources[gap].mean(axis=0)
        normal = np.linalg.svd(sources[gap] - middle, full_matrices=False)[2][1]
        from_line = np.abs((sources - middle) @ normal)
        assert from_line[gap].max() < 1e-3
        assert from_line[binary_dilation(gap) & ~gap].max() < 1.5

    def test_without_width_nothing_happens(self):
        delta_x, delta_y, gap = tear_with_gap(SHAPE, width=0, random_state=0)
        assert not np.any([delta_x, delta_y, gap])

    @pytest.mark.parametrize("kwargs", [{"width": -1}, {"length": 0}, {"reach": 0}, {"bend": np.nan}, {"width": "9"}])
    def test_numbers_out_of_range_are_refused(self, kwargs):
        with pytest.raises(ValueError, match="at least"):
            tear(SHAPE, **kwargs)


class TestMissing:
    @given(seed=SEEDS, radius=st.floats(2, 60), irregularity=st.floats(0, 0.5))
    @settings(max_examples=40, deadline=None)
    def test_tissue_is_lost_at_its_border_and_nowhere_else(self, seed, radius, irregularity):
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        tissue = np.hypot((y - 45) / 35, (x - 60) / 50) < 1
        lost = missing(SHAPE, tissue, radius, irregularity, random_state=seed)
        assert lost.dtype == bool
        assert lost.any()
        assert not lost[~tissue].any()
        around = np.pad(~tissue, 1, constant_values=True)
        touches = around[:-2, 1:-1] | around[2:, 1:-1] | around[1:-1, :-2] | around[1:-1, 2:]
        assert (lost & touches).any()

    @pytest.mark.parametrize("seed", range(5))
    def test_holes_are_no_border(self, seed):
        tissue = np.ones(SHAPE, bool)
        tissue[30:60, 40:80] = False
        lost = missing(SHAPE, tissue, radius=10, random_state=seed)
        assert np.concatenate([lost[0], lost[-1], lost[:, 0], lost[:, -1]]).any()

    def test_a_circle_is_lost_without_irregularity(self):
        lost = missing((400, 400), radius=30, irregularity=0, random_state=1)
        assert lost.sum() in (pytest.approx(np.pi * 30**2 / 2, rel=0.1), pytest.approx(np.pi * 30**2 / 4, rel=0.1))

    def test_the_seed_decides(self):
        first, same, other = (missing(SHAPE, random_state=seed) for seed in (1, np.random.default_rng(1), 2))
        np.testing.assert_array_equal(first, same)
        assert not np.array_equal(first, other)

    @pytest.mark.parametrize(
        "kwargs",
        [
            {"radius": 0},
            {"irregularity": -1},
            {"tissue": np.ones((3, 4), bool)},
            {"tissue": np.ones(SHAPE)},
            {"tissue": np.zeros(SHAPE, bool)},
        ],
    )
    def test_wrong_arguments_are_refused(self, kwargs):
        with pytest.raises(ValueError, match="Received"):
            missing(SHAPE, **kwargs)

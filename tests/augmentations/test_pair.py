"""A deformed pair keeps a true label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign import DisplacementField
from atlalign.augmentations.pair import LabelledPair
from tests.augmentations.pair_maker import MIDDLE, SHAPE, labelled_pair, recipe, smooth_image


class TestThePair:
    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 10**6), p_reg=st.sampled_from([0.0, 1.0]), anchor=st.booleans())
    def test_the_new_label_registers_the_new_image_as_the_old_one_did(self, seed, p_reg, anchor):
        pair = labelled_pair(seed % 50)
        new = pair.deform(recipe(p_reg=p_reg, anchor=anchor), np.random.default_rng(seed))
        registered, again = (p.label.warp(p.img).astype(float)[MIDDLE] for p in (pair, new))
        # Where the deformation leads out of the image there is nothing to compare.
        assert np.abs(registered - again)[again > 0].mean() < 2
        assert np.quantile(np.abs(registered - again)[again > 0], 0.95) < 6

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 10**6), p_reg=st.sampled_from([0.0, 1.0]))
    def test_the_new_label_and_its_inverse_undo_each_other(self, seed, p_reg):
        careful = recipe(p_reg=p_reg, max_corrupted_pixels=1, max_trials=100)
        new = labelled_pair(seed % 50).deform(careful, np.random.default_rng(seed))
        assert new.inverse(new.label).norm.max() < 5e-3
        assert np.quantile(new.label(new.inverse).norm[~new.inverse.outsiders], 0.9) < 0.05

    def test_the_image_is_warped_with_the_final_anchored_field(self):
        pair = labelled_pair(3)
        new = pair.deform(recipe(p_reg=0), np.random.default_rng(0))
        np.testing.assert_array_equal(new.img, pair.label(new.inverse).warp(pair.img))
        assert np.abs(new.inverse.deltas_xy[[0, 0, -1, -1], [0, -1, 0, -1]]).max() < 1e-3
        unanchored = pair.deform(recipe(p_reg=0, anchor=False), np.random.default_rng(0))
        assert np.abs(unanchored.inverse.deltas_xy - new.inverse.deltas_xy).mean() > 0.02

    def test_an_augmentation_differs_from_its_original(self):
        pair = labelled_pair(1)
        new = pair.deform(recipe(), np.random.default_rng(1))
        assert np.abs(new.label.deltas_xy - pair.label.deltas_xy).max() > 1
        assert (new.img != pair.img).mean() > 0.2

    @pytest.mark.parametrize(("p_reg", "corner"), [(1.0, 0.0), (0.0, -3.0)])
    def test_p_reg_is_the_probability_of_starting_from_the_registered_image(self, p_reg, corner):
        # A stretching leaves the corners where they are, so what is left there is the label's own displacement.
        shift = np.zeros((*SHAPE, 2), np.float32)
        shift[..., 0] = 3
        pair = LabelledPair(smooth_image(), shift, -shift)
        for seed in range(5):
            new = pair.deform(recipe(p_reg=p_reg, anchor=False), np.random.default_rng(seed))
            np.testing.assert_allclose(new.inverse.delta_x[0, 0], corner, atol=1e-3)

    @pytest.mark.parametrize("max_trials", [1, 4])
    def test_max_trials_is_the_number_of_trials(self, monkeypatch, max_trials):
        folded = np.zeros((2, *SHAPE))
        folded[0] = -2 * np.arange(SHAPE[1])
        trials = []
        monkeypatch.setattr(
            "atlalign.augmentations.pair.stretch_edges",
            lambda *_: trials.append(1) or DisplacementField(*folded),
        )
        assert labelled_pair().deform(recipe(max_trials=max_trials), np.random.default_rng(0)) is None
        assert len(trials) == max_trials

    def test_accepted_fields_have_fewer_corrupted_pixels_than_the_limit(self):
        for seed in range(20):
            new = labelled_pair(seed).deform(recipe(max_corrupted_pixels=3), np.random.default_rng(seed))
            if new is not None:
                assert max((field.jacobian < 0).sum() for field in (new.label, new.inverse)) < 3

    def test_an_image_without_edges_is_not_deformed(self):
        zeros = np.zeros((*SHAPE, 2))
        assert LabelledPair(np.zeros(SHAPE, np.uint8), zeros, zeros).deform(recipe(), np.random.default_rng(0)) is None

    def test_displacements_grow_with_the_image(self):
        sizes = [
            np.mean([labelled_pair(i, shape=shape).deform(recipe(p_reg=1), np.random.default_rng(i)).inverse.norm.max()
                     for i in range(10)])
            for shape in ((64, 90), (128, 180))
        ]  # fmt: skip
        assert 1.4 < sizes[1] / sizes[0] < 2.8

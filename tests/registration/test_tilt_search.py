"""The search for the common tilt of a series."""

import numpy as np
import pytest

from atlalign.plane_slopes import Tilt
from atlalign.registration.tilt_search import MOST_DEGREES, search_tilt


def _sections(top, spread=0.5, n=12, seed=0, fall=0.0012):
    """Return what scores tilts as sections would whose tops scatter around one; farther out the likeness levels off."""
    own = np.random.default_rng(seed).normal(top, spread, (n, 2))
    calls = []

    def score(tilts):
        calls.append(len(tilts))
        away = np.array(tilts).reshape(-1, 2) - own[:, None]
        return 2.3 - 0.2 * np.tanh(fall / 0.2 * away**2).sum(axis=-1)

    return score, own.mean(axis=0), calls


class TestSearch:
    @pytest.mark.parametrize("top", [(4, -3), (0, 6), (-7, 2), (9, -9)])
    def test_the_tilt_is_found_with_its_signs(self, top):
        score, mean, _ = _sections(top)
        found = search_tilt(score)
        assert np.abs(np.array(found.estimate) - mean).max() < 0.5
        assert np.sign(found.tilt).tolist() == np.sign(top).tolist()

    def test_no_tilt_is_none(self):
        assert search_tilt(_sections((0, 0))[0]).tilt == Tilt()

    def test_an_angle_of_less_than_a_degree_is_none_however_sure(self):
        found = search_tilt(_sections((0.8, 5), spread=0.01)[0])
        assert found.estimate.dv == pytest.approx(0.8, abs=0.1)
        assert found.tilt.dv == 0
        assert found.tilt.ml == pytest.approx(5, abs=0.3)

    def test_an_angle_that_sections_disagree_about_is_none(self):
        found = search_tilt(_sections((2, 2), spread=(0.3, 8), n=9)[0])
        assert found.tilt.dv == pytest.approx(2, abs=0.5)
        assert found.errors.ml > 1.5
        assert found.tilt.ml == 0

    def test_an_angle_that_the_likeness_does_not_depend_on_is_not_seen(self):
        found = search_tilt(lambda tilts: np.stack([2 - 0.001 * (np.array(tilts)[:, 0] - 3) ** 2] * 8))
        assert found.tilt == Tilt(3.0, 0.0)
        assert found.errors.ml == np.inf
        assert "0.0 about ML (not seen)" in found.summary

    def test_few_sections_that_fit_by_chance_are_outvoted(self):
        usual, mean, _ = _sections((4, 0), n=12)
        odd, _, _ = _sections((-12, 0), n=2, fall=0.02)
        found = search_tilt(lambda tilts: np.concatenate([usual(tilts), odd(tilts)]))
        assert found.estimate.dv == pytest.approx(mean[0], abs=1.5)

    def test_of_too_few_sections_there_is_no_telling(self):
        found = search_tilt(_sections((5, 5), n=4)[0])
        assert found.tilt == Tilt()
        assert found.n_sections == 4

    def test_a_tilt_beyond_the_edge_is_flagged(self):
        found = search_tilt(_sections((20, 0), fall=0.0003)[0])
        assert max(tilt.dv for tilt in found.tried) == MOST_DEGREES
        assert "at the edge" in found.doubts()[0]
        assert search_tilt(_sections((5, 0))[0]).doubts() == []

    def test_each_tilt_is_tried_once_and_they_are_few(self):
        score, _, calls = _sections((4, -3))
        found = search_tilt(score)
        assert len(set(found.tried)) == len(found.tried) == sum(calls) <= 37
        assert found.tried[0] == Tilt()

"""The search for a section's position, and what it compares by."""

import numpy as np
import pytest

from atlalign import Atlas, Plane, Registrar, Section, register
from atlalign.registration import PositionSearch, read_registration
from atlalign.registration.likeness import Likeness, common_edges, local_correlation
from atlalign.registration.locating import Locator
from atlalign.registration.search import COARSE_UM, candidate_positions, search_position
from atlalign.section.canvas import Canvas

ATLAS = Atlas.load("phantom:200")
AT_UM = 6900.0


def _nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2), np.float32)


def _section(position_um=AT_UM, change=lambda image: image):
    return Section(np.ascontiguousarray(change(ATLAS.reference_plane(position_um))), pixel_size_um=200)


def _by_tissue(section, position_um):
    return Canvas.by_tissue(section, ATLAS, position_um, (40, 57))


class TestSearch:
    likeness = Likeness(ATLAS)

    def test_the_plane_is_found(self):
        found = search_position(_section(), self.likeness, _by_tissue)
        assert abs(found.position_um - AT_UM) <= 200  # of a voxel, each position is as good as another
        assert found.scores[found.positions_um == found.position_um] == found.scores.max()

    def test_a_bright_background_and_bent_greys_do_not_matter(self):
        found = search_position(_section(change=lambda image: 1 - 0.8 * image**1.5), self.likeness, _by_tissue)
        assert abs(found.position_um - AT_UM) <= 300

    def test_it_becomes_finer_around_the_best(self):
        found = search_position(_section(), self.likeness, _by_tissue)
        steps = np.diff(found.positions_um)
        assert steps.max() == COARSE_UM
        assert steps[np.argmin(np.abs(found.positions_um[:-1] - found.position_um))] == 50

    def test_bounds_are_kept_and_their_edge_is_flagged(self):
        found = search_position(_section(), self.likeness, _by_tissue, within_um=(3000, 5000))
        assert found.positions_um[0] >= 3000
        assert found.positions_um[-1] <= 5000
        assert "edge of the search" in found.doubts()[0]

    def test_no_candidate_within_the_bounds_is_refused(self):
        with pytest.raises(ValueError, match="planes with tissue"):
            search_position(_section(), self.likeness, _by_tissue, within_um=(0, 100))

    def test_a_proposal_counts_the_more_the_farther_away_it_is(self):
        alone = search_position(_section(), self.likeness, _by_tissue)
        guided = search_position(_section(), self.likeness, _by_tissue, prior_um=AT_UM - 2000)
        at = {found: dict(zip(found.positions_um, found.scores, strict=True)) for found in (alone, guided)}
        near, far = AT_UM - 2100, AT_UM + 2100
        assert at[alone][near] - at[guided][near] == pytest.approx(0.05 * 0.1**2)
        assert at[alone][far] - at[guided][far] == pytest.approx(0.05 * 4.1**2)

    def test_candidates_show_enough_tissue(self):
        positions = candidate_positions(ATLAS, (40, 57))
        areas = [np.count_nonzero(ATLAS.annotation_plane(float(at), (40, 57))) for at in positions]
        assert min(areas) >= 0.1 * max(areas)
        assert positions[0] > COARSE_UM  # the tips are left out


class TestLikeness:
    def test_a_batch_gives_what_one_by_one_gives(self):
        class Batched:
            shape = (40, 57)

            def __call__(self, reference, moving):
                return np.stack([moving - reference, reference], axis=-1)

            def batch(self, references, movings):
                return np.stack([self(*pair) for pair in zip(references, movings, strict=True)])

        canvases = [_by_tissue(_section(), at) for at in (5000, 7000, 9000)]
        batched = Likeness(ATLAS, Batched())(_section(), canvases).scores
        alone = Likeness(ATLAS, Batched().__call__)(_section(), canvases).scores
        np.testing.assert_allclose(batched, alone)

    def test_the_network_puts_the_section_right_first(self):
        canvas = _by_tissue(_section(), AT_UM)
        shift = np.array([[0, 0, 6], [0, 0, 0]])
        aside = Canvas(canvas.plane, canvas.shape, canvas.from_section + shift, (200, 200), "given")

        def six_back(reference, moving):
            return np.stack([np.full(moving.shape, 6.0), np.zeros(moving.shape)], axis=-1)

        expected, missed = (Likeness(ATLAS)(_section(), [at]).scores[0] for at in (canvas, aside))
        found = Likeness(ATLAS, six_back)(_section(), [aside]).scores[0]
        assert missed < found == pytest.approx(expected, abs=0.05)

    def test_a_hemisphere_is_compared_with_its_half_alone(self):
        half = _section(change=lambda image: np.where(np.arange(image.shape[1]) < 29, image, 0))
        whole, right = (
            Likeness(ATLAS)(half, [Canvas.by_tissue(half, ATLAS, AT_UM, (40, 57), hemisphere=side)]).overlaps[0]
            for side in ("both", "right")
        )
        assert right > 0.9 > whole

    def test_nothing_gives_nothing(self):
        assert Likeness(ATLAS)(_section(), []).scores.shape == (0,)

    def test_what_is_flat_has_neither_correlation_nor_edges(self):
        mask = np.ones((20, 30), bool)
        image = np.random.default_rng(0).random((20, 30))
        assert local_correlation(image, np.ones((20, 30)), mask, 3) == pytest.approx(0, abs=1e-4)
        assert common_edges(image, np.ones((20, 30)), mask, 1) == pytest.approx(0, abs=1e-6)

    def test_what_is_masked_out_does_not_count(self):
        mask = np.ones((20, 30), bool)
        mask[:, 20:] = False
        image = np.random.default_rng(0).random((20, 30))
        other = np.where(mask, image, 0)
        assert local_correlation(image, other, mask, 3) > 0.99


class TestRegistered:
    def test_without_a_position_the_section_is_registered_where_it_is_found(self):
        registration = register(_section(), ATLAS, local_model=_nothing_to_do)
        assert isinstance(registration.search, PositionSearch)
        assert registration.canvas.plane.position_um == registration.search.position_um
        assert abs(registration.search.position_um - AT_UM) <= 200
        assert registration.quality()["position_search"]["flag"] is None

    def test_a_given_position_or_plane_is_not_searched_for(self):
        for where in ({"position_um": AT_UM}, {"plane": ATLAS.plane(AT_UM)}):
            registration = register(_section(), ATLAS, local_model=_nothing_to_do, **where)
            assert registration.search is None
            assert "position_search" not in registration.quality()

    def test_the_search_stays_with_what_a_person_makes_of_the_registration(self):
        registration = register(_section(), ATLAS, local_model=_nothing_to_do)
        assert registration.without("local").search is registration.search

    def test_a_saved_search_is_read_again(self, tmp_path):
        registration = register(_section(), "phantom:200", local_model=_nothing_to_do)
        search = read_registration(registration.save(tmp_path / "s")).search
        assert search.position_um == registration.search.position_um
        np.testing.assert_array_equal(search.scores, registration.search.scores)

    def test_a_hemisphere_alone_is_found(self):
        half = _section(change=lambda image: np.where(np.arange(image.shape[1]) < 29, image, 0))
        located = Locator(ATLAS)(half)
        assert abs(located.position_um - AT_UM) <= 300

    def test_a_section_without_tissue_is_refused(self):
        with pytest.raises(ValueError, match="tissue"):
            Registrar(ATLAS, local_model=_nothing_to_do).register(np.zeros((40, 50), np.uint8))

    def test_an_anchoring_leaves_the_orientation_alone(self):
        plane = Plane.from_quicknii([456, 250, 320, -456, 0, 0, 0, 10, -320])
        registration = register(ATLAS.reference_plane(plane), ATLAS, plane=plane, local_model=_nothing_to_do)
        assert registration.orientation is None

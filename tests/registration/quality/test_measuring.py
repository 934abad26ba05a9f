"""Quantities and flags: known answers on the phantom, and a sentence for each thing that is wrong."""

import json
import math

import numpy as np
import pytest

from atlalign import Atlas, Section, register
from atlalign.errors import AtlalignError
from atlalign.registration.quality import QUANTITIES, PositionSearch, flags, measure
from atlalign.registration.quality.names import entry_names

ATLAS = Atlas.load("phantom:100")
IMAGE = ATLAS.reference_plane(6000, (160, 228))


def _shift(across_px, down_px=0.0):
    def predict(reference, moving):
        return np.broadcast_to(np.float32([across_px, down_px]), (*reference.shape, 2))

    return predict


def _register(image=IMAGE, model=None, **how):
    how = {"position_um": 6000, "pixel_size_um": 50, "hemisphere": "both", **how}
    return register(Section(image), ATLAS, local_model=model or _shift(0), **how)


@pytest.fixture(scope="module")
def shifted_away():
    """A section that lay right, and was moved by 3 px."""
    return measure(_register(model=_shift(3)), perceptual=False)


class TestQuantities:
    def test_a_right_registration_has_no_flag(self):
        assert flags(measure(_register(), perceptual=False)) == []

    def test_every_entry_is_named_and_has_its_unit(self, shifted_away):
        assert set(shifted_away) <= set(entry_names())
        for name, entry in shifted_away.items():
            known = QUANTITIES.get(name) or QUANTITIES[name.rpartition("_")[0]]
            assert set(entry) == {"value", "unit", "flag"}
            assert entry["unit"] == known.unit

    @pytest.mark.parametrize(
        "name", ["structure_variance", "structure_ncc", "correlation", "mutual_information", "tissue_overlap"]
    )
    def test_each_similarity_is_highest_where_the_section_lies_right(self, shifted_away, name):
        assert shifted_away[f"{name}_before"]["value"] > shifted_away[f"{name}_after"]["value"] + 0.02

    def test_what_got_worse_is_flagged_with_both_numbers(self, shifted_away):
        before, after = (shifted_away[f"structure_variance_{when}"]["value"] for when in ("before", "after"))
        assert shifted_away["structure_variance_after"]["flag"] == (
            f"The variance between structures is lower after registration than before ({before:.2f} to {after:.2f})."
        )

    def test_structure_variance_does_not_mind_which_grey_a_structure_has(self):
        negative = np.where(IMAGE > 0.05, 1.1 - IMAGE, 0)  # the same structures, dark for bright
        quality = measure(_register(negative, model=_shift(3)), perceptual=False)
        assert quality["correlation_before"]["value"] < 0.5
        assert quality["structure_variance_before"]["value"] > quality["structure_variance_after"]["value"] + 0.1

    def test_a_stain_unlike_the_reference_is_not_flagged_for_correlating_less(self):
        negative = np.where(IMAGE > 0.05, 1.1 - IMAGE, 0)
        quality = measure(_register(negative, model=_shift(3)), perceptual=False)
        assert quality["correlation_after"]["flag"] is None

    def test_displacements_are_in_um(self):
        quality = measure(_register(model=_shift(3, 4)), perceptual=False)
        assert quality["mean_displacement"]["value"] == pytest.approx(500)
        assert quality["displacement_p95"]["value"] == pytest.approx(500)
        assert quality["position"]["value"] == 6000

    def test_a_smooth_field_is_undone_by_its_inverse(self, shifted_away):
        assert shifted_away["inverse_consistency"]["value"] < 1

    def test_a_folding_field_is_flagged_for_its_folds_and_its_inverse(self):
        noise = np.random.default_rng(0)

        def folding(reference, moving):
            return noise.normal(0, 4, (*reference.shape, 2))

        quality = measure(_register(model=folding), perceptual=False)
        assert "folds in" in quality["folded"]["flag"]
        assert "from where they started" in quality["inverse_consistency"]["flag"]

    def test_what_cannot_be_measured_is_none_and_all_is_strict_json(self):
        quality = measure(_register(model=_shift(1000)), perceptual=False)
        assert quality["structure_variance_after"]["value"] is None
        json.dumps(quality, allow_nan=False)

    def test_what_a_step_says_of_itself_follows(self):
        registration = _register()
        own = {"drawn_by": {"value": "AB", "unit": "", "flag": None}}
        edited = registration.with_step("manual", registration.field, quality=own)
        assert list(measure(edited, perceptual=False))[-1] == "drawn_by"


class TestFlags:
    def test_an_absent_hemisphere_is_named(self):
        half = IMAGE.copy()
        half[:, 114:] = 0
        reasons = flags(measure(_register(half, hemisphere="right"), perceptual=False))
        assert reasons == [
            "The left half of the section is missing: only the animal's right hemisphere was registered."
        ]

    def test_tissue_beside_the_plane_is_flagged(self):
        quality = measure(_register(model=_shift(60)), perceptual=False)
        assert "does not overlap the plane" in quality["tissue_overlap_after"]["flag"]

    def test_tissue_at_the_border_of_the_image_is_flagged(self):
        quality = measure(_register(IMAGE[:, 60:]), perceptual=False)
        assert "border of the image (left)" in quality["cut_off_sides"]["flag"]

    def test_a_large_displacement_is_flagged(self):
        assert "by 2500 um on average" in measure(_register(model=_shift(25)))["mean_displacement"]["flag"]

    def test_a_position_at_the_edge_of_the_search_is_flagged(self):
        search = PositionSearch([5000, 5500, 6000], [0.1, 0.2, 0.3], 6000)
        entry = measure(_register(), search=search, perceptual=False)["position_search"]
        assert entry["value"] == [5000, 6000]
        assert entry["flag"].startswith("The position is at the edge of the search")


class TestLpips:
    def test_it_is_left_out_where_its_weights_are_not(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ATLALIGN_CACHE", str(tmp_path))
        assert not any("lpips" in name for name in measure(_register()))

    def test_it_is_not_fetched_when_asked_for(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ATLALIGN_CACHE", str(tmp_path))
        with pytest.raises(AtlalignError, match="atlalign weights fetch lpips"):
            measure(_register(), perceptual=True)

    def test_it_is_measured_before_and_after(self, lpips_weights):
        quality = measure(_register(model=_shift(3)), perceptual=True)
        assert 0 <= quality["lpips_before"]["value"] < quality["lpips_after"]["value"]
        assert math.isfinite(quality["lpips_after"]["value"])

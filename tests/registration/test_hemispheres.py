"""Sections that show one hemisphere: found, placed on their half, and without labels where there is nothing."""

import numpy as np
import pytest

from atlalign import Atlas, Section, register
from atlalign.registration import read_registration
from atlalign.section.canvas import half_of

ATLAS = Atlas.load("phantom:100")
WHOLE = ATLAS.reference_plane(6000)
SIDES = ("left", "right")


def nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2))


def half_section(side, pixel_size_um=100.0, pad=8):
    """A picture of the phantom's one hemisphere, cropped to it."""
    there = half_of(WHOLE.shape, side)
    image = np.where(there, WHOLE, 0)[:, there[0]]
    return Section(np.pad(image, pad), pixel_size_um)


def registered(section, **how):
    return register(section, ATLAS, position_um=6000, local_model=nothing_to_do, **how)


@pytest.mark.parametrize("pixel_size_um", [100.0, None], ids=["known size", "unknown size"])
@pytest.mark.parametrize("side", SIDES)
def test_one_hemisphere_is_found_and_lies_on_its_half(side, pixel_size_um):
    registration = registered(half_section(side, pixel_size_um))
    assert registration.canvas.hemisphere == side
    truth = ATLAS.annotation_plane(6000)[:, half_of(WHOLE.shape, side)[0]]
    labels = registration.labels()[8:-8, 8:-8]
    assert (labels == truth)[truth > 0].mean() > 0.8


def test_a_whole_section_is_taken_for_one():
    assert registered(Section(WHOLE, 100)).canvas.hemisphere == "both"


@pytest.mark.parametrize("side", SIDES)
def test_the_hemisphere_that_is_absent_gets_no_labels(side):
    registration = registered(Section(WHOLE, 100), hemisphere=side)
    areas = registration.structure_areas()
    other = {"left": "right", "right": "left"}[side]
    assert areas[f"{other}_area_mm2"].sum() == 0
    assert areas[f"{side}_area_mm2"].sum() > 0


def test_both_may_be_said_of_a_section_that_looks_like_half_of_one():
    assert registered(half_section("left"), hemisphere="both").canvas.hemisphere == "both"


def test_an_anchored_section_without_one_hemisphere_is_found_too():
    image = np.where(half_of(WHOLE.shape, "right"), WHOLE, 0)
    registration = register(Section(image), ATLAS, plane=ATLAS.plane(6000), local_model=nothing_to_do)
    assert registration.canvas.hemisphere == "right"


def test_a_saved_registration_keeps_its_hemisphere(tmp_path):
    registered(half_section("right")).save(tmp_path / "result")
    assert read_registration(tmp_path / "result").canvas.hemisphere == "right"


def test_another_word_is_refused():
    with pytest.raises(ValueError, match="hemisphere must be one of auto, both, left, right"):
        registered(Section(WHOLE, 100), hemisphere="dorsal")

"""Outlines on sections."""

import numpy as np
import pytest

from atlalign import Atlas, Section, register
from atlalign.registration.overlay import draw_outlines, section_picture

ATLAS = Atlas.load("phantom:100")


def _register(section):
    def nothing_to_do(reference, moving):
        return np.zeros((*reference.shape, 2))

    return register(section, ATLAS, plane=ATLAS.plane(6000), local_model=nothing_to_do)


@pytest.mark.parametrize(
    ("shape", "expected"), [((80, 114), (140, 200)), ((200, 285), (200, 285)), ((400, 570), (281, 400))]
)
def test_small_sections_are_drawn_larger_and_large_ones_smaller(monkeypatch, shape, expected):
    monkeypatch.setattr("atlalign.registration.overlay._SMALLEST", 200)
    monkeypatch.setattr("atlalign.registration.overlay._LARGEST", 400)
    overlay = _register(Section(ATLAS.reference_plane(6000, shape))).overlay()
    assert overlay.shape == (*expected, 3)
    assert overlay.dtype == np.uint8


@pytest.mark.parametrize("level", [0, 128, 255])
def test_outlines_stand_out_from_any_grey(level):
    labels = np.kron(np.array([[0, 315], [997, 250]]), np.ones((20, 20))).astype(np.uint32)
    picture = np.full((40, 40, 3), level, np.uint8)
    drawn = draw_outlines(picture, labels, ATLAS.structures).astype(int)
    changed = np.abs(drawn - level).max(axis=2)
    assert changed[10, 18:22].max() >= 60
    assert changed[18:22, 10].max() >= 60
    assert changed[5, 5] == 0


def test_background_has_no_outline_of_its_own():
    labels = np.zeros((40, 40), np.uint32)
    picture = np.full((40, 40, 3), 99, np.uint8)
    assert np.array_equal(draw_outlines(picture, labels, ATLAS.structures), picture)


def test_a_structure_that_the_atlas_does_not_list_is_drawn_all_the_same():
    labels = np.zeros((40, 40), np.uint32)
    labels[10:30, 10:30] = 4_000_000_000
    drawn = draw_outlines(np.zeros((40, 40, 3), np.uint8), labels, ATLAS.structures)
    assert drawn[10, 20].tolist() == [255, 255, 255]


def test_a_dim_16_bit_section_is_stretched():
    image = np.rint(ATLAS.reference_plane(6000) * 300).astype(np.uint16)
    assert section_picture(Section(image), image.shape).max() == 255


def test_8_bit_colour_is_shown_as_it_is():
    image = np.random.default_rng(0).integers(50, 100, (20, 30, 3), dtype=np.uint8)
    assert np.array_equal(section_picture(Section(image), (20, 30)), image)

"""Which way up a section lies."""

import json

import numpy as np
import pytest

from atlalign import Atlas, Registrar, Section, register
from atlalign.registration.locating import Locator
from atlalign.registration.orienting import OrientationSearch, oriented_further
from atlalign.section.orientation import Orientation
from atlalign.section.resampling import apply_affine

ATLAS = Atlas.load("phantom:200")
AT_UM = 6900.0
UPRIGHT = np.ascontiguousarray(ATLAS.reference_plane(AT_UM))
# How the image of an upright section becomes one that the orientation brings upright again.
UNDONE = {
    Orientation(rotate=90): lambda image: np.rot90(image, 1),
    Orientation(rotate=180): lambda image: np.rot90(image, 2),
    Orientation(rotate=270): lambda image: np.rot90(image, 3),
}


def _nothing_to_do(reference, moving):
    return np.zeros((*reference.shape, 2), np.float32)


def _section(image, **orientation):
    return Section(np.ascontiguousarray(image), pixel_size_um=200, **orientation)


@pytest.mark.parametrize("orientation", UNDONE)
def test_a_turned_section_is_reported_and_left_as_it_is(orientation):
    section = _section(UNDONE[orientation](UPRIGHT))
    registration = register(section, ATLAS, position_um=AT_UM, local_model=_nothing_to_do)
    assert registration.section.orientation == Orientation()
    assert registration.orientation.best == orientation
    entry = registration.quality()["orientation"]
    assert entry["value"] == f"turned by {orientation.rotate} degrees"
    assert f"give --rotate {orientation.rotate}, or --auto-orient" in entry["flag"]


@pytest.mark.parametrize("orientation", UNDONE)
def test_auto_orient_turns_it(orientation):
    section = _section(UNDONE[orientation](UPRIGHT))
    registration = register(section, ATLAS, position_um=AT_UM, local_model=_nothing_to_do, auto_orient=True)
    assert registration.section.orientation == orientation
    assert registration.quality()["orientation"]["flag"] is None
    assert np.corrcoef(registration.moving.ravel(), registration.reference.ravel())[0, 1] > 0.95


def test_a_section_that_lies_right_is_not_turned():
    registration = register(_section(UPRIGHT), ATLAS, position_um=AT_UM, local_model=_nothing_to_do, auto_orient=True)
    assert registration.section.orientation == Orientation()
    assert registration.quality()["orientation"] == {"value": "as given", "unit": "", "flag": None}


def test_a_wrong_turn_that_was_given_is_seen():
    located = Locator(ATLAS)(_section(UPRIGHT, rotate=180), AT_UM)
    assert located.orientation.best == Orientation()
    assert "as the file has it: give no --flip and no --rotate" in located.orientation.doubts()[0]


def test_turn_and_position_are_found_together():
    located = Locator(ATLAS)(_section(np.rot90(UPRIGHT, 2)), auto_orient=True)
    assert located.section.orientation == Orientation(rotate=180)
    assert abs(located.position_um - AT_UM) <= 200


def test_all_eight_orientations_are_tried_and_written(tmp_path):
    where = {"position_um": AT_UM, "auto_orient": True}
    registration = register(_section(UPRIGHT), "phantom:200", local_model=_nothing_to_do, **where)
    assert len({apply_affine(one.to_upright((2, 3)), [[0, 0], [1, 0]]).tobytes() for one in _tried(registration)}) == 8
    written = json.loads((registration.save(tmp_path / "s") / "registration.json").read_text())["orientation"]
    assert [entry["score"] for entry in written["tried"]] == registration.orientation.scores.tolist()
    assert written["best"] == {"flip": None, "rotate": 0}


def test_the_network_is_asked_only_where_a_turn_is_suspected():
    asked = []

    class Network:
        shape = (40, 57)

        def batch(self, references, movings):
            asked.extend(references)
            return np.zeros((*references.shape, 2))

    Locator(ATLAS, Network())(_section(UPRIGHT), AT_UM)
    assert not asked
    Locator(ATLAS, Network())(_section(UPRIGHT[::-1]), AT_UM)
    assert len(asked) == 8


def _tried(registration):
    return registration.orientation.orientations


def test_a_nearly_symmetric_section_is_not_mirrored():
    symmetric = (UPRIGHT + UPRIGHT[:, ::-1]) / 2
    located = Locator(ATLAS)(_section(symmetric * np.linspace(0.95, 1, symmetric.shape[1])), AT_UM)
    assert located.orientation.best.flip is None


def test_what_shows_too_little_is_left_alone():
    speck = np.zeros((80, 120))
    speck[10:60, 20:26] = np.linspace(0.2, 1, 6)
    assert not Locator(ATLAS)(_section(speck), AT_UM).orientation.is_clear


@pytest.mark.parametrize("given", [Orientation(), Orientation("horizontal", 90), Orientation("vertical", 270)])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_further_turns_come_after_those_given(given, turn, mirror):
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    section = Section(image, flip=given.flip, rotate=given.rotate)
    expected = np.rot90(_upright(section), -turn // 90)
    np.testing.assert_array_equal(
        _upright(oriented_further(section, turn, mirror=mirror)), expected[:, ::-1] if mirror else expected
    )


def _upright(section):
    """Return the image of a section as its orientation brings it upright."""
    upright = np.empty(section.orientation.upright_shape(section.shape), int)
    for (y, x), value in np.ndenumerate(section.image):
        column, row = apply_affine(section.orientation.to_upright(section.shape), [x, y]).round().astype(int)
        upright[row, column] = value
    return upright


def test_what_was_applied_is_doubted_no_more():
    found = OrientationSearch((Orientation(), Orientation("vertical")), [0, 1], Orientation(), Orientation("vertical"))
    assert found.doubts() == [
        "The section fits better mirrored (top and bottom): give --flip vertical, or --auto-orient."
    ]
    assert found.as_applied().doubts() == []


@pytest.mark.shared
def test_a_real_section_that_lies_upside_down_is_turned_and_found(shared):
    name = "PTM902-N133-2021.05.28-00.48.17_PTM902_1_0399.jpg"
    section = Section.read(shared / "sections" / "nissl_ptm902" / name, pixel_size_um=58.88)
    located = Registrar(shared / "atlas" / "ccf_2017").locator(section, auto_orient=True)
    assert located.section.orientation == Orientation(rotate=180)
    assert abs(located.position_um - 7710) <= 500  # by its place among sections that were judged by eye, to some 250 um

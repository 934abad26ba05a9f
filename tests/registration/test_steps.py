"""Registrations that differ in one step: what they share, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign import Atlas, DisplacementField, Section, register

ATLAS = Atlas.load("phantom:100")
SHAPE = (80, 114)


def _shift(x, y=0.0):
    return DisplacementField.generate(SHAPE, "affine_simple", translation_x=x, translation_y=y)


def _shifting(x, y=0.0):
    return lambda reference, moving: _shift(x, y).deltas_xy


@pytest.fixture(scope="module")
def registration():
    section = Section(ATLAS.reference_plane(6000), pixel_size_um=100)
    models = {"global_model": _shifting(3), "local_model": _shifting(0, 2)}
    return register(section, ATLAS, position_um=6000, **models)


def _names(registration):
    return [step.name for step in registration.steps]


def test_a_step_can_be_dropped_and_the_registration_stays_as_it_was(registration):
    before = registration.field
    without = registration.without("local")
    assert _names(without) == ["canvas", "global"]
    assert without.field == _shift(3)
    assert _names(registration) == ["canvas", "global", "local"]
    assert registration.field is before


def test_everything_else_is_shared(registration):
    other = registration.without("local")
    assert type(other) is type(registration)
    assert all(getattr(other, name) is getattr(registration, name) for name in ("section", "atlas", "canvas"))
    assert other.steps[1] is registration.steps[1]


def test_what_was_derived_from_the_steps_is_derived_anew(registration):
    points_um = registration.section_to_atlas([[50, 30]])
    moved_um = registration.without("global").section_to_atlas([[50, 30]])
    assert np.allclose(moved_um - points_um, [[0, 0, 300]], atol=1)


def test_a_step_can_be_replaced_in_its_place(registration):
    other = registration.replacing("global", _shift(-1))
    assert _names(other) == _names(registration)
    assert other.step("global").transform == _shift(-1)
    assert np.allclose(other.field.delta_x, -1)
    assert np.allclose(other.field.delta_y, 2)


@pytest.mark.parametrize(
    ("after", "names"),
    [
        (None, ["canvas", "global", "local", "manual"]),
        ("local", ["canvas", "global", "local", "manual"]),
        ("canvas", ["canvas", "manual", "global", "local"]),
    ],
)
def test_a_step_can_be_added_anywhere_after_the_canvas(registration, after, names):
    assert _names(registration.with_step("manual", _shift(1), after=after)) == names


@settings(max_examples=10, deadline=None)
@given(st.integers(-5, 5), st.integers(-5, 5))
def test_dropping_undoes_adding(registration, x, y):
    assert registration.with_step("manual", _shift(x, y)).without("manual").field == registration.field


def test_steps_compose_in_their_order(registration):
    def scale(factor):
        return DisplacementField.generate(SHAPE, "affine_simple", scale_x=factor)

    first = registration.with_step("manual", scale(1.2), after="canvas").field
    last = registration.with_step("manual", scale(1.2)).field
    assert first == scale(1.2)(registration.field)
    assert last == registration.field(scale(1.2))


def test_a_step_says_what_it_was_given_to_say(registration):
    quality = {"drawn_by": {"value": "AB", "unit": "", "flag": None}}
    other = registration.with_step("manual", _shift(1), quality=quality)
    assert other.step("manual").quality == quality
    assert other.step("global").quality == {}


def test_the_canvas_stays(registration):
    with pytest.raises(ValueError, match="canvas must stay"):
        registration.without("canvas")
    with pytest.raises(ValueError, match="canvas must stay"):
        registration.replacing("canvas", _shift(1))


def test_unknown_and_taken_names_are_refused(registration):
    with pytest.raises(KeyError, match="one of canvas, global, local"):
        registration.without("manual")
    with pytest.raises(KeyError, match="Received: 'manual'"):
        registration.with_step("other", _shift(1), after="manual")
    with pytest.raises(ValueError, match="must have its own name"):
        registration.with_step("local", _shift(1))


def test_fields_that_do_not_fit_the_canvas_are_refused(registration):
    with pytest.raises(ValueError, match=r"\(80, 114\). Received: shape \(8, 9\)"):
        registration.with_step("manual", DisplacementField.generate((8, 9)))
    with pytest.raises(ValueError, match="not finite"):
        registration.with_step("manual", DisplacementField(np.full(SHAPE, np.nan), np.zeros(SHAPE)))
    with pytest.raises(TypeError, match="Received: ndarray"):
        registration.replacing("local", np.zeros((*SHAPE, 2)))
